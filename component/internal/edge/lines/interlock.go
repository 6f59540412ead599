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

func (b *Bank) addInterlock(label string, c config.Interlock) {
	g := &interlock{label: label, deadTime: c.DeadTime}
	for _, line := range c.Lines {
		m := b.byLine[line]
		g.members = append(g.members, m)
		m.groups[m.index] = g
	}
	g.settle()
	b.groups = append(b.groups, g)
}

// settle leaves at most one line of an interlock to be on at the start: one that is
// configured so before one that an earlier run was asked for, and that before one that
// it remembers as it was.
func (g *interlock) settle() {
	rank := func(m member) int {
		switch {
		case m.cfgs[m.index].Start == config.StartOn:
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
		if m.wantsOn(m.index) && m != *chosen {
			m.initial[m.index], m.demand, m.cause = new(false), Demand{}, Cause{}
		}
	}
}

// others are the further lines of the interlock of a line.
func (m member) others() []member {
	g := m.groups[m.index]
	if g == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(g.members), func(o member) bool { return o == m })
}

// locked is what keeps a line from going on beside the others of its interlock.
// One whose state is not known may be on.
func (b *Bank) locked(now time.Time, m member) bar {
	var bars []bar
	for _, o := range m.others() {
		dead := m.groups[m.index].deadTime
		switch end := o.since().Add(dead); {
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

// contended reports whether another line of the interlock is on as well, as it may
// be when lines are taken over. Then no minimum time counts.
func (m member) contended() bool {
	return slices.ContainsFunc(m.others(), func(o member) bool { return o.known && o.mayBeOn() })
}

// rival is another line of the interlock that is demanded on.
func (b *Bank) rival(m member) (line string, ok bool) {
	for _, o := range m.others() {
		if o.wantsOn(o.index) {
			return o.line(), true
		}
	}
	return "", false
}

// advanceGroups advances an output and those that may have waited for it.
func (b *Bank) advanceGroups(now time.Time, u *output) {
	b.advance(now, u)
	for i := range u.lines {
		for _, o := range (member{u, i}).others() {
			b.advance(now, o.output)
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

// Drive takes demands on outputs, all at the same time. Those that an interlock
// does not allow beside what is demanded of others are refused, with a
// *[Conflict] each, and leave their outputs as they were. Of new ones that exclude
// each other the one whose line is on already is taken, then the lower rank, then
// the one whose label sorts first.
func (b *Bank) Drive(now time.Time, orders map[string]Order) map[string]error {
	refused := map[string]error{}
	for {
		loser, conflict := b.conflict(orders, refused)
		if conflict == nil {
			break
		}
		refused[loser] = conflict
	}
	// What goes off goes first.
	for _, on := range []bool{false, true} {
		for _, label := range slices.Sorted(maps.Keys(orders)) {
			if o := orders[label]; refused[label] == nil && o.Demand.IsOn() == on {
				b.take(now, b.outputs[label], o.Demand, o.Cause)
			}
		}
	}
	for _, label := range slices.Sorted(maps.Keys(orders)) {
		b.advanceGroups(now, b.outputs[label])
	}
	return refused
}

// conflict finds two lines of an interlock that would both be on, and which order
// has to give way.
func (b *Bank) conflict(orders map[string]Order, refused map[string]error) (loser string, c *Conflict) {
	on := func(m member) (would, fresh bool) {
		o, ordered := orders[m.label]
		if !ordered || refused[m.label] != nil {
			return m.wantsOn(m.index), false
		}
		return o.Demand.Levels[m.index], !m.wantsOn(m.index)
	}
	for _, g := range b.groups {
		var winner *member
		for _, m := range g.members {
			would, fresh := on(m)
			if !would {
				continue
			}
			if winner == nil {
				winner = &m
				continue
			}
			lose, win := m, *winner
			_, winnerFresh := on(win)
			if winnerFresh && (!fresh || before(orders, m, win)) {
				lose, win = win, m
			}
			if _, ordered := orders[lose.label]; ordered && refused[lose.label] == nil {
				return lose.label, &Conflict{g.label, lose.line(), win.line()}
			}
		}
	}
	return "", nil
}

// before orders new demands by who was first.
func before(orders map[string]Order, a, b member) bool {
	return cmp.Or(
		cmp.Compare(order(a.known && a.value()), order(b.known && b.value())),
		cmp.Compare(orders[a.label].Rank, orders[b.label].Rank),
		cmp.Compare(a.label, b.label),
	) < 0
}

// order sorts what is on before what is off.
func order(on bool) int {
	if on {
		return 0
	}
	return 1
}
