package sim

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// eventsPerLine is the kernel's event buffer
// (torvalds/linux drivers/gpio/gpiolib-cdev.c, linereq_create).
const eventsPerLine = 16

// request is a set of held lines, as the kernel's struct linereq, with the
// goroutine that reads its events. Sim.mu guards what is below it.
type request struct {
	sim      *Sim
	chip     string
	consumer string
	lines    []*line
	offsets  []int
	label    string

	events chan gpio.Event
	wake   chan struct{} // one slot: the buffer has something
	stop   chan struct{} // closed when the lines are released or gone
	pumped chan struct{} // closed when the pump has returned

	seqno  uint32
	buffer []gpio.Event // the oldest first
	size   int
	gone   bool
	closed bool
}

var _ gpio.Lines = (*request)(nil)

// newRequest takes lines that are free and start their pump. Sim.mu is held.
func newRequest(s *Sim, c *chip, consumer string, lines []gpio.LineConfig) *request {
	r := &request{
		sim:      s,
		chip:     c.config.Name,
		consumer: consumer,
		events:   make(chan gpio.Event, gpio.EventBuffer),
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		pumped:   make(chan struct{}),
		// A kfifo is rounded up to a power of two.
		size: 1 << bits.Len(uint(eventsPerLine*len(lines)-1)),
	}
	labels := make([]string, len(lines))
	for i, config := range lines {
		l := c.lines[config.Offset]
		l.hold(r, config)
		r.lines = append(r.lines, l)
		r.offsets = append(r.offsets, l.offset)
		labels[i] = l.label()
	}
	r.label = strings.Join(labels, ", ")
	go r.pump()
	return r
}

// put buffers an event and drops the oldest when there is no room. Sim.mu is held.
func (r *request) put(e gpio.Event) {
	now := time.Now()
	r.seqno++
	e.Seqno = r.seqno
	e.Time, e.Clock = now.Round(0), now.Sub(r.sim.boot)
	if len(r.buffer) == r.size {
		r.buffer = r.buffer[1:]
	}
	r.buffer = append(r.buffer, e)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// pump moves events from the buffer to the channel until the lines end. It
// drops what finds no room there.
func (r *request) pump() {
	defer close(r.pumped)
	defer close(r.events)
	for {
		select {
		case <-r.stop:
			return
		case <-r.wake:
		}
		for _, e := range r.take() {
			select {
			case r.events <- e:
			default:
			}
		}
	}
}

func (r *request) take() []gpio.Event {
	r.sim.mu.Lock()
	defer r.sim.mu.Unlock()
	taken := r.buffer
	r.buffer = nil
	return taken
}

// lost says that the chip was unplugged. Sim.mu is held.
func (r *request) lost() {
	if !r.gone {
		r.gone = true
		close(r.stop)
	}
}

func (r *request) fail(op string, err error) error {
	return &gpio.OpError{Op: op, Chip: r.chip, Line: r.label, Err: err}
}

// usable tells why the lines cannot be used any more. Sim.mu is held.
func (r *request) usable(op string) error {
	switch {
	case r.closed:
		return r.fail(op, gpio.ErrClosed)
	case r.gone:
		return r.fail(op, fmt.Errorf("%w: %w", gpio.ErrGone, syscall.ENODEV))
	}
	return nil
}

// Values implements [gpio.Lines].
func (r *request) Values() ([]bool, error) {
	r.sim.mu.Lock()
	defer r.sim.mu.Unlock()
	if err := r.usable("read"); err != nil {
		return nil, err
	}
	values := make([]bool, len(r.lines))
	for i, l := range r.lines {
		values[i] = l.value()
	}
	return values, nil
}

// SetValues implements [gpio.Lines].
func (r *request) SetValues(values []bool) error {
	r.sim.mu.Lock()
	defer r.sim.mu.Unlock()
	if err := r.usable("set"); err != nil {
		return err
	}
	if len(values) != len(r.lines) {
		return r.fail("set", fmt.Errorf("want %d values, got %d: %w", len(r.lines), len(values), syscall.EINVAL))
	}
	for _, l := range r.lines {
		if !l.out {
			return r.fail("set", fmt.Errorf("line %s is no output: %w", l.label(), syscall.EPERM))
		}
	}
	for i, l := range r.lines {
		l.drive(values[i])
		l.settle(ByRequest)
	}
	return nil
}

// Reconfigure implements [gpio.Lines].
func (r *request) Reconfigure(lines []gpio.LineConfig) error {
	r.sim.mu.Lock()
	defer r.sim.mu.Unlock()
	if err := r.usable("reconfigure"); err != nil {
		return err
	}
	if err := r.check(lines); err != nil {
		return err
	}
	for i, config := range lines {
		if config.Direction != gpio.AsIs {
			r.lines[i].configure(config)
		}
	}
	return nil
}

func (r *request) check(lines []gpio.LineConfig) error {
	if !sameOffsets(lines, r.offsets) {
		return r.fail("reconfigure", fmt.Errorf("want the requested lines in their order: %w", syscall.EINVAL))
	}
	if err := gpio.Validate(lines); err != nil {
		return inChip(err, "reconfigure", r.chip)
	}
	for i, config := range lines {
		if !r.lines[i].chip.config.can(config) {
			return r.fail("reconfigure", syscall.ENXIO)
		}
	}
	return nil
}

func sameOffsets(lines []gpio.LineConfig, offsets []int) bool {
	if len(lines) != len(offsets) {
		return false
	}
	for i, line := range lines {
		if line.Offset != offsets[i] {
			return false
		}
	}
	return true
}

// inChip completes an error of gpio.Validate.
func inChip(err error, op, chip string) error {
	if opErr, ok := errors.AsType[*gpio.OpError](err); ok {
		opErr.Op, opErr.Chip = op, chip
	}
	return err
}

// Events implements [gpio.Lines].
func (r *request) Events() <-chan gpio.Event { return r.events }

// Close implements [gpio.Lines].
func (r *request) Close() error {
	r.release()
	<-r.pumped
	return nil
}

func (r *request) release() {
	r.sim.mu.Lock()
	defer r.sim.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	if r.gone {
		return
	}
	for _, l := range r.lines {
		l.free()
	}
	close(r.stop)
}
