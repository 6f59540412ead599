package lines_test

import (
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// law is what may never happen, told from the levels alone.
type law struct {
	*storm
	on      map[string]bool
	onAt    map[string]time.Time // when a line went on last
	offAt   map[string]time.Time
	trusted map[string]time.Time // since when the bank could know a line
}

func newLaw(s *storm) *law {
	l := &law{s, map[string]bool{}, map[string]time.Time{}, map[string]time.Time{}, map[string]time.Time{}}
	for label, line := range s.cfg.Lines {
		if line.Direction == gpio.Output {
			l.on[label] = false
		}
	}
	return l
}

// restarted says that the bank knows nothing of the past.
func (l *law) restarted() {
	for line := range l.on {
		l.doubt(line)
	}
}

// doubt says that a line was not the bank's, or did not follow it, until now.
func (l *law) doubt(line string) { l.trusted[line] = l.now }

// turn changes a level. why is "set", "stop", or "let go" where no rule counts but
// that of the interlock.
func (l *law) turn(line string, on bool, why string) {
	l.t.Helper()
	if l.on[line] == on {
		return
	}
	rules := l.cfg.Lines[line]
	others := l.others(line)
	switch {
	case why == "let go":
	case on:
		if rest := l.now.Sub(l.offAt[line]); rest < rules.MinOff && why == "set" && !l.unseen(line) {
			l.t.Fatalf("%s went on after %v off, want %v", line, rest, rules.MinOff)
		}
		for _, other := range others {
			if rest, dead := l.now.Sub(l.offAt[other]), l.lock(line).DeadTime; rest < dead && why == "set" {
				l.t.Fatalf("%s went on %v after %s went off, want %v", line, rest, other, dead)
			}
		}
	default:
		contended := false
		for _, other := range others {
			contended = contended || l.on[other] || l.latch[other]
		}
		if rest := l.now.Sub(l.onAt[line]); rest < rules.MinOn && why == "set" && !contended && !l.unseen(line) {
			l.t.Fatalf("%s went off after %v on, want %v", line, rest, rules.MinOn)
		}
	}
	l.on[line] = on
	if on {
		l.onAt[line] = l.now
	} else {
		l.offAt[line] = l.now
	}
	for _, other := range others {
		if on && l.on[other] {
			l.t.Fatalf("%s and %s of one interlock are on together", line, other)
		}
	}
}

// unseen reports whether a line may have changed since the bank read it: one that did
// not follow may do so later.
func (l *law) unseen(line string) bool {
	claim := line
	if slices.Contains(stormPattern, line) {
		claim = lines.Label(stormPattern...)
	}
	return l.bank.Faults()[claim] != nil
}

// lock is the interlock of a line.
func (l *law) lock(line string) config.Interlock {
	for _, lock := range l.cfg.Interlocks {
		for _, member := range lock.Lines {
			if member == line {
				return lock
			}
		}
	}
	return config.Interlock{}
}

func (l *law) others(line string) (others []string) {
	for _, other := range l.lock(line).Lines {
		if other != line {
			others = append(others, other)
		}
	}
	return others
}

// check looks for lines that have been on for too long while they were well.
func (l *law) check() {
	l.t.Helper()
	for line, on := range l.on {
		limit := l.cfg.Lines[line].MaxOn
		if limit == 0 || !on || l.stopping {
			continue
		}
		if l.stuck[line] || !l.held[line] || l.bank.Faults()[line] != nil {
			l.doubt(line)
		}
		if d := l.now.Sub(later(l.onAt[line], l.trusted[line])); d > limit {
			l.t.Fatalf("%s has been on for %v, want at most %v", line, d, limit)
		}
	}
}

// button is what drives the input, and what it counts for by its delays.
type button struct {
	reads, counts bool
	moved         time.Time // the last edge
}

// ready is a line that is read for the first time, or again: it counts at once.
func (b *button) ready() { b.counts = b.reads }

func (b *button) settle(s *storm) {
	pause := s.cfg.Lines["in"].OffDelay
	if b.reads {
		pause = s.cfg.Lines["in"].OnDelay
	}
	if s.held["in"] && b.reads != b.counts && !s.now.Before(b.moved.Add(pause)) {
		b.counts = b.reads
	}
}

func (b *button) check(s *storm) {
	s.t.Helper()
	b.settle(s)
	if value, _, ok := s.bank.Input("in"); ok && s.held["in"] && value != b.counts {
		s.t.Fatalf("the input counts as %v, want %v", value, b.counts)
	}
}

func (s *storm) edge() {
	s.button.settle(s)
	s.button.reads, s.button.moved = !s.button.reads, s.now
	if s.held["in"] {
		burst := lines.Burst{Value: s.button.reads}
		if burst.Value {
			burst.Rising = 1
		} else {
			burst.Falling = 1
		}
		s.bank.Seen(s.now, "in", s.last["in"].Request, burst)
		s.carryOut()
	}
}
