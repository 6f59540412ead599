package sim_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// backend is what a Sim and a Remote have in common.
type backend interface {
	gpio.Backend
	sim.Hand
}

// hand is the far side of one chip.
type hand struct {
	sim.Hand
	chip string // its label, which stays
}

func (h hand) SetPull(offset int, high bool) error { return h.Hand.SetPull(h.chip, offset, high) }
func (h hand) Level(offset int) (bool, error)      { return h.Hand.Level(h.chip, offset) }
func (h hand) Unplug() error                       { return h.Hand.Unplug(h.chip) }
func (h hand) Plug() error                         { _, err := h.Hand.Plug(h.chip); return err }

func benchChip() sim.Chip {
	chip := sim.Chip{Label: "bench", Lines: gpiotest.LineCount, Names: gpiotest.Names(), Hogs: map[int]sim.Hog{}}
	for _, offset := range gpiotest.Hogs() {
		chip.Hogs[offset] = sim.Hog{Consumer: gpiotest.HogConsumer, Direction: gpio.Input}
	}
	return chip
}

func newBench(t *testing.T, b backend) gpiotest.Bench {
	t.Helper()
	info, err := b.Add(benchChip())
	if err != nil {
		t.Fatal(err)
	}
	return gpiotest.Bench{Backend: b, Chip: info, Hand: hand{b, info.Label}}
}

func newSim(t *testing.T, chips ...sim.Chip) *sim.Sim {
	t.Helper()
	s, err := sim.New(chips...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve offers a Sim on a socket until the end of the test or a call of stop.
func serve(t *testing.T, s *sim.Sim, path string) (stop func()) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, listener, s) }()
	stop = func() {
		if cancel == nil {
			return
		}
		cancel()
		cancel = nil
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, path string) *sim.Remote {
	t.Helper()
	remote, err := sim.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

func TestSuite(t *testing.T) {
	gpiotest.Run(t, func(t *testing.T) gpiotest.Bench { return newBench(t, newSim(t)) })
}

func TestSuiteRemote(t *testing.T) {
	gpiotest.Run(t, func(t *testing.T) gpiotest.Bench {
		path := filepath.Join(t.TempDir(), "s")
		serve(t, newSim(t), path)
		return newBench(t, dial(t, path))
	})
}
