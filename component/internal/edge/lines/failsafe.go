package lines

import (
	"maps"
	"slices"
	"time"
)

// failsafe drives outputs to their failsafe states once the link has been away for
// their time: all that have become due together, so that of two lines of an
// interlock one may give way to the other.
func (b *Bank) failsafe(now time.Time) {
	if b.away.IsZero() || b.stopped {
		return
	}
	var orders map[string]Order
	for _, u := range b.outputOrder {
		if levels, due := b.failsafeOf(now, u); due {
			if orders == nil {
				orders = map[string]Order{}
			}
			orders[u.label] = Order{Demand: Pattern(levels), Cause: Cause{Kind: ByFailsafe}}
		}
	}
	if len(orders) == 0 {
		return
	}
	b.log.Warn("nucleus is away; outputs take their failsafe state", "lines", slices.Sorted(maps.Keys(orders)))
	for label, err := range b.Drive(now, orders) {
		b.log.Error("failsafe state not taken", "line", label, "error", err)
	}
}

// failsafeOf is what an output is to be by the failsafe states that have become due.
func (b *Bank) failsafeOf(now time.Time, u *output) (levels []bool, due bool) {
	for i, cfg := range u.cfgs {
		if cfg.Failsafe == nil || u.failsafed[i] {
			continue
		}
		if at := b.away.Add(cfg.Failsafe.After); now.Before(at) {
			b.at(at)
			continue
		}
		if !due {
			levels, due = u.levels(), true
		}
		levels[i], u.failsafed[i] = cfg.Failsafe.On, true
	}
	return levels, due
}
