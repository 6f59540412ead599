package engine

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// sensorReading is the number shown by a sensor of the machine.
type sensorReading struct {
	sampled
	sensorUnit string
	fault      error     // why the sensor has no value
	loggedAt   time.Time // when a fault was last logged
	emptyAt    time.Time // when the sensor ran out of data; zero while there is data
}

func newReading(p *property) kind { return &sensorReading{sampled: newSampled(p)} }

const (
	// emptyFor is how long a sensor may lack data before this counts as a fault: a new
	// sensor needs time to start.
	emptyFor = 10 * time.Second
	// faultPause is the minimum time between two logged faults of one sensor: a sensor
	// with garbage output fails differently each time.
	faultPause = time.Minute
)

// adopt continues a reading of the same sensor under the same rules.
func (r *sensorReading) adopt(old kind) {
	before := old.(*sensorReading)
	if reflect.DeepEqual(r.Property, before.Property) {
		property := r.property
		*r = *before
		r.property = property
	}
}

// sample handles a sample of the sensor.
func (r *sensorReading) sample(in Sampled) {
	switch {
	case in.NoData:
		r.noteNoData()
	case in.Err != nil:
		r.noteFault(in.Err)
	case !r.samples.Take(in.Value):
		r.noteFault(fmt.Errorf("want a number that stays one when it is scaled, got %g", in.Value))
	default:
		r.noteRecovered()
		r.sensorUnit = in.Unit
		r.showSample()
	}
}

func (r *sensorReading) tick() { r.recheck() }

// noteNoData keeps the value for emptyFor.
func (r *sensorReading) noteNoData() {
	switch {
	case r.emptyAt.IsZero():
		r.noteRecovered()
		r.emptyAt = r.now
	case r.now.Sub(r.emptyAt) >= emptyFor:
		since := r.emptyAt
		r.noteFault(errors.New("no data"))
		r.emptyAt = since
	}
}

// noteFault withdraws the value, even the value of an earlier run: readers would take a
// stale value for the present one. Other readings stay.
func (r *sensorReading) noteFault(err error) {
	r.samples.Lose()
	r.recheckAt, r.emptyAt = time.Time{}, time.Time{}
	r.report(nil)
	old := r.fault
	r.fault = err
	if old == nil || old.Error() != err.Error() && r.now.Sub(r.loggedAt) >= faultPause {
		r.loggedAt = r.now
		r.log.Warn("sensor not read; retrying", "shadow", r.id, "property", r.key, "sensor", r.Sensor, "error", err)
		r.statusStale = true
	}
}

func (r *sensorReading) noteRecovered() {
	r.emptyAt = time.Time{}
	if r.fault == nil {
		return
	}
	r.fault = nil
	r.log.Info("sensor is read again", "shadow", r.id, "property", r.key, "sensor", r.Sensor)
	r.statusStale = true
}

func (r *sensorReading) unit() string { return r.sensorUnit }
