package sim

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Hand is the far side of simulated lines. [Sim] is one in this process,
// [Remote] the same of another process. A chip is given by name, label or path, a
// line by its offset; levels are physical, so that active-low is not applied.
// Errors are *[gpio.OpError].
//
// Each line has a pull, and a button that brings the line to the level opposite
// to the pull for as long as it is pressed: a button to ground on a line that is
// pulled up, one to the supply on a line that is pulled down. A line that is
// driven as an output keeps its level against both.
type Hand interface {
	// Add plugs a new chip in.
	Add(chip Chip) (gpio.ChipInfo, error)

	// Unplug takes a chip away. Requests on it turn into [gpio.ErrGone] and their
	// event channels are closed.
	Unplug(chip string) error

	// Plug brings an unplugged chip back, by the name or label it had, with its
	// lines as new.
	Plug(chip string) (gpio.ChipInfo, error)

	// Level reads a line: whether it is high.
	Level(chip string, offset int) (bool, error)

	// SetPull pulls a line up or down and lets go of its button.
	SetPull(chip string, offset int, high bool) error

	// Press pushes the button of a line. It stays pressed until Release.
	Press(chip string, offset int) error

	// Release lets go of the button of a line.
	Release(chip string, offset int) error

	// Hold presses the button for d, and lets go also when ctx ends before.
	Hold(ctx context.Context, chip string, offset int, d time.Duration) error

	// Bounce presses a released button, or releases a pressed one, the way a
	// worn contact does: it falls back n times (0 to 1000), each change following
	// the last after every. When ctx ends before, the button is left as it would
	// have come to rest.
	Bounce(ctx context.Context, chip string, offset, n int, every time.Duration) error
}

const maxBounces = 1000

// Level implements [Hand].
func (s *Sim) Level(ref string, offset int) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.line("read", ref, offset)
	if err != nil {
		return false, err
	}
	return l.level, nil
}

// SetPull implements [Hand].
func (s *Sim) SetPull(ref string, offset int, high bool) error {
	return s.handle("pull", ref, offset, func(l *line) { l.rest, l.pressed = high, false })
}

// Press implements [Hand].
func (s *Sim) Press(ref string, offset int) error { return s.button("press", ref, offset, true) }

// Release implements [Hand].
func (s *Sim) Release(ref string, offset int) error { return s.button("release", ref, offset, false) }

func (s *Sim) button(op, ref string, offset int, pressed bool) error {
	return s.handle(op, ref, offset, func(l *line) { l.pressed = pressed })
}

func (s *Sim) handle(op, ref string, offset int, do func(*line)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.line(op, ref, offset)
	if err != nil {
		return err
	}
	do(l)
	l.settle(ByHand)
	return nil
}

// Hold implements [Hand].
func (s *Sim) Hold(ctx context.Context, ref string, offset int, d time.Duration) error {
	if err := s.Press(ref, offset); err != nil {
		return err
	}
	interrupted := wait(ctx, d)
	if err := s.Release(ref, offset); err != nil {
		return err
	}
	return interrupted
}

// Bounce implements [Hand].
func (s *Sim) Bounce(ctx context.Context, ref string, offset, n int, every time.Duration) error {
	if n < 0 || n > maxBounces {
		return &gpio.OpError{Op: "bounce", Chip: ref, Line: fmt.Sprint(offset),
			Err: fmt.Errorf("a contact bounces 0 to %d times, not %d: %w", maxBounces, n, syscall.EINVAL)}
	}
	var end bool
	if err := s.handle("bounce", ref, offset, func(l *line) { end = !l.pressed; l.pressed = end }); err != nil {
		return err
	}
	for i := range 2 * n {
		if err := wait(ctx, every); err != nil {
			s.button("bounce", ref, offset, end)
			return err
		}
		if err := s.button("bounce", ref, offset, (i%2 == 1) == end); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
