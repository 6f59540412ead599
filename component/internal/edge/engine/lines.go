package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

func (in LinesReady) apply(e *Engine, now time.Time) {
	if in.Held {
		e.bank.Held(in.Claim)
	}
	e.bank.Ready(now, in.Claim, in.Values)
}

func (in LinesWritten) apply(e *Engine, now time.Time) { e.bank.Written(now, in.Claim, in.Values) }
func (in LinesFailed) apply(e *Engine, now time.Time) {
	e.bank.Failed(now, in.Claim, in.Request, in.Err)
}
func (in LineSeen) apply(e *Engine, now time.Time) { e.bank.Seen(now, in.Claim, in.Request, in.Burst) }
func (in Link) apply(e *Engine, now time.Time)     { e.bank.Link(now, in.Up) }

// heed does what follows from what happened to the lines.
func (e *Engine) heed(now time.Time) {
	faults := false // may be others now
	for notices := e.bank.Notices(); len(notices) > 0; notices = e.bank.Notices() {
		for _, notice := range notices {
			switch n := notice.(type) {
			case lines.OutputChanged:
				faults = true
				e.remember(now, saveDelay)
				e.answerOutput(n.Output)
			case lines.PulseEnded:
				e.pulseEnded(now, n)
			case lines.ForcedOff:
				if p := e.outputs[n.Output]; p != nil {
					e.overrule(now, p, false, true)
				}
			case lines.InputChanged:
				faults = faults || n.Rising+n.Falling == 0
				e.control(now, n)
				e.showInput(now, n.Input)
			}
		}
	}
	if faults {
		e.showStatus()
	}
}

// drive hands the demands of this step to the lines, all at once, and answers the
// values that asked for them.
func (e *Engine) drive(now time.Time) {
	orders := e.orders
	e.orders = map[string]lines.Order{}
	refused := e.bank.Drive(now, orders)
	for output := range orders {
		p := e.outputs[output]
		if err := refused[output]; err != nil {
			e.refuseConflict(p, err)
		} else {
			e.answerOutput(output)
		}
	}
}

// refuseConflict answers a value that an interlock does not allow. It stands until
// it is desired anew: that the way is free later must not set anything in motion.
func (e *Engine) refuseConflict(p *property, err error) {
	r := p.shadow.asked[p.key]
	r.line, r.conflict = false, err.Error()
	p.shadow.asked[p.key] = r
	delete(e.memory.commands, p.id())
	p.pulsing = false
	e.answer(p.shadow, p.key, shadow.Conflict, err.Error())
}

// answerOutput reports an output, and answers the desired value that waits for it.
func (e *Engine) answerOutput(output string) {
	p := e.outputs[output]
	if p == nil {
		return
	}
	s := p.shadow
	status := e.bank.Output(output)
	if value, ok := p.shown(status); ok {
		s.want[p.key] = value
	} else if status.Known {
		s.want[p.key] = nil
	}
	e.touch(s)
	if !s.asked[p.key].line || e.stopped {
		return
	}
	switch status.Progress {
	case lines.Done:
		if p.Kind != config.Pulse || !p.isOn(s.asked[p.key].value) { // the end of a pulse answers
			e.answer(s, p.key, shadow.Done, "")
		}
	case lines.Underway:
		e.answer(s, p.key, shadow.InProgress, status.Reason)
	case lines.Failed:
		e.answer(s, p.key, shadow.LineFailed, status.Reason)
	}
}

// showInput reports an input.
func (e *Engine) showInput(now time.Time, input string) {
	value, edges, ok := e.bank.Input(input)
	if !ok {
		return
	}
	for _, p := range e.inputs[input] {
		switch p.Kind {
		case config.Level:
			p.shadow.want[p.key] = p.Values.Value(value)
		case config.Changed:
			if at := edgesOf(edges, p.Edges).at.Wall; !at.IsZero() {
				p.shadow.want[p.key] = at.UTC().Format(timeFormat)
			}
		default:
			e.showMeasured(now, p)
			if p.Kind == config.Count {
				e.remember(now, countDelay)
			}
		}
		e.touch(p.shadow)
	}
}

// timeFormat is RFC 3339 to the millisecond.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"
