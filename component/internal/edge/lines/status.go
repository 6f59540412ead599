package lines

import (
	"fmt"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Progress says how far an output is with its demand.
type Progress uint8

// The degrees of progress.
const (
	Pending  Progress = iota // its lines have not answered yet
	Underway                 // a pulse runs, or a rule makes it wait
	Done                     // it is what is demanded
	Failed                   // it cannot be set, and is tried again
)

// Status is what an output is.
type Status struct {
	Progress Progress
	Reason   string // of Underway and Failed

	Known  bool   // its lines were read since they were requested
	Levels []bool // what they read
	// Active is the demand that was reached last; without Levels there was none. A
	// wave stays active while it goes on and off.
	Active Demand
	Demand Demand // without Levels nothing was demanded
	Cause  Cause  // of the demand
}

// Output is the status of an output; that of an unknown one is the zero Status.
func (b *Bank) Output(label string) Status {
	u := b.outputs[label]
	if u == nil {
		return Status{}
	}
	s := Status{Known: u.known, Levels: u.outward(u.values), Active: u.active, Demand: u.demand, Cause: u.cause}
	s.Active.Levels, s.Demand.Levels = u.outward(s.Active.Levels), u.outward(s.Demand.Levels)
	switch {
	case u.fault != nil:
		s.Progress, s.Reason = Failed, u.fault.Error()
	case u.state != held:
		s.Progress = Pending
	case u.waiting != "":
		s.Progress, s.Reason = Underway, u.waiting
	case u.demand.IsPulse():
		s.Progress, s.Reason = Underway, "pulse"
	default:
		s.Progress = Done
	}
	return s
}

// Drives reports whether an output has that label.
func (b *Bank) Drives(label string) bool { return b.outputs[label] != nil }

// IsOn reports whether an output is demanded on, now or later, or is on since
// nothing else was demanded.
func (b *Bank) IsOn(label string) bool {
	u := b.outputs[label]
	if u == nil {
		return false
	}
	for i := range u.lines {
		if u.wantsOn(i) {
			return true
		}
	}
	return false
}

// Input is what an input counts for, its delays observed, and what was seen of
// it. ok is false before it was read for the first time.
func (b *Bank) Input(label string) (value bool, edges Edges, ok bool) {
	in := b.inputs[label]
	if in == nil {
		return false, Edges{}, false
	}
	return in.value, in.edges, in.settled
}

// Reads reports whether an input is held, so that what it is known to be is what it is.
func (b *Bank) Reads(label string) bool { return b.inputs[label] != nil && b.inputs[label].known }

// Faults are why outputs and inputs are not what they should be, by their labels.
func (b *Bank) Faults() map[string]error {
	faults := map[string]error{}
	for label, u := range b.outputs {
		if u.fault != nil {
			faults[label] = u.fault
		}
	}
	for label, in := range b.inputs {
		if in.fault != nil {
			faults[label] = in.fault
		}
	}
	return faults
}

// Memory is what a later run has to know of the outputs. Lines that go on and off
// are not in it as levels: their level of the moment means nothing later.
func (b *Bank) Memory() Memory {
	m := Memory{Levels: map[string]bool{}, Waves: map[string]Demand{}, Demands: map[string]Order{}}
	for _, u := range b.outputOrder {
		if u.unmet() {
			m.Demands[u.memoryKey()] = Order{Demand: u.demand, Cause: u.cause}
		}
		switch {
		case u.demand.IsWave():
			m.Waves[u.memoryKey()] = u.demand
		case u.demand.IsPulse():
		default:
			u.remember(m.Levels)
		}
	}
	return m
}

// unmet reports whether the lines are demanded to be something for good that they
// were not seen to be. Nobody may ask for it again: who did, such as a run of a
// schedule, is done with it.
func (u *output) unmet() bool {
	return u.demand.Levels != nil && !u.demand.Timed() &&
		(slices.ContainsFunc(u.since, time.Time.IsZero) || !slices.Equal(u.values, u.demand.Levels))
}

// remember adds the levels that were read last, or else those that an earlier run
// remembered. A line that was on and was to go off is remembered as off.
func (u *output) remember(levels map[string]bool) {
	for i, cfg := range u.cfgs {
		switch {
		case u.use.makesWaves() && u.demand.Levels != nil:
			levels[MemoryKey(cfg)] = u.demand.Levels[i] // it may have been seen last in the middle of a wave
		case !u.since[i].IsZero():
			levels[MemoryKey(cfg)] = u.values[i] && u.wantsOn(i)
		case cfg.Start == config.StartRestore && u.initial[i] != nil:
			levels[MemoryKey(cfg)] = *u.initial[i]
		}
	}
}

// LineStatus is what a line is, for people.
type LineStatus struct {
	Ref    gpio.Ref // the chip and line as configured
	Output bool
	Known  bool // it was read since it was requested
	On     bool // what it reads; of an input what it counts for
	// Of an output: what is demanded, in words, what keeps it waiting, since when
	// it is as it is, zero if that was not seen, and why.
	Demand, Waiting string
	Since           time.Time
	Cause           Cause
	Fault           error
}

// Lines are all lines by their labels.
func (b *Bank) Lines() map[string]LineStatus {
	all := map[string]LineStatus{}
	for label, in := range b.inputs {
		all[label] = LineStatus{Ref: in.cfg.Ref, Known: in.settled, On: in.value, Fault: in.fault}
	}
	for label, m := range b.lines {
		all[label] = LineStatus{
			Ref: m.cfgs[m.index].Ref, Output: true, Known: m.known, On: m.known && m.value(), Demand: m.demand.of(m.index), Waiting: m.waiting,
			Since: m.output.since[m.index], Cause: m.cause, Fault: m.fault,
		}
	}
	return all
}

// of is what is demanded of one line, in words; "" for nothing.
func (d Demand) of(line int) string {
	switch {
	case d.Levels == nil:
		return ""
	case d.IsPulse():
		return fmt.Sprintf("on for %v", d.On)
	case d.IsWave():
		return fmt.Sprintf("on %v, off %v", d.On, d.Off)
	}
	return onOff(d.Levels[line])
}
