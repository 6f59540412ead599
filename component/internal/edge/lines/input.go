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
	turnAt  time.Time // when value follows values; zero when nothing is to follow

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
	b.do(Request{in.label, in.lines, []*bool{nil}})
}

func (b *Bank) inputReady(now time.Time, in *input, value bool) {
	b.move(&in.claim, held)
	b.well(&in.claim)
	in.values, in.known = []bool{value}, true
	if in.turnAt = (time.Time{}); !in.settled || in.value != value {
		in.value, in.settled = value, true
		b.log.Debug("line", "line", in.label, "value", onOff(value))
	}
	b.notify(InputChanged{Input: in.label})
}

// Seen tells what was seen of an input.
func (b *Bank) Seen(now time.Time, label string, burst Burst) {
	in := b.inputs[label]
	if !in.known {
		return // it failed meanwhile
	}
	if burst.Lost > 0 {
		b.log.Warn("edges were lost; the line was read again", "line", label, "lost", burst.Lost)
	}
	in.edges.add(burst)
	before := in.values[0]
	in.values[0] = burst.Value
	rising, falling := burst.Rising, burst.Falling
	if in.cfg.OnDelay > 0 || in.cfg.OffDelay > 0 {
		rising, falling = b.delay(now, in, before != burst.Value || rising+falling > 0)
	} else if in.value != burst.Value {
		in.value = burst.Value
		b.log.Debug("line", "line", label, "value", onOff(in.value))
		// The edge itself may be among those that were lost.
		if burst.Value {
			rising = max(rising, 1)
		} else {
			falling = max(falling, 1)
		}
	}
	b.notify(InputChanged{label, rising, falling})
}

// delay starts the time after which an input counts for what it reads, anew after
// each edge, and returns the edges that it made where that time is none.
func (b *Bank) delay(now time.Time, in *input, moved bool) (rising, falling int) {
	reads := in.values[0]
	if reads == in.value {
		in.turnAt = time.Time{}
		return 0, 0
	}
	pause := in.cfg.OffDelay
	if reads {
		pause = in.cfg.OnDelay
	}
	if pause == 0 {
		return b.turn(in)
	}
	if moved || in.turnAt.IsZero() {
		in.turnAt = now.Add(pause)
	}
	b.at(in.turnAt)
	return 0, 0
}

func (b *Bank) turn(in *input) (rising, falling int) {
	in.value, in.turnAt = in.values[0], time.Time{}
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
	case in.turnAt.IsZero() || in.state != held:
	case now.Before(in.turnAt):
		b.at(in.turnAt)
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
