package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// sampled is a property with rules for reporting samples.
type sampled struct {
	plain
	samples   reading.Reading
	recheckAt time.Time // when to check again without a new sample; zero for never
}

func newSampled(p *property) sampled {
	return sampled{plain: plain{p}, samples: reading.Reading{Rules: p.Rules}}
}

// showSample reports the last sample if the rules allow, and schedules the next check.
func (s *sampled) showSample() {
	due, next := s.samples.Due(s.now)
	if due {
		value, _ := s.samples.Value()
		s.samples.Reported(s.now)
		if old := s.replica.Wanted(s.key); old != nil && shadow.Equal(old, value) {
			s.replica.Repeat(s.key) // MaxInterval has passed
		}
		s.report(value)
		_, next = s.samples.Due(s.now)
	}
	s.recheckAt = next
	s.wakeAt(next)
}

// recheck reports a value held back by an interval, or unreported for MaxInterval.
func (s *sampled) recheck() {
	switch {
	case s.recheckAt.IsZero() || s.stopped:
	case s.now.Before(s.recheckAt):
		s.wakeAt(s.recheckAt)
	default:
		s.showSample()
	}
}

// value returns the latest sample, reported or not.
func (s *sampled) value() (any, bool) {
	value, known := s.samples.Value()
	return value, known && (s.Line == "" || s.bank.Reads(s.Line))
}
