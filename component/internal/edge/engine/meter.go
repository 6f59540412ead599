package engine

import (
	"math"
	"reflect"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// tally is a number of edges, and the time of the last edge.
type tally struct {
	count int
	at    lines.Stamp
}

func edgesOf(e lines.Edges, kind gpio.Edges) tally {
	switch kind {
	case gpio.RisingEdges:
		return tally{e.Rising, e.RisingAt}
	case gpio.FallingEdges:
		return tally{e.Falling, e.FallingAt}
	}
	at := e.RisingAt
	if e.FallingAt.Clock > at.Clock {
		at = e.FallingAt
	}
	return tally{e.Rising + e.Falling, at}
}

// interval limits reports to one per Interval of the property.
type interval struct {
	shownAt time.Time // no report before Interval after this
	due     time.Time // when the next report is due; zero for never
}

// mayReport reports whether a report is allowed now; if not, it requests a tick.
func (i *interval) mayReport(p *property) bool {
	if next := i.shownAt.Add(p.Interval); !i.shownAt.IsZero() && p.now.Before(next) {
		i.due = next
		p.wakeAt(next)
		return false
	}
	i.shownAt, i.due = p.now, time.Time{}
	return true
}

// isDue reports whether a report has become due; if not, it requests a tick.
func (i *interval) isDue(p *property) bool {
	switch {
	case i.due.IsZero() || p.stopped:
		return false
	case p.now.Before(i.due):
		p.wakeAt(i.due)
		return false
	}
	return true
}

// metered is a property with samples of the edges of an input.
type metered struct {
	sampled
	interval
	impl   meteredKind
	line   config.Line // as configured
	decays bool        // the rate decays without edges

	last    tally     // at the last report
	seenAt  time.Time // when the last edge was found, or the first search
	rate    float64   // edges per second, as last measured
	timed   bool      // the rate is known: after two edges, or after the timeout without any
	on, off float64   // duration of the last on and off time, in s; 0 if unknown
}

// meteredKind has the differences between the measured kinds.
type meteredKind interface {
	// sample returns the measured value. known is false before the first measurement.
	sample(on bool, edges lines.Edges) (value float64, known bool)
	// unit returns the unit of the sample.
	unit() string
}

func newMetered(p *property) metered {
	return metered{sampled: newSampled(p), line: p.cfg.Lines[p.Line], decays: true}
}

func (m *metered) meter() *metered { return m }

// adopt continues an unchanged property.
func (m *metered) adopt(old kind) {
	before := old.(interface{ meter() *metered }).meter()
	same := before.Property
	same.Line = m.Line // the label may have changed
	if reflect.DeepEqual(m.Property, same) && reflect.DeepEqual(m.line, before.line) {
		does, property := m.impl, m.property
		*m = *before
		m.impl, m.property = does, property
	}
}

// show samples the input.
func (m *metered) show() {
	on, edges, ok := m.bank.Input(m.Line)
	if !ok {
		return
	}
	m.measureOnOff(edges) // for each pulse, not only at the end of an interval
	if !m.mayReport(m.property) {
		return
	}
	if value, known := m.impl.sample(on, edges); known && m.samples.Take(value) {
		m.showSample()
	}
	switch {
	case m.rate > 0, m.timed && !m.samples.Settled():
		// The rate decays if no more edges come, and the filters follow it.
		m.due = m.now.Add(m.Interval)
	case !m.timed && !m.seenAt.IsZero():
		m.due = m.seenAt.Add(m.Timeout)
	}
	m.wakeAt(m.due)
}

func (m *metered) tick() {
	if m.isDue(m.property) {
		m.show()
	}
	m.recheck()
}

func (m *metered) flush() {
	if !m.due.IsZero() {
		m.shownAt = time.Time{}
		m.show()
	}
}

// measureOnOff measures the on or off time between the last two edges.
func (m *metered) measureOnOff(edges lines.Edges) {
	up, down := edges.RisingAt.Clock, edges.FallingAt.Clock
	switch {
	case up == 0 || down == 0:
	case down > up:
		m.on = (down - up).Seconds()
	case up > down:
		m.off = (up - down).Seconds()
	}
}

// measureRate measures the rate from the timestamps of the edges: the number of edges
// since the last report, divided by the time between the last edge then and the last
// edge now. Without new edges, the rate is at most 1 divided by the time since the last
// edge, and 0 after the timeout. Before the first timeout the rate is unknown: a 0 at
// the start would raise the alarm of a flow.
func (m *metered) measureRate(seen tally) {
	before := m.last
	if m.seenAt.IsZero() {
		m.seenAt = m.now
	}
	if seen.count > before.count {
		m.last, m.seenAt = seen, m.now
		if before.at.Clock > 0 && seen.at.Clock > before.at.Clock {
			m.rate = float64(seen.count-before.count) / (seen.at.Clock - before.at.Clock).Seconds()
			m.timed = true
		}
		return
	}
	silent := m.now.Sub(m.seenAt)
	switch {
	case silent >= m.Timeout:
		m.rate, m.timed, m.last = 0, true, tally{count: m.last.count}
	case m.decays && m.rate*silent.Seconds() > 1: // decay
		m.rate = 1 / silent.Seconds()
	}
}

// rounded keeps six significant digits: more would be noise, and traffic.
func rounded(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
