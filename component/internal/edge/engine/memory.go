package engine

import (
	"maps"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Delays before something is saved. They bound what a power cut can lose, and
// spare the flash.
const (
	saveDelay  = time.Second      // of outputs and local changes
	countDelay = 10 * time.Second // of counts
	saveRetry  = 30 * time.Second // after a failure
)

// memory is what a later run has to know, and when it is to be saved.
type memory struct {
	commands map[string]state.Command  // by property
	locals   map[string]state.Local    // by property
	settings map[string]any            // by property
	alarms   map[string]bool           // by label
	plans    map[string]state.Schedule // by property
	clock    state.Clock

	at      time.Time       // when to save; zero when there is nothing
	seq     uint64          // of the last save
	saving  bool            // it is under way
	last    state.State     // what it saves
	failed  bool            // what is on the disk is not known
	waiting map[string]wait // commands that begin when they are saved, by property
	frozen  *lines.Memory   // the outputs as they were before they were stopped
}

// wait is a command that begins with the save of that number.
type wait struct {
	*property
	seq uint64
}

func newMemory(s state.State) memory {
	return memory{
		commands: own(s.Commands), locals: own(s.Locals), settings: own(s.Settings), alarms: own(s.Alarms), plans: own(s.Plans), clock: s.Clock,
		waiting: map[string]wait{}, last: s,
	}
}

// own is a copy that is not nil.
func own[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func linesMemory(s state.State) lines.Memory {
	m := lines.Memory{Levels: s.Outputs, Waves: map[string]lines.Demand{}, Demands: map[string]lines.Order{}}
	for label, w := range s.Waves {
		m.Waves[label] = lines.Wave(w.On, w.Off)
	}
	for label, d := range s.Demands {
		m.Demands[label] = lines.Order{Demand: lines.Pattern(d.Levels), Cause: lines.Cause{Kind: d.Kind, Name: d.Name, Version: d.Version}}
	}
	return m
}

func (m *memory) idle() bool { return m.at.IsZero() && !m.saving && len(m.waiting) == 0 }

// freeze keeps the outputs as they are now for what is saved from here on.
func (m *memory) freeze(outputs lines.Memory) { m.frozen = &outputs }

// remember has what is to be remembered saved after that delay at the latest.
func (e *Engine) remember(now time.Time, delay time.Duration) {
	if at := now.Add(delay); e.memory.at.IsZero() || at.Before(e.memory.at) {
		e.memory.at = at
	}
	e.at(e.memory.at)
}

// saveFor saves without delay, and has a command wait for it.
func (e *Engine) saveFor(now time.Time, p *property) {
	m := &e.memory
	// A save under way holds what was before.
	m.waiting[p.id()] = wait{p, m.seq + 1}
	e.saveNow(now)
}

func (e *Engine) saveNow(now time.Time) {
	e.memory.at = now
	e.save(now)
}

// save saves when the time has come, one at a time, and not before every line has
// answered: a line that is about to change is neither what it was nor what it will be.
func (e *Engine) save(now time.Time) {
	m := &e.memory
	switch {
	case m.at.IsZero() || m.saving || e.bank.Moving() && !e.stopped:
		return
	case now.Before(m.at) && !e.stopped:
		e.at(m.at)
		return
	}
	m.at = time.Time{}
	s := e.snapshot(now)
	if s.Equal(m.last) && !m.failed && len(m.waiting) == 0 {
		return
	}
	m.seq++
	m.saving, m.last = true, s
	e.do(Save{m.seq, s})
}

// snapshot is what is to be remembered now.
func (e *Engine) snapshot(now time.Time) state.State {
	outputs := e.bank.Memory()
	if e.memory.frozen != nil {
		outputs = *e.memory.frozen
	}
	s := state.State{
		Outputs:  maps.Clone(outputs.Levels),
		Waves:    map[string]state.Wave{},
		Demands:  map[string]state.Demand{},
		Counts:   e.counts(),
		Commands: maps.Clone(e.memory.commands),
		Locals:   maps.Clone(e.memory.locals),
		Settings: maps.Clone(e.memory.settings),
		Alarms:   maps.Clone(e.memory.alarms),
		Plans:    maps.Clone(e.memory.plans),
		Clock:    e.clockMemory(now),
		Shown:    e.shown(),
	}
	for label, w := range outputs.Waves {
		s.Waves[label] = state.Wave{On: w.On, Off: w.Off}
	}
	for label, o := range outputs.Demands {
		s.Demands[label] = state.Demand{Levels: o.Demand.Levels, Kind: o.Cause.Kind, Name: o.Cause.Name, Version: o.Cause.Version}
	}
	return s
}

func (in Saved) apply(e *Engine, now time.Time) {
	m := &e.memory
	if in.Seq != m.seq {
		return
	}
	m.saving, m.failed = false, in.Err != nil
	e.showSaved(in.Err)
	switch {
	case in.Err == nil:
	case e.stopped: // there is no time to wait for another disk
		e.log.Error("state not saved; the next start has the one before", "error", in.Err)
	default:
		e.log.Error("state not saved; it is tried again", "error", in.Err, "retry", saveRetry)
		e.remember(now, e.jitter(saveRetry))
	}
	e.beginSaved(now, in.Err)
	e.save(now) // what changed meanwhile
}
