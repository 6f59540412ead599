package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/config"
	"github.com/shadowgpio/shadowgpio/component/internal/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/state"
)

// A command is a desired value that is carried out once: a pulse, a count that is
// set. It is remembered on disk before it is carried out, so that a process that is
// killed in between does not do it again, and its desired value is cleared when it
// is over, so that nobody else does.

// commanded takes a value for the command of a property, if it is not the one that
// is remembered. fresh says that the value came as a message of its own, so that
// it is a new one even if it looks the same.
func (e *Engine) commanded(now time.Time, p *property, fresh bool) (taken bool) {
	r := p.shadow.asked[p.key]
	old, known := e.memory.commands[p.id()]
	if known && old.At == r.at && shadow.Equal(old.Value, r.value) && !old.Cleared && !(fresh && r.version > old.Version) {
		return false
	}
	e.memory.commands[p.id()] = state.Command{At: r.at, Version: r.version, Value: r.value}
	e.saveFor(now, p)
	return true
}

// pulse begins a pulse, or ends the one under way.
func (e *Engine) pulse(now time.Time, p *property, value any, fresh bool) {
	on, err := p.Values.Line(value)
	switch {
	case err != nil:
		e.answer(p.shadow, p.key, shadow.Refused, err.Error())
	case !on:
		e.follow(p, lines.Level(false))
	case e.commanded(now, p, fresh):
		// It begins when it is remembered.
	case e.waits(p) || e.bank.Output(p.output).Demand.IsPulse():
		// It is that pulse which is about to begin, or under way.
	case e.memory.commands[p.id()].Done:
		e.conclude(p, shadow.Done, "")
	default:
		e.conclude(p, shadow.LineFailed, "the pulse was interrupted by a restart")
	}
}

// setCount sets a counter.
func (e *Engine) setCount(now time.Time, p *property, value any, fresh bool) {
	count, err := p.ParseCount(value)
	if err != nil {
		e.answer(p.shadow, p.key, shadow.Refused, err.Error())
		return
	}
	if e.commanded(now, p, fresh) {
		// Should the process be killed before this is saved, it is done again.
		_, edges, _ := e.bank.Input(p.Line)
		p.meter.base = count - int64(edgesOf(edges, p.Edges).count)
		p.meter.shownAt = time.Time{}
		e.showMeasured(now, p)
		return
	}
	if !e.waits(p) {
		e.conclude(p, shadow.Done, "")
	}
}

// waits reports whether a command has yet to be saved.
func (e *Engine) waits(p *property) bool {
	_, waits := e.memory.waiting[p.id()]
	return waits
}

// beginSaved begins the commands that had to be saved first.
func (e *Engine) beginSaved(now time.Time, failed error) {
	for _, w := range sorted(e.memory.waiting) {
		switch p := w.property; {
		case failed != nil:
			// Unremembered it could be carried out twice.
			e.answer(p.shadow, p.key, shadow.LineFailed, "not begun: "+failed.Error())
			e.touch(p.shadow)
		case w.seq > e.memory.seq:
		case p.Kind == config.Count:
			delete(e.memory.waiting, p.id())
			e.conclude(p, shadow.Done, "")
		default:
			delete(e.memory.waiting, p.id())
			e.follow(p, lines.Pulse(p.Pulse))
		}
	}
	e.drive(now)
}

// pulseEnded concludes the command that the pulse was.
func (e *Engine) pulseEnded(now time.Time, n lines.PulseEnded) {
	p := e.outputs[n.Output]
	if p == nil {
		return
	}
	command, known := e.memory.commands[p.id()]
	if !known || command.Done || e.waits(p) {
		return // it was begun by a control, or the next one waits already
	}
	command.Done = true
	e.memory.commands[p.id()] = command
	e.remember(now, saveDelay)
	switch r, asked := p.shadow.asked[p.key]; {
	case !asked || r.version != command.Version: // something else is desired by now
	case n.Cut == "":
		e.conclude(p, shadow.Done, "")
	default:
		e.conclude(p, shadow.LineFailed, "the pulse was cut short by "+n.Cut)
	}
}

// conclude answers a command and clears its desired value.
func (e *Engine) conclude(p *property, code shadow.Code, reason string) {
	s := p.shadow
	r := s.asked[p.key]
	r.line, r.over = false, true
	s.asked[p.key] = r
	e.answer(s, p.key, code, reason)
	s.clears[p.key] = true
	e.touch(s)
}

// follow wants an output to do what a desired value asks, together with what else
// is desired in this step.
func (e *Engine) follow(p *property, d lines.Demand) {
	r := p.shadow.asked[p.key]
	r.line = true
	p.shadow.asked[p.key] = r
	e.orders[p.output] = lines.Order{Demand: d, Cause: "desired", Rank: r.at}
}
