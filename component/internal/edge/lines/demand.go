package lines

import (
	"fmt"
	"slices"
	"time"
)

// Demand is what the lines of an output are to be over time. The zero value asks
// for nothing.
type Demand struct {
	Levels []bool // by line; what they are during On, or for good

	// On alone is a pulse: Levels for so long, then all off. On and Off are a wave,
	// one after the other until something else is demanded.
	On, Off time.Duration
}

// Level demands that a single line is on or off.
func Level(on bool) Demand { return Demand{Levels: []bool{on}} }

// Pulse demands that a single line is on for that time.
func Pulse(on time.Duration) Demand { return Demand{Levels: []bool{true}, On: on} }

// Wave demands that a single line goes on and off.
func Wave(on, off time.Duration) Demand { return Demand{Levels: []bool{true}, On: on, Off: off} }

// Pattern demands a level of each line.
func Pattern(levels []bool) Demand { return Demand{Levels: levels} }

// IsPulse reports whether it ends by itself.
func (d Demand) IsPulse() bool { return d.On > 0 && d.Off == 0 }

// IsWave reports whether it goes on and off.
func (d Demand) IsWave() bool { return d.On > 0 && d.Off > 0 }

// Timed reports whether it needs a clock to go on.
func (d Demand) Timed() bool { return d.On > 0 }

// IsOn reports whether it has any line on, now or later.
func (d Demand) IsOn() bool { return slices.Contains(d.Levels, true) }

// Equal reports whether both are the same.
func (d Demand) Equal(other Demand) bool {
	return d.On == other.On && d.Off == other.Off && slices.Equal(d.Levels, other.Levels)
}

// checkFor reports why a demand is invalid for an output with that many lines.
func (d Demand) checkFor(lines int) error {
	switch {
	case len(d.Levels) != lines:
		return fmt.Errorf("%d levels are demanded of %d lines", len(d.Levels), lines)
	case d.On < 0 || d.Off < 0 || d.period() < 0 || d.Off > 0 && d.On == 0:
		return fmt.Errorf("a wave of %v on and %v off", d.On, d.Off)
	}
	return nil
}

// period is the length of a wave.
func (d Demand) period() time.Duration { return d.On + d.Off }

// at is what a demand that began at start asks for now, and when that changes
// next, if it does. One that has not begun starts with its levels.
func (d Demand) at(now, start time.Time) (levels []bool, next time.Time) {
	if !d.Timed() || start.IsZero() {
		return d.Levels, time.Time{}
	}
	rest := make([]bool, len(d.Levels))
	if d.IsPulse() {
		if end := start.Add(d.On); now.Before(end) {
			return d.Levels, end
		}
		return rest, time.Time{}
	}
	begun := now.Sub(start) % d.period()
	if begun < d.On {
		return d.Levels, now.Add(d.On - begun)
	}
	return rest, now.Add(d.period() - begun)
}
