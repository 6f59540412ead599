package cdev_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// side is one of two chips to which the same is done.
type side struct {
	backend gpio.Backend
	chip    string
	hand    interface {
		SetPull(offset int, high bool) error
		Level(offset int) (bool, error)
	}
	held []gpio.Lines
}

// simHand is a gpiotest.Hand as far as side needs it.
type simHand struct{ *sim.Sim }

func (h simHand) SetPull(offset int, high bool) error {
	return h.Sim.SetPull("gpiochip0", offset, high)
}
func (h simHand) Level(offset int) (bool, error) { return h.Sim.Level("gpiochip0", offset) }

// twins are the kernel's chip and the simulated one, and what the test knows of
// the requests that both hold.
type twins struct {
	*testing.T
	random *rand.Rand
	sides  [2]*side
	held   [][]gpio.LineConfig
	adrift map[int]bool // lines that gpio-sim leaves at a stale level: sim's doc.go
}

func newTwins(t *testing.T, seed uint64) *twins {
	const hogged = gpiotest.LineCount - 1
	kernel := newChip(t, gpiosim.WithHoggedLine(hogged, "led", gpiosim.HogDirectionOutputHigh))
	s, err := sim.New(sim.Chip{Lines: gpiotest.LineCount, Hogs: map[int]sim.Hog{
		hogged: {Consumer: "led", Direction: gpio.Output, Value: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &twins{
		T:      t,
		random: rand.New(rand.NewPCG(seed, 0)),
		adrift: map[int]bool{},
		sides: [2]*side{
			{backend: cdev.New(), chip: kernel.name(), hand: kernel},
			{backend: s, chip: "gpiochip0", hand: simHand{s}},
		},
	}
}

// verdict is what matters of an error.
func verdict(err error) string {
	var text string
	if opErr, ok := errors.AsType[*gpio.OpError](err); ok {
		text = fmt.Sprintf("%s %q held by %q:", opErr.Op, opErr.Line, opErr.Holder)
	}
	for _, target := range []error{gpio.ErrBusy, gpio.ErrNoLine, gpio.ErrPermission, gpio.ErrClosed, syscall.EINVAL, syscall.EPERM} {
		if errors.Is(err, target) {
			text += " " + target.Error()
		}
	}
	return text
}

// both does the same to both sides, and gives the error they agree on.
func (w *twins) both(what string, do func(*side) error) error {
	w.Helper()
	kernel, simulated := do(w.sides[0]), do(w.sides[1])
	if verdict(kernel) != verdict(simulated) || (kernel == nil) != (simulated == nil) {
		w.Fatalf("%s: the kernel says %v, the sim %v", what, kernel, simulated)
	}
	return kernel
}

func (w *twins) config(offset int) gpio.LineConfig {
	c := gpio.LineConfig{
		Offset:    offset,
		Direction: gpio.Direction(w.random.IntN(3)),
		ActiveLow: w.random.IntN(4) == 0,
		Value:     w.random.IntN(2) == 0,
	}
	if w.random.IntN(2) == 0 {
		c.Bias = gpio.Bias(w.random.IntN(4))
	}
	switch w.random.IntN(4) {
	case 0:
		c.Drive = gpio.Drive(w.random.IntN(3))
	case 1:
		c.Edges = gpio.Edges(w.random.IntN(4))
	case 2:
		c.Debounce = time.Duration(w.random.IntN(2)) * time.Hour // never over
	}
	return c
}

func (w *twins) configs(offsets ...int) (configs []gpio.LineConfig) {
	for _, offset := range offsets {
		configs = append(configs, w.config(offset))
	}
	return configs
}

func (w *twins) step() string {
	n := w.random.IntN(10)
	switch {
	case n < 3:
		return w.pull()
	case n < 6 || len(w.held) == 0:
		return w.request()
	case n < 7:
		return w.close(w.random.IntN(len(w.held)))
	case n < 8:
		return w.reconfigure(w.random.IntN(len(w.held)))
	}
	return w.set(w.random.IntN(len(w.held)))
}

func (w *twins) pull() string {
	offset, high := w.random.IntN(gpiotest.LineCount), w.random.IntN(2) == 0
	what := fmt.Sprintf("pull %d %v", offset, high)
	w.both(what, func(s *side) error { return s.hand.SetPull(offset, high) })
	return what
}

func (w *twins) request() string {
	var offsets []int
	for range 1 + w.random.IntN(3) {
		offsets = append(offsets, w.random.IntN(gpiotest.LineCount+1)) // one too many
	}
	configs := w.configs(offsets...)
	what := fmt.Sprintf("request %+v", configs)
	err := w.both(what, func(s *side) error {
		lines, err := s.backend.Request(s.chip, "twins", configs)
		if err == nil {
			s.held = append(s.held, lines)
		}
		return err
	})
	if err == nil {
		w.held = append(w.held, configs)
	}
	return what
}

func (w *twins) close(i int) string {
	what := fmt.Sprintf("close %+v", w.held[i])
	w.both(what, func(s *side) error {
		err := s.held[i].Close()
		s.held = slices.Delete(s.held, i, i+1)
		return err
	})
	for _, c := range w.held[i] {
		delete(w.adrift, c.Offset)
	}
	w.held = slices.Delete(w.held, i, i+1)
	return what
}

func (w *twins) reconfigure(i int) string {
	var offsets []int
	for _, c := range w.held[i] {
		offsets = append(offsets, c.Offset)
	}
	configs := w.configs(offsets...)
	what := fmt.Sprintf("reconfigure %+v", configs)
	infos, err := w.sides[0].backend.LineInfos(w.sides[0].chip)
	if err != nil {
		w.Fatal(err)
	}
	if w.both(what, func(s *side) error { return s.held[i].Reconfigure(configs) }) != nil {
		return what
	}
	for j, c := range configs {
		turned := c.Direction == gpio.Input && infos[c.Offset].Direction == gpio.Output
		if turned || c.Drive != gpio.PushPull {
			w.adrift[c.Offset] = true
		}
		if c.Direction != gpio.AsIs {
			w.held[i][j] = c
		}
	}
	return what
}

func (w *twins) set(i int) string {
	values := make([]bool, len(w.held[i]))
	for j, c := range w.held[i] {
		values[j] = w.random.IntN(2) == 0
		if c.Drive != gpio.PushPull {
			w.adrift[c.Offset] = true
		}
	}
	what := fmt.Sprintf("set %v of %+v", values, w.held[i])
	w.both(what, func(s *side) error { return s.held[i].SetValues(values) })
	return what
}

// compare looks at all there is to see on both sides.
func (w *twins) compare(what string) {
	w.Helper()
	var seen [2][]string
	for i, s := range w.sides {
		infos, err := s.backend.LineInfos(s.chip)
		if err != nil {
			w.Fatal(err)
		}
		for offset, info := range infos {
			high, err := s.hand.Level(offset)
			if err != nil {
				w.Fatal(err)
			}
			seen[i] = append(seen[i], fmt.Sprintf("%+v high %v", info, high || w.adrift[offset]))
		}
		for j, lines := range s.held {
			values, err := lines.Values()
			if err != nil {
				w.Fatal(err)
			}
			for k, c := range w.held[j] {
				values[k] = values[k] || w.adrift[c.Offset]
			}
			seen[i] = append(seen[i], fmt.Sprintf("request %d reads %v", j, values))
		}
	}
	for i := range seen[0] {
		if seen[0][i] != seen[1][i] {
			w.Errorf("after %s:\n the kernel has %s\n the sim has    %s", what, seen[0][i], seen[1][i])
		}
	}
}

// TestKernelAndSimAgree does the same at random to a gpio-sim chip of the kernel
// and to a simulated one, and finds no difference but the documented one.
func TestKernelAndSimAgree(t *testing.T) {
	gpiotest.RequireKernel(t)
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newTwins(t, seed)
			for range 250 {
				if w.compare(w.step()); t.Failed() {
					return
				}
			}
			for len(w.held) > 0 {
				w.compare(w.close(0))
			}
		})
	}
}
