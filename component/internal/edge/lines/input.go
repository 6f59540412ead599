package lines

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// input is one line that is watched.
type input struct {
	claim // values is what the line reads
	cfg   config.Line

	value   bool      // what it counts for, its delays observed; valid when settled
	settled bool      // it has been read at least once
	leftAt  time.Time // its last edge, while it reads otherwise than it counts; else zero

	edges Edges
}

// Edges are what was seen of an input since the start.
type Edges struct {
	Rising, Falling     int
	Lost                int
	RisingAt, FallingAt Stamp // of the last ones; zero before the first
}

func (b *Bank) requestInput(in *input) {
	in.retryAt = time.Time{}
	b.move(&in.claim, requested)
	b.requests++
	in.request = b.requests
	b.do(Request{in.key, in.request, in.label, in.lines, []*bool{nil}})
}

func (b *Bank) inputReady(now time.Time, in *input, value bool) {
	b.move(&in.claim, held)
	b.well(&in.claim)
	in.values, in.known = []bool{value}, true
	if in.leftAt = (time.Time{}); !in.settled || in.value != value {
		in.value, in.settled = value, true
		b.log.Debug("line", "line", in.label, "value", onOff(value))
	}
	b.notify(InputChanged{Input: in.label})
}

// Seen reports edges of an input under the request of that number.
func (b *Bank) Seen(now time.Time, claim string, request uint64, burst Burst) {
	in := b.inputClaims[claim]
	if in == nil || !in.live(request) || !in.known {
		return // of an earlier request, or it failed meanwhile
	}
	if burst.Lost > 0 {
		b.log.Warn("edges were lost; the line was read again", "line", in.label, "lost", burst.Lost)
	}
	in.edges.add(burst)
	before := in.values[0]
	in.values[0] = burst.Value
	rising, falling := burst.Rising, burst.Falling
	if in.cfg.OnDelay > 0 || in.cfg.OffDelay > 0 {
		rising, falling = b.delay(now, in, before != burst.Value || rising+falling > 0)
	} else if in.value != burst.Value {
		b.turn(in)
		// The edge itself may be among those that were lost.
		if burst.Value {
			rising = max(rising, 1)
		} else {
			falling = max(falling, 1)
		}
	}
	b.notify(InputChanged{in.label, rising, falling})
}

// delay starts the time after which an input counts for what it reads, anew after
// each edge, and returns the edges that it made where that time is none.
func (b *Bank) delay(now time.Time, in *input, moved bool) (rising, falling int) {
	if in.values[0] == in.value {
		in.leftAt = time.Time{}
		return 0, 0
	}
	if moved || in.leftAt.IsZero() {
		in.leftAt = now
	}
	if at := in.turnsAt(); now.Before(at) {
		b.at(at)
		return 0, 0
	}
	return b.turn(in)
}

// turnsAt is when the delay of an input ends that reads otherwise than it counts.
func (in *input) turnsAt() time.Time {
	if in.values[0] {
		return in.leftAt.Add(in.cfg.OnDelay)
	}
	return in.leftAt.Add(in.cfg.OffDelay)
}

func (b *Bank) turn(in *input) (rising, falling int) {
	in.value, in.leftAt = in.values[0], time.Time{}
	b.log.Debug("line", "line", in.label, "value", onOff(in.value))
	if in.value {
		return 1, 0
	}
	return 0, 1
}

func (b *Bank) tickInput(now time.Time, in *input) {
	switch {
	case in.state == faulted && b.due(now, &in.claim):
		b.requestInput(in)
	case in.leftAt.IsZero() || in.state != held:
	case now.Before(in.turnsAt()):
		b.at(in.turnsAt())
	default:
		rising, falling := b.turn(in)
		b.notify(InputChanged{in.label, rising, falling})
	}
}

func (e *Edges) add(burst Burst) {
	e.Rising += burst.Rising
	e.Falling += burst.Falling
	e.Lost += burst.Lost
	if burst.Rising > 0 {
		e.RisingAt = burst.RisingAt
	}
	if burst.Falling > 0 {
		e.FallingAt = burst.FallingAt
	}
}
