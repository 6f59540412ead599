package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// maxMessage bounds a message of either end, its newline included. The longest
// is a list of 1024 lines.
const maxMessage = 1 << 20

// command is what a client sends. PROTOCOL.md says which op takes which field.
type command struct {
	Op       string            `json:"op"`
	Chip     string            `json:"chip,omitempty"`
	Consumer string            `json:"consumer,omitempty"`
	Lines    []gpio.LineConfig `json:"lines,omitempty"`
	Values   []bool            `json:"values,omitempty"`
	Config   *Chip             `json:"config,omitempty"`
	Offset   int               `json:"offset,omitempty"`
	High     bool              `json:"high,omitempty"`
	Count    int               `json:"count,omitempty"`
	Duration time.Duration     `json:"duration,omitempty"`
	Mark     uint32            `json:"mark,omitempty"`
}

// answer is what the server sends: an event, or the answer to a command.
type answer struct {
	Event  *gpio.Event     `json:"event,omitempty"`
	Error  *failure        `json:"error,omitempty"`
	Chips  []gpio.ChipInfo `json:"chips,omitempty"`
	Infos  []gpio.LineInfo `json:"infos,omitempty"`
	Values []bool          `json:"values,omitempty"`
	High   bool            `json:"high,omitempty"`
	Chip   string          `json:"chip,omitempty"`
	Label  string          `json:"label,omitempty"`
	Mark   uint32          `json:"mark,omitempty"`
	Held   *held           `json:"held,omitempty"`
}

// held is what a connection holds.
type held struct {
	Consumer string `json:"consumer"`
	Offsets  []int  `json:"offsets"`
}

// failure is an error on the wire.
type failure struct {
	Op     string        `json:"op,omitempty"`
	Chip   string        `json:"chip,omitempty"`
	Line   string        `json:"line,omitempty"`
	Holder string        `json:"holder,omitempty"`
	Text   string        `json:"text"`
	Errno  syscall.Errno `json:"errno,omitempty"`
	States []string      `json:"states,omitempty"`
}

// states are the sentinels that survive the wire. Those that follow from an
// errno need no entry.
var states = map[string]error{
	"no-chip":   gpio.ErrNoChip,
	"no-line":   gpio.ErrNoLine,
	"ambiguous": gpio.ErrAmbiguous,
	"gone":      gpio.ErrGone,
	"closed":    gpio.ErrClosed,
}

func newFailure(err error) *failure {
	f := &failure{Text: err.Error()}
	if opErr, ok := errors.AsType[*gpio.OpError](err); ok {
		f.Op, f.Chip, f.Line, f.Holder = opErr.Op, opErr.Chip, opErr.Line, opErr.Holder
		f.Text = opErr.Err.Error()
	}
	f.Errno, _ = errors.AsType[syscall.Errno](err)
	for _, name := range slices.Sorted(maps.Keys(states)) {
		if errors.Is(err, states[name]) {
			f.States = append(f.States, name)
		}
	}
	return f
}

// err makes the error again, as far as errors.Is can tell.
func (f *failure) err() error {
	cause := &remoteError{text: f.Text}
	if f.Errno != 0 {
		cause.causes = append(cause.causes, f.Errno)
	}
	for _, name := range f.States {
		if state, ok := states[name]; ok {
			cause.causes = append(cause.causes, state)
		}
	}
	if f.Op == "" {
		return cause
	}
	return &gpio.OpError{Op: f.Op, Chip: f.Chip, Line: f.Line, Holder: f.Holder, Err: cause}
}

// remoteError is the cause of an error that came over the wire.
type remoteError struct {
	text   string
	causes []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.causes }

// reader reads messages. Its errors are final.
type reader struct{ scanner *bufio.Scanner }

func newReader(r io.Reader) reader {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxMessage)
	return reader{scanner}
}

// errMessage says that the other end sent something that is no message.
var errMessage = errors.New("not a message")

// read decodes the next message into v. It returns io.EOF at the end of the
// stream, and an errMessage for what is no message.
func (r reader) read(v any) error {
	if !r.scanner.Scan() {
		switch err := r.scanner.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			return fmt.Errorf("%w: longer than %d bytes", errMessage, maxMessage)
		case err != nil:
			return err
		}
		return io.EOF
	}
	if err := json.Unmarshal(r.scanner.Bytes(), v); err != nil {
		return fmt.Errorf("%w: %w", errMessage, err)
	}
	return nil
}

func write(w io.Writer, v any) error {
	message, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(message, '\n'))
	return err
}
