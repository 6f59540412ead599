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
// # Names
//
// A line is its chip and line, see [Identity]. Claims and memory are keyed by identity,
// so another label changes nothing. Labels are for people and for the callers of a
// Bank, who address outputs and inputs by their present labels.
//
// Each [Request] has a number. Later reports about its lines carry this number; the bank
// ignores reports about earlier requests.
//
// No decision depends on the order of a map. Where an order decides, it is the order of
// the labels, unless a comment says otherwise.
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
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// Bank is all lines of a configuration. It is not safe for concurrent use.
type Bank struct {
	outputs map[string]*output // by label, as the next one
	inputs  map[string]*input
	// The same by the keys of their claims.
	outputClaims map[string]*output
	inputClaims  map[string]*input
	// The same in the order of their labels, so that effects are in an order too.
	outputOrder []*output
	inputOrder  []*input
	// The lines of outputs, by label and by identity.
	lines      map[string]member
	identities map[string]member
	groups     []*interlock // in the order of their labels

	requests uint64 // number of the last request

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

// Memory is the state of the outputs for a later run. Its keys are identities of lines,
// and claims, with a "!" before each line that is active low: on and off swap with the
// polarity. The levels of a demand have the order of its key.
type Memory struct {
	Levels  map[string]bool   // for the start state "restore"; a line that was to go off is off
	Waves   map[string]Demand // of outputs that alternate
	Demands map[string]Order  // levels that outputs have not reached yet
}

// New makes a bank. random spreads retries.
func New(setup Setup, memory Memory, random *rand.Rand, log *slog.Logger) *Bank {
	b := newBank(setup)
	b.random, b.log = random, log
	for _, u := range b.outputOrder {
		u.restore(memory)
	}
	for _, g := range b.groups {
		b.settle(g, Cause{})
	}
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

// Ready answers a [Request]: its lines are held, and their levels.
func (b *Bank) Ready(now time.Time, claim string, values []bool) {
	if in := b.inputClaims[claim]; in != nil && in.state == requested {
		if b.complete(now, &in.claim, values) {
			b.inputReady(now, in, values[0])
		}
		return
	}
	u := b.outputClaims[claim]
	if u == nil || u.state != requested || !b.complete(now, &u.claim, values) {
		return
	}
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
	b.begin(u)
	b.advanceGroups(now, u)
}

// Held tells, before [Bank.Ready], that the lines of an output were held since an
// earlier run: what they are is what they were last, newer than what is remembered.
func (b *Bank) Held(claim string) {
	u := b.outputClaims[claim]
	if u == nil || u.state != requested {
		return
	}
	if u.demand.Levels == nil || u.cause.Kind == ByStart {
		u.cause = Cause{Kind: ByHolder}
	}
	for i, cfg := range u.cfgs {
		if cfg.Start == config.StartRestore && !u.use.Momentary && u.demand.Levels == nil {
			u.initial[i] = nil
		}
	}
}

// Written answers a [Write] with the levels that were read after it.
func (b *Bank) Written(now time.Time, claim string, values []bool) {
	u := b.outputClaims[claim]
	if u == nil || u.state != writing || !b.complete(now, &u.claim, values) {
		return
	}
	b.move(&u.claim, held)
	b.observe(now, u, values)
	u.set = u.asked
	if b.stopped {
		return
	}
	b.compare(now, u)
	b.advanceGroups(now, u)
}

// complete reports whether an answer has a level for each line. Otherwise the claim has
// failed.
func (b *Bank) complete(now time.Time, c *claim, values []bool) bool {
	if len(values) == len(c.lines) {
		return true
	}
	b.Failed(now, c.key, c.request, fmt.Errorf("%d levels were read of %d lines", len(values), len(c.lines)))
	return false
}

// Failed tells that the request of that number, or a read or write under it, failed, or
// that the chip is gone. The lines are no longer held.
func (b *Bank) Failed(now time.Time, claim string, request uint64, err error) {
	if in := b.inputClaims[claim]; in != nil && in.live(request) {
		b.fail(now, &in.claim, err)
		b.notify(InputChanged{Input: in.label})
	}
	if u := b.outputClaims[claim]; u != nil && u.live(request) {
		clear(u.seen)
		if u.mayHavePulsed() {
			b.replace(u, u.off(), Cause{Kind: ByFailure})
		}
		b.fail(now, &u.claim, err)
		b.changed(u)
		b.advanceGroups(now, u)
	}
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
