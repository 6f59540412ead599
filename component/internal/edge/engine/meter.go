package engine

import (
	"math"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// meter makes numbers of the edges of an input, and of the samples of a sensor.
type meter struct {
	base    int64     // what the count was before the edges of this run
	shownAt time.Time // no report before Interval after this
	last    tally     // at the last report
	seenAt  time.Time // when an edge was last found, or looked for first, by the engine's time
	rate    float64   // edges a second, as last measured
	timed   bool      // the rate is known: there were two edges, or none for the time-out
	due     time.Time // when there will be something to report; zero for nothing
	on, off float64   // how long the input was on and off the last time, in s; 0 is not known

	// Of what reports samples by rules.
	samples reading.Reading
	lookAt  time.Time // when to look again without another sample; zero for never
	unit    string    // of the sensor
	fault   error     // why a sensor has no value
	toldAt  time.Time // when a fault was told last
	emptyAt time.Time // since when a sensor has no data; zero while it has
}

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

// showMeasured reports what an input measures, at most once in the property's
// interval.
func (e *Engine) showMeasured(now time.Time, p *property) {
	m := &p.meter
	on, edges, ok := e.bank.Input(p.Line)
	if !ok {
		return
	}
	m.times(edges) // of each pulse, not only of those that end as the interval does
	if next := m.shownAt.Add(p.Interval); !m.shownAt.IsZero() && now.Before(next) {
		m.due = next
		e.at(next)
		return
	}
	m.shownAt, m.due = now, time.Time{}
	if p.Kind == config.Count {
		p.shadow.want[p.key] = p.CountValue(m.base + int64(edgesOf(edges, p.Edges).count))
		e.touch(p.shadow)
		return
	}
	if value, known := m.read(now, p.Property, on, edges); known && m.samples.Take(value) {
		e.showSampled(now, p)
	}
	switch {
	case m.rate > 0:
		// It sinks by itself when no more edges come.
		m.due = now.Add(p.Interval)
	case !m.timed && !m.seenAt.IsZero():
		m.due = m.seenAt.Add(p.Timeout)
	}
	e.at(m.due)
}

// measure reports what has become due.
func (e *Engine) measure(now time.Time) {
	for _, properties := range sorted(e.inputs) {
		for _, p := range properties {
			switch {
			case p.meter.due.IsZero() || e.stopped:
			case now.Before(p.meter.due):
				e.at(p.meter.due)
			default:
				e.showMeasured(now, p)
			}
		}
	}
}

// measureLast reports what the interval holds back, since nothing comes after it.
func (e *Engine) measureLast(now time.Time) {
	for _, properties := range sorted(e.inputs) {
		for _, p := range properties {
			if p.meter.due.IsZero() {
				continue
			}
			p.meter.shownAt = time.Time{}
			e.showMeasured(now, p)
		}
	}
}

// read is a sample of what an input measures. known is false before there was
// anything to measure.
func (m *meter) read(now time.Time, p config.Property, on bool, edges lines.Edges) (value float64, known bool) {
	switch p.Kind {
	case config.LastPulse:
		if p.Pulsed {
			return m.on, m.on > 0
		}
		return m.off, m.off > 0
	case config.Duty:
		m.update(now, p, tally{edges.Rising, edges.RisingAt})
		switch {
		case m.rate > 0 && m.on > 0:
			return min(100*m.rate*m.on, 100), true
		case m.rate > 0:
			return 0, false
		case on:
			return 100, m.timed
		}
		return 0, m.timed
	}
	m.update(now, p, edgesOf(edges, p.Edges))
	switch {
	case p.Kind == config.Rate:
		return rounded(m.rate * p.Scale * p.Per.Seconds()), m.timed
	case m.rate == 0:
		return 0, m.timed
	}
	return rounded(1 / m.rate), true
}

// times takes how long the input was on, or off, between the last two edges.
func (m *meter) times(edges lines.Edges) {
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
// is at most one in the time since, and 0 after the time-out. Before that it is not
// known: a 0 at the start would be an alarm of whoever watches a flow.
func (m *meter) update(now time.Time, p config.Property, seen tally) {
	before := m.last
	if m.seenAt.IsZero() {
		m.seenAt = now
	}
	if seen.count > before.count {
		m.last, m.seenAt = seen, now
		if before.at.Clock > 0 && seen.at.Clock > before.at.Clock {
			m.rate = float64(seen.count-before.count) / (seen.at.Clock - before.at.Clock).Seconds()
			m.timed = true
		}
		return
	}
	silent := now.Sub(m.seenAt)
	switch {
	case silent >= p.Timeout:
		m.rate, m.timed, m.last = 0, true, tally{count: m.last.count}
	case p.Kind != config.Duty && m.rate*silent.Seconds() > 1: // it sinks
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
