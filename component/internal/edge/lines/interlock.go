package lines

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// interlock is a group of lines of which one at most is on.
type interlock struct {
	label    string
	members  []member
	deadTime time.Duration
}

// addInterlock adds an interlock, its lines in the order of their labels. It skips lines
// that are no outputs or are in another interlock.
func (b *Bank) addInterlock(label string, c config.Interlock) {
	g := &interlock{label: label, deadTime: c.DeadTime}
	for _, line := range slices.Sorted(slices.Values(c.Lines)) {
		m, known := b.lines[line]
		if known && m.groups[m.index] == nil {
			g.members = append(g.members, m)
			m.groups[m.index] = g
		}
	}
	b.groups = append(b.groups, g)
}

// settle lets at most one line of an interlock be on, for the given cause. A line that
// is on comes first, then a line with start: on, then a pending demand, then a remembered
// level, then the order of the labels.
func (b *Bank) settle(g *interlock, cause Cause) {
	rank := func(m member) int {
		switch {
		case (m.known || m.seen[m.index]) && m.value():
			return 3
		case m.cfgs[m.index].Start == config.StartOn && m.initial[m.index] != nil && *m.initial[m.index]:
			return 2
		case m.demand.Levels != nil:
			return 1
		}
		return 0
	}
	var chosen *member
	for _, m := range g.members {
		if m.wantsOn(m.index) && (chosen == nil || rank(m) > rank(*chosen)) {
			chosen = &m
		}
	}
	for _, m := range g.members {
		switch {
		case !m.wantsOn(m.index) || m == *chosen:
		case m.state == released && m.from[m.index] == nil: // it has no level yet
			m.initial[m.index], m.demand, m.cause = new(false), Demand{}, cause
		default:
			b.log.Error("line is on against its interlock; it is turned off", "line", m.line(), "other", chosen.line())
			b.replace(m.output, m.without(m.index), cause)
		}
	}
}

// rivals are all lines of the interlock of a line, the line itself included.
func (m member) rivals() []member {
	if g := m.groups[m.index]; g != nil {
		return g.members
	}
	return nil
}

// locked is what keeps a line from going on beside the others of its interlock.
// One whose state is not known may be on.
func (b *Bank) locked(now time.Time, m member) bar {
	var bars []bar
	for _, o := range m.rivals() {
		dead := m.groups[m.index].deadTime
		switch end := o.since().Add(dead); {
		case o == m:
		case !o.known:
			bars = append(bars, bar{why: fmt.Sprintf("%s is not known to be off", o.line())})
		case o.mayBeOn():
			bars = append(bars, bar{why: o.line() + " is on"})
		case now.Before(end):
			bars = append(bars, bar{fmt.Sprintf("dead time of %v after %s", dead, o.line()), end})
		}
	}
	why, until := strictest(bars)
	return bar{why, until}
}

// mayBeOn reports whether a line is on, or was set on and does not read so.
func (m member) mayBeOn() bool {
	return m.value() || m.set[m.index] || m.state == writing && m.asked[m.index]
}

// contended reports whether another line of the interlock is on as well, and no write
// that turns it off is under way. This happens when lines are taken over; minimum times
// do not count then.
func (m member) contended() bool {
	return slices.ContainsFunc(m.rivals(), func(o member) bool {
		return o != m && o.known && o.mayBeOn() && (o.state != writing || o.asked[o.index])
	})
}

// rivalMayBeOn reports whether another line of the interlock is on, or was last on.
func (m member) rivalMayBeOn() bool {
	return slices.ContainsFunc(m.rivals(), func(o member) bool { return o != m && o.mayBeOn() })
}

// rival is another line of the interlock that is demanded on.
func (b *Bank) rival(m member) (line string, ok bool) {
	for _, o := range m.rivals() {
		if o != m && o.wantsOn(o.index) {
			return o.line(), true
		}
	}
	return "", false
}

// advanceGroups advances an output and those that may have waited for it.
func (b *Bank) advanceGroups(now time.Time, u *output) {
	b.advance(now, u)
	for i := range u.lines {
		for _, o := range (member{u, i}).rivals() {
			if o.output != u {
				b.advance(now, o.output)
			}
		}
	}
}

// Conflict refuses a demand, since two lines of an interlock would be on.
type Conflict struct {
	Interlock, Line, Other string
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("%s is on, which interlock %s does not allow beside %s", c.Other, c.Interlock, c.Line)
}

// Order is a demand on an output, and why it is made.
type Order struct {
	Demand Demand
	Cause  Cause
	// Rank decides between new demands that exclude each other: the lower one
	// is taken.
	Rank int64
}

// Drive takes demands on outputs, by label, as one instant: offs before ons, and an
// order that turns a line off makes way for an order that turns its rival on. Drive
// refuses a demand with a *[Conflict] if an interlock does not allow it beside the demands
// of other outputs. If two new demands exclude each other, the line that is on wins,
// then the lower rank, then the label that sorts first. Drive also refuses unknown labels
// and invalid demands. A refused order changes nothing.
func (b *Bank) Drive(now time.Time, orders map[string]Order) map[string]error {
	refused := map[string]error{}
	candidates := make([]*candidate, 0, len(orders))
	for _, label := range slices.Sorted(maps.Keys(orders)) {
		o, u := orders[label], b.outputs[label]
		if u == nil {
			refused[label] = fmt.Errorf("there is no output %q", label)
		} else if err := o.Demand.checkFor(len(u.lines)); err != nil {
			refused[label] = fmt.Errorf("output %q: %w", label, err)
		} else {
			candidates = append(candidates, &candidate{output: u, demand: u.inward(o.Demand), cause: o.Cause, rank: o.Rank})
		}
	}
	b.drive(now, candidates)
	for _, t := range candidates {
		if t.refused != nil {
			refused[t.output.label] = t.refused
		}
	}
	return refused
}

// candidate is a demand that Drive decides on.
type candidate struct {
	output  *output
	demand  Demand
	cause   Cause
	rank    int64
	refused error
}

// drive decides on demands and takes them; they are in the order of their labels.
func (b *Bank) drive(now time.Time, candidates []*candidate) {
	for _, t := range candidates {
		t.output.candidate = t
	}
	for settled := false; !settled; {
		settled = !refuseBlocked(candidates) && !refuseRivals(candidates)
	}
	for _, t := range candidates {
		t.output.candidate = nil
	}
	// What goes off goes first.
	for _, on := range []bool{false, true} {
		for _, t := range candidates {
			if t.refused == nil && t.demand.IsOn() == on {
				b.take(now, t.output, t.demand, t.cause)
			}
		}
	}
	for _, t := range candidates {
		b.advanceGroups(now, t.output)
	}
}

// candidateFor is the candidate for the output of a line, nil for none, and the level it
// demands.
func (m member) candidateFor() (t *candidate, on bool) {
	if t = m.output.candidate; t == nil || t.refused != nil {
		return nil, false
	}
	return t, t.demand.Levels[m.index]
}

// refuseBlocked refuses the first candidate whose line is blocked by the demand of an
// output without a candidate.
func refuseBlocked(candidates []*candidate) bool {
	for _, t := range candidates {
		for i := range t.output.lines {
			m := member{t.output, i}
			if _, on := m.candidateFor(); !on {
				continue
			}
			for _, o := range m.rivals() {
				if other, _ := o.candidateFor(); o != m && other == nil && o.wantsOn(o.index) {
					t.refused = &Conflict{m.groups[i].label, m.line(), o.line()}
					return true
				}
			}
		}
	}
	return false
}

// refuseRivals refuses the weaker one of the first two candidates that exclude each
// other.
func refuseRivals(candidates []*candidate) bool {
	for _, t := range candidates {
		for i := range t.output.lines {
			m := member{t.output, i}
			if _, on := m.candidateFor(); !on {
				continue
			}
			for _, o := range m.rivals() {
				other, on := o.candidateFor()
				if o == m || !on {
					continue
				}
				lose, win := m, o
				if m.goesBefore(o) {
					lose, win, t = o, m, other
				}
				t.refused = &Conflict{m.groups[i].label, lose.line(), win.line()}
				return true
			}
		}
	}
	return false
}

// goesBefore reports whether a line wins over another one of its interlock, if
// candidates demand both on.
func (m member) goesBefore(o member) bool {
	return cmp.Or(
		cmp.Compare(order(m.wantsOn(m.index)), order(o.wantsOn(o.index))),
		cmp.Compare(order(m.known && m.value()), order(o.known && o.value())),
		cmp.Compare(m.candidate.rank, o.candidate.rank),
		cmp.Compare(m.label, o.label),
	) < 0
}

// order sorts what is on before what is off.
func order(on bool) int {
	if on {
		return 0
	}
	return 1
}
