package configgen

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Property is a property of a parsed configuration with its identity.
type Property struct {
	config.Property
	ID PropertyID
}

// Properties lists all properties of a configuration, in the order of the labels of their
// shadows and of their keys.
func Properties(cfg *config.Config) (all []Property) {
	for _, label := range slices.Sorted(maps.Keys(cfg.Shadows)) {
		s := cfg.Shadows[label]
		for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[key]
			all = append(all, Property{p, PropertyID{s.ID, key, p.Kind}})
		}
	}
	return all
}

// Refs lists the lines that a property shows, drives or, as a schedule, switches.
func Refs(cfg *config.Config, p config.Property) (refs []gpio.Ref) {
	labels := p.Lines()
	if p.Kind == config.Schedule {
		labels = []string{p.Drives}
	}
	for _, label := range labels {
		refs = append(refs, cfg.Lines[label].Ref)
	}
	return refs
}

// Scope holds what a change may have an effect on.
type Scope struct {
	Lines      map[gpio.Ref]bool
	Properties map[PropertyID]bool
}

// Scope is what a step is about and what depends on it, under the configuration before
// or after the step.
func (s Step) Scope(before, after *config.Config) Scope {
	scope := Scope{map[gpio.Ref]bool{}, map[PropertyID]bool{}}
	for _, ref := range s.Lines {
		scope.Lines[ref] = true
	}
	for _, id := range s.Properties {
		scope.Properties[id] = true
	}
	scope.Extend(before, after)
	return scope
}

// Extend adds what depends on the scope, under any of the configurations.
func (s Scope) Extend(cfgs ...*config.Config) {
	for size := -1; size != len(s.Lines)+len(s.Properties); {
		size = len(s.Lines) + len(s.Properties)
		for _, cfg := range cfgs {
			s.extend(cfg)
		}
	}
}

// extend adds what depends on the scope directly.
func (s Scope) extend(cfg *config.Config) {
	properties := Properties(cfg)
	for _, p := range properties {
		refs := Refs(cfg, p.Property)
		if p.Kind != config.Schedule && slices.ContainsFunc(refs, func(ref gpio.Ref) bool { return s.Lines[ref] }) {
			s.Properties[p.ID] = true
		}
		if s.Properties[p.ID] && (p.Output || p.Kind == config.Schedule) {
			for _, ref := range refs {
				s.Lines[ref] = true
			}
		}
	}
	for _, i := range cfg.Interlocks {
		if slices.ContainsFunc(i.Lines, func(label string) bool { return s.Lines[cfg.Lines[label].Ref] }) {
			for _, label := range i.Lines {
				s.Lines[cfg.Lines[label].Ref] = true
			}
		}
	}
	for _, c := range cfg.Controls {
		if s.Lines[cfg.Lines[c.Input].Ref] { // without its delay, a waiting edge acts at once
			s.Lines[cfg.Lines[c.Output].Ref] = true
		}
	}
	for label, a := range cfg.Alarms {
		if !s.watches(cfg, a) {
			continue
		}
		if a.Output != "" {
			s.Lines[cfg.Lines[a.Output].Ref] = true
		}
		for _, p := range properties {
			if p.Kind == config.Flag && p.Alarm == label {
				s.Properties[p.ID] = true
			}
		}
	}
}

// watches reports whether an alarm depends on the scope.
func (s Scope) watches(cfg *config.Config, a config.Alarm) bool {
	has := func(path config.Path) bool {
		sh := cfg.Shadows[path.Shadow]
		p, ok := sh.Properties[path.Key]
		return ok && s.Properties[PropertyID{sh.ID, path.Key, p.Kind}]
	}
	return a.Line != "" && s.Lines[cfg.Lines[a.Line].Ref] || has(a.Property) || has(a.Setting)
}
