package engine

import "github.com/shadowgpio/shadowgpio/component/internal/edge/lines"

// rate is the number of input edges per unit of time.
type rate struct{ metered }

func newRate(p *property) kind {
	r := &rate{newMetered(p)}
	r.impl = r
	return r
}

func (r *rate) sample(_ bool, edges lines.Edges) (float64, bool) {
	r.measureRate(edgesOf(edges, r.Edges))
	return rounded(r.metered.rate * r.Scale * r.Per.Seconds()), r.timed
}

func (r *rate) unit() string { return "" }
