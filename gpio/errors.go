package gpio

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// States that callers test for with [errors.Is]. The errno below them stays
// reachable: a busy line is both ErrBusy and syscall.EBUSY.
var (
	// ErrNoChip says that no chip has the name, label or path.
	ErrNoChip = errors.New("no such chip")
	// ErrNoLine says that no line has the name, or that the offset is too large.
	ErrNoLine = errors.New("no such line")
	// ErrAmbiguous says that several chips or lines have the name.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrBusy says that somebody else holds the line.
	ErrBusy = errors.New("busy")
	// ErrPermission says that the process may not open the chip.
	ErrPermission = errors.New("permission denied")
	// ErrGone says that the chip disappeared while its lines were held.
	ErrGone = errors.New("chip is gone")
	// ErrClosed says that the lines were released.
	ErrClosed = errors.New("lines are closed")
	// ErrUnsupported says that the kernel or driver cannot do what was asked.
	ErrUnsupported = errors.New("not supported")
)

// OpError is a failed operation on a chip or a line.
type OpError struct {
	// Op is "find", "list", "open", "request", "adopt", "pass", "read", "set" or
	// "reconfigure";
	// package sim adds those of its hand and of its protocol, such as "press".
	Op     string
	Chip   string // name of the chip as far as known
	Line   string // names or offsets of the lines, "" when the chip as a whole failed
	Holder string // who holds a busy line; "" when not known
	Err    error  // the cause; never nil
}

var _ error = (*OpError)(nil)

func (e *OpError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Line != "" {
		fmt.Fprintf(&b, " line %s", e.Line)
	}
	if e.Chip != "" {
		if e.Line != "" {
			b.WriteString(" of")
		}
		fmt.Fprintf(&b, " chip %s", e.Chip)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Holder != "" {
		fmt.Fprintf(&b, ", held by %q", e.Holder)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Is reports the state that an errno stands for.
func (e *OpError) Is(target error) bool {
	var errno syscall.Errno
	if !errors.As(e.Err, &errno) {
		return false
	}
	switch target {
	case ErrBusy:
		return errno == syscall.EBUSY
	case ErrPermission:
		// EPERM of a set only says that a line is no output
		// (torvalds/linux drivers/gpio/gpiolib-cdev.c, linereq_set_values).
		return errno == syscall.EACCES || errno == syscall.EPERM && e.Op != "set"
	case ErrGone:
		return errno == syscall.ENODEV
	case ErrUnsupported:
		return errno == syscall.EOPNOTSUPP
	}
	return false
}
