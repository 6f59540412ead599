package engine

import "github.com/shadowgpio/shadowgpio/component/internal/edge/lines"

// period is the time, in seconds, from edge to edge of an input.
type period struct{ metered }

func newPeriod(p *property) kind {
	r := &period{newMetered(p)}
	r.impl = r
	return r
}

func (r *period) sample(_ bool, edges lines.Edges) (float64, bool) {
	r.measureRate(edgesOf(edges, r.Edges))
	if r.rate == 0 {
		return 0, r.timed
	}
	return rounded(1 / r.rate), true
}

func (r *period) unit() string { return "s" }
