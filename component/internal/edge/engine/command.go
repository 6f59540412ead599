package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// A command is a desired value that is carried out once: a pulse, a count that is
// set, the reset of an alarm. It is remembered on disk before it is carried out, so that a process that is
// killed in between does not do it again, and its desired value is cleared when it
// is over, so that nobody else does.

// isNew reports whether the value of a command is not the one that is remembered.
// fresh says that it came as a message of its own: then it is a new one even if it
// looks the same; so it is in a document that was created again, whose versions
// began anew, though it may be of the same second.
func (e *Engine) isNew(p *property, fresh bool) bool {
	r := p.shadow.asked[p.key]
	old, known := e.memory.commands[p.id()]
	return fresh || !known || old.Cleared || old.Version > r.version || old.At != r.at || !shadow.Equal(old.Value, r.value)
}

// command takes the value of a property for its command, and saves it with all
// that it changes.
func (e *Engine) command(now time.Time, p *property) {
	r := p.shadow.asked[p.key]
	e.memory.commands[p.id()] = state.Command{At: r.at, Version: r.version, Value: r.value}
	e.saveFor(now, p)
}

// pulse begins a pulse, or ends the one under way.
func (e *Engine) pulse(now time.Time, p *property, value any, fresh bool) {
	on, err := p.Values.Line(value)
	switch {
	case err != nil:
		e.answer(p.shadow, p.key, shadow.Refused, err.Error())
	case !on:
		e.follow(p, lines.Level(false))
	case e.stopped:
		// The next run does it.
	case e.isNew(p, fresh):
		e.command(now, p) // it begins when it is remembered
	case e.waits(p) || p.pulsing:
		e.stillDesired(now, p) // it is that pulse which is about to begin, or under way
	default:
		if !e.memory.commands[p.id()].Done {
			e.commandOver(now, p, "the pulse was interrupted by a restart")
		}
		e.concludeOver(p)
	}
}

// setCount sets a counter.
func (e *Engine) setCount(now time.Time, p *property, value any, fresh bool) {
	count, err := p.ParseCount(value)
	if err != nil {
		e.answer(p.shadow, p.key, shadow.Refused, err.Error())
		return
	}
	if e.isNew(p, fresh) {
		// Should the process be killed before this is saved, it is done again.
		_, edges, _ := e.bank.Input(p.Line)
		p.meter.base = count - int64(edgesOf(edges, p.Edges).count)
		e.command(now, p)
		return // it is shown together with its answer
	}
	if e.waits(p) {
		e.stillDesired(now, p)
	} else {
		e.conclude(p, shadow.Done, "")
	}
}

// stillDesired notes the document in which a command that goes on was found again.
func (e *Engine) stillDesired(now time.Time, p *property) {
	command, r := e.memory.commands[p.id()], p.shadow.asked[p.key]
	if command.Version != r.version {
		command.Version = r.version
		e.memory.commands[p.id()] = command
		e.remember(now, saveDelay)
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
		case p.Kind == config.Schedule:
			e.runSaved(now, p, w.seq, failed)
		case !e.stillAsked(p) || e.stopped:
			delete(e.memory.waiting, p.id())
			if p.Kind == config.Count {
				e.showSet(now, p) // it was set nevertheless
			}
		case failed != nil:
			// Unremembered it could be carried out twice.
			e.answer(p.shadow, p.key, shadow.LineFailed, "not remembered yet: "+failed.Error())
			e.touch(p.shadow)
		case w.seq > e.memory.seq:
		case p.Kind == config.Count:
			delete(e.memory.waiting, p.id())
			e.showSet(now, p)
			e.conclude(p, shadow.Done, "")
		case p.Kind == config.Flag:
			delete(e.memory.waiting, p.id())
			e.resetSaved(now, p)
		default:
			delete(e.memory.waiting, p.id())
			p.pulsing = true
			e.follow(p, lines.Pulse(p.Pulse))
		}
	}
	e.drive(now)
}

// showSet reports a count that was set, without delay.
func (e *Engine) showSet(now time.Time, p *property) {
	p.meter.shownAt = time.Time{}
	e.showMeasured(now, p)
}

// stillAsked reports whether the command that is remembered is what is desired:
// it may have been withdrawn or replaced meanwhile.
func (e *Engine) stillAsked(p *property) bool {
	r, asked := p.shadow.asked[p.key]
	command, known := e.memory.commands[p.id()]
	return asked && known && r.version == command.Version && shadow.Equal(r.value, command.Value)
}

// pulseEnded concludes the command that the pulse was.
func (e *Engine) pulseEnded(now time.Time, n lines.PulseEnded) {
	p := e.outputs[n.Output]
	if p == nil || !p.pulsing {
		return // it was begun by a control
	}
	p.pulsing = false
	if e.waits(p) {
		return // the command that is remembered is the next one
	}
	failure := ""
	if n.Cut != "" {
		failure = "the pulse was cut short by " + n.Cut
	}
	e.commandOver(now, p, failure)
	if e.stillAsked(p) {
		e.concludeOver(p)
	}
}

// commandOver remembers how a command ended.
func (e *Engine) commandOver(now time.Time, p *property, failure string) {
	command := e.memory.commands[p.id()]
	command.Done, command.Failure = true, failure
	e.memory.commands[p.id()] = command
	e.remember(now, saveDelay)
}

// concludeOver answers a command as it ended.
func (e *Engine) concludeOver(p *property) {
	if failure := e.memory.commands[p.id()].Failure; failure != "" {
		code := shadow.LineFailed
		if p.Kind == config.Flag {
			code = shadow.Conflict
		}
		e.conclude(p, code, failure)
		return
	}
	e.conclude(p, shadow.Done, "")
}

// commandCleared remembers that a command is no longer desired: the same value
// would be a new one.
func (e *Engine) commandCleared(now time.Time, p *property) {
	if command, known := e.memory.commands[p.id()]; known && !command.Cleared {
		command.Cleared = true
		e.memory.commands[p.id()] = command
		e.remember(now, saveDelay)
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
	e.orders[p.output] = lines.Order{Demand: d, Cause: lines.Cause{Kind: lines.ByDesired, Name: p.shadow.label, Version: r.version}, Rank: r.at}
}
