package schedule

import (
	"time"
	_ "time/tzdata" // many gateways have no zoneinfo files
)

// rule is a set of local times, whatever the zone. Local times are written as UTC
// here, where each exists exactly once.
type rule interface {
	// next is the first local time after that one, the zero time when there is none.
	next(after time.Time) time.Time
}

// onClock is what the clock on the wall shows in the zone.
func onClock(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is when the clock on the wall first shows that local time; for one that
// is skipped, the first instant after the gap.
func instant(local time.Time, zone *time.Location) time.Time {
	// Date picks one side of a change that is near, so its neighbours are looked at too.
	guess := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), zone)
	start, end := guess.ZoneBounds()
	sides := []time.Time{guess}
	for _, change := range []time.Time{start, end} {
		if !change.IsZero() {
			sides = append(sides, change.Add(-1), change)
		}
	}
	var earliest time.Time
	for _, side := range sides {
		t := local.Add(-offset(side)).In(zone)
		if offset(t) == offset(side) && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	if !earliest.IsZero() {
		return earliest
	}
	for _, change := range []time.Time{start, end} {
		skipped := !local.Before(onClock(change.Add(-1), zone)) && local.Before(onClock(change, zone))
		if !change.IsZero() && skipped {
			return change
		}
	}
	return guess
}

func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// nextOnce is the first instant after that one at which the rule's local times
// come, each of them once.
func nextOnce(r rule, zone *time.Location, after time.Time) time.Time {
	local := onClock(after, zone)
	for {
		// What the clock shows now, and all before, has come already.
		if local = r.next(local); local.IsZero() {
			return time.Time{}
		}
		if t := instant(local, zone); t.After(after) {
			return t
		}
	}
}

// nextElapsed is the same as time passes: skipped local times never come, doubled
// ones twice.
func nextElapsed(r rule, zone *time.Location, after time.Time) time.Time {
	after = after.In(zone)
	for {
		local := r.next(onClock(after, zone))
		if local.IsZero() {
			return time.Time{}
		}
		t := local.Add(-offset(after)).In(zone)
		_, end := after.ZoneBounds()
		if end.IsZero() || t.Before(end) {
			return t
		}
		if local := onClock(end, zone); r.next(local.Add(-1)).Equal(local) {
			return end
		}
		after = end
	}
}
