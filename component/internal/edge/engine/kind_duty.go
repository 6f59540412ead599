package engine

import "github.com/shadowgpio/shadowgpio/component/internal/edge/lines"

// duty is the share of time, in percent, during which an input is on.
type duty struct{ metered }

func newDuty(p *property) kind {
	d := &duty{newMetered(p)}
	d.impl, d.decays = d, false
	return d
}

func (d *duty) sample(on bool, edges lines.Edges) (float64, bool) {
	d.measureRate(tally{edges.Rising, edges.RisingAt})
	switch {
	case d.rate > 0 && d.on > 0:
		return min(100*d.rate*d.on, 100), true
	case d.rate > 0:
		return 0, false
	case on:
		return 100, d.timed
	}
	return 0, d.timed
}

func (d *duty) unit() string { return "%" }
