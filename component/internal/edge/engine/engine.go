// Package engine is the heart of the component: the one owner of what the lines
// are, what the shadows desire, and what is to be reported.
//
// [Engine.Step] takes one [Input] and returns [Effect] values. It does no I/O and
// reads no clock: the time comes with the call. A thin loop (package agent) feeds
// it from one goroutine and carries out the effects, whose results come back as
// inputs. So every behaviour can be replayed, and nothing here needs a lock.
//
//	edges, documents, messages, replies, ticks -> Step -> set lines, fetch, update, save
//
// What lines may be is decided below, in package lines; here are the shadows, and
// what ties them to the lines.
//
// What is reported is compared with what the shadow is known to hold, and only
// the difference is sent, one update in flight per shadow. A lost or doubtful
// update is therefore never repeated blindly: the document is read again and the
// difference taken anew.
package engine

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Engine is not safe for concurrent use.
type Engine struct {
	cfg     *config.Config
	bank    *lines.Bank
	shadows map[string]*shadowState
	outputs map[string]*property   // the one that drives an output, by the output's label
	inputs  map[string][]*property // those that show an input, by its label
	budget  *budget
	random  *rand.Rand
	tokens  string // what the client tokens of this run begin with
	log     *slog.Logger

	version string    // of the component
	since   time.Time // when it started, or stopped
	refused string    // why the latest configuration is not in force; "" if it is

	diskFaults map[string]string // by the part of the work directory

	memory    memory
	flags     map[string][]*property // those that show an alarm, by its label
	schedules []*property
	sampled   []*property // that report samples by rules
	alarms    []*alarm    // in the order of their labels
	clock     clock
	orders    map[string]lines.Order // demands of the step in progress
	wake      time.Time              // zero when nothing waits for time
	stopped   bool

	effects []Effect                // of the step in progress
	touched map[string]*shadowState // may have something to send
	queue   []*shadowState          // have something to send, and wait for their turn
	seq     uint64                  // of the last request
	awaited map[call]string         // requests without an answer, and whose thing they are about
}

// property is one property of a shadow, bound to lines.
type property struct {
	config.Property
	shadow *shadowState
	key    string
	output string // label of the output, "" for an input
	meter  meter  // of an input that is measured

	value any   // of a Setting and a Schedule: what is in force; nil for nothing
	plan  *plan // of a Schedule in force

	pulsing bool // the pulse that was desired last is under way

	// Of PWM: the percentage that was last desired, as it was written, and what it
	// means. Rounded to milliseconds and back it might differ.
	percent any
	means   lines.Demand
}

// id names the property in the memory.
func (p *property) id() string { return p.shadow.label + "/" + p.key }

// command reports whether a desired value is carried out once and then deleted.
func (p *property) command() bool {
	return p.Kind == config.Pulse || p.Kind == config.Count || p.Kind == config.Flag
}

// New makes an engine. version is the component's; remembered is what an earlier run saved; random spreads
// retries.
func New(cfg *config.Config, version string, remembered state.State, random *rand.Rand, log *slog.Logger) *Engine {
	e := &Engine{
		cfg:     cfg,
		version: version,
		bank:    lines.New(cfg, linesMemory(remembered), random, log),
		shadows: map[string]*shadowState{},
		outputs: map[string]*property{},
		inputs:  map[string][]*property{},
		flags:   map[string][]*property{},
		touched: map[string]*shadowState{},
		awaited: map[call]string{},
		orders:  map[string]lines.Order{},
		budget:  newBudget(),
		random:  random,
		tokens:  fmt.Sprintf("shadowgpio-%016x-", random.Uint64()),
		log:     log,
		memory:  newMemory(remembered),
	}
	for label, c := range cfg.Shadows {
		s := newShadowState(label, c)
		e.shadows[label] = s
		for key, p := range c.Properties {
			e.bind(&property{Property: p, shadow: s, key: key})
		}
	}
	e.watchAlarms()
	e.forgetOthers()
	e.withdraw(remembered.Shown)
	return e
}

func (e *Engine) bind(p *property) {
	p.shadow.props[p.key] = p
	switch p.Kind {
	case config.Setting:
		e.bindSetting(p)
		return
	case config.Schedule:
		e.schedules = append(e.schedules, p)
		slices.SortFunc(e.schedules, func(a, b *property) int { return cmp.Compare(a.id(), b.id()) })
		e.bindSchedule(p)
		return
	case config.Flag:
		e.flags[p.Alarm] = append(e.flags[p.Alarm], p)
		return
	}
	if isSampled(p.Kind) {
		e.bindSampled(p)
	}
	if p.Kind == config.Reading {
		return
	}
	if p.Output {
		p.output = lines.Label(p.Lines()...)
		e.outputs[p.output] = p
		return
	}
	e.inputs[p.Line] = append(e.inputs[p.Line], p)
	if p.Kind == config.Count {
		p.meter.base = e.memory.last.Counts[p.id()]
	}
}

// Step takes one input at time now, which never goes back, and returns what is
// to be done. The effects must be carried out in order.
func (e *Engine) Step(now time.Time, in Input) []Effect {
	e.effects = nil
	in.apply(e, now)
	e.heed(now)
	if !e.stopped {
		e.testAlarms(now)
		e.runSchedules(now)
		e.heed(now)
	}
	if e.stopped {
		e.save(now)
	}
	e.at(e.bank.Wake())
	for _, effect := range e.bank.Effects() {
		e.do(effect)
	}
	if !e.bank.Moving() {
		// Not before every line has answered: what it reads belongs into the
		// same report as the answer to what was desired of it, and is remembered.
		e.save(now)
		for _, s := range sorted(e.touched) {
			e.pump(now, s)
		}
		clear(e.touched)
		e.serve(now)
	}
	return e.effects
}

// Wake is when the next [Tick] is wanted, zero when none is.
func (e *Engine) Wake() time.Time { return e.wake }

// Idle reports whether everything that can be reported has been: nothing is in
// flight or waiting for a shadow whose link is up, nor to be saved.
func (e *Engine) Idle() bool {
	for _, s := range e.shadows {
		if s.live && (s.phase != synced || s.flight != nil || !s.difference().empty()) {
			return false
		}
	}
	return e.memory.idle()
}

// Busy says what goes on that should not be cut short, and until when at least.
// why is empty when nothing does.
func (e *Engine) Busy(now time.Time) (until time.Time, why string) { return e.bank.Busy(now) }

func (e *Engine) do(effect Effect) { e.effects = append(e.effects, effect) }

// touch notes that a shadow may have something to send.
func (e *Engine) touch(s *shadowState) { e.touched[s.label] = s }

// at asks for a tick at t at the latest.
func (e *Engine) at(t time.Time) {
	if !t.IsZero() && (e.wake.IsZero() || t.Before(e.wake)) {
		e.wake = t
	}
}

// jitter is d plus up to half of it.
func (e *Engine) jitter(d time.Duration) time.Duration {
	return d + time.Duration(e.random.Int64N(int64(d)/2+1))
}

func (Start) apply(e *Engine, now time.Time) {
	e.since = now
	e.showStatus()
	e.remember(now, saveDelay)
	e.bank.Start(now)
	e.restoreAlarms(now)
	e.at(now)
}

func (Tick) apply(e *Engine, now time.Time) {
	e.wake = time.Time{}
	e.bank.Tick(now)
	e.measure(now)
	e.lookAgain(now)
	for _, s := range e.shadows {
		switch {
		case s.due.IsZero():
		case now.Before(s.due):
			e.at(s.due)
		default:
			e.touch(s)
		}
	}
	e.save(now)
}

func (in Stop) apply(e *Engine, now time.Time) {
	e.measureLast(now)
	e.memory.freeze(e.bank.Memory())
	e.stopped, e.since = true, now
	e.bank.Stop(now, in.Kept)
	e.saveNow(now)
	e.showStatus()
	for _, s := range sorted(e.shadows) {
		e.touch(s)
	}
}

// sorted makes the order of effects independent of the order of maps.
func sorted[V any](m map[string]V) []V {
	keys := slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
	values := make([]V, len(keys))
	for i, k := range keys {
		values[i] = m[k]
	}
	return values
}
