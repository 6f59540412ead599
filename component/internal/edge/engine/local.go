package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// control lets an input drive outputs, whether or not there is a link.
func (e *Engine) control(now time.Time, n lines.InputChanged) {
	if n.Rising+n.Falling == 0 || e.stopped {
		return
	}
	for label, c := range e.cfg.Controls {
		if c.Input != n.Input {
			continue
		}
		times := 0
		if c.Edge&gpio.RisingEdges != 0 {
			times += n.Rising
		}
		if c.Edge&gpio.FallingEdges != 0 {
			times += n.Falling
		}
		on := c.Action == config.Set
		if c.Action == config.Toggle {
			// Several edges in one burst are as many turns.
			on = e.bank.IsOn(c.Output) != (times%2 == 1)
		}
		if times > 0 {
			e.switchLocally(now, c.Output, on, lines.Cause{Kind: lines.ByControl, Name: label})
		}
	}
}

// switchLocally drives an output by something other than the shadow.
func (e *Engine) switchLocally(now time.Time, output string, on bool, cause lines.Cause) {
	p := e.outputs[output]
	demand := lines.Level(on)
	if p != nil {
		if p.Override == config.CloudWins && e.governs(p) {
			e.log.Info("local change has no effect: the shadow is in reach and its desired value wins", "line", output, "cause", cause)
			return
		}
		demand = p.local(on)
	}
	if refused := e.bank.Drive(now, map[string]lines.Order{output: {Demand: demand, Cause: cause}})[output]; refused != nil {
		e.log.Warn("line not switched", "line", output, "cause", cause, "error", refused)
		return
	}
	if p != nil {
		e.overrule(now, p, on, false)
	}
}

// local is what on and off mean when they come from a switch: a duty goes back to
// what it was last.
func (p *property) local(on bool) lines.Demand {
	if p.Kind == config.PWM && on && p.means.IsOn() {
		return p.means
	}
	return p.switched(on)
}

// governs reports whether a desired value in reach decides over an output.
func (e *Engine) governs(p *property) bool {
	r, asked := p.shadow.asked[p.key]
	return p.shadow.live && p.shadow.phase == synced && asked && r.line
}

// overrule notes a local change against what the shadow desires, as the override
// of the property says. limit is set when a MaxOn made it: that the same value
// turns on again what was on for too long, no override allows.
func (e *Engine) overrule(now time.Time, p *property, on, limit bool) {
	s := p.shadow
	if p.Kind == config.Pulse || p.Kind == config.Pattern || p.Override == config.CloudWins && !limit {
		return
	}
	value := p.Values.Value(on)
	if p.Kind == config.PWM {
		value = percentOf(lines.Level(on))
		if on && p.means.IsOn() {
			value = p.percent
		}
	}
	r := s.asked[p.key]
	local := e.memory.locals[p.id()]
	if local.Unseen = !s.read; s.read {
		local.Seen, local.At, local.Sent = s.desired[p.key], s.desiredAt[p.key], s.sent[p.key]
	}
	local.Value, local.Made, local.Write = value, now.Unix(), p.Override == config.UpdatesDesired
	e.memory.locals[p.id()] = local
	e.remember(now, saveDelay)
	if p.Override == config.UpdatesDesired {
		s.forget(p.key)
		s.overruled[p.key] = value
	} else if r.line {
		r.line = false
		s.asked[p.key] = r
		if s.wantAck[p.key].Code != shadow.Done { // that answer stays
			e.answer(s, p.key, shadow.Conflict, overruledReason)
		}
	}
	e.touch(s)
}

// overruledReason answers a value that is not carried out any more.
const overruledReason = "overruled by a local change"

// dropLocal forgets a local change.
func (e *Engine) dropLocal(now time.Time, p *property) {
	if _, changed := e.memory.locals[p.id()]; changed {
		delete(e.memory.locals, p.id())
		e.remember(now, saveDelay)
	}
}

// reviewLocals looks at the local changes of a shadow that was read. Those made
// where nothing was desired hold unless something is by now.
func (e *Engine) reviewLocals(now time.Time, s *shadowState) {
	for key, p := range s.props {
		local, changed := e.memory.locals[p.id()]
		if _, desired := s.desired[key]; !changed || desired {
			continue
		}
		if local.Write && local.Seen == nil {
			s.overruled[key] = local.Value
			e.restate(p, local, 0)
		} else {
			e.dropLocal(now, p)
		}
	}
}

// stands reports whether a local change still holds against a desired value that
// was read, and drives it if so: the value is the one that it was made against or,
// where that is not known, an older one.
func (e *Engine) stands(now time.Time, p *property, r request) bool {
	local, changed := e.memory.locals[p.id()]
	if !changed {
		return false
	}
	before := r.at <= local.Made
	seen := local.Seen != nil && shadow.Equal(local.Seen, r.value) && (local.At == r.at || local.At == 0 && before)
	sent := local.Sent != nil && shadow.Equal(local.Sent, r.value) && before
	if !seen && !sent && !(local.Unseen && r.at < local.Made) || shadow.Equal(local.Value, r.value) {
		e.dropLocal(now, p)
		return false
	}
	e.restate(p, local, r.at)
	if local.Write {
		p.shadow.forget(p.key)
		p.shadow.overruled[p.key] = local.Value
		return true
	}
	s := p.shadow
	have, answered := s.haveAck[p.key]
	switch ack, answers := s.wantAck[p.key]; {
	case answers && ack.Version >= r.version && (ack.Code == shadow.Done || ack.Code == shadow.Conflict):
		// It stays; an older one is to another value, and one about the line is over.
	case answered && have.Code == shadow.Done && r.after(have.Code): // it was done, before this change
		s.wantAck[p.key] = have
	default:
		e.answer(s, p.key, shadow.Conflict, overruledReason)
	}
	return true
}

// restate drives a local change that still holds: the line may have been restored as
// something else, or taken its failsafe state.
func (e *Engine) restate(p *property, local state.Local, rank int64) {
	if demand, err := e.demand(p, local.Value); err == nil {
		e.orders[p.output] = lines.Order{Demand: demand, Cause: lines.Cause{Kind: lines.ByLocal}, Rank: rank}
	}
}

// settleDesired takes note that what we desire was written.
func (e *Engine) settleDesired(now time.Time, s *shadowState, sent map[string]any, at map[string]int64) {
	s.noteDesired(sent, at)
	for key, value := range sent {
		p := s.props[key]
		switch {
		case value == nil:
			e.commandCleared(now, p)
			delete(s.clears, key)
		case shadow.Equal(s.overruled[key], value):
			delete(s.overruled, key)
			e.dropLocal(now, p)
		}
	}
}
