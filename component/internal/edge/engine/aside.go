package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Limits for entries kept for a rollback after the configuration dropped them. The
// counts apply to each section.
const (
	keepAside = 30 * 24 * time.Hour
	maxAside  = 256
	maxGhosts = 16 // shadows no longer configured and still out of reach, so their reported values cannot be deleted yet
)

// oldest returns the entries beyond the limit keep, the oldest first.
func oldest(since map[shadow.ID]time.Time, keep int) []shadow.ID {
	ids := slices.SortedFunc(maps.Keys(since), func(a, b shadow.ID) int {
		return cmp.Or(since[a].Compare(since[b]), cmp.Compare(a.Thing, b.Thing), cmp.Compare(a.Name, b.Name))
	})
	return ids[:max(len(ids)-keep, 0)]
}

// cloneMap returns a copy, never nil.
func cloneMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// aside holds entries kept for a rollback: they are remembered but not configured.
type aside struct {
	outputs    map[string]bool
	properties map[string]state.Property
	alarms     map[string]bool
	since      map[string]time.Time // as in State.Aside
}

func (a aside) addTo(s *state.State) {
	maps.Copy(s.Outputs, a.outputs)
	maps.Copy(s.Properties, a.properties)
	maps.Copy(s.Alarms, a.alarms)
}

// putAside keeps the entries of a memory without a place in the configuration.
func putAside(now time.Time, remembered state.State, configured map[string]bool) aside {
	a := aside{map[string]bool{}, map[string]state.Property{}, map[string]bool{}, map[string]time.Time{}}
	since := func(section, id string) time.Time {
		if at, known := remembered.Aside[section+"/"+id]; known {
			return at
		}
		return now.Round(0).UTC()
	}
	keepNewest(now, "outputs", remembered.Outputs, configured, since, a.since, a.outputs)
	keepNewest(now, "alarms", remembered.Alarms, configured, since, a.since, a.alarms)
	keepNewest(now, "properties", remembered.Properties, configured, since, a.since, a.properties)
	for id, p := range a.properties {
		p.Local = nil    // a local change would move an output after the rollback
		p.Rejected = nil // the request is answered anew after the rollback
		a.properties[id] = p
	}
	return a
}

// keepNewest copies the newest entries of a section without a place in the
// configuration, none older than keepAside.
func keepNewest[V any](now time.Time, section string, from map[string]V, configured map[string]bool, since func(section, id string) time.Time, times map[string]time.Time, to map[string]V) {
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
