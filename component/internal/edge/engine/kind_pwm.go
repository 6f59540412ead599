package engine

import (
	"fmt"
	"math"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// pwm is an output turned on for a requested percentage of each period.
type pwm struct {
	output

	// The last percentage accepted by the lines, as written, and its demand. Recomputed
	// from rounded milliseconds, the percentage might differ.
	percent       any
	percentDemand lines.Demand
}

func newPWM(p *property) kind {
	w := &pwm{output: newOutput(p)}
	w.impl = w
	return w
}

func (w *pwm) adopt(old kind) {
	before := old.(*pwm)
	if w.adoptOutput(&before.output) && w.Period == before.Period {
		w.percent, w.percentDemand = before.percent, before.percentDemand
	}
}

func (w *pwm) drop() { w.dropLocal() }

// demandOf returns the wave of a percentage. It rejects on and off times too short for
// a program or for the rules of the line.
func (w *pwm) demandOf(value any) (lines.Demand, error) {
	percent, err := w.ParseDuty(value)
	if err != nil {
		return lines.Demand{}, err
	}
	line := w.cfg.Lines[w.Line]
	on := (time.Duration(float64(w.Period) * percent / 100)).Round(time.Millisecond)
	off := w.Period - on
	if on == 0 || off == 0 {
		return lines.Level(on > 0), nil
	}
	switch {
	case on < max(line.MinOn, config.MinWave):
		return lines.Demand{}, fmt.Errorf("%v %% of %v is on for %v, want at least %v", percent, w.Period, on, max(line.MinOn, config.MinWave))
	case off < max(line.MinOff, config.MinWave):
		return lines.Demand{}, fmt.Errorf("%v %% of %v is off for %v, want at least %v", percent, w.Period, off, max(line.MinOff, config.MinWave))
	case line.MaxOn > 0 && on > line.MaxOn:
		return lines.Demand{}, fmt.Errorf("%v %% of %v is on for %v, want at most %v", percent, w.Period, on, line.MaxOn)
	}
	return lines.Wave(on, off), nil
}

func (w *pwm) demandTaken(value any, d lines.Demand) { w.percent, w.percentDemand = value, d }

func (w *pwm) shownValue(s lines.Status) (any, bool) {
	if !s.Known {
		return nil, false
	}
	now := lines.Level(s.Levels[0])
	if s.Active.IsWave() {
		now = s.Active
	}
	if now.Equal(w.percentDemand) {
		return w.percent, true
	}
	return percentOf(now), true
}

// switchDemand returns to the last percentage other than 0.
func (w *pwm) switchDemand(on bool) (lines.Demand, any) {
	if on && w.percentDemand.IsOn() {
		return w.percentDemand, w.percent
	}
	return lines.Level(on), percentOf(lines.Level(on))
}

// percentOf returns the on time of a demand in percent, rounded to six decimals.
func percentOf(d lines.Demand) float64 {
	switch {
	case d.IsWave():
		return math.Round(float64(d.On)/float64(d.On+d.Off)*100e6) / 1e6
	case d.IsOn():
		return 100
	}
	return 0
}
