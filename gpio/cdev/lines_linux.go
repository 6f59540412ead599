package cdev

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// lines are the lines of one request.
type lines struct {
	backend     *Backend
	chip, label string
	offsets     []int
	mask        uapi.LineBitmap

	file    *os.File
	conn    syscall.RawConn // of file; keeps the descriptor open during a call
	events  chan gpio.Event
	watched chan struct{} // closed when the watcher has returned
	closing sync.Once
}

var _ gpio.Lines = (*lines)(nil)

func newLines(b *Backend, file *os.File, configs []gpio.LineConfig) *lines {
	l := &lines{
		backend: b,
		mask:    uapi.NewLineBitMask(len(configs)),
		file:    file,
		events:  make(chan gpio.Event, gpio.EventBuffer),
		watched: make(chan struct{}),
	}
	for _, config := range configs {
		l.offsets = append(l.offsets, config.Offset)
	}
	return l
}

// start begins to watch. The lines are closed when it fails.
func (l *lines) start() (err error) {
	if l.conn, err = l.file.SyscallConn(); err != nil {
		l.file.Close()
		return l.fail("request", err)
	}
	go l.watch()
	l.backend.departures.add(l)
	return nil
}

func (l *lines) fail(op string, err error) error {
	switch {
	case isOpError(err):
		return inChip(err, op, l.chip)
	case errors.Is(err, os.ErrClosed):
		err = gpio.ErrClosed
	case errors.Is(err, syscall.ENODEV):
		err = fmt.Errorf("%w: %w", gpio.ErrGone, err)
	}
	return &gpio.OpError{Op: op, Chip: l.chip, Line: l.label, Err: err}
}

// call makes a system call on the descriptor, unless it is closed.
func (l *lines) call(op string, do func(fd uintptr) error) error {
	var err error
	if closed := l.conn.Control(func(fd uintptr) { err = do(fd) }); closed != nil {
		err = os.ErrClosed
	}
	if err != nil {
		return l.fail(op, err)
	}
	return nil
}

// Values implements [gpio.Lines].
func (l *lines) Values() ([]bool, error) {
	raw := uapi.LineValues{Mask: l.mask}
	err := l.call("read", func(fd uintptr) error { return getValues(fd, &raw) })
	if err != nil {
		return nil, err
	}
	values := make([]bool, len(l.offsets))
	for i := range values {
		values[i] = raw.Get(i) == 1
	}
	return values, nil
}

// SetValues implements [gpio.Lines].
func (l *lines) SetValues(values []bool) error {
	raw := uapi.LineValues{Mask: l.mask}
	for i, value := range values {
		raw.Bits = raw.Bits.Set(i, number(value))
	}
	return l.call("set", func(fd uintptr) error {
		if len(values) != len(l.offsets) {
			return fmt.Errorf("want %d values, got %d: %w", len(l.offsets), len(values), syscall.EINVAL)
		}
		err := setValues(fd, raw)
		if errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("not all lines are outputs: %w", err)
		}
		return err
	})
}

// Reconfigure implements [gpio.Lines]. Kernels that lack the change "gpiolib:
// cdev: Ignore reconfiguration without direction" of 2024 (6.1.192 has it) do not
// leave a line given as AsIs alone, but take over its active-low and clear its
// bias and edges (torvalds/linux drivers/gpio/gpiolib-cdev.c, linereq_set_config).
func (l *lines) Reconfigure(configs []gpio.LineConfig) error {
	return l.call("reconfigure", func(fd uintptr) error {
		if !sameOffsets(configs, l.offsets) {
			return fmt.Errorf("want the requested lines in their order: %w", syscall.EINVAL)
		}
		if err := gpio.Validate(configs); err != nil {
			return err
		}
		return setConfig(fd, encode(configs))
	})
}

func sameOffsets(configs []gpio.LineConfig, offsets []int) bool {
	if len(configs) != len(offsets) {
		return false
	}
	for i, config := range configs {
		if config.Offset != offsets[i] {
			return false
		}
	}
	return true
}

// Events implements [gpio.Lines].
func (l *lines) Events() <-chan gpio.Event { return l.events }

// Close implements [gpio.Lines].
func (l *lines) Close() error {
	var err error
	l.closing.Do(func() {
		l.backend.departures.remove(l)
		err = l.file.Close()
		<-l.watched
	})
	return err
}

// check ends the watch when the chip is gone.
func (l *lines) check() {
	probe := uapi.LineValues{Mask: 1}
	err := l.call("read", func(fd uintptr) error { return getValues(fd, &probe) })
	if errors.Is(err, gpio.ErrGone) {
		l.file.SetReadDeadline(time.Unix(1, 0))
	}
}
