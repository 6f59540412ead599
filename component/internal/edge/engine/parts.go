package engine

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// parts are the pieces of the engine under one configuration.
type parts struct {
	shadows   map[string]*boundShadow   // by label
	ordered   []*boundShadow            // sorted by label
	outputs   map[string]outputKind     // by the label of the output
	inputs    map[string][]kind         // properties of an input, by its label
	controls  map[string][]inputControl // by the label of the input, sorted by label
	ticking   []kind                    // all except outputs
	schedules []*scheduled              // sorted by identity
	readings  []*sensorReading          // in the same order
	alarms    []*alarm                  // sorted by label

	withdrawing []*property // their kind replaced another one and is not reported yet
}

// assemble makes the parts of a configuration, and restores them from the memory by
// identity. old are the parts of the previous configuration of this run.
func assemble(c *core, replicas *replica.Set, remembered state.State, old parts) parts {
	p := parts{shadows: map[string]*boundShadow{}, outputs: map[string]outputKind{}, inputs: map[string][]kind{}, controls: map[string][]inputControl{}}
	setup := Setup(c.cfg)
	c.momentary, c.claims = map[string]bool{}, map[string]string{}
	for _, use := range setup.Uses {
		c.momentary[lines.Label(use.Lines...)] = use.Momentary
	}
	for identity, label := range lines.Claims(setup) {
		c.claims[label] = identity
	}
	for _, label := range sortedKeys(c.cfg.Controls) {
		control := c.cfg.Controls[label]
		p.controls[control.Input] = append(p.controls[control.Input], inputControl{control, label})
	}
	was := map[string]string{} // the identity of the remembered property, by place
	for _, id := range sortedKeys(remembered.Properties) {
		if _, aside := remembered.Aside["properties/"+id]; !aside {
			was[id[:strings.LastIndexByte(id, '#')+1]] = id
		}
	}
	alarms := map[string]*alarm{}
	for _, label := range sortedKeys(c.cfg.Alarms) {
		a := newAlarm(c, label)
		alarms[label] = a
		p.alarms = append(p.alarms, a)
	}
	resumeAlarms(slices.DeleteFunc(slices.Clone(p.alarms), old.hasUntested), remembered.Alarms)
	for _, label := range sortedKeys(c.cfg.Shadows) {
		cfg := c.cfg.Shadows[label]
		s := newShadow(c, label, cfg, replicas)
		p.shadows[label] = s
		p.ordered = append(p.ordered, s)
		for _, key := range sortedKeys(cfg.Properties) {
			k := s.add(key, cfg.Properties[key], alarms)
			saved := remembered.Properties[k.base().identity]
			k.base().read, k.base().retyped, k.base().ahead = saved.Read, saved.Retyped, saved.Ahead
			if was[place(k)] != "" && was[place(k)] != k.base().identity {
				before := remembered.Properties[was[place(k)]]
				k.base().retyped = max(c.clock.latest(c.now).Unix(), before.Ahead)
			}
			if k.base().withdraws = saved.Withdraw || k.base().retyped != 0; k.base().withdraws {
				if k.base().replica.Wanted(k.base().key) == nil { // else the new kind has a value
					k.base().report(nil)
				}
				p.withdrawing = append(p.withdrawing, k.base())
			}
			k.resume(saved)
			p.add(k)
		}
	}
	for _, a := range p.alarms {
		a.source = p.watch(c, a.Alarm)
		a.limit = p.limit(a.Alarm)
	}
	return p
}

// add sorts a property into the lists.
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

// all returns the properties, sorted by the label of the shadow and the key.
func (p *parts) all() []kind {
	var all []kind
	for _, s := range p.ordered {
		all = append(all, sortedValues(s.props)...)
	}
	return all
}

// hasUntested reports whether an alarm was configured already and not tested yet: it has no
// state, and continues none of another alarm.
func (p *parts) hasUntested(a *alarm) bool {
	return slices.ContainsFunc(p.alarms, func(old *alarm) bool { return !old.known && old.identity() == a.identity() })
}

// resumeAlarms restores the state of alarms. An alarm with a new label or limit is
// recognized by the rest of its identity if no other alarm matches.
func resumeAlarms(alarms []*alarm, remembered map[string]bool) {
	left := maps.Clone(remembered)
	for _, same := range []func(a *alarm, id string) bool{
		func(a *alarm, id string) bool { return id == a.identity() },
		func(a *alarm, id string) bool {
			// The identity of one alarm may begin with all of another one but its label.
			own := alarmID(a.watchID, a.limitID, "")
			return strings.HasPrefix(id, own) && !slices.ContainsFunc(alarms, func(other *alarm) bool {
				longer := alarmID(other.watchID, other.limitID, "")
				return len(longer) > len(own) && strings.HasPrefix(id, longer)
			})
		},
		func(a *alarm, id string) bool {
			return strings.HasPrefix(id, a.watchID+" ") && strings.HasSuffix(id, " "+a.label)
		},
		func(a *alarm, id string) bool { return strings.HasPrefix(id, a.watchID+" ") },
	} {
		for _, a := range alarms {
			var found []string
			for id := range left {
				if !a.known && same(a, id) {
					found = append(found, id)
				}
			}
			other := func(other *alarm) bool { return other != a && !other.known && same(other, found[0]) }
			if len(found) == 1 && !slices.ContainsFunc(alarms, other) {
				a.resume(found[0], left[found[0]])
				delete(left, found[0])
			}
		}
	}
}

// watch returns the source of the watched value.
func (p *parts) watch(c *core, a config.Alarm) func() (any, bool) {
	if a.Line != "" {
		return func() (any, bool) { return c.input(a.Line) }
	}
	return p.shadows[a.Property.Shadow].props[a.Property.Key].value
}

// limit returns the source of the limit.
func (p *parts) limit(a config.Alarm) func() (any, bool) {
	if a.Limit != nil {
		return func() (any, bool) { return a.Limit, true }
	}
	return p.shadows[a.Setting.Shadow].props[a.Setting.Key].value
}

// drop ends the properties missing from the next configuration, and withdraws their
// reported values. Shadow, key and kind identify a property. It also ends each pulse
// whose property moves to another output.
func (p *parts) drop(next *config.Config) {
	properties := map[shadow.ID]map[string]config.Property{}
	for _, s := range next.Shadows {
		properties[s.ID] = s.Properties
	}
	claims := lines.Claims(Setup(next))
	for _, k := range p.all() {
		was := k.base()
		property, stays := properties[was.id][was.key]
		if !stays || !sameKind(was.Property, property) {
			k.drop()
			was.replica.Disown(was.key)
		} else if u, ok := k.(*pulse); ok && claims[u.lines] != lines.Label(property.Lines()...) {
			u.cutShort()
		}
	}
}

// adopt transfers the state from the old parts. Shadow, key and kind identify a
// property, the watched value an alarm.
func (p *parts) adopt(old parts) {
	was := map[string]kind{}
	for _, k := range old.all() {
		was[place(k)] = k
	}
	for _, k := range p.all() {
		if before := was[place(k)]; before != nil && sameKind(before.base().Property, k.base().Property) {
			k.adopt(before)
		}
	}
	for _, a := range p.alarms {
		if before := predecessor(old.alarms, a); before != nil {
			a.adopt(before)
			a.assertOutput(before)
		}
	}
}

// noteWithdrawals notes which shadows may still report a value of an old kind, and reports
// whether that changed. Until the new kind is reported, a late update may bring the old
// value back.
func (p *parts) noteWithdrawals() (changed bool) {
	p.withdrawing = slices.DeleteFunc(p.withdrawing, func(k *property) bool {
		if !k.replica.InStep() {
			return false
		}
		withdraws := !k.replica.IsReported(k.key)
		changed = changed || withdraws != k.withdraws
		k.withdraws = withdraws
		return !withdraws && k.replica.Wanted(k.key) != nil
	})
	return changed
}

// sameKind reports whether two properties have the same kind. The level of an input has
// nothing in common with the level of an output.
func sameKind(a, b config.Property) bool { return a.Kind == b.Kind && a.Output == b.Output }

// place returns the shadow and key of a property.
func place(k kind) string { return state.PropertyID(k.base().id, k.base().key, "") }

// predecessor returns the old alarm continued by a.
func predecessor(alarms []*alarm, a *alarm) *alarm {
	for _, other := range alarms {
		if a.continues(other) {
			return other
		}
	}
	return nil
}

// sameShadow reports whether a shadow has the same meaning under both configurations.
func (p *parts) sameShadow(before *config.Config, s *boundShadow, after *config.Config) bool {
	for _, old := range p.shadows {
		if old.id != s.id {
			continue
		}
		a, b := before.Shadows[old.label], after.Shadows[s.label]
		return maps.EqualFunc(a.Properties, b.Properties, func(x, y config.Property) bool { return sameMeaning(before, x, after, y) })
	}
	return false
}

// sameMeaning reports whether two properties have the same meaning, whatever the labels
// of their lines.
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

// remember adds the state for a later run.
func (p *parts) remember(s *state.State) {
	for _, bound := range p.ordered {
		s.Shadows[state.ShadowID(bound.id)] = bound.reported()
		for _, k := range bound.props {
			s.Properties[k.base().identity] = k.remember(state.Property{Read: k.base().read, Retyped: k.base().retyped, Ahead: k.base().ahead, Withdraw: k.base().withdraws})
		}
	}
	for _, a := range p.alarms {
		if a.known {
			s.Alarms[a.identity()] = a.raised
		}
	}
}

// identities returns the identities of all configured lines, properties and alarms.
func (p *parts) identities(cfg *config.Config) map[string]bool {
	configured := map[string]bool{}
	for _, line := range cfg.Lines {
		configured[lines.Identity(line)], configured["!"+lines.Identity(line)] = true, true
	}
	for _, k := range p.all() {
		configured[k.base().identity] = true
	}
	for _, a := range p.alarms {
		configured[a.identity()], configured[a.resumed] = true, true
	}
	return configured
}

// troubles returns the faults of the parts, by name.
func (p *parts) troubles() map[string]string {
	all := map[string]string{}
	for _, a := range p.alarms {
		if a.silent {
			all["alarm "+a.label] = silence
		}
	}
	if p.clockAwaited() {
		all["clock"] = "not set since the machine started; schedules wait"
	}
	for _, r := range p.readings {
		if r.fault != nil {
			all["reading "+r.name()] = r.fault.Error()
		}
	}
	return all
}

// clockAwaited reports whether a schedule waits for the clock.
func (p *parts) clockAwaited() bool {
	return slices.ContainsFunc(p.schedules, func(s *scheduled) bool { return s.waitsForClock })
}
