package engine

// changed is the time of the last edge of an input.
type changed struct{ plain }

func newChanged(p *property) kind { return &changed{plain{p}} }

func (c *changed) show() {
	_, edges, ok := c.bank.Input(c.Line)
	if at := edgesOf(edges, c.Edges).at.Wall; ok && !at.IsZero() {
		c.report(at.UTC().Format(timeFormat))
	}
}
