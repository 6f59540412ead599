package lines

import (
	"time"
)

// failsafe drives outputs to their failsafe states once the link has been away for
// their time: all that have become due together, so that of two lines of an
// interlock one may give way to the other.
func (b *Bank) failsafe(now time.Time) {
	if b.away.IsZero() || b.stopped {
		return
	}
	var due []*candidate
	for _, u := range b.outputOrder {
		if levels, ok := b.failsafeOf(now, u); ok {
			due = append(due, &candidate{output: u, demand: Pattern(levels), cause: Cause{Kind: ByFailsafe}})
		}
	}
	if len(due) == 0 {
		return
	}
	b.log.Warn("nucleus is away; outputs take their failsafe state", "lines", labelsOf(due))
	b.drive(now, due)
	for _, t := range due {
		if t.refused != nil {
			b.log.Error("failsafe state not taken", "line", t.output.label, "error", t.refused)
		}
	}
}

func labelsOf(candidates []*candidate) (labels []string) {
	for _, t := range candidates {
		labels = append(labels, t.output.label)
	}
	return labels
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
