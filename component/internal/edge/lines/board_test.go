package lines_test

import (
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// board is a backend with a chip for each of two lines, and its far side.
type board struct {
	gpio.Backend
	// unit is what the times of the cases are multiples of; sleep lets time pass.
	unit  time.Duration
	sleep func(time.Duration)

	level  func(label string) bool // false while unplugged
	plug   func(label string) error
	unplug func(label string) error
}

// labels of the lines, each line 0 of the chip with that label.
const (
	lineA = "lines-a"
	lineB = "lines-b"
)

// rig runs a bank on a board. Its clock is the bank's; it never runs faster than
// the board's, so what the bank times lasts at least as long there.
type rig struct {
	*lines.Bank
	board board
	t     *testing.T
	setup lines.Setup
	now   time.Time
	held  map[string]gpio.Lines // by label, as is the next one
	last  map[string]lines.Request
	trace []change

	marked int               // changes before the event of the case
	was    map[string]change // the last one of each line before it
}

// mark takes what was seen until now for what was before the event.
func (r *rig) mark() {
	r.marked, r.was = len(r.trace), map[string]change{}
	for _, c := range r.trace {
		r.was[c.line] = c
	}
}

// change is what the far side saw of a line.
type change struct {
	at   time.Time
	line string
	on   bool
}

func newRig(t *testing.T, b board, setup lines.Setup) *rig {
	t.Helper()
	r := &rig{board: b, t: t, setup: setup, now: time.Now(), held: map[string]gpio.Lines{}, last: map[string]lines.Request{}}
	r.start(lines.Memory{})
	return r
}

func (r *rig) start(memory lines.Memory) {
	r.Bank = lines.New(r.setup, memory, rand.New(rand.NewPCG(1, 2)), slog.New(slog.DiscardHandler))
	r.Start(r.now)
	r.carryOut()
}

// restart is a kill, after which the kernel takes the lines, and a new start.
func (r *rig) restart() {
	memory := r.Memory()
	r.release()
	r.look()
	r.mark()
	for _, label := range []string{lineA, lineB} { // each is off, as far as can be seen from now on
		r.was[label] = change{r.now, label, false}
	}
	r.start(memory)
}

func (r *rig) release() {
	for label, l := range r.held {
		l.Close()
		delete(r.held, label)
	}
}

// carryOut does what the bank asks until it asks for no more, and looks at the
// lines after each effect.
func (r *rig) carryOut() {
	r.t.Helper()
	for effects := r.Effects(); len(effects) > 0; effects = r.Effects() {
		for _, effect := range effects {
			switch e := effect.(type) {
			case lines.Request:
				if values, err := r.request(e); err != nil {
					r.Failed(r.now, e.Claim, e.Request, err)
				} else {
					r.Ready(r.now, e.Claim, values)
				}
			case lines.Write:
				held := r.held[r.label(e.Claim)]
				err := held.SetValues(e.Values)
				values, readErr := held.Values()
				if err != nil || readErr != nil {
					r.Failed(r.now, e.Claim, e.Request, err)
				} else {
					r.Written(r.now, e.Claim, values)
				}
			}
			r.look()
		}
	}
}

func (r *rig) request(e lines.Request) ([]bool, error) {
	label := e.Lines[0]
	r.last[label] = e
	if old, ok := r.held[label]; ok {
		old.Close()
		delete(r.held, label)
	}
	config := gpio.LineConfig{Direction: gpio.Output}
	first := gpio.LineConfig{}
	if e.Values[0] != nil {
		first = config
		first.Value = *e.Values[0]
	}
	held, err := r.board.Request(label, "lines", []gpio.LineConfig{first})
	if err != nil {
		return nil, err
	}
	r.held[label] = held
	values, err := held.Values()
	if err == nil && e.Values[0] == nil {
		config.Value = values[0]
		err = held.Reconfigure([]gpio.LineConfig{config})
	}
	return values, err
}

// label is the label of the line of a claim.
func (r *rig) label(claim string) string {
	for label, e := range r.last {
		if e.Claim == claim {
			return label
		}
	}
	return ""
}

// look notes what changed on the far side.
func (r *rig) look() {
	r.t.Helper()
	for _, label := range []string{lineA, lineB} {
		if on := r.board.level(label); on != r.on(label) {
			r.trace = append(r.trace, change{r.now, label, on})
		}
	}
	if r.on(lineA) && r.on(lineB) {
		r.t.Fatalf("both lines of the interlock are on: %v", r.trace)
	}
}

// on is what was last seen of a line.
func (r *rig) on(label string) (on bool) {
	for _, c := range r.trace {
		if c.line == label {
			on = c.on
		}
	}
	return on
}

// pass lets time pass; ticks come when they are asked for.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for ticks := 0; ; ticks++ {
		if ticks > 1000 {
			r.t.Fatal("the bank asks for ticks without end")
		}
		wake := r.Wake()
		if wake.IsZero() || wake.After(end) {
			r.sleepUntil(end)
			return
		}
		r.sleepUntil(wake)
		r.Tick(r.now)
		r.carryOut()
	}
}

func (r *rig) sleepUntil(t time.Time) {
	if t.After(r.now) {
		r.board.sleep(t.Sub(r.now))
		r.now = t
	}
}

// drive demands something of a line.
func (r *rig) drive(label string, d lines.Demand) error {
	r.t.Helper()
	err := r.Drive(r.now, map[string]lines.Order{label: {Demand: d, Cause: lines.Cause{Kind: "test"}}})[label]
	r.carryOut()
	return err
}

// link tells of the link.
func (r *rig) link(up bool) {
	r.t.Helper()
	r.Link(r.now, up)
	r.carryOut()
}

// unplug takes a chip away, which its watcher notices.
func (r *rig) unplug(label string) {
	r.t.Helper()
	if err := r.board.unplug(label); err != nil {
		r.t.Fatal(err)
	}
	if held := r.held[label]; held != nil {
		_, err := held.Values()
		if err == nil {
			r.t.Fatal("lines of an unplugged chip can be read")
		}
		r.Failed(r.now, r.last[label].Claim, r.last[label].Request, err)
	}
	r.carryOut()
	r.look()
}
