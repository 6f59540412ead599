package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// stuckAfter is how long a read of a sensor may take before that is a fault.
const stuckAfter = 10 * time.Second

// sampler reads one sensor again and again.
type sampler struct {
	*agent
	id               shadow.ID
	property, sensor string
	interval         time.Duration
	ctx              context.Context
	end              context.CancelFunc
}

// sample starts the samplers of readings that are new, and ends those of readings
// that are no longer configured, or otherwise.
func (a *agent) sample(shadows map[string]config.Shadow) {
	wanted := map[string]*sampler{}
	for _, s := range shadows {
		for key, p := range s.Properties {
			if p.Kind == config.Reading {
				wanted[state.PropertyID(s.ID, key, p.Sensor)] = &sampler{agent: a, id: s.ID, property: key, sensor: p.Sensor, interval: p.Interval}
			}
		}
	}
	for id, s := range a.samplers {
		if w := wanted[id]; w == nil || w.interval != s.interval {
			s.end()
			delete(a.samplers, id)
		}
	}
	for id, s := range wanted {
		if a.samplers[id] == nil {
			s.ctx, s.end = context.WithCancel(a.ctx)
			a.samplers[id] = s
			a.work.Go(s.run)
		}
	}
}

// sample is what one read gave.
type sample struct {
	value float64
	unit  string
	err   error
}

// run reads in its interval. A read that hangs keeps nobody waiting: it is a fault,
// and no other one is begun beside it.
func (s *sampler) run() {
	reads, results := make(chan struct{}), make(chan sample, 1)
	defer close(reads)
	go s.read(reads, results) // it may outlive us, in a driver that does not come back
	ticks := time.NewTicker(s.interval)
	defer ticks.Stop()
	stuck := time.NewTimer(0)
	defer stuck.Stop()
	// Readings of one interval need not all be read at the same moment.
	wait := time.NewTimer(rand.N(min(s.interval, time.Second)))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-s.ctx.Done():
		return
	}
	for busy := false; ; {
		if !busy {
			reads <- struct{}{}
			stuck.Reset(max(stuckAfter, s.interval))
			busy = true
		}
		for waiting := true; waiting; {
			select {
			case r := <-results:
				busy = false
				stuck.Stop()
				s.tell(r)
			case <-stuck.C:
				s.tell(sample{err: fmt.Errorf("sensor %q does not answer", s.sensor)})
			case <-ticks.C:
				waiting = false
			case <-s.ctx.Done():
				return
			}
		}
	}
}

// read reads the sensor whenever it is told to. One that failed is looked for anew:
// it may be in another place by then.
func (s *sampler) read(reads <-chan struct{}, results chan<- sample) {
	var found *sensor.Sensor
	for range reads {
		if found == nil {
			here, err := s.Sensors.Find(s.sensor)
			if err != nil {
				results <- sample{err: err}
				continue
			}
			found = &here
		}
		r := sample{unit: found.Unit}
		r.value, r.err = found.Read()
		if r.err != nil && !errors.Is(r.err, sensor.ErrNoData) {
			found = nil
		}
		results <- r
	}
}

func (s *sampler) tell(r sample) {
	in := engine.Sampled{ID: s.id, Property: s.property, Sensor: s.sensor, Value: r.value, Unit: r.unit, Err: r.err}
	if errors.Is(r.err, sensor.ErrNoData) {
		in.Err, in.NoData = nil, true
	}
	s.sendWhile(s.ctx, in)
}
