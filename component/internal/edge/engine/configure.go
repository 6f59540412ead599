package engine

import (
	"maps"
	"reflect"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

func (in Configure) apply(e *Engine, now time.Time) {
	if e.stopped {
		return
	}
	counts, shown := e.counts(), e.shown()
	before, old := e.cfg, e.properties()
	e.cfg, e.refused = in.Config, ""
	e.bank.Configure(now, Setup(in.Config))
	e.placeShadows(now, before)
	clear(e.outputs)
	clear(e.inputs)
	clear(e.flags)
	e.schedules, e.sampled = nil, nil
	for label, c := range in.Config.Shadows {
		s := e.shadows[label]
		for key, p := range c.Properties {
			e.bind(&property{Property: p, shadow: s, key: key})
		}
	}
	for id, p := range e.properties() {
		if count, counted := counts[id]; counted && p.Kind == config.Count {
			_, edges, _ := e.bank.Input(p.Line)
			p.meter.base = count - int64(edgesOf(edges, p.Edges).count)
		}
		if was := old[id]; was != nil {
			e.carryOn(p, was, before)
		}
		delete(old, id)
	}
	for id, p := range old {
		e.drop(id, p)
	}
	e.watchAlarms()
	e.forgetOthers()
	e.assertAlarms(now, before)
	e.withdraw(shown)
	for _, s := range sorted(e.shadows) {
		e.touch(s)
		if c, was := before.Shadows[s.label]; !was || !reflect.DeepEqual(c, in.Config.Shadows[s.label]) || !sameLines(before, in.Config, s) {
			e.resync(now, s, 0) // what is desired may mean something else now
		}
	}
	e.showAll(now)
	e.showStatus()
	e.remember(now, saveDelay)
}

// placeShadows makes the shadows those of the configuration. One that is the same
// goes on as it is.
func (e *Engine) placeShadows(now time.Time, before *config.Config) {
	shadows := map[string]*shadowState{}
	for label, c := range e.cfg.Shadows {
		s := e.shadows[label]
		if s == nil || s.id != c.ID {
			s = newShadowState(label, c)
		}
		s.props, s.showsStatus = map[string]*property{}, c.Status
		shadows[label] = s
	}
	e.shadows = shadows
	clear(e.touched)
	for _, s := range e.queue {
		s.queued = false // all are touched below
	}
	e.queue = nil
}

// properties are all, by their ids.
func (e *Engine) properties() map[string]*property {
	all := map[string]*property{}
	for _, s := range e.shadows {
		for _, p := range s.props {
			all[p.id()] = p
		}
	}
	return all
}

// carryOn has a property go on where the one of the configuration before was.
func (e *Engine) carryOn(p, was *property, before *config.Config) {
	switch {
	case p.Kind != was.Kind || p.output != was.output:
		delete(e.memory.waiting, p.id()) // it asks for something else now
		return
	case p.Kind == config.PWM:
		p.percent, p.means = was.percent, was.means
	}
	if p.plan != nil && was.plan != nil {
		p.plan.pending = was.plan.pending
	}
	p.pulsing = was.pulsing
	if isSampled(p.Kind) && reflect.DeepEqual(p.Property, was.Property) && reflect.DeepEqual(before.Lines[p.Line], e.cfg.Lines[p.Line]) {
		p.meter = was.meter
	}
	if w, waits := e.memory.waiting[p.id()]; waits {
		e.memory.waiting[p.id()] = wait{p, w.seq}
	}
}

// drop forgets a property that is no longer configured.
func (e *Engine) drop(id string, p *property) {
	delete(e.memory.commands, id)
	delete(e.memory.locals, id)
	delete(e.memory.waiting, id)
	s := e.shadows[p.shadow.label]
	if s != p.shadow {
		return // the shadow went with it
	}
	s.forget(p.key)
	delete(s.clears, p.key)
	delete(s.overruled, p.key)
}

// forgetOthers forgets settings, schedules and alarms that are not configured.
func (e *Engine) forgetOthers() {
	properties := e.properties()
	of := func(kind config.Kind, id string) bool { return properties[id] != nil && properties[id].Kind == kind }
	maps.DeleteFunc(e.memory.settings, func(id string, _ any) bool { return !of(config.Setting, id) })
	maps.DeleteFunc(e.memory.plans, func(id string, _ state.Schedule) bool { return !of(config.Schedule, id) })
	maps.DeleteFunc(e.memory.alarms, func(label string, _ bool) bool { _, ok := e.cfg.Alarms[label]; return !ok })
}

// sameLines reports whether the lines that a shadow shows are the same in both.
func sameLines(a, b *config.Config, s *shadowState) bool {
	for _, p := range s.props {
		for _, line := range p.Lines() {
			if !reflect.DeepEqual(a.Lines[line], b.Lines[line]) {
				return false
			}
		}
	}
	return true
}

// showAll reports all that the present configuration has.
func (e *Engine) showAll(now time.Time) {
	for output := range e.outputs {
		e.answerOutput(output)
	}
	for input := range e.inputs {
		e.showInput(now, input)
	}
}

// counts are what the counters stand at.
func (e *Engine) counts() map[string]int64 {
	counts := map[string]int64{}
	for _, properties := range e.inputs {
		for _, p := range properties {
			if p.Kind == config.Count {
				_, edges, _ := e.bank.Input(p.Line)
				counts[p.id()] = p.meter.base + int64(edgesOf(edges, p.Edges).count)
			}
		}
	}
	return counts
}
