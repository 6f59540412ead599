package engine

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// What the configuration no longer has is kept for a rollback, so long and so much
// of each section at most.
const (
	keepAside = 30 * 24 * time.Hour
	maxAside  = 256
)

// parts are what the engine is made of under one configuration.
type parts struct {
	shadows   map[string]*boundShadow   // by label
	outputs   map[string]outputKind     // by the label of the output
	inputs    map[string][]kind         // that show an input, by its label
	controls  map[string][]inputControl // by the label of the input, in the order of their labels
	ticking   []kind                    // all but outputs
	schedules []*scheduled              // in the order of their identities
	readings  []*sensorReading          // in the same order
	alarms    []*alarm                  // in the order of their labels
}

// assemble makes the parts of a configuration, and resumes them from what is
// remembered under their identities.
func (e *Engine) assemble(remembered state.State) parts {
	p := parts{shadows: map[string]*boundShadow{}, outputs: map[string]outputKind{}, inputs: map[string][]kind{}, controls: map[string][]inputControl{}}
	setup := Setup(e.cfg)
	e.momentary, e.claims = map[string]bool{}, map[string]string{}
	for _, use := range setup.Uses {
		e.momentary[lines.Label(use.Lines...)] = use.Momentary
	}
	for identity, label := range lines.Claims(setup) {
		e.claims[label] = identity
	}
	for _, label := range sortedKeys(e.cfg.Controls) {
		c := e.cfg.Controls[label]
		p.controls[c.Input] = append(p.controls[c.Input], inputControl{c, label})
	}
	was := map[string]string{} // by place, the identity of the property that was configured there
	for id := range remembered.Properties {
		if _, aside := remembered.Aside["properties/"+id]; !aside {
			was[id[:strings.LastIndexByte(id, '#')+1]] = id
		}
	}
	alarms := map[string]*alarm{}
	for _, label := range sortedKeys(e.cfg.Alarms) {
		a := &alarm{core: &e.core, Alarm: e.cfg.Alarms[label], label: label}
		a.watches = watched(e.cfg, a.Alarm)
		alarms[label] = a
		p.alarms = append(p.alarms, a)
	}
	resumeAlarms(p.alarms, remembered.Alarms)
	for _, label := range sortedKeys(e.cfg.Shadows) {
		cfg := e.cfg.Shadows[label]
		s := newShadow(&e.core, label, cfg, func(s *boundShadow) *replica.Replica { return e.replicas.Open(cfg.ID, s) })
		p.shadows[label] = s
		for _, key := range sortedKeys(cfg.Properties) {
			k := s.add(key, cfg.Properties[key], alarms)
			saved := remembered.Properties[k.base().identity()]
			k.base().read = saved.Read
			if was[place(k)] != "" && was[place(k)] != k.base().identity() {
				k.base().retyped = e.now
			}
			k.resume(saved)
			p.add(k)
		}
	}
	for _, a := range p.alarms {
		a.source = p.watch(&e.core, a.Alarm)
		a.limit = p.limit(a.Alarm)
	}
	return p
}

// add sorts a property by what it takes part in.
func (p *parts) add(k kind) {
	switch k := k.(type) {
	case outputKind:
		p.outputs[outputOf(k).output] = k
		return
	case *scheduled:
		p.schedules = append(p.schedules, k)
	case *sensorReading:
		p.readings = append(p.readings, k)
	}
	p.ticking = append(p.ticking, k)
	if line := k.base().Line; line != "" {
		p.inputs[line] = append(p.inputs[line], k)
	}
}

// all are the properties in the order of the labels of their shadows and keys.
func (p *parts) all() []kind {
	var all []kind
	for _, label := range sortedKeys(p.shadows) {
		all = append(all, sorted(p.shadows[label].props)...)
	}
	return all
}

// watched is the identity of what an alarm watches, and how.
func watched(cfg *config.Config, a config.Alarm) string {
	watched := "line " + lines.Identity(cfg.Lines[a.Line])
	if a.Line == "" {
		s := cfg.Shadows[a.Property.Shadow]
		watched = state.PropertyID(s.ID, a.Property.Key, s.Properties[a.Property.Key].Kind.String())
	}
	return watched + " " + a.Test.String()
}

// resumeAlarms takes up whether alarms were raised. One that was relabelled is known
// by what it watches, where no other alarm watches the same.
func resumeAlarms(alarms []*alarm, remembered map[string]bool) {
	left := maps.Clone(remembered)
	for _, a := range alarms {
		if raised, known := left[a.identity()]; known {
			a.resume(a.identity(), raised)
			delete(left, a.identity())
		}
	}
	for _, a := range alarms {
		same := func(other *alarm) bool { return other != a && !other.known && other.watches == a.watches }
		if a.known || slices.ContainsFunc(alarms, same) {
			continue
		}
		var found []string
		for id := range left {
			if strings.HasPrefix(id, a.watches+" ") {
				found = append(found, id)
			}
		}
		if len(found) == 1 {
			a.resume(found[0], left[found[0]])
			delete(left, found[0])
		}
	}
}

// watch is the value that an alarm compares.
func (p *parts) watch(c *core, a config.Alarm) func() (any, bool) {
	if a.Line != "" {
		return func() (any, bool) { return c.input(a.Line) }
	}
	return p.shadows[a.Property.Shadow].props[a.Property.Key].value
}

// limit is what the alarm compares it with.
func (p *parts) limit(a config.Alarm) func() (any, bool) {
	if a.Limit != nil {
		return func() (any, bool) { return a.Limit, true }
	}
	return p.shadows[a.Setting.Shadow].props[a.Setting.Key].value
}

// configure puts another configuration in force. What is the same goes on as it is.
func (e *Engine) configure(cfg *config.Config) {
	if e.stopped {
		return
	}
	remembered := e.snapshot()
	before, old := e.cfg, e.parts
	e.cfg, e.refused, e.statusStale = cfg, "", true
	e.bank.Configure(e.now, Setup(cfg))
	e.orders, e.switches = map[string]order{}, nil
	e.parts = e.assemble(remembered)
	e.adopt(old)
	e.putAside(remembered)
	e.follow()
	for _, label := range sortedKeys(e.shadows) {
		if s := e.shadows[label]; !old.shows(before, s, e.cfg) {
			s.replica.Reread(e.now) // a requested value may mean something else now
		}
	}
	for _, k := range e.all() {
		k.show()
	}
	e.saveWithin(saveDelay)
}

// adopt has what was there before go on where it was: a property by its shadow, key
// and kind, an alarm by what it watches. What is gone is dropped, and what it
// reported is withdrawn.
func (e *Engine) adopt(old parts) {
	was := map[string]kind{}
	for _, k := range old.all() {
		was[place(k)] = k
	}
	for _, k := range e.all() {
		before := was[place(k)]
		delete(was, place(k))
		switch {
		case before == nil:
		case before.base().Kind == k.base().Kind:
			k.base().retyped = before.base().retyped
			k.adopt(before)
		default:
			before.drop()
			k.base().retyped = e.now
			k.base().replica.Disown(k.base().key)
		}
	}
	for _, id := range sortedKeys(was) {
		was[id].drop()
		was[id].base().replica.Disown(was[id].base().key)
	}
	for _, a := range e.alarms {
		if before := find(old.alarms, a); before != nil {
			a.adopt(before)
			a.assert(before)
		}
	}
	switchboard{&e.core, e.outputs}.apply()
}

// place is where a property stands: its shadow and key.
func place(k kind) string { return state.PropertyID(k.base().id, k.base().key, "") }

// find is the alarm under the configuration before that an alarm goes on with.
func find(alarms []*alarm, a *alarm) *alarm {
	for _, other := range alarms {
		if other.identity() == a.identity() || other.identity() == a.resumed {
			return other
		}
	}
	return nil
}

// shows reports whether a shadow means the same under both configurations.
func (p *parts) shows(before *config.Config, s *boundShadow, after *config.Config) bool {
	for _, old := range p.shadows {
		if old.id != s.id {
			continue
		}
		a, b := before.Shadows[old.label], after.Shadows[s.label]
		return maps.EqualFunc(a.Properties, b.Properties, func(x, y config.Property) bool { return sameMeaning(before, x, after, y) })
	}
	return false
}

// sameMeaning reports whether two properties mean the same, whatever their lines are
// called.
func sameMeaning(before *config.Config, a config.Property, after *config.Config, b config.Property) bool {
	if !slices.EqualFunc(a.Lines(), b.Lines(), func(x, y string) bool { return reflect.DeepEqual(before.Lines[x], after.Lines[y]) }) {
		return false
	}
	if a.Kind == config.Flag && before.Alarms[a.Alarm].Latched != after.Alarms[b.Alarm].Latched {
		return false
	}
	a.Line, a.Alarm, a.Drives = b.Line, b.Alarm, b.Drives
	return reflect.DeepEqual(a, b)
}

// follow has the messages of all shadows followed that have a replica, and what was
// reported in those that the configuration lacks withdrawn.
func (e *Engine) follow() {
	bound := map[shadow.ID]bool{}
	for _, s := range e.shadows {
		bound[s.id] = true
	}
	for _, id := range e.replicas.IDs() {
		if !bound[id] && !e.retired[id] {
			e.retired[id] = true
			e.replicas.Retire(id)
			e.log.Info("shadow is no longer configured; its reported values are deleted", "shadow", id)
		}
		if !e.followed[id] {
			e.followed[id] = true
			e.do(FollowShadow{id})
		}
	}
	for id := range bound {
		delete(e.retired, id)
	}
}

// ghosts are the shadows that the configuration no longer has and that still report
// something, in order.
func (e *Engine) ghosts() []shadow.ID {
	return slices.SortedFunc(maps.Keys(e.retired), func(a, b shadow.ID) int {
		return cmp.Or(cmp.Compare(a.Thing, b.Thing), cmp.Compare(a.Name, b.Name))
	})
}

// closeGhosts gives up shadows from which all is withdrawn.
func (e *Engine) closeGhosts() {
	for _, id := range e.ghosts() {
		if e.replicas.Retired(id) {
			e.replicas.Close(id)
			delete(e.retired, id)
			delete(e.followed, id)
			e.do(UnfollowShadow{id})
			e.saveWithin(saveDelay)
		}
	}
}

// snapshot is what is to be remembered now.
func (e *Engine) snapshot() state.State {
	outputs := e.bank.Memory()
	if e.memory.frozen != nil {
		outputs = *e.memory.frozen
	}
	s := state.State{
		Outputs: maps.Clone(outputs.Levels), Waves: map[string]state.Wave{}, Demands: map[string]state.Demand{},
		Properties: map[string]state.Property{}, Alarms: map[string]bool{}, Shadows: map[string][]string{},
		Aside: maps.Clone(e.aside.since), Clock: e.clockMemory(),
	}
	for id, w := range outputs.Waves {
		s.Waves[id] = state.Wave{On: w.On, Off: w.Off}
	}
	for id, o := range outputs.Demands {
		s.Demands[id] = state.Demand{Levels: o.Demand.Levels, Kind: o.Cause.Kind, Name: o.Cause.Name, Version: o.Cause.Version}
	}
	for _, bound := range e.shadows {
		s.Shadows[state.ShadowID(bound.id)] = bound.reported()
		for _, k := range bound.props {
			saved := state.Property{Read: k.base().read}
			k.remember(&saved)
			s.Properties[k.base().identity()] = saved
		}
	}
	for id := range e.retired {
		s.Shadows[state.ShadowID(id)] = e.replicas.Unfinished(id)
	}
	for _, a := range e.alarms {
		if a.known {
			s.Alarms[a.identity()] = a.raised
		}
	}
	e.aside.addTo(&s)
	return s
}

// aside is what is kept although the configuration lacks it.
type aside struct {
	outputs    map[string]bool
	properties map[string]state.Property
	alarms     map[string]bool
	since      map[string]time.Time // as State.Aside has it
}

func (a aside) addTo(s *state.State) {
	maps.Copy(s.Outputs, a.outputs)
	maps.Copy(s.Properties, a.properties)
	maps.Copy(s.Alarms, a.alarms)
}

// putAside keeps what is remembered and not configured.
func (e *Engine) putAside(remembered state.State) {
	a := aside{map[string]bool{}, map[string]state.Property{}, map[string]bool{}, map[string]time.Time{}}
	since := func(section, id string) time.Time {
		if at, known := remembered.Aside[section+"/"+id]; known {
			return at
		}
		return e.now.Round(0).UTC()
	}
	configured := map[string]bool{}
	for _, line := range e.cfg.Lines {
		configured[lines.Identity(line)], configured["!"+lines.Identity(line)] = true, true
	}
	for _, k := range e.all() {
		configured[k.base().identity()] = true
	}
	for _, alarm := range e.alarms {
		configured[alarm.identity()], configured[alarm.resumed] = true, true
	}
	keep(e.now, "outputs", remembered.Outputs, configured, since, a.since, a.outputs)
	keep(e.now, "alarms", remembered.Alarms, configured, since, a.since, a.alarms)
	keep(e.now, "properties", remembered.Properties, configured, since, a.since, a.properties)
	for id, p := range a.properties {
		p.Local = nil // it would act
		a.properties[id] = p
	}
	e.aside = a
}

// keep copies the entries of a section that are not configured: the newest ones, and
// none that is too old.
func keep[V any](now time.Time, section string, from map[string]V, configured map[string]bool, since func(section, id string) time.Time, times map[string]time.Time, to map[string]V) {
	var ids []string
	for id := range from {
		if !configured[id] && now.Sub(since(section, id)) < keepAside {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(since(section, b).Compare(since(section, a)), cmp.Compare(a, b)) })
	for _, id := range ids[:min(len(ids), maxAside)] {
		to[id], times[section+"/"+id] = from[id], since(section, id)
	}
}
