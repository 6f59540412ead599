// Package lines is the line engine: what outputs are to be, what they may be,
// and what inputs are, over time.
//
// A [Bank] is a state machine without I/O and without a clock. It is told what is
// demanded of outputs and what was seen of lines, each time with the present time,
// and says in [Effect] values what is to be done and in [Notice] values what
// changed. So every behaviour can be replayed, and nothing here needs a lock.
//
//	Drive, Link ──┐             ┌──> Request, Write, Guard ──> gpio backend
//	              ├──> Bank ────┤
//	Ready, Written, Failed,     └──> OutputChanged, PulseEnded, ForcedOff, InputChanged
//	Seen, Tick ───┘
//
// # Outputs
//
// An output is one line, or the lines of one pattern, which are requested
// together and set in one kernel call. It has one [Demand] at a time; the latest
// replaces the one before. From the demand follows what its lines are to be now,
// and the rules say how far they may go there:
//
//   - a line that is on stays on for its MinOn, one that is off stays off for its MinOff;
//   - a line goes on only if all others of its interlock are known to be off,
//     and have been observed off for the dead time;
//   - a line that is on for its MaxOn is turned off, and its demand is over.
//
// What has to wait is done as soon as the rules allow it, unless something else is
// demanded before. A change of several lines waits as a whole; if only what goes
// on has to wait, what goes off goes at once. A demand for a line on whose
// interlock another line is demanded on is refused, see [Conflict].
//
// Times are counted from what was observed, which is read back after each write.
package lines

import (
	"cmp"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Bank is all lines of a configuration. It is not safe for concurrent use.
type Bank struct {
	outputs map[string]*output
	inputs  map[string]*input
	byLine  map[string]member // of every output line
	groups  []*interlock
	// The same in the order of their labels, so that effects are in an order too.
	outputOrder []*output
	inputOrder  []*input

	random *rand.Rand
	log    *slog.Logger

	away    time.Time // since when there has been no link; zero while there is one
	stopped bool
	moving  int // claims that have not answered yet
	wake    time.Time
	effects []Effect
	notices []Notice
}

// member is one line of an output.
type member struct {
	*output
	index int
}

// Memory is what an earlier run knew of outputs: what they were, for the start state
// "restore", and what they were still to become.
type Memory struct {
	Levels  map[string]bool // by line
	Waves   map[string]Demand
	Demands map[string]Order // of levels, not met yet
}

// Label names the output that the lines of a pattern are.
func Label(lines ...string) string { return strings.Join(lines, "+") }

// New makes a bank of the lines of cfg. random spreads retries.
func New(cfg *config.Config, memory Memory, random *rand.Rand, log *slog.Logger) *Bank {
	b := &Bank{
		outputs: map[string]*output{},
		inputs:  map[string]*input{},
		byLine:  map[string]member{},
		random:  random,
		log:     log,
	}
	kinds := map[string]config.Property{}
	for _, s := range cfg.Shadows {
		for _, p := range s.Properties {
			if p.Kind == config.Pattern {
				b.addOutput(cfg, p.Lines(), p, memory)
			} else if p.Output {
				kinds[p.Line] = p
			}
		}
	}
	for label, line := range cfg.Lines {
		switch {
		case line.Direction == gpio.Input:
			b.inputs[label] = &input{claim: claim{label: label, lines: []string{label}}, cfg: line}
		case b.byLine[label].output == nil:
			b.addOutput(cfg, []string{label}, kinds[label], memory)
		}
	}
	for label, c := range cfg.Interlocks {
		b.addInterlock(label, c)
	}
	b.outputOrder, b.inputOrder = sorted(b.outputs), sorted(b.inputs)
	return b
}

// Start requests all lines. There is no link yet.
func (b *Bank) Start(now time.Time) {
	b.away = now
	for _, u := range b.outputOrder {
		b.request(now, u)
	}
	for _, in := range b.inputOrder {
		b.requestInput(in)
	}
	b.at(now)
}

// Link tells whether the nucleus can be reached. Without, outputs take their
// failsafe state when its time has come.
func (b *Bank) Link(now time.Time, up bool) {
	switch {
	case up:
		b.away = time.Time{}
	case b.away.IsZero():
		b.away = now
	}
	if up {
		for _, u := range b.outputOrder {
			clear(u.failsafed)
		}
	}
	b.failsafe(now)
}

// Tick does what has become due.
func (b *Bank) Tick(now time.Time) {
	b.wake = time.Time{}
	if b.stopped {
		return
	}
	b.failsafe(now)
	for _, u := range b.outputOrder {
		if u.state == faulted && b.due(now, &u.claim) {
			b.request(now, u)
		} else {
			b.advance(now, u)
		}
	}
	for _, in := range b.inputOrder {
		b.tickInput(now, in)
	}
}

// Ready tells that a claim was requested, and what its lines read.
func (b *Bank) Ready(now time.Time, claim string, values []bool) {
	if in, ok := b.inputs[claim]; ok {
		b.inputReady(now, in, values[0])
		return
	}
	u := b.outputs[claim]
	b.move(&u.claim, held)
	b.well(&u.claim)
	if u.cause == (Cause{}) && slices.ContainsFunc(u.requested, func(value *bool) bool { return value != nil }) {
		u.cause.Kind = ByStart
	}
	b.observe(now, u, values)
	u.set = slices.Clone(values)
	for i, value := range u.requested {
		if value != nil {
			u.set[i] = *value
		}
	}
	b.begin(now, u)
	b.advanceGroups(now, u)
}

// Held tells, before [Bank.Ready], that the lines of an output were held since an
// earlier run: what they are is what they were last, newer than what is remembered.
func (b *Bank) Held(claim string) {
	u := b.outputs[claim]
	if u.demand.Levels == nil || u.cause.Kind == ByStart {
		u.cause = Cause{Kind: ByHolder}
	}
	for i, cfg := range u.cfgs {
		if cfg.Start == config.StartRestore && u.kind != config.Pulse && u.demand.Levels == nil {
			u.initial[i] = nil
		}
	}
}

// Written tells what the lines of an output read after a [Write].
func (b *Bank) Written(now time.Time, claim string, values []bool) {
	u := b.outputs[claim]
	b.move(&u.claim, held)
	b.observe(now, u, values)
	u.set = u.asked
	if b.stopped {
		return
	}
	b.compare(now, u)
	b.advanceGroups(now, u)
}

// Failed tells that a claim could not be requested, read or written, or that its
// chip is gone. Its lines are no longer held.
func (b *Bank) Failed(now time.Time, claim string, err error) {
	if in, ok := b.inputs[claim]; ok {
		b.fail(now, &in.claim, err)
		b.notify(InputChanged{Input: claim})
		return
	}
	u := b.outputs[claim]
	b.fail(now, &u.claim, err)
	b.changed(u)
	b.advanceGroups(now, u)
}

// Wake is when the next [Bank.Tick] is wanted, zero when none is.
func (b *Bank) Wake() time.Time { return b.wake }

// Moving reports whether any effect has not been answered yet.
func (b *Bank) Moving() bool { return b.moving > 0 }

// Effects returns what is to be done, in this order, once.
func (b *Bank) Effects() []Effect {
	effects := b.effects
	b.effects = nil
	return effects
}

// Notices returns what happened since the last call.
func (b *Bank) Notices() []Notice {
	notices := b.notices
	b.notices = nil
	return notices
}

func (b *Bank) do(e Effect)       { b.effects = append(b.effects, e) }
func (b *Bank) notify(n Notice)   { b.notices = append(b.notices, n) }
func (b *Bank) changed(u *output) { b.notify(OutputChanged{u.label}) }
func (m member) value() (on bool) { return m.values[m.index] }
func (m member) line() string     { return m.lines[m.index] }
func (m member) since() time.Time { return m.output.since[m.index] }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// at asks for a tick at t at the latest.
func (b *Bank) at(t time.Time) {
	if !t.IsZero() && (b.wake.IsZero() || t.Before(b.wake)) {
		b.wake = t
	}
}

// sorted gives the values in the order of their keys.
func sorted[V any](m map[string]V) []V {
	keys := slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
	values := make([]V, len(keys))
	for i, k := range keys {
		values[i] = m[k]
	}
	return values
}
