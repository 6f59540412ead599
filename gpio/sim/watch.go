package sim

import (
	"context"
	"fmt"
	"time"
)

// Cause says whose doing a level change was.
type Cause uint8

// The causes. A change by request is an output that was driven or let go, or a
// bias that was applied.
const (
	ByRequest Cause = iota
	ByHand
)

func (c Cause) String() string {
	switch c {
	case ByRequest:
		return "request"
	case ByHand:
		return "hand"
	}
	return fmt.Sprintf("invalid(%d)", uint8(c))
}

// Change is a change of the physical level of a line.
type Change struct {
	Chip     string // name of the chip
	Offset   int
	Name     string // of the line; "" when it has none
	High     bool   // the new level, active-low not applied
	By       Cause
	Consumer string // who holds the line; "" when nobody does
	Time     time.Time
	Lost     int // changes that were dropped before this one
}

// watchBuffer is the number of changes held for a lagging reader.
const watchBuffer = 256

type watch struct {
	changes chan Change
	lost    int
}

// Watch tells of every level change of every line, requested or not, from now on
// until ctx is done, when the channel is closed. It never makes a line wait: when
// the reader lags by more than 256 changes further ones are dropped, and the
// next that is delivered says how many.
func (s *Sim) Watch(ctx context.Context) <-chan Change {
	w := &watch{changes: make(chan Change, watchBuffer)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches[w] = struct{}{}
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watches, w)
		close(w.changes)
	})
	return w.changes
}

// notify tells the watchers of a changed line. s.mu is held.
func (s *Sim) notify(l *line, by Cause) {
	change := Change{
		Chip:     l.chip.config.Name,
		Offset:   l.offset,
		Name:     l.name,
		High:     l.level,
		By:       by,
		Consumer: l.consumer(),
		Time:     time.Now(),
	}
	for w := range s.watches {
		change.Lost = w.lost
		select {
		case w.changes <- change:
			w.lost = 0
		default:
			w.lost++
		}
	}
}
