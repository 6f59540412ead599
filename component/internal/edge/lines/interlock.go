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

// addInterlock adds an interlock of the outputs that it names, in the order of their
// labels. A line is in one interlock at most.
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

// settle leaves at most one line of an interlock to be on, where a configuration or
// what is remembered has more: a line that is on already comes first, then one that is
// configured to start on, then one that an earlier run was asked for, then one that is
// remembered as on. cause is why the others are off.
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
		case m.state == released && m.from[m.index] == nil: // nothing is known of it
			m.initial[m.index], m.demand, m.cause = new(false), Demand{}, cause
		default:
			b.log.Error("line is on against its interlock; it is turned off", "line", m.line(), "other", chosen.line())
			b.replace(m.output, m.without(m.index), cause)
		}
	}
}

// rivals are the lines of the interlock of a line, itself included.
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

// contended reports whether another line of the interlock is on as well, and is not
// just going off, as it may be when lines are taken over. Then no minimum time counts.
func (m member) contended() bool {
	return slices.ContainsFunc(m.rivals(), func(o member) bool {
		return o != m && o.known && o.mayBeOn() && (o.state != writing || o.asked[o.index])
	})
}

// opposed reports whether another line of the interlock is on, or may be as far as is known.
func (m member) opposed() bool {
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

// Drive takes demands on outputs, by their labels, as one instant: what goes off goes
// before what goes on, and makes way for it. A demand that an interlock does not allow
// beside what is demanded of others is refused with a *[Conflict], and leaves no trace.
// Of new demands that exclude each other the one whose line is on already is taken,
// then the lower rank, then the one whose label sorts first. A demand that makes no
// sense for its output, or whose label is unknown, is refused as well.
func (b *Bank) Drive(now time.Time, orders map[string]Order) map[string]error {
	refused := map[string]error{}
	takings := make([]*taking, 0, len(orders))
	for _, label := range slices.Sorted(maps.Keys(orders)) {
		o, u := orders[label], b.outputs[label]
		if u == nil {
			refused[label] = fmt.Errorf("there is no output %q", label)
		} else if err := o.Demand.fits(len(u.lines)); err != nil {
			refused[label] = fmt.Errorf("output %q: %w", label, err)
		} else {
			takings = append(takings, &taking{output: u, demand: u.inward(o.Demand), cause: o.Cause, rank: o.Rank})
		}
	}
	b.drive(now, takings)
	for _, t := range takings {
		if t.refused != nil {
			refused[t.output.label] = t.refused
		}
	}
	return refused
}

// taking is a demand that is about to be taken.
type taking struct {
	output  *output
	demand  Demand
	cause   Cause
	rank    int64
	refused error
}

// drive takes demands, which are in the order of their labels.
func (b *Bank) drive(now time.Time, takings []*taking) {
	for _, t := range takings {
		t.output.taking = t
	}
	for settled := false; !settled; {
		settled = !refuseBlocked(takings) && !refuseRivals(takings)
	}
	for _, t := range takings {
		t.output.taking = nil
	}
	// What goes off goes first.
	for _, on := range []bool{false, true} {
		for _, t := range takings {
			if t.refused == nil && t.demand.IsOn() == on {
				b.take(now, t.output, t.demand, t.cause)
			}
		}
	}
	for _, t := range takings {
		b.advanceGroups(now, t.output)
	}
}

// ordered is the demand that is about to be taken of the output of a line, if any.
func (m member) ordered() (t *taking, on bool) {
	if t = m.output.taking; t == nil || t.refused != nil {
		return nil, false
	}
	return t, t.demand.Levels[m.index]
}

// refuseBlocked refuses the first demand for a line on whose interlock a line is
// demanded on by what stands.
func refuseBlocked(takings []*taking) bool {
	for _, t := range takings {
		for i := range t.output.lines {
			m := member{t.output, i}
			if _, on := m.ordered(); !on {
				continue
			}
			for _, o := range m.rivals() {
				if other, _ := o.ordered(); o != m && other == nil && o.wantsOn(o.index) {
					t.refused = &Conflict{m.groups[i].label, m.line(), o.line()}
					return true
				}
			}
		}
	}
	return false
}

// refuseRivals refuses one of the first two new demands that exclude each other.
func refuseRivals(takings []*taking) bool {
	for _, t := range takings {
		for i := range t.output.lines {
			m := member{t.output, i}
			if _, on := m.ordered(); !on {
				continue
			}
			for _, o := range m.rivals() {
				other, on := o.ordered()
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

// goesBefore reports which of two lines of an interlock, both of which are about to be
// demanded on, is taken.
func (m member) goesBefore(o member) bool {
	return cmp.Or(
		cmp.Compare(order(m.wantsOn(m.index)), order(o.wantsOn(o.index))),
		cmp.Compare(order(m.known && m.value()), order(o.known && o.value())),
		cmp.Compare(m.taking.rank, o.taking.rank),
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
