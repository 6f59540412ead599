package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// sampled is a property that makes reports of samples by rules.
type sampled struct {
	plain
	samples reading.Reading
	lookAt  time.Time // when to look again without another sample; zero for never
}

func newSampled(p *property) sampled {
	return sampled{plain: plain{p}, samples: reading.Reading{Rules: p.Rules}}
}

// showSample reports the last sample if it is worth it, and looks again when it may be.
func (s *sampled) showSample() {
	due, next := s.samples.Due(s.now)
	if due {
		value, _ := s.samples.Value()
		s.samples.Reported(s.now)
		if old := s.replica.Wanted(s.key); old != nil && shadow.Equal(old, value) {
			s.replica.Repeat(s.key) // its longest interval is over
		}
		s.report(value)
		_, next = s.samples.Due(s.now)
	}
	s.lookAt = next
	s.at(next)
}

// lookAgain reports what an interval held back, or a value that was not reported for
// the longest interval.
func (s *sampled) lookAgain() {
	switch {
	case s.lookAt.IsZero() || s.stopped:
	case s.now.Before(s.lookAt):
		s.at(s.lookAt)
	default:
		s.showSample()
	}
}

// value is the latest sample, whatever is reported.
func (s *sampled) value() (any, bool) {
	value, known := s.samples.Value()
	return value, known && (s.Line == "" || s.bank.Reads(s.Line))
}
