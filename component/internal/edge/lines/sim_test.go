package lines_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// TestTable is the table of LINES.md on simulated chips in simulated time.
func TestTable(t *testing.T) {
	runTable(t, func(t *testing.T, test func(*testing.T, board)) {
		synctest.Test(t, func(t *testing.T) { test(t, newSimBoard(t)) })
	})
}

func newSimBoard(t *testing.T) board {
	t.Helper()
	s, err := sim.New(sim.Chip{Label: lineA, Lines: 1}, sim.Chip{Label: lineB, Lines: 1})
	if err != nil {
		t.Fatal(err)
	}
	return board{
		Backend: s,
		unit:    time.Second,
		sleep:   time.Sleep,
		level: func(label string) bool {
			high, err := s.Level(label, 0)
			return high && err == nil
		},
		plug:   func(label string) error { _, err := s.Plug(label); return err },
		unplug: s.Unplug,
	}
}
