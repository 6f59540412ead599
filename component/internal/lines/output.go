package lines

import (
	"fmt"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/config"
)

// output is one line that is driven, or the lines of one pattern.
type output struct {
	claim
	cfgs   []config.Line // by line, as are the slices below
	groups []*interlock  // nil where there is none
	kind   config.Kind

	initial []*bool   // the start state; nil is as it is, or as it was asked to be
	demand  Demand    // no Levels before anything was demanded
	cause   string    // of the demand
	begun   time.Time // when a timed demand was observed to begin; zero before
	active  Demand    // the demand that was reached last

	asked   []bool      // of the write under way
	since   []time.Time // when each line was seen to change last, or seen at all
	waiting string      // why the demand is not met yet
	guarded Guard

	failsafed []bool // the failsafe state was taken since the link was lost
}

func (b *Bank) addOutput(cfg *config.Config, labels []string, p config.Property, memory Memory) {
	u := &output{
		claim:     claim{label: Label(labels...), lines: labels, values: make([]bool, len(labels))},
		groups:    make([]*interlock, len(labels)),
		since:     make([]time.Time, len(labels)),
		failsafed: make([]bool, len(labels)),
		initial:   make([]*bool, len(labels)),
		kind:      p.Kind,
	}
	u.guarded = Guard{Claim: u.label}
	for i, label := range labels {
		u.cfgs = append(u.cfgs, cfg.Lines[label])
		b.byLine[label] = member{u, i}
		u.initial[i] = initial(cfg.Lines[label], p.Kind, memory, label)
	}
	wave, ok := memory.Waves[u.label]
	if ok && u.cfgs[0].Start == config.StartRestore && resumes(wave, p) {
		u.demand, u.cause = wave, "start"
	}
	b.outputs[u.label] = u
}

// initial is the start state of a line, nil for as it is. An output of pulses
// starts off: that it is on can only come from a pulse that was cut short.
func initial(line config.Line, kind config.Kind, memory Memory, label string) *bool {
	saved, known := memory.Levels[label]
	switch {
	case line.Start == config.StartOn:
		return new(true)
	case line.Start == config.StartOff || kind == config.Pulse:
		return new(false)
	case line.Start == config.StartRestore && known:
		return &saved
	}
	return nil
}

// resumes reports whether a saved wave is one that the property still makes.
func resumes(wave Demand, p config.Property) bool {
	switch p.Kind {
	case config.Blink:
		return wave.Equal(Wave(p.On, p.Off))
	case config.PWM:
		return wave.IsWave() && wave.period() == p.Period
	}
	return false
}

// request asks for an output. A line that rules protect is adopted as it is: from
// there they say how it may move.
func (b *Bank) request(now time.Time, u *output) {
	u.retryAt = time.Time{}
	b.move(&u.claim, requested)
	values := slices.Clone(u.initial)
	if u.demand.Levels != nil {
		levels, _ := u.demand.at(now, u.begun)
		for i := range values {
			values[i] = &levels[i]
		}
	}
	for i, cfg := range u.cfgs {
		if u.groups[i] != nil || cfg.MinOn > 0 || cfg.MinOff > 0 {
			values[i] = nil
		}
	}
	b.do(Request{u.label, u.lines, values})
}

// begin makes the start state of a new output its demand, and settles what was
// found on against the interlocks.
func (b *Bank) begin(now time.Time, u *output) {
	levels := slices.Clone(u.values)
	for i, value := range u.initial {
		if value != nil {
			levels[i] = *value
		}
	}
	if u.demand.Levels == nil && slices.ContainsFunc(u.initial, func(v *bool) bool { return v != nil }) {
		u.demand, u.cause = Pattern(levels), "start"
	}
	for i := range u.lines {
		if other, ok := b.rival(member{u, i}); ok && u.wantsOn(i) {
			b.log.Error("line is on against its interlock; it is turned off", "line", u.lines[i], "other", other)
			levels = u.levels()
			levels[i] = false
			u.demand, u.cause = Pattern(levels), "interlock"
		}
	}
}

// levels is what the lines are demanded to be while the demand is on.
func (u *output) levels() []bool {
	if u.demand.Levels != nil {
		return slices.Clone(u.demand.Levels)
	}
	return slices.Clone(u.values)
}

// wantsOn reports whether a line is demanded on, now or later, or is on since
// nothing else was demanded.
func (u *output) wantsOn(i int) bool {
	switch {
	case u.demand.Levels != nil:
		return u.demand.Levels[i]
	case u.initial[i] != nil:
		return *u.initial[i]
	}
	return u.known && u.values[i]
}

// observe takes what the lines of an output read.
func (b *Bank) observe(now time.Time, u *output, values []bool) {
	for i, value := range values {
		if u.known && u.values[i] == value {
			continue
		}
		u.since[i] = now
		b.log.Info("line", "line", u.lines[i], "value", onOff(value), "cause", u.cause)
	}
	u.values, u.known = slices.Clone(values), true
	b.changed(u)
}

// compare makes a write that did not take a fault.
func (b *Bank) compare(now time.Time, u *output) {
	if want, _ := u.demand.at(now, u.begun); slices.Equal(want, u.values) {
		return // something else was demanded meanwhile, and this is it
	}
	for i, value := range u.values {
		if value != u.asked[i] {
			err := fmt.Errorf("reads %s after it was set %s", onOff(value), onOff(u.asked[i]))
			if len(u.lines) > 1 {
				err = fmt.Errorf("%s %w", u.lines[i], err)
			}
			if u.fault == nil {
				b.log.Error("line does not follow; it is retried", "line", u.lines[i], "error", err)
			}
			u.fault = err
			b.retryLater(now, &u.claim)
			b.changed(u)
			return
		}
	}
	b.well(&u.claim)
}

// take makes something the demand of an output.
func (b *Bank) take(now time.Time, u *output, d Demand, cause string) {
	old := u.demand
	if old.Equal(d) && !d.IsPulse() {
		b.advance(now, u)
		return
	}
	if old.IsPulse() && !d.IsPulse() {
		b.notify(PulseEnded{u.label, cause})
	}
	u.demand, u.cause = d, cause
	switch {
	case d.IsWave() && old.IsWave() && d.period() == old.period():
		// It goes on in its period, whatever part of it is on now.
	case d.Timed() && u.state == held && slices.Equal(u.values, d.Levels):
		u.begun = now
	default:
		u.begun = time.Time{}
	}
	if u.state == held {
		u.retryAt = time.Time{} // a new demand deserves a new attempt
	}
	b.changed(u)
	b.advance(now, u)
}

// advance moves an output towards its demand, as far as the rules allow.
func (b *Bank) advance(now time.Time, u *output) {
	if u.state != held || b.stopped {
		return
	}
	b.limit(now, u)
	if u.demand.Levels == nil || !u.retryAt.IsZero() && !b.due(now, &u.claim) {
		return
	}
	want, next := u.demand.at(now, u.begun)
	levels, why, until := b.permitted(now, u, want)
	b.at(next)
	b.at(until)
	if why != u.waiting {
		u.waiting = why
		b.changed(u)
	}
	switch {
	case !slices.Equal(levels, u.values):
		b.write(now, u, levels)
	case slices.Equal(want, u.values):
		b.reached(now, u)
	}
}

func (b *Bank) write(now time.Time, u *output, levels []bool) {
	u.retryAt = time.Time{}
	u.asked = slices.Clone(levels)
	b.guard(now, u, levels)
	b.move(&u.claim, writing)
	b.do(Write{u.label, u.asked})
}

// reached takes note that an output is what it is to be at this moment.
func (b *Bank) reached(now time.Time, u *output) {
	if u.fault != nil {
		b.well(&u.claim)
		b.changed(u)
	}
	if u.demand.Timed() && u.begun.IsZero() {
		u.begun = now
		b.at(now.Add(u.demand.On))
	}
	if u.demand.IsPulse() && !now.Before(u.begun.Add(u.demand.On)) {
		u.demand, u.begun = Level(false), time.Time{}
		b.notify(PulseEnded{Output: u.label})
	}
	b.guard(now, u, u.values)
	if !u.active.Equal(u.demand) {
		u.active = u.demand
		b.changed(u)
	}
}

// limit ends the demand of a line that has been on for its longest time.
func (b *Bank) limit(now time.Time, u *output) {
	for i, cfg := range u.cfgs {
		if cfg.MaxOn == 0 || !u.values[i] || !u.wantsOn(i) {
			continue
		}
		if end := u.since[i].Add(cfg.MaxOn); now.Before(end) {
			b.at(end)
			continue
		}
		b.log.Warn("line was on for its longest time", "line", u.lines[i], "maxOn", cfg.MaxOn)
		if u.demand.IsPulse() {
			b.notify(PulseEnded{u.label, "maxOn"})
		}
		u.demand, u.begun, u.retryAt, u.cause = Level(false), time.Time{}, time.Time{}, "maxOn"
		b.notify(ForcedOff{u.label})
	}
}

// permitted is how far an output may go now to what it wants, why not further,
// and when that changes by itself, if it does.
func (b *Bank) permitted(now time.Time, u *output, want []bool) (levels []bool, why string, until time.Time) {
	var offs, ons []bar
	for i, on := range want {
		switch {
		case on == u.values[i]:
		case on:
			ons = append(ons, holds(now, u, i, "minOff", u.cfgs[i].MinOff), b.locked(now, member{u, i}))
		default:
			offs = append(offs, holds(now, u, i, "minOn", u.cfgs[i].MinOn))
		}
	}
	if why, until := strictest(offs); why != "" {
		return u.values, why, until
	}
	if why, until = strictest(ons); why == "" {
		return want, "", time.Time{}
	}
	levels = slices.Clone(want)
	for i, on := range want {
		levels[i] = on && u.values[i]
	}
	return levels, why, until
}

// bar is what keeps a line from changing; the zero bar is none.
type bar struct {
	why   string
	until time.Time // zero when something else has to change first
}

// strictest is the bar that goes last.
func strictest(bars []bar) (why string, until time.Time) {
	for _, next := range bars {
		switch {
		case next.why == "":
		case next.until.IsZero():
			return next.why, time.Time{}
		case next.until.After(until):
			why, until = next.why, next.until
		}
	}
	return why, until
}

// holds is the minimum time that a line has to stay what it is.
func holds(now time.Time, u *output, i int, rule string, limit time.Duration) bar {
	if end := u.since[i].Add(limit); limit > 0 && now.Before(end) {
		return bar{fmt.Sprintf("%s is %s for at least %v (%s)", u.lines[i], onOff(u.values[i]), limit, rule), end}
	}
	return bar{}
}

// failsafe drives an output to its failsafe state once the link has been away for
// its time.
func (b *Bank) failsafe(now time.Time, u *output) {
	if b.away.IsZero() || b.stopped || !u.known {
		return
	}
	levels, due := u.levels(), false
	for i, cfg := range u.cfgs {
		if cfg.Failsafe == nil || u.failsafed[i] {
			continue
		}
		if at := b.away.Add(cfg.Failsafe.After); now.Before(at) {
			b.at(at)
			continue
		}
		levels[i], u.failsafed[i], due = cfg.Failsafe.On, true, true
	}
	if !due {
		return
	}
	b.log.Warn("nucleus is away; output takes its failsafe state", "line", u.label)
	for _, err := range b.Drive(now, map[string]Order{u.label: {Demand: Pattern(levels), Cause: "failsafe"}}) {
		b.log.Error("failsafe state not taken", "line", u.label, "error", err)
	}
}

// Stop ends all that goes on: outputs take their stop state at once, interlocks
// observed but not minimum times. Lines that go on and off, and unless kept those with
// a MaxOn, go off, since nobody would end what they do. kept says that somebody
// keeps the lines, and carries out their [Guard].
func (b *Bank) Stop(now time.Time, kept bool) {
	b.stopped = true
	for _, u := range sorted(b.outputs) {
		if u.state != held {
			continue
		}
		levels := slices.Clone(u.values)
		for i, cfg := range u.cfgs {
			levels[i] = b.stopLevel(now, member{u, i}, cfg, kept)
		}
		if u.demand.IsPulse() {
			b.notify(PulseEnded{u.label, "stop"})
		}
		u.demand, u.cause = Pattern(levels), "stop"
		if !slices.Equal(levels, u.values) {
			b.write(now, u, levels)
		}
	}
}

func (b *Bank) stopLevel(now time.Time, m member, cfg config.Line, kept bool) bool {
	switch {
	case cfg.Stop == config.StopOff:
		return false
	case cfg.Stop == config.StopOn:
		return m.value() || b.locked(now, m).why == ""
	case m.demand.Timed() || cfg.MaxOn > 0 && !kept:
		return false
	}
	return m.value()
}

// guard tells what is to become of an output should this process vanish.
func (b *Bank) guard(now time.Time, u *output, levels []bool) {
	g := Guard{Claim: u.label}
	switch {
	case b.stopped:
	case u.demand.IsWave():
		g.Off = true
	case u.demand.IsPulse():
		g.Off, g.At = true, now.Add(u.demand.On)
		if !u.begun.IsZero() {
			g.At = u.begun.Add(u.demand.On)
		}
	}
	for i, cfg := range u.cfgs {
		if cfg.MaxOn == 0 || !levels[i] || g.Off {
			continue
		}
		g.Off, g.At = true, now.Add(cfg.MaxOn)
		if u.values[i] {
			g.At = u.since[i].Add(cfg.MaxOn)
		}
	}
	// The moment of the write and of its observation differ a little.
	if g.Off == u.guarded.Off && g.At.Sub(u.guarded.At).Abs() < 100*time.Millisecond {
		return
	}
	u.guarded = g
	b.do(g)
}
