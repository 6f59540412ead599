package engine

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// demand is what a desired value asks of the lines of an output. The error is for
// the answer.
func (e *Engine) demand(p *property, value any) (lines.Demand, error) {
	switch p.Kind {
	case config.PWM:
		percent, err := p.ParseDuty(value)
		if err != nil {
			return lines.Demand{}, err
		}
		d, err := p.duty(percent, e.cfg.Lines[p.Line])
		if err == nil {
			p.percent, p.means = value, d
		}
		return d, err
	case config.Pattern:
		word, err := p.ParsePattern(value)
		if err != nil {
			return lines.Demand{}, err
		}
		return lines.Pattern(p.levels(word)), nil
	}
	on, err := p.Values.Line(value)
	if err != nil {
		return lines.Demand{}, err
	}
	return p.switched(on), nil
}

// switched is what "on" and "off" mean for a property of a single line.
func (p *property) switched(on bool) lines.Demand {
	switch {
	case on && p.Kind == config.Pulse:
		return lines.Pulse(p.Pulse)
	case on && p.Kind == config.Blink:
		return lines.Wave(p.On, p.Off)
	}
	return lines.Level(on)
}

// isOn reports whether a desired value of a switched property means on.
func (p *property) isOn(value any) bool {
	on, err := p.Values.Line(value)
	return on && err == nil
}

// duty is the wave of a percentage. Parts that are too short for a program or for
// the rules of the line are refused, as they would not be what was asked for.
func (p *property) duty(percent float64, line config.Line) (lines.Demand, error) {
	on := (time.Duration(float64(p.Period) * percent / 100)).Round(time.Millisecond)
	off := p.Period - on
	if on == 0 || off == 0 {
		return lines.Level(on > 0), nil
	}
	switch {
	case on < max(line.MinOn, config.MinWave):
		return lines.Demand{}, fmt.Errorf("%v %% of %v is on for %v, want at least %v", percent, p.Period, on, max(line.MinOn, config.MinWave))
	case off < max(line.MinOff, config.MinWave):
		return lines.Demand{}, fmt.Errorf("%v %% of %v is off for %v, want at least %v", percent, p.Period, off, max(line.MinOff, config.MinWave))
	case line.MaxOn > 0 && on > line.MaxOn:
		return lines.Demand{}, fmt.Errorf("%v %% of %v is on for %v, want at most %v", percent, p.Period, on, line.MaxOn)
	}
	return lines.Wave(on, off), nil
}

func (p *property) levels(word string) []bool {
	var levels []bool
	for _, line := range p.Lines() {
		levels = append(levels, p.Patterns[word][line])
	}
	return levels
}

// shown is what an output shows in the shadow: what its lines read, or what they
// do where that is more than they read at a moment. ok is false when it shows
// nothing that the property has a value for.
func (p *property) shown(s lines.Status) (value any, ok bool) {
	if !s.Known {
		return nil, false
	}
	switch p.Kind {
	case config.Pattern:
		for _, word := range slices.Sorted(maps.Keys(p.Patterns)) {
			if slices.Equal(p.levels(word), s.Levels) {
				return word, true
			}
		}
		return nil, false
	case config.PWM:
		now := lines.Level(s.Levels[0])
		if s.Active.IsWave() {
			now = s.Active
		}
		if now.Equal(p.means) {
			return p.percent, true
		}
		return percentOf(now), true
	case config.Blink:
		return p.Values.Value(s.Active.IsWave() || s.Levels[0]), true
	}
	return p.Values.Value(s.Levels[0]), true
}

// percentOf is the part of the time that a demand is on, to the sixth digit after
// the point.
func percentOf(d lines.Demand) float64 {
	switch {
	case d.IsWave():
		return math.Round(float64(d.On)/float64(d.On+d.Off)*100e6) / 1e6
	case d.IsOn():
		return 100
	}
	return 0
}
