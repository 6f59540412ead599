package lines_test

import (
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// law is what may never happen, told from the levels of the wires alone. All maps are
// by identity.
type law struct {
	*storm
	lines   map[string]drivenLine // of the present setup
	onAt    map[string]time.Time  // when a line went on last
	offAt   map[string]time.Time
	trusted map[string]time.Time // since when the bank could know a line
	again   map[string]bool      // lines that were requested on: after a fault, they count as on all the time
}

func newLaw(s *storm) *law {
	return &law{storm: s, onAt: map[string]time.Time{}, offAt: map[string]time.Time{}, trusted: map[string]time.Time{}, again: map[string]bool{}}
}

// restarted says that the bank knows nothing of the past.
func (l *law) restarted() {
	for id := range l.lines {
		l.doubt(id)
	}
}

// doubt says that a line was not the bank's, or did not follow it, until now.
func (l *law) doubt(id string) { l.trusted[id] = l.now }

// on reports what a line means by the present setup.
func (l *law) on(id string) bool { return l.wires[id].high != l.lines[id].ActiveLow }

// latched reports whether a line is driven on.
func (l *law) latched(id string) bool { return l.wires[id].latch != l.lines[id].ActiveLow }

// turn changes a level. why is "set", "stop", or something else where no rule counts
// but that of the interlock. A line that nobody drives may do what it likes.
func (l *law) turn(id string, high bool, why string) {
	l.t.Helper()
	if l.wires[id].high == high {
		return
	}
	l.wires[id].high = high
	rules, output := l.lines[id]
	if !output {
		return
	}
	on := high != rules.ActiveLow
	switch {
	case why != "set" && why != "stop":
	case on:
		if rest := l.now.Sub(l.offAt[id]); rest < rules.MinOff && why == "set" && !l.unseen(id) {
			l.t.Fatalf("%s went on after %v off, want %v", id, rest, rules.MinOff)
		}
		for _, other := range l.others(id) {
			if rest := l.now.Sub(l.offAt[other]); rest < rules.dead && why == "set" {
				l.t.Fatalf("%s went on %v after %s went off, want %v", id, rest, other, rules.dead)
			}
		}
	default:
		contended := slices.ContainsFunc(l.others(id), func(o string) bool { return l.on(o) || l.latched(o) || l.unseen(o) })
		if rest := l.now.Sub(l.onAt[id]); rest < rules.MinOn && why == "set" && !contended && !l.unseen(id) && !l.again[id] {
			l.t.Fatalf("%s went off after %v on, want %v", id, rest, rules.MinOn)
		}
	}
	l.turned(id, on)
	for _, other := range l.others(id) {
		// Of a line that follows again, the other one may have come to the interlock since.
		if on && l.on(other) && why != "let go" && (why != "follows again" || l.isHeld(other) && !l.unseen(other)) {
			l.t.Fatalf("%s and %s of one interlock are on together", id, other)
		}
	}
}

func (l *law) turned(id string, on bool) {
	l.again[id] = false
	if on {
		l.onAt[id] = l.now
	} else {
		l.offAt[id] = l.now
	}
}

// reclaim is a line that a change of the configuration takes from one request to
// another. On some drivers it falls in between.
type reclaim struct {
	high                 bool
	onAt, offAt, trusted time.Time
}

func (l *law) leave(id string) reclaim {
	return reclaim{l.wires[id].high, l.onAt[id], l.offAt[id], l.trusted[id]}
}

// reclaim is a line that is requested as it was: its times go on.
func (l *law) reclaim(id string, r reclaim) {
	l.wires[id].high, l.wires[id].latch = r.high, r.high
	l.onAt[id], l.offAt[id], l.trusted[id] = r.onAt, r.offAt, r.trusted
}

// unseen reports whether a line may have changed since the bank read it: one that did
// not follow may do so later.
func (l *law) unseen(id string) bool { return l.bank.Faults()[l.lines[id].output] != nil }

// others are the further lines of the interlock of a line.
func (l *law) others(id string) (others []string) {
	for _, other := range l.lines[id].lock {
		if other != id {
			others = append(others, other)
		}
	}
	return others
}

// check looks for lines that have been on for too long while they were well.
func (l *law) check() {
	l.t.Helper()
	for id, d := range l.lines {
		if d.MaxOn == 0 || !l.on(id) || l.stopping {
			continue
		}
		if l.wires[id].stuck || !l.isHeld(id) || l.unseen(id) {
			l.doubt(id)
		}
		if on := l.now.Sub(later(l.onAt[id], l.trusted[id])); on > d.MaxOn {
			l.t.Fatalf("%s has been on for %v, want at most %v", id, on, d.MaxOn)
		}
	}
}

func (s *storm) isHeld(id string) bool {
	for _, g := range s.claims {
		if slices.Contains(g.wires, id) {
			return true
		}
	}
	return false
}

// button is what drives an input, and what it counts for by its delays.
type button struct {
	reads, counts bool
	moved         time.Time // the last edge
	turns, told   int       // edges that count, by the button and by the bank
}

// ready is a line that is read for the first time, or again: it counts at once.
func (b *button) ready(reads bool) { b.reads, b.counts = reads, reads }

func (b *button) settle(s *storm, id string) {
	line := s.inputLine(id)
	pause := line.OffDelay
	if b.reads {
		pause = line.OnDelay
	}
	if s.isHeld(id) && b.reads != b.counts && !s.now.Before(b.moved.Add(pause)) {
		b.counts = b.reads
		b.turns++
	}
}

func (b *button) check(s *storm, id string) {
	s.t.Helper()
	b.settle(s, id)
	value, _, ok := s.bank.Input(s.labelOf(id))
	if ok && s.isHeld(id) && value != b.counts {
		s.t.Fatalf("the input %s counts as %v, want %v", id, value, b.counts)
	}
	if b.told != b.turns {
		s.t.Fatalf("the input %s had %d edges that count, want %d", id, b.told, b.turns)
	}
}

func (s *storm) inputLine(id string) config.Line { return s.setup.Lines[s.labelOf(id)] }

func (s *storm) labelOf(id string) string {
	for label, line := range s.setup.Lines {
		if lines.Identity(line) == id {
			return label
		}
	}
	return ""
}

// edge lets an input change, or bounce.
func (s *storm) edge() {
	ids := s.inputs()
	if len(ids) == 0 {
		return
	}
	id := pick(s, ids)
	b, w, line := s.buttons[id], s.wires[id], s.inputLine(id)
	b.settle(s, id)
	bounces := s.random.IntN(2) // on and off again, beforehand
	lost := s.chance(10)        // the kernel had no room for the edges
	w.high, w.latch = !w.high, !w.high
	burst := lines.Burst{Value: w.high != line.ActiveLow, Rising: bounces, Falling: bounces}
	switch {
	case lost:
		burst.Lost, burst.Rising, burst.Falling = 1+2*bounces, 0, 0
	case burst.Value:
		burst.Rising++
	default:
		burst.Falling++
	}
	if !s.isHeld(id) {
		return
	}
	b.reads, b.moved = burst.Value, s.now
	if line.OnDelay == 0 && line.OffDelay == 0 {
		b.counts = b.reads
		b.turns += max(1, burst.Rising+burst.Falling)
	} else {
		b.settle(s, id)
	}
	for key, g := range s.claims {
		if g.wires[0] == id {
			s.bank.Seen(s.now, key, g.Request.Request, burst)
			break
		}
	}
	s.carryOut()
}
