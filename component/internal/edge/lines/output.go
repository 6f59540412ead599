package lines

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// output is one line that is driven, or the lines of one pattern.
type output struct {
	claim
	cfgs       []config.Line // by line, in the order of the claim, as are the slices below
	identities []string
	groups     []*interlock // nil where there is none
	use        Use
	order      []int // the place in the claim of each line of the use; nil if the order is the same

	initial []*bool   // the start state; nil is as it is, or as it was asked to be
	demand  Demand    // no Levels before anything was demanded
	cause   Cause     // of the demand
	begun   time.Time // when a timed demand was observed to begin; zero before
	active  Demand    // the demand that was reached last

	requested []*bool // of the last request

	asked   []bool      // of the write under way
	set     []bool      // what the lines were last set to, or found as; they may not read so
	since   []time.Time // when each line was seen to change last, or seen at all
	waiting string      // why the demand is not met yet
	guarded Guard

	failsafed []bool // the failsafe state was taken since the link was lost

	candidate *candidate // in [Bank.drive]

	// Of a line that Configure took from another request. The first request uses from,
	// the first reading ends seen.
	from []*bool // the level before, which the line is to keep; nil for other lines
	seen []bool  // the line was known until then, so its times continue
}

// addOutput adds the output of a use. It skips a use with lines that are no outputs or
// belong to another output.
func (b *Bank) addOutput(s Setup, use Use, taken map[string]bool) {
	n, label := len(use.Lines), Label(use.Lines...)
	if n == 0 || b.outputs[label] != nil {
		return
	}
	given := make([]string, n)
	for i, line := range use.Lines {
		cfg, known := s.Lines[line]
		given[i] = Identity(cfg)
		if !known || cfg.Direction == gpio.Input || taken[given[i]] || slices.Contains(given[:i], given[i]) {
			return
		}
	}
	u := &output{
		identities: slices.Sorted(slices.Values(given)),
		groups:     make([]*interlock, n),
		use:        use,
		order:      make([]int, n),
		asked:      make([]bool, n),
		set:        make([]bool, n),
		since:      make([]time.Time, n),
		failsafed:  make([]bool, n),
		initial:    make([]*bool, n),
		from:       make([]*bool, n),
		seen:       make([]bool, n),
	}
	u.claim = claim{key: strings.Join(u.identities, "+"), label: label, values: make([]bool, n)}
	u.guarded = Guard{Claim: u.key, Lines: n}
	for i, identity := range u.identities {
		at := slices.Index(given, identity)
		u.order[at] = i
		line := use.Lines[at]
		u.lines, u.cfgs = append(u.lines, line), append(u.cfgs, s.Lines[line])
		u.initial[i] = u.startState(s.Lines[line], nil)
		taken[identity] = true
		b.lines[line], b.identities[identity] = member{u, i}, member{u, i}
	}
	if slices.IsSorted(u.order) {
		u.order = nil
	}
	u.use.Wave = u.inward(use.Wave)
	b.outputs[label], b.outputClaims[u.key] = u, u
}

// inward converts a demand from the order of the use to the order of the claim.
func (u *output) inward(d Demand) Demand {
	if u.order == nil || len(d.Levels) != len(u.order) {
		return d
	}
	levels := make([]bool, len(d.Levels))
	for i, at := range u.order {
		levels[at] = d.Levels[i]
	}
	d.Levels = levels
	return d
}

// outward is the inverse of inward.
func (u *output) outward(levels []bool) []bool {
	if u.order == nil || len(levels) != len(u.order) {
		return levels
	}
	out := make([]bool, len(levels))
	for i, at := range u.order {
		out[i] = levels[at]
	}
	return out
}

// restore applies the memory of an earlier run.
func (u *output) restore(memory Memory) {
	for i, cfg := range u.cfgs {
		if level, known := memory.Levels[MemoryKey(cfg)]; known {
			u.initial[i] = u.startState(cfg, &level)
		}
	}
	wave, ok := memory.Waves[u.memoryKey()]
	if ok && u.cfgs[0].Start == config.StartRestore && u.use.makesWave(wave) && len(wave.Levels) == len(u.lines) {
		u.demand, u.cause = wave, Cause{Kind: ByStart}
	}
	if o, ok := memory.Demands[u.memoryKey()]; ok && u.takesUp(o.Demand) {
		u.demand, u.cause = Pattern(o.Demand.Levels), o.Cause
	}
}

// memoryKey is the key of the output in [Memory].
func (u *output) memoryKey() string {
	names := make([]string, len(u.cfgs))
	for i, cfg := range u.cfgs {
		names[i] = MemoryKey(cfg)
	}
	return strings.Join(names, "+")
}

// takesUp reports whether a demand that an earlier run could not meet still counts: the
// start states on and off come after it.
func (u *output) takesUp(d Demand) bool {
	started := slices.ContainsFunc(u.cfgs, func(cfg config.Line) bool {
		return cfg.Start == config.StartOn || cfg.Start == config.StartOff
	})
	return len(d.Levels) == len(u.lines) && !started && !(u.use.Momentary && d.IsOn())
}

// startState is the start state of a line with this remembered level; nil leaves the
// line as it is. A pulse output starts off, and so does an output with waves if no level
// is remembered: a pulse or wave that was cut short may have left it on.
func (u *output) startState(line config.Line, remembered *bool) *bool {
	switch {
	case line.Start == config.StartOn:
		return new(true)
	case line.Start == config.StartOff || u.use.Momentary:
		return new(false)
	case line.Start == config.StartRestore && remembered != nil:
		return remembered
	case line.Start == config.StartRestore && u.use.makesWaves():
		return new(false)
	}
	return nil
}

// request asks for an output. A line that rules keep from changing at once is
// adopted as it is: from there they say how it may move.
func (b *Bank) request(now time.Time, u *output) {
	u.retryAt = time.Time{}
	b.move(&u.claim, requested)
	values := slices.Clone(u.initial)
	if u.demand.Levels != nil {
		levels, _ := u.demand.at(now, u.begun)
		if u.demand.IsPulse() && u.begun.IsZero() {
			// A request that fails may have set the lines all the same. The pulse begins by a
			// write, after which mayHavePulsed keeps it from a second begin.
			levels = make([]bool, len(u.lines))
		}
		for i := range values {
			values[i] = &levels[i]
		}
	}
	for i, cfg := range u.cfgs {
		switch value := values[i]; {
		case u.from[i] != nil:
			// The line keeps its level; the rules say how it may move from there. It is not
			// set on again if a rival may be on.
			values[i] = u.from[i]
			if *u.from[i] && (member{u, i}).rivalMayBeOn() {
				values[i] = nil
			}
		case value == nil:
		case *value && (u.groups[i] != nil || cfg.MinOff > 0 || cfg.MaxOn > 0), !*value && cfg.MinOn > 0:
			values[i] = nil
		}
	}
	clear(u.from)
	u.requested = values
	b.requests++
	u.claim.request = b.requests
	b.do(Request{u.key, u.claim.request, u.label, u.lines, values})
}

// begin makes the start state of a new output its demand, and turns lines off that are
// on against their interlock. If a line was to keep its level and reads another one, the
// reading becomes the demand.
func (b *Bank) begin(u *output) {
	levels := slices.Clone(u.values)
	for i, value := range u.initial {
		if value != nil {
			levels[i] = *value
		}
	}
	started := slices.ContainsFunc(u.initial, func(v *bool) bool { return v != nil })
	if u.demand.Levels == nil && (started || !slices.Equal(u.set, u.values)) {
		u.demand = Pattern(levels)
		if u.cause.Kind != ByChange && u.cause.Kind != ByInterlock {
			u.cause = Cause{Kind: ByStart}
		}
	}
	for i := range u.lines {
		if other, ok := b.rival(member{u, i}); ok && u.wantsOn(i) {
			b.log.Error("line is on against its interlock; it is turned off", "line", u.lines[i], "other", other)
			b.replace(u, u.without(i), Cause{ByInterlock, u.groups[i].label, 0})
		}
	}
}

// without is the present demand with one line off.
func (u *output) without(i int) Demand {
	levels := u.levels()
	levels[i] = false
	return Pattern(levels)
}

// levels is what the lines are demanded to be while the demand is on.
func (u *output) levels() []bool {
	levels := make([]bool, len(u.lines))
	for i := range levels {
		levels[i] = u.wantsOn(i)
	}
	return levels
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
	return (u.known || u.seen[i]) && u.values[i]
}

// observe takes what the lines of an output read. One that was on when it failed
// and is on again counts as having been on all the time, one that is off as off from
// now. One that did not follow may have done so meanwhile, unseen; it counts from now.
func (b *Bank) observe(now time.Time, u *output, values []bool) {
	if u.cause == (Cause{}) {
		u.cause.Kind = ByNobody
	}
	for i, value := range values {
		same, known := u.values[i] == value, u.known || u.seen[i]
		if same && !u.since[i].IsZero() && (value && (u.set[i] || !u.asked[i]) || !value && !u.set[i] && known) {
			continue
		}
		u.since[i] = now
		if !same || !known {
			cause := u.causeOf(i, value)
			b.log.Info("line", "line", u.lines[i], "value", onOff(value), "cause", cause)
			if !u.demand.IsWave() || u.begun.IsZero() {
				b.do(Moved{now, u.lines[i], u.identities[i], value, cause})
			}
		}
	}
	clear(u.seen)
	u.values, u.known = slices.Clone(values), true
	b.changed(u)
}

// causeOf is why a line reads as it does.
func (u *output) causeOf(i int, value bool) Cause {
	switch {
	case u.demand.IsPulse() && !value && !u.begun.IsZero():
		return Cause{Kind: ByPulseEnd}
	case !u.known && !u.seen[i] && u.demand.Levels != nil && !u.demand.Timed() && value != u.demand.Levels[i]:
		return Cause{Kind: ByNobody}
	}
	return u.cause
}

// compare makes a write that did not take a fault.
func (b *Bank) compare(now time.Time, u *output) {
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
func (b *Bank) take(now time.Time, u *output, d Demand, cause Cause) {
	old := u.demand
	if old.Equal(d) && !d.IsPulse() {
		b.advance(now, u)
		return
	}
	begun := u.begun
	b.replace(u, d, cause)
	switch {
	case d.IsWave() && old.IsWave() && d.period() == old.period():
		u.begun = begun // it goes on in its period, whatever part of it is on now
	case d.Timed() && u.state == held && u.is(d.Levels):
		u.begun = now
	}
	b.changed(u)
	b.advance(now, u)
}

// replace puts a demand in the place of another.
func (b *Bank) replace(u *output, d Demand, cause Cause) {
	if u.demand.IsPulse() && !d.IsPulse() {
		b.notify(PulseEnded{u.label, cause.String()})
	}
	u.demand, u.begun, u.cause = d, time.Time{}, cause
	if u.state == held {
		u.retryAt = time.Time{} // a new demand deserves a new attempt
	}
}

// mayHavePulsed reports whether the lines have been set on for the pulse in demand, with
// whatever result. If the request fails then, to set them on again could make two pulses.
func (u *output) mayHavePulsed() bool {
	return u.demand.IsPulse() && (!u.begun.IsZero() || u.state == writing && slices.Contains(u.asked, true))
}

// off demands all lines off.
func (u *output) off() Demand { return Pattern(make([]bool, len(u.lines))) }

// is reports whether the lines were last set to those levels and read so.
func (u *output) is(levels []bool) bool {
	return slices.Equal(levels, u.values) && slices.Equal(levels, u.set)
}

// advance moves an output towards its demand, as far as the rules allow.
func (b *Bank) advance(now time.Time, u *output) {
	if u.state != held || b.stopped {
		return
	}
	b.limit(now, u)
	if u.demand.Levels == nil {
		b.guard(now, u, u.values)
		return
	}
	if !u.retryAt.IsZero() && !b.due(now, &u.claim) {
		return
	}
	want, next := u.demand.at(now, u.begun)
	levels, why, until := b.permitted(now, u, want)
	b.at(next)
	b.at(until)
	if u.demand.IsWave() && !u.begun.IsZero() {
		why = "" // it goes on and off; that a turn is late by a moment is no news
	}
	if why != u.waiting {
		u.waiting = why
		b.changed(u)
	}
	switch {
	case levels == nil:
	case !u.is(levels):
		b.write(now, u, levels)
	case slices.Equal(want, levels):
		b.reached(now, u)
	}
}

func (b *Bank) write(now time.Time, u *output, levels []bool) {
	u.retryAt = time.Time{}
	u.asked = slices.Clone(levels)
	b.move(&u.claim, writing)
	// What guards a line has to be there before it goes on, and until it went off.
	on := slices.Contains(levels, true)
	if on {
		b.guard(now, u, levels)
	}
	b.do(Write{u.key, u.claim.request, u.asked})
	if !on {
		b.guard(now, u, levels)
	}
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
		u.demand, u.begun, u.cause = u.off(), time.Time{}, Cause{Kind: ByPulseEnd}
		b.notify(PulseEnded{Output: u.label})
	}
	b.guard(now, u, u.values)
	if !u.active.Equal(u.demand) {
		u.active = u.demand
		b.changed(u)
	}
}
