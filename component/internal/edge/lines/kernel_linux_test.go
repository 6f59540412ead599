package lines_test

import (
	"errors"
	"testing"
	"time"

	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/gpio/cdev"
	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
)

// TestKernelTable is the table of LINES.md on chips of the running kernel. Each
// time lasts at least as long as the bank was told, a unit being 2 ms.
func TestKernelTable(t *testing.T) {
	gpiotest.RequireKernel(t)
	runTable(t, func(t *testing.T, test func(*testing.T, board)) { test(t, newKernelBoard(t)) })
}

func newKernelBoard(t *testing.T) board {
	t.Helper()
	banks, sims := map[string]*gpiosim.Bank{}, map[string]*gpiosim.Sim{}
	plug := func(label string) (err error) {
		if sims[label] != nil {
			return errors.New("already plugged in")
		}
		sims[label], err = gpiosim.NewSim(gpiosim.WithBank(banks[label]))
		return err
	}
	unplug := func(label string) error {
		if sims[label] != nil {
			sims[label].Close()
			delete(sims, label)
		}
		return nil
	}
	for _, label := range []string{lineA, lineB} {
		banks[label] = gpiosim.NewBank(label, 1)
		if err := plug(label); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unplug(label) })
	}
	return board{
		Backend: cdev.New(),
		unit:    2 * time.Millisecond,
		sleep:   time.Sleep,
		level: func(label string) bool {
			if sims[label] == nil {
				return false
			}
			level, err := sims[label].Chips[0].Level(0)
			return err == nil && level == gpiosim.LevelActive
		},
		plug:   plug,
		unplug: unplug,
	}
}
