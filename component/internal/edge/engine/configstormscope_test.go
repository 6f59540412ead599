package engine

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// confScope holds what a change may have an effect on.
type confScope struct {
	lines      map[gpio.Ref]bool
	properties map[configgen.PropertyID]bool
}

// affected is what a step is about and what depends on it, under the configuration before
// or the present one.
func (j *confJudge) affected(step configgen.Step, before *config.Config) confScope {
	s := confScope{map[gpio.Ref]bool{}, map[configgen.PropertyID]bool{}}
	for _, ref := range step.Lines {
		s.lines[ref] = true
	}
	for _, id := range step.Properties {
		s.properties[id] = true
	}
	s.close(before, j.w.cfg)
	return s
}

// restarted is what a restart may change: outputs with a start state of on or off, those
// that go on and off and keep their level, and pulse outputs that are on.
func (j *confJudge) restarted() confScope {
	s := confScope{map[gpio.Ref]bool{}, map[configgen.PropertyID]bool{}}
	for _, l := range j.w.cfg.Lines {
		p, driven := j.driver(l.Ref)
		waves := driven && (p.Property.Kind == config.Blink || p.Property.Kind == config.PWM)
		pulsed := driven && p.Property.Kind == config.Pulse && j.on[l.Ref] // by its fail-safe state, say
		if l.Start == config.StartOn || l.Start == config.StartOff || l.Start == config.StartKeep && waves || pulsed {
			s.lines[l.Ref] = true
		}
	}
	s.close(j.w.cfg)
	return s
}

// close adds what depends on the scope, and what depends on that.
func (s confScope) close(cfgs ...*config.Config) {
	for size := -1; size != len(s.lines)+len(s.properties); {
		size = len(s.lines) + len(s.properties)
		for _, cfg := range cfgs {
			s.grow(cfg)
		}
	}
}

// grow adds what depends on the scope directly.
func (s confScope) grow(cfg *config.Config) {
	ids := map[config.Path]configgen.PropertyID{}
	for label, sh := range cfg.Shadows {
		for key, p := range sh.Properties {
			ids[config.Path{Shadow: label, Key: key}] = configgen.PropertyID{Shadow: sh.ID, Key: key, Kind: p.Kind}
		}
	}
	for _, p := range propertiesOf(cfg) {
		refs := refsOf(cfg, p.Property)
		if p.Property.Kind != config.Schedule && slices.ContainsFunc(refs, func(ref gpio.Ref) bool { return s.lines[ref] }) {
			s.properties[p.PropertyID] = true
		}
		if s.properties[p.PropertyID] && (p.Output || p.Property.Kind == config.Schedule) {
			for _, ref := range refs {
				s.lines[ref] = true
			}
		}
	}
	for _, i := range cfg.Interlocks {
		if slices.ContainsFunc(i.Lines, func(label string) bool { return s.lines[cfg.Lines[label].Ref] }) {
			for _, label := range i.Lines {
				s.lines[cfg.Lines[label].Ref] = true
			}
		}
	}
	for _, c := range cfg.Controls {
		if s.lines[cfg.Lines[c.Input].Ref] { // without its delay, a waiting edge acts at once
			s.lines[cfg.Lines[c.Output].Ref] = true
		}
	}
	for label, a := range cfg.Alarms {
		if !(a.Line != "" && s.lines[cfg.Lines[a.Line].Ref] || s.properties[ids[a.Property]] || s.properties[ids[a.Setting]]) {
			continue
		}
		if a.Output != "" {
			s.lines[cfg.Lines[a.Output].Ref] = true
		}
		for _, p := range propertiesOf(cfg) {
			if p.Property.Kind == config.Flag && p.Alarm == label {
				s.properties[p.PropertyID] = true
			}
		}
	}
}

// confView is what the shadows show at rest.
type confView struct {
	ids   map[shadow.ID]bool // of the configuration
	props map[configgen.PropertyID]confShown
	high  map[gpio.Ref]bool
}

// confShown is what a shadow shows of a property.
type confShown struct {
	reported, desired any
	ack               shadow.Ack
	doubt             bool // the clock does not tell whether the answer is newer than the value
}

func (j *confJudge) view() confView {
	v := confView{map[shadow.ID]bool{}, map[configgen.PropertyID]confShown{}, maps.Clone(j.w.high)}
	for _, p := range j.w.props {
		c := j.w.content(p.PropertyID.Shadow)
		v.props[p.PropertyID] = confShown{c.Reported[p.Key], c.Desired[p.Key], answer(c.Reported, p.Key), c.doubt[p.Key]}
	}
	return v
}

// same checks that a change at rest left everything as it was that it is not about.
func (j *confJudge) same(was confView, about confScope, step string) {
	w := j.w
	now := j.view()
	for _, p := range w.props {
		a, seen := was.props[p.PropertyID]
		b := now.props[p.PropertyID]
		if !seen || about.properties[p.PropertyID] || p.Property.Kind == config.Schedule || slices.ContainsFunc(p.Lines(), j.isScheduled) {
			continue
		}
		turned := slices.ContainsFunc(refsOf(w.cfg, p.Property), func(ref gpio.Ref) bool { return j.turns[ref] > 0 })
		if a.ack.Code == b.ack.Code && (a.doubt || turned || a.ack.Reason != b.ack.Reason) { // an answer given anew, or with another label
			a.ack.Version, a.ack.Reason = b.ack.Version, b.ack.Reason
		}
		if a.doubt && a.ack.Code == shadow.Done && b.ack.Code == shadow.Conflict {
			a.ack = b.ack // the clock does not tell that it was done before the local change
		}
		if a.ack.Code == 0 && b.ack.Code == shadow.Done && p.Override == config.UpdatesDesired {
			a.ack = b.ack // the component wrote the value itself, which the next run does not know
		}
		switch {
		case !shadow.Equal(a.reported, b.reported) && isSteady(p.Rules):
			w.fail("changed value: %v goes from %v to %v by %s", p.PropertyID, a.reported, b.reported, step)
		case a.ack != b.ack:
			w.fail("changed answer: %v goes from %v to %v by %s", p.PropertyID, a.ack, b.ack, step)
		case !shadow.Equal(a.desired, b.desired):
			w.fail("changed desired: %v goes from %v to %v by %s", p.PropertyID, a.desired, b.desired, step)
		}
	}
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		l := w.cfg.Lines[label]
		if l.Direction != gpio.Output || about.lines[l.Ref] || j.isScheduled(label) {
			continue
		}
		p, driven := j.driver(l.Ref)
		if driven && (p.Property.Kind == config.Blink || p.Property.Kind == config.PWM) {
			continue
		}
		if j.turns[l.Ref] > 0 {
			w.fail("turned: %v moves %d times after %s", l.Ref, j.turns[l.Ref], step)
		}
	}
}

// isSteady reports whether a value at rest depends on the last sample alone.
func isSteady(r reading.Rules) bool {
	return r.Median < 2 && r.Average < 2 && r.Deadband == 0 && r.DeadbandPercent == 0
}
