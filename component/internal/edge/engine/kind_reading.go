package engine

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// sensorReading is the number that a sensor of the machine shows.
type sensorReading struct {
	sampled
	sensorUnit string
	fault      error     // why the sensor has no value
	toldAt     time.Time // when a fault was logged last
	emptyAt    time.Time // since when the sensor has no data; zero while it has
}

func newReading(p *property) kind { return &sensorReading{sampled: newSampled(p)} }

const (
	// emptyFor is how long a sensor may have no data before that is a fault: then it
	// is not that it just began.
	emptyFor = 10 * time.Second
	// faultPause is the least time between two faults of one sensor that are logged:
	// one that shows garbage is wrong in another way each time.
	faultPause = time.Minute
)

// adopt goes on where the same sensor under the same rules was.
func (r *sensorReading) adopt(old kind) {
	before := old.(*sensorReading)
	if reflect.DeepEqual(r.Property, before.Property) {
		property := r.property
		*r = *before
		r.property = property
	}
}

// sample takes what the sensor showed.
func (r *sensorReading) sample(in Sampled) {
	switch {
	case in.NoData:
		r.empty()
	case in.Err != nil:
		r.failed(in.Err)
	case !r.samples.Take(in.Value):
		r.failed(fmt.Errorf("want a number that stays one when it is scaled, got %g", in.Value))
	default:
		r.recovered()
		r.sensorUnit = in.Unit
		r.showSample()
	}
}

func (r *sensorReading) tick() { r.lookAgain() }

// empty leaves the value as it is, for some time.
func (r *sensorReading) empty() {
	switch {
	case r.emptyAt.IsZero():
		r.recovered()
		r.emptyAt = r.now
	case r.now.Sub(r.emptyAt) >= emptyFor:
		since := r.emptyAt
		r.failed(errors.New("no data"))
		r.emptyAt = since
	}
}

// failed withdraws the value, also one that an earlier run reported: readers would
// take an old one for the present one. It is the fault of that reading alone.
func (r *sensorReading) failed(err error) {
	r.samples.Lose()
	r.lookAt, r.emptyAt = time.Time{}, time.Time{}
	r.report(nil)
	old := r.fault
	r.fault = err
	if old == nil || old.Error() != err.Error() && r.now.Sub(r.toldAt) >= faultPause {
		r.toldAt = r.now
		r.log.Warn("sensor not read; retrying", "shadow", r.id, "property", r.key, "sensor", r.Sensor, "error", err)
		r.statusStale = true
	}
}

func (r *sensorReading) recovered() {
	r.emptyAt = time.Time{}
	if r.fault == nil {
		return
	}
	r.fault = nil
	r.log.Info("sensor is read again", "shadow", r.id, "property", r.key, "sensor", r.Sensor)
	r.statusStale = true
}

func (r *sensorReading) unit() string { return r.sensorUnit }
