package lines

import (
	"fmt"
	"slices"
	"time"
)

// limit ends the demand of a line that has been on for its longest time, unless it
// is to go off now anyway.
func (b *Bank) limit(now time.Time, u *output) {
	for i, cfg := range u.cfgs {
		if cfg.MaxOn == 0 || !u.values[i] {
			continue
		}
		if end := u.since[i].Add(cfg.MaxOn); now.Before(end) {
			b.at(end)
			continue
		}
		if want, _ := u.demand.at(now, u.begun); !u.wantsOn(i) || want != nil && !want[i] {
			continue
		}
		b.log.Warn("line was on for its longest time", "line", u.lines[i], "maxOn", cfg.MaxOn)
		b.replace(u, u.off(), Cause{Kind: ByMaxOn})
		b.notify(ForcedOff{u.label})
	}
}

// permitted is how far an output may go now to what it wants, nil for not at all,
// why not further, and when that changes by itself, if it does.
func (b *Bank) permitted(now time.Time, u *output, want []bool) (levels []bool, why string, until time.Time) {
	var offs, ons []bar
	for i, on := range want {
		switch {
		case on && u.values[i] && !u.set[i]: // it was set off, and may be off by now
			ons = append(ons, b.locked(now, member{u, i}))
		case on == u.values[i]:
		case on:
			ons = append(ons, holds(now, u, i, "minOff", u.cfgs[i].MinOff), b.locked(now, member{u, i}))
		case !member{u, i}.contended():
			offs = append(offs, holds(now, u, i, "minOn", u.cfgs[i].MinOn))
		}
	}
	if why, until := strictest(offs); why != "" {
		return u.urgentOffs(now, want), why, until
	}
	if why, until = strictest(ons); why == "" {
		return want, "", time.Time{}
	}
	levels = slices.Clone(want)
	for i, on := range want {
		levels[i] = on && u.values[i] && u.set[i]
	}
	return levels, why, until
}

// urgentOffs turns off only lines that must not wait for the rest of their pattern: lines
// that are on beside a rival, or have reached their MaxOn. It is nil if there are none.
func (u *output) urgentOffs(now time.Time, want []bool) (levels []bool) {
	for i, on := range want {
		limit := u.cfgs[i].MaxOn
		over := limit > 0 && !now.Before(u.since[i].Add(limit))
		if !on && u.values[i] && (over || (member{u, i}).contended()) {
			if levels == nil {
				levels = slices.Clone(u.values)
			}
			levels[i] = false
		}
	}
	return levels
}

// bar is what keeps a line from changing; the zero bar is none.
type bar struct {
	why   string
	until time.Time // zero when something else has to change first
}

// strictest is the bar that goes last.
func strictest(bars []bar) (why string, until time.Time) {
	for _, next := range bars {
		switch {
		case next.why == "":
		case next.until.IsZero():
			return next.why, time.Time{}
		case next.until.After(until):
			why, until = next.why, next.until
		}
	}
	return why, until
}

// holds is the minimum time that a line has to stay what it is.
func holds(now time.Time, u *output, i int, rule string, limit time.Duration) bar {
	if end := u.since[i].Add(limit); limit > 0 && now.Before(end) {
		return bar{fmt.Sprintf("%s is %s for at least %v (%s)", u.lines[i], onOff(u.values[i]), limit, rule), end}
	}
	return bar{}
}
