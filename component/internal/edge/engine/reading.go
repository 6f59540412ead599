package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Sampled tells what a sensor showed.
type Sampled struct {
	Shadow, Property string
	Sensor           string // a sample of another one is late, and void
	Value            float64
	Unit             string
	// Err is why there is no value; nil with NoData is that there is none yet.
	Err    error
	NoData bool
}

func (in Sampled) apply(e *Engine, now time.Time) {
	s := e.shadows[in.Shadow]
	if s == nil || s.props[in.Property] == nil || e.stopped {
		return // no longer configured
	}
	p := s.props[in.Property]
	switch {
	case p.Kind != config.Reading || p.Sensor != in.Sensor:
	case in.NoData:
		e.sensorEmpty(now, p)
	case in.Err != nil:
		e.sensorFailed(now, p, in.Err)
	case !p.meter.samples.Take(in.Value):
		e.sensorFailed(now, p, fmt.Errorf("want a number that stays one when it is scaled, got %g", in.Value))
	default:
		e.sensorWell(p)
		p.meter.unit = in.Unit
		e.showSampled(now, p)
	}
}

// showSampled reports the last sample if it is worth it, and looks again when it
// may be.
func (e *Engine) showSampled(now time.Time, p *property) {
	due, next := p.meter.samples.Due(now)
	if due {
		value, _ := p.meter.samples.Value()
		p.meter.samples.Reported(now)
		if old, ok := p.shadow.want[p.key]; ok && shadow.Equal(old, value) {
			p.shadow.again[p.key] = true // its longest interval is over
		}
		p.shadow.want[p.key] = value
		e.touch(p.shadow)
		_, next = p.meter.samples.Due(now)
	}
	p.meter.lookAt = next
	e.at(next)
}

// lookAgain reports what an interval held back, or what has not been reported for
// the longest interval.
func (e *Engine) lookAgain(now time.Time) {
	for _, p := range e.sampled {
		switch at := p.meter.lookAt; {
		case at.IsZero() || e.stopped:
		case now.Before(at):
			e.at(at)
		default:
			e.showSampled(now, p)
		}
	}
}

const (
	// emptyFor is how long a sensor may have no data before that is a fault: then it
	// is not that it just began.
	emptyFor = 10 * time.Second
	// faultPause is the least time between two faults of one sensor that are told:
	// one that shows garbage is wrong in another way each time.
	faultPause = time.Minute
)

// sensorEmpty leaves the value as it is, for some time.
func (e *Engine) sensorEmpty(now time.Time, p *property) {
	m := &p.meter
	switch {
	case m.emptyAt.IsZero():
		e.sensorWell(p)
		m.emptyAt = now
	case now.Sub(m.emptyAt) >= emptyFor:
		since := m.emptyAt
		e.sensorFailed(now, p, errors.New("no data"))
		m.emptyAt = since
	}
}

// sensorFailed takes the value back, also one that an earlier run reported: an old one
// would pass for what is. It is the fault of that reading alone.
func (e *Engine) sensorFailed(now time.Time, p *property, err error) {
	m := &p.meter
	m.samples.Lose()
	m.lookAt, m.emptyAt = time.Time{}, time.Time{}
	if value, shown := p.shadow.want[p.key]; !shown || value != nil {
		p.shadow.want[p.key] = nil
		e.touch(p.shadow)
	}
	old := m.fault
	m.fault = err
	if old == nil || old.Error() != err.Error() && now.Sub(m.toldAt) >= faultPause {
		m.toldAt = now
		e.log.Warn("sensor not read; it is tried again", "shadow", p.shadow.id, "property", p.key, "sensor", p.Sensor, "error", err)
		e.showStatus()
	}
}

func (e *Engine) sensorWell(p *property) {
	p.meter.emptyAt = time.Time{}
	if p.meter.fault == nil {
		return
	}
	p.meter.fault = nil
	e.log.Info("sensor is read again", "shadow", p.shadow.id, "property", p.key, "sensor", p.Sensor)
	e.showStatus()
}

// sensorFaults are why readings have no value, by their names in the status.
func (e *Engine) sensorFaults() map[string]string {
	faults := map[string]string{}
	for _, p := range e.sampled {
		if p.meter.fault != nil {
			faults["reading "+p.id()] = p.meter.fault.Error()
		}
	}
	return faults
}

// bindSampled has a property report by its rules.
func (e *Engine) bindSampled(p *property) {
	p.meter.samples = reading.Reading{Rules: p.Rules}
	e.sampled = append(e.sampled, p)
}

// unit is that of the value. What something is when it is scaled only the configuration
// can say.
func (p *property) unit() string {
	switch {
	case p.Unit != "" || p.Scale != 0 && p.Scale != 1:
		return p.Unit
	case p.Kind == config.Duty:
		return "%"
	case p.Kind == config.Period, p.Kind == config.LastPulse:
		return "s"
	}
	return p.meter.unit
}

// isSampled reports whether samples become reports by rules.
func isSampled(kind config.Kind) bool {
	switch kind {
	case config.Rate, config.Period, config.Duty, config.LastPulse, config.Reading:
		return true
	}
	return false
}
