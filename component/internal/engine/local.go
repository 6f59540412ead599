package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/config"
	"github.com/shadowgpio/shadowgpio/component/internal/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
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
			e.switchLocally(now, c.Output, on, "control "+label)
		}
	}
}

// switchLocally drives an output by something other than the shadow.
func (e *Engine) switchLocally(now time.Time, output string, on bool, cause string) {
	p := e.outputs[output]
	demand := lines.Level(on)
	if p != nil {
		if p.Override == config.CloudWins && e.governs(p) {
			e.log.Info("control has no effect: the shadow is in reach and its desired value wins", "line", output, "cause", cause)
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
	local, again := e.memory.locals[p.id()]
	if !again || s.read {
		local.Seen, local.At, local.Unseen = r.value, r.at, !s.read
	}
	local.Value, local.Made, local.Write = value, now.Unix(), p.Override == config.UpdatesDesired
	e.memory.locals[p.id()] = local
	e.remember(now, saveDelay)
	if p.Override == config.UpdatesDesired {
		s.forget(p.key)
		s.overruled[p.key] = value
	} else if r.line {
		r.line = false
		s.asked[p.key] = r // its answer stays as it was
	}
	e.touch(s)
}

// reviewLocals looks at the local changes of a shadow that was read. Those made
// where nothing was desired hold unless something is by now.
func (e *Engine) reviewLocals(s *shadowState) {
	for key, p := range s.props {
		local, changed := e.memory.locals[p.id()]
		if _, desired := s.desired[key]; !changed || desired {
			continue
		}
		if local.Write && local.Seen == nil {
			s.overruled[key] = local.Value
		} else {
			delete(e.memory.locals, p.id())
		}
	}
}

// stands reports whether a local change still holds against a desired value that
// was read, and drives it if so: the value is the one that it was made against or,
// where that is not known, an older one.
func (e *Engine) stands(p *property, r request) bool {
	local, changed := e.memory.locals[p.id()]
	if !changed {
		return false
	}
	same := local.Seen != nil && local.At == r.at && shadow.Equal(local.Seen, r.value)
	if !same && !(local.Unseen && r.at < local.Made) {
		delete(e.memory.locals, p.id())
		return false
	}
	if demand, err := e.demand(p, local.Value); err == nil {
		e.orders[p.output] = lines.Order{Demand: demand, Cause: "local", Rank: r.at}
	}
	if local.Write {
		p.shadow.forget(p.key)
		p.shadow.overruled[p.key] = local.Value
	}
	return true
}

// settleDesired takes note that what we desire was written.
func (e *Engine) settleDesired(now time.Time, s *shadowState, sent map[string]any) {
	s.noteDesired(sent)
	for key, value := range sent {
		p := s.props[key]
		e.remember(now, saveDelay)
		if value == nil {
			if command, ok := e.memory.commands[p.id()]; ok {
				command.Cleared = true
				e.memory.commands[p.id()] = command
			}
			delete(s.clears, key)
			continue
		}
		if shadow.Equal(s.overruled[key], value) {
			delete(s.overruled, key)
			delete(e.memory.locals, p.id())
		}
	}
}
