package schedule

import "time"

// Schedule is when something is switched on and off. It is not changed after
// [Parse], and safe for concurrent use.
type Schedule struct {
	zone    *time.Location
	entries []entry
	late    time.Duration // a run that is older is missed
}

// Run is one moment at which something is switched.
type Run struct {
	At time.Time // in the schedule's zone
	On bool
}

// entry is one line of a schedule: a rule, or a moment.
type entry struct {
	rule           // nil for a moment
	elapsed bool   // the rule follows elapsed time
	once    string // the moment as it was written
	at      time.Time
	on      bool
}

// Late is how long after its time a run is still carried out where missed runs are
// skipped: longer than a restart, and than it takes to notice a step of the clock.
const Late = 2 * time.Minute

// next is the first moment of the entry after that one, the zero time for none.
func (e entry) next(zone *time.Location, after time.Time) time.Time {
	switch {
	case e.rule == nil && e.at.After(after):
		return e.at
	case e.rule == nil:
		return time.Time{}
	case e.elapsed:
		return nextElapsed(e.rule, zone, after)
	}
	return nextOnce(e.rule, zone, after)
}

// Next is the first run after that moment, ok is false when there is none. Of
// entries that come at the same moment the last one counts.
func (s *Schedule) Next(after time.Time) (run Run, ok bool) {
	for _, e := range s.entries {
		if at := e.next(s.zone, after); !at.IsZero() && (!ok || !at.After(run.At)) {
			run, ok = Run{at.In(s.zone), e.on}, true
		}
	}
	return run, ok
}

// Missed reports whether it is too late for a run by now.
func (s *Schedule) Missed(run Run, now time.Time) bool { return run.At.Before(now.Add(-s.late)) }

// Due is the run to be carried out now, if there is one: the latest that came after
// settled, up to now, unless it is missed by now.
func (s *Schedule) Due(settled, now time.Time) (run Run, ok bool) {
	if oldest := now.Add(-s.late - 1); settled.Before(oldest) {
		settled = oldest
	}
	// Looking back step by step spares the search through a day of minutes.
	for back := time.Minute; settled.Before(now); back *= 2 {
		from := now.Add(-back)
		if from.Before(settled) {
			from = settled
		}
		if run, ok = s.last(from, now); ok || from.Equal(settled) {
			break
		}
	}
	return run, ok
}

// last is the last run after from, up to now.
func (s *Schedule) last(from, now time.Time) (run Run, ok bool) {
	for {
		next, more := s.Next(from)
		if !more || next.At.After(now) {
			return run, ok
		}
		run, ok, from = next, true, next.At
	}
}

// Past are the entries for one moment that is not after now, as they were written,
// with their moments.
func (s *Schedule) Past(now time.Time) map[string]time.Time {
	past := map[string]time.Time{}
	for _, e := range s.entries {
		if e.rule == nil && !e.at.After(now) {
			past[e.once] = e.at
		}
	}
	return past
}

// Once is the moment of an entry for one moment, as it is written; ok is false if there
// is none.
func (s *Schedule) Once(text string) (at time.Time, ok bool) {
	for _, e := range s.entries {
		if e.rule == nil && e.once == text {
			return e.at, true
		}
	}
	return time.Time{}, false
}
