package gpio_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

func TestOpErrorText(t *testing.T) {
	for want, err := range map[string]*gpio.OpError{
		"open chip gpiochip0: permission denied":                  {Op: "open", Chip: "gpiochip0", Err: syscall.EACCES},
		"find line LAMP: no such line":                            {Op: "find", Line: "LAMP", Err: gpio.ErrNoLine},
		"read line 3 of chip soc: chip is gone":                   {Op: "read", Chip: "soc", Line: "3", Err: gpio.ErrGone},
		`request line 3: device or resource busy, held by "lamp"`: {Op: "request", Line: "3", Holder: "lamp", Err: syscall.EBUSY},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOpErrorIs(t *testing.T) {
	all := []error{gpio.ErrNoChip, gpio.ErrNoLine, gpio.ErrAmbiguous, gpio.ErrBusy, gpio.ErrPermission, gpio.ErrGone, gpio.ErrClosed, gpio.ErrUnsupported}
	for _, c := range []struct {
		op    string
		cause error
		is    error // the only sentinel; nil for none
	}{
		{"request", syscall.EBUSY, gpio.ErrBusy},
		{"open", syscall.EACCES, gpio.ErrPermission},
		{"open", syscall.EPERM, gpio.ErrPermission},
		{"set", syscall.EPERM, nil}, // an input, not a matter of rights
		{"read", syscall.ENODEV, gpio.ErrGone},
		{"request", syscall.EOPNOTSUPP, gpio.ErrUnsupported},
		{"request", syscall.EINVAL, nil},
		{"read", gpio.ErrClosed, gpio.ErrClosed},
		{"find", gpio.ErrNoChip, gpio.ErrNoChip},
		{"find", errors.New("something else"), nil},
	} {
		for _, cause := range []error{c.cause, fmt.Errorf("with more words: %w", c.cause)} {
			err := fmt.Errorf("outer: %w", &gpio.OpError{Op: c.op, Err: cause})
			if !errors.Is(err, c.cause) {
				t.Errorf("%v: the cause is out of reach", err)
			}
			for _, sentinel := range all {
				if got := errors.Is(err, sentinel); got != (sentinel == c.is) {
					t.Errorf("%v: is %v: got %v", err, sentinel, got)
				}
			}
		}
	}
}
