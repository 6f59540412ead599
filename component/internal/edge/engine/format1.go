package engine

import (
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// stateByIdentity converts a state keyed by labels, from an earlier version, to the
// identities in the configuration.
func stateByIdentity(cfg *config.Config, old state.Labeled) state.State {
	s := state.State{
		Format: state.Format, Outputs: map[string]bool{}, Waves: map[string]state.Wave{}, Demands: map[string]state.Demand{},
		Properties: map[string]state.Property{}, Alarms: map[string]bool{}, Shadows: map[string][]string{}, Clock: old.Clock,
	}
	claims := map[string]string{} // by label
	for claim, label := range lines.Claims(Setup(cfg)) {
		claims[label] = claim
	}
	for label, on := range old.Outputs {
		if line, ok := cfg.Lines[label]; ok {
			s.Outputs[lines.MemoryKey(line)] = on
		}
	}
	for label, w := range old.Waves {
		if line, ok := cfg.Lines[label]; ok {
			s.Waves[lines.MemoryKey(line)] = w
		}
	}
	for label, d := range old.Demands {
		if line, ok := cfg.Lines[label]; ok { // demands of a pattern are lost: their order has changed
			s.Demands[lines.MemoryKey(line)] = d
		}
	}
	for label, shadow := range cfg.Shadows {
		for key, p := range shadow.Properties {
			s.Properties[state.PropertyID(shadow.ID, key, p.Kind.String())] = labeledProperty(old, label+"/"+key, claims[lines.Label(p.Lines()...)])
		}
	}
	for label, a := range cfg.Alarms {
		if raised, known := old.Alarms[label]; known {
			s.Alarms[alarmID(watchIdentity(cfg, a), limitIdentity(cfg, a), label)] = raised
		}
	}
	for name, keys := range old.Shown {
		name = strings.Replace(name, " (classic)", "/", 1)
		s.Shadows[name] = slices.Clone(keys)
	}
	return s
}

// labeledProperty returns the remembered state of one property.
func labeledProperty(old state.Labeled, id, claim string) state.Property {
	p := state.Property{Read: true, Setting: old.Settings[id]}
	if n, ok := old.Counts[id]; ok {
		p.Count = &n
	}
	if c, ok := old.Commands[id]; ok {
		p.Command = &c
	}
	if l, ok := old.Locals[id]; ok {
		l.Output = claim
		p.Local = &l
	}
	if plan, ok := old.Plans[id]; ok {
		p.Schedule = &plan
	}
	return p
}
