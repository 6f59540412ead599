// Package gpio is the line model of ShadowGPIO: what a GPIO line is, how it
// is found, requested, set, read and watched, and how it fails.
//
// It holds no operating system code. Two backends implement [Backend]: package
// cdev on the Linux character device, and package sim in memory with the same
// semantics. Package gpiotest is the behavioural suite that both pass.
//
// # Words
//
// The words are the kernel's (torvalds/linux Documentation/userspace-api/gpio):
// chip, line, offset, consumer, active-low, bias, drive, debounce, edge. A line
// value is logical: true is active. Active-low is applied once, below this
// interface, to values and to edges alike.
//
// # Ownership
//
// [Backend.Request] returns [Lines], held until [Lines.Close]. What a line does
// at release is the driver's choice: some keep the level, some fall back to an
// input (gpio-sim returns to the pull). Where Lines are a [Descriptor], another
// process can hold them as well and hand them on, so that they are not released;
// RESTART.md compares the ways. All methods may be called concurrently.
// A chip that disappears turns every call on its lines into [ErrGone]; they are
// closed and requested again when it is back.
package gpio

import (
	"fmt"
	"strings"
	"time"
)

// Direction is the direction of a line.
type Direction uint8

// The directions. AsIs is the zero value: the request leaves the direction, and
// with it the level of an output, as the line has it.
const (
	AsIs Direction = iota
	Input
	Output
)

// Bias is the pull of a line.
type Bias uint8

// The biases. BiasAsIs is the zero value and leaves the bias unchanged.
const (
	BiasAsIs Bias = iota
	BiasDisabled
	BiasPullUp
	BiasPullDown
)

// Drive is how an output drives its line.
type Drive uint8

// The drives. PushPull is the zero value. An open-drain line drives only the
// physical low level, an open-source line only the physical high level.
const (
	PushPull Drive = iota
	OpenDrain
	OpenSource
)

// Edges is the set of edges an input reports.
type Edges uint8

// The edge sets, in logical terms: Rising is inactive to active.
const (
	NoEdges Edges = iota
	RisingEdges
	FallingEdges
	BothEdges
)

// Edge is one observed change of a line, in logical terms.
type Edge uint8

// The edges. There is no zero value.
const (
	Rising  Edge = iota + 1 // inactive to active
	Falling                 // active to inactive
)

var (
	directionNames = []string{"as-is", "input", "output"}
	biasNames      = []string{"as-is", "disabled", "pull-up", "pull-down"}
	driveNames     = []string{"push-pull", "open-drain", "open-source"}
	edgesNames     = []string{"none", "rising", "falling", "both"}
	edgeNames      = []string{"", "rising", "falling"}
)

func (d Direction) String() string { return name(directionNames, int(d)) }
func (b Bias) String() string      { return name(biasNames, int(b)) }
func (d Drive) String() string     { return name(driveNames, int(d)) }
func (e Edges) String() string     { return name(edgesNames, int(e)) }
func (e Edge) String() string      { return name(edgeNames, int(e)) }

func name(names []string, i int) string {
	if i >= len(names) || names[i] == "" {
		return fmt.Sprintf("invalid(%d)", i)
	}
	return names[i]
}

// UnmarshalText accepts "as-is", "input" and "output".
func (d *Direction) UnmarshalText(text []byte) error { return parse(d, directionNames, text) }

// UnmarshalText accepts "as-is", "disabled", "pull-up" and "pull-down".
func (b *Bias) UnmarshalText(text []byte) error { return parse(b, biasNames, text) }

// UnmarshalText accepts "push-pull", "open-drain" and "open-source".
func (d *Drive) UnmarshalText(text []byte) error { return parse(d, driveNames, text) }

// UnmarshalText accepts "none", "rising", "falling" and "both".
func (e *Edges) UnmarshalText(text []byte) error { return parse(e, edgesNames, text) }

// MarshalText is the inverse of UnmarshalText.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalText is the inverse of UnmarshalText.
func (b Bias) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// MarshalText is the inverse of UnmarshalText.
func (d Drive) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalText is the inverse of UnmarshalText.
func (e Edges) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

func parse[T ~uint8](dst *T, names []string, text []byte) error {
	for i, n := range names {
		if n == string(text) {
			*dst = T(i)
			return nil
		}
	}
	return fmt.Errorf("want one of %s, got %q", strings.Join(names, ", "), text)
}

// ChipInfo describes a chip.
type ChipInfo struct {
	Name  string `json:"name"`  // as the kernel numbers it: "gpiochip0"
	Path  string `json:"path"`  // what opens it: "/dev/gpiochip0"
	Label string `json:"label"` // what the driver calls it: "pinctrl-bcm2711"
	Lines int    `json:"lines"` // how many lines; offsets are 0 to Lines-1
}

// LineInfo describes a line as it is, requested or not.
type LineInfo struct {
	Offset    int           `json:"offset"`
	Name      string        `json:"name"`               // "" when the platform names none
	Consumer  string        `json:"consumer,omitempty"` // who holds it; "" when free or unnamed
	Used      bool          `json:"used"`               // held by a process or the kernel itself
	Direction Direction     `json:"direction"`          // Input or Output, never AsIs
	ActiveLow bool          `json:"activeLow"`
	Bias      Bias          `json:"bias"`
	Drive     Drive         `json:"drive"`
	Debounce  time.Duration `json:"debounce"`
	Edges     Edges         `json:"edges"`
}

// LineConfig says how one line is requested.
type LineConfig struct {
	Offset    int
	Direction Direction     // AsIs allows only ActiveLow beside it
	Value     bool          // initial value; outputs only
	ActiveLow bool          // the low level is the active one
	Bias      Bias          // inputs and outputs
	Drive     Drive         // outputs only
	Debounce  time.Duration // inputs only; 0 is none, at most 4294967295 µs
	Edges     Edges         // inputs only
}

// Event is an edge, as the kernel saw it.
type Event struct {
	Offset int
	Edge   Edge
	// Time is the wall time of the edge, derived from the kernel's time stamp
	// when the event is read. It jumps where the wall clock is set; for intervals
	// use Clock.
	Time time.Time
	// Clock is the kernel's time stamp on the monotonic event clock: time since
	// boot without suspend. It never goes back within a line.
	Clock time.Duration
	// Seqno counts the events of the whole request from 1, LineSeqno those of
	// this line. A gap says that events were lost: read the value again.
	Seqno, LineSeqno uint32
}

// Backend gives access to the chips of a machine.
type Backend interface {
	// Chips lists the chips in the kernel's order. It returns those it could
	// open together with the joined errors of those it could not.
	Chips() ([]ChipInfo, error)

	// LineInfos lists the lines of the chip with that name, label or path.
	LineInfos(chip string) ([]LineInfo, error)

	// Request takes lines of one chip (by name, label or path) for consumer, in
	// one kernel request. Either all lines are taken and configured or none is.
	// The kernel keeps the first 31 bytes of consumer and shows "?" for none.
	// The error is an *[OpError]: what [Validate] refuses is syscall.EINVAL, an
	// offset too large is [ErrNoLine], a line that someone holds is [ErrBusy]
	// and says who, a device that may not be opened is [ErrPermission].
	Request(chip, consumer string, lines []LineConfig) (Lines, error)
}

// Lines are the lines of one request, in the order they were requested.
type Lines interface {
	// Values reads all lines. For an output it is what the line is, as far as
	// the driver can tell, not what was last set; for an input with debounce it
	// is the debounced level.
	Values() ([]bool, error)

	// SetValues sets all lines in one kernel call. There must be one value for
	// each line (else syscall.EINVAL), and all lines must be outputs (else
	// syscall.EPERM, which is not [ErrPermission]); if not, none is set.
	SetValues(values []bool) error

	// Reconfigure changes the configuration of the lines, which must be the
	// requested ones in their order, without releasing them. An output is driven
	// to its Value, without a change when it has that level already; a line given
	// as AsIs stays as it is. Sequence numbers go on. The kernel works through
	// the lines one by one: a driver that fails leaves the earlier ones changed.
	Reconfigure(lines []LineConfig) error

	// Events delivers edges in order. When the reader lags by more than
	// [EventBuffer] events further ones are dropped, which shows as a gap in the
	// sequence numbers. It is closed by Close, and when the chip disappears;
	// what the reader had not taken by then may be lost.
	Events() <-chan Event

	// Close releases the lines and closes Events before it returns. It may be
	// called more than once, and while other calls run; calls after it are
	// [ErrClosed].
	Close() error
}

// EventBuffer is the number of events a backend holds for a lagging reader of
// [Lines.Events], beside the kernel's own buffer of 16 events a line.
const EventBuffer = 256
