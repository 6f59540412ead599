package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// blink is an output that turns on and off repeatedly while requested on.
type blink struct{ output }

func newBlink(p *property) kind {
	b := &blink{newOutput(p)}
	b.impl = b
	return b
}

func (b *blink) adopt(old kind) { b.adoptOutput(outputOf(old)) }
func (b *blink) drop()          { b.dropLocal() }

func (b *blink) demandOf(value any) (lines.Demand, error) {
	on, err := b.Values.Line(value)
	return b.wave(on), err
}

func (b *blink) wave(on bool) lines.Demand {
	if on {
		return lines.Wave(b.On, b.Off)
	}
	return lines.Level(false)
}

func (b *blink) shownValue(s lines.Status) (any, bool) {
	return b.Values.Value(s.Known && (s.Active.IsWave() || s.Levels[0])), s.Known
}

func (b *blink) switchDemand(on bool) (lines.Demand, any) { return b.wave(on), b.Values.Value(on) }
