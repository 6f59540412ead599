package engine

import (
	"math"
	"reflect"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// tally is how many edges of a kind there were, and when the last one was.
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

// interval lets an input be shown at most once in the property's interval.
type interval struct {
	shownAt time.Time // no report before Interval after this
	due     time.Time // when there will be something to report; zero for nothing
}

// open reports whether something may be shown now, and otherwise asks for a tick.
func (i *interval) open(p *property) bool {
	if next := i.shownAt.Add(p.Interval); !i.shownAt.IsZero() && p.now.Before(next) {
		i.due = next
		p.at(next)
		return false
	}
	i.shownAt, i.due = p.now, time.Time{}
	return true
}

// isDue reports whether something has become due, and otherwise asks for a tick.
func (i *interval) isDue(p *property) bool {
	switch {
	case i.due.IsZero() || p.stopped:
		return false
	case p.now.Before(i.due):
		p.at(i.due)
		return false
	}
	return true
}

// metered is a property that makes samples of the edges of an input.
type metered struct {
	sampled
	interval
	does  meteredKind
	line  config.Line // as it is configured
	sinks bool        // the rate falls when edges stay out

	last    tally     // at the last report
	seenAt  time.Time // when an edge was last found, or looked for first
	rate    float64   // edges a second, as last measured
	timed   bool      // the rate is known: there were two edges, or none for the timeout
	on, off float64   // how long the input was on and off the last time, in s; 0 is not known
}

// meteredKind is what tells the measured kinds apart.
type meteredKind interface {
	// sample is what the input measures. known is false before there was anything to
	// measure.
	sample(on bool, edges lines.Edges) (value float64, known bool)
	// unit is that of the sample.
	unit() string
}

func newMetered(p *property) metered {
	return metered{sampled: newSampled(p), line: p.cfg.Lines[p.Line], sinks: true}
}

func (m *metered) meter() *metered { return m }

// adopt goes on where an unchanged property was.
func (m *metered) adopt(old kind) {
	before := old.(interface{ meter() *metered }).meter()
	same := before.Property
	same.Line = m.Line // its label may be another one
	if reflect.DeepEqual(m.Property, same) && reflect.DeepEqual(m.line, before.line) {
		does, property := m.does, m.property
		*m = *before
		m.does, m.property = does, property
	}
}

// show samples the input.
func (m *metered) show() {
	on, edges, ok := m.bank.Input(m.Line)
	if !ok {
		return
	}
	m.times(edges) // of each pulse, not only of those that end as the interval does
	if !m.open(m.property) {
		return
	}
	if value, known := m.does.sample(on, edges); known && m.samples.Take(value) {
		m.showSample()
	}
	switch {
	case m.rate > 0:
		// It sinks by itself when no more edges come.
		m.due = m.now.Add(m.Interval)
	case !m.timed && !m.seenAt.IsZero():
		m.due = m.seenAt.Add(m.Timeout)
	}
	m.at(m.due)
}

func (m *metered) tick() {
	if m.isDue(m.property) {
		m.show()
	}
	m.lookAgain()
}

func (m *metered) flush() {
	if !m.due.IsZero() {
		m.shownAt = time.Time{}
		m.show()
	}
}

// times takes how long the input was on, or off, between the last two edges.
func (m *metered) times(edges lines.Edges) {
	up, down := edges.RisingAt.Clock, edges.FallingAt.Clock
	switch {
	case up == 0 || down == 0:
	case down > up:
		m.on = (down - up).Seconds()
	case up > down:
		m.off = (up - down).Seconds()
	}
}

// update measures the edges since the last report by their own times: how many
// there were between the last one then and the last one now. Without any, the rate
// is at most one in the time since, and 0 after the timeout. Before that it is not
// known: a 0 at the start would raise the alarm of a flow.
func (m *metered) update(seen tally) {
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
	case m.sinks && m.rate*silent.Seconds() > 1: // it sinks
		m.rate = 1 / silent.Seconds()
	}
}

// rounded keeps six significant digits: more are noise, and would be traffic.
func rounded(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
