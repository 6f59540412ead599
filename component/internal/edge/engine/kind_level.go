package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// level is an output, on or off.
type level struct{ output }

func newLevel(p *property) kind {
	if !p.Output {
		return &inputLevel{plain{p}}
	}
	l := &level{newOutput(p)}
	l.impl = l
	return l
}

func (l *level) adopt(old kind) { l.adoptOutput(outputOf(old)) }
func (l *level) drop()          { l.dropLocal() }

func (l *level) demandOf(value any) (lines.Demand, error) {
	on, err := l.Values.Line(value)
	return lines.Level(on), err
}

func (l *level) shownValue(s lines.Status) (any, bool) {
	return l.Values.Value(s.Known && s.Levels[0]), s.Known
}

func (l *level) switchDemand(on bool) (lines.Demand, any) { return lines.Level(on), l.Values.Value(on) }

// inputLevel is an input, on or off.
type inputLevel struct{ plain }

func (i *inputLevel) show() {
	if on, _, ok := i.bank.Input(i.Line); ok {
		i.report(i.Values.Value(on))
	}
}

func (i *inputLevel) value() (any, bool) { return i.input(i.Line) }
