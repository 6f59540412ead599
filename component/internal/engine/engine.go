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

	"github.com/shadowgpio/shadowgpio/component/internal/config"
)

// Engine is not safe for concurrent use.
type Engine struct {
	lines    map[string]*line
	shadows  map[string]*shadowState
	bindings map[string][]binding // by line label
	budget   *budget
	random   *rand.Rand
	tokens   string // what the client tokens of this run begin with
	log      *slog.Logger

	saved   map[string]bool // outputs as they were last handed to SaveOutputs
	saveAt  time.Time       // zero when there is nothing to save
	wake    time.Time       // zero when nothing waits for time
	stopped bool

	effects []Effect                // of the step in progress
	touched map[string]*shadowState // may have something to send
	moving  int                     // lines that have not answered yet
}

// binding is one property that shows a line.
type binding struct {
	shadow *shadowState
	key    string
	config.Property
}

// New makes an engine. saved are the outputs of an earlier run, for the start
// state "restore"; random spreads retries.
func New(cfg *config.Config, saved map[string]bool, random *rand.Rand, log *slog.Logger) *Engine {
	e := &Engine{
		lines:    map[string]*line{},
		shadows:  map[string]*shadowState{},
		bindings: map[string][]binding{},
		touched:  map[string]*shadowState{},
		budget:   newBudget(),
		random:   random,
		tokens:   fmt.Sprintf("shadowgpio-%016x-", random.Uint64()),
		log:      log,
		saved:    maps.Clone(saved),
	}
	if e.saved == nil {
		e.saved = map[string]bool{}
	}
	for label, c := range cfg.Lines {
		e.lines[label] = newLine(label, c)
	}
	for label, c := range cfg.Shadows {
		s := newShadowState(label, c)
		e.shadows[label] = s
		for key, property := range c.Properties {
			e.bindings[property.Line] = append(e.bindings[property.Line], binding{s, key, property})
		}
	}
	return e
}

// Step takes one input at time now, which never goes back, and returns what is
// to be done. The effects must be carried out in order.
func (e *Engine) Step(now time.Time, in Input) []Effect {
	e.effects = nil
	in.apply(e, now)
	if e.moving == 0 {
		// Not before every line has answered: what it reads belongs into the
		// same report as the answer to what was desired of it.
		for _, s := range sorted(e.touched) {
			e.pump(now, s)
		}
		clear(e.touched)
	}
	return e.effects
}

// Wake is when the next [Tick] is wanted, zero when none is.
func (e *Engine) Wake() time.Time { return e.wake }

// Idle reports whether everything that can be reported has been: nothing is in
// flight or waiting for a shadow whose link is up.
func (e *Engine) Idle() bool {
	for _, s := range e.shadows {
		if s.live && (s.phase != synced || s.flight != nil || len(s.difference()) > 0) {
			return false
		}
	}
	return e.saveAt.IsZero()
}

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

func (Tick) apply(e *Engine, now time.Time) {
	e.wake = time.Time{}
	for _, l := range sorted(e.lines) {
		e.retryLine(now, l)
	}
	for _, s := range sorted(e.shadows) {
		e.touch(s)
	}
	e.save(now)
}

// save hands the outputs over when their time has come.
func (e *Engine) save(now time.Time) {
	if e.saveAt.IsZero() {
		return
	}
	if now.Before(e.saveAt) && !e.stopped {
		e.at(e.saveAt)
		return
	}
	e.saveAt = time.Time{}
	e.do(SaveOutputs{maps.Clone(e.saved)})
}

func (Start) apply(e *Engine, now time.Time) {
	for _, l := range sorted(e.lines) {
		e.request(l)
	}
	e.at(now)
}

func (Stop) apply(e *Engine, now time.Time) {
	e.stopped = true
	for _, l := range sorted(e.lines) {
		e.stopLine(now, l)
	}
	for _, s := range sorted(e.shadows) {
		e.touch(s)
	}
	e.save(now)
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
