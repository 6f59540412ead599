package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// What the configuration no longer has is kept for a rollback, so long and so much
// of each section at most.
const (
	keepAside = 30 * 24 * time.Hour
	maxAside  = 256
	maxGhosts = 16 // shadows that are no longer configured, and cannot be reached to withdraw what was reported
)

// oldest are the entries beyond a number, the oldest first.
func oldest(since map[shadow.ID]time.Time, keep int) []shadow.ID {
	ids := slices.SortedFunc(maps.Keys(since), func(a, b shadow.ID) int {
		return cmp.Or(since[a].Compare(since[b]), cmp.Compare(a.Thing, b.Thing), cmp.Compare(a.Name, b.Name))
	})
	return ids[:max(len(ids)-keep, 0)]
}

// own is a copy that is not nil.
func own[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
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

// putAside keeps the entries of a memory that are not configured.
func putAside(now time.Time, remembered state.State, configured map[string]bool) aside {
	a := aside{map[string]bool{}, map[string]state.Property{}, map[string]bool{}, map[string]time.Time{}}
	since := func(section, id string) time.Time {
		if at, known := remembered.Aside[section+"/"+id]; known {
			return at
		}
		return now.Round(0).UTC()
	}
	keep(now, "outputs", remembered.Outputs, configured, since, a.since, a.outputs)
	keep(now, "alarms", remembered.Alarms, configured, since, a.since, a.alarms)
	keep(now, "properties", remembered.Properties, configured, since, a.since, a.properties)
	for id, p := range a.properties {
		p.Local = nil // it would act
		a.properties[id] = p
	}
	return a
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
