package engine

import "github.com/shadowgpio/shadowgpio/component/internal/edge/lines"

// lastPulse is the length, in seconds, of the last time an input was on, or off.
type lastPulse struct{ metered }

func newLastPulse(p *property) kind {
	l := &lastPulse{newMetered(p)}
	l.impl = l
	return l
}

func (l *lastPulse) sample(bool, lines.Edges) (float64, bool) {
	if l.Pulsed {
		return l.on, l.on > 0
	}
	return l.off, l.off > 0
}

func (l *lastPulse) unit() string { return "s" }
