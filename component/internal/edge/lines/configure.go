package lines

import (
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// Configure puts another setup in force.
//
// A claim with the same lines, requested in the same way, continues under its new
// labels and rules. Its pulse or wave continues only if the timing of its use is the
// same.
//
// Configure releases every other claim: lines that are no longer outputs in their stop
// state, the others at their present level. It requests those again at once at this
// level, with their times; for their demands see [Bank.inheritLine].
//
// [Bank.Moving] must be false.
func (b *Bank) Configure(now time.Time, setup Setup) {
	if b.stopped {
		return
	}
	next := newBank(setup)
	next.random, next.log = b.random, b.log
	next.away, next.wake, next.requests = b.away, b.wake, b.requests
	next.effects, next.notices = b.effects, b.notices
	for _, old := range b.outputOrder {
		if u := next.outputClaims[old.key]; u != nil && slices.EqualFunc(u.cfgs, old.cfgs, sameRequest) {
			next.keepClaim(u, old)
		} else {
			next.replaceClaim(old)
		}
	}
	for _, old := range b.inputOrder {
		if in := next.inputClaims[old.key]; in != nil && sameRequest(in.cfg, old.cfg) {
			label, lines, cfg := in.label, in.lines, in.cfg
			*in = *old
			in.label, in.lines, in.cfg = label, lines, cfg
			next.count(&in.claim)
		} else {
			next.do(Release{Claim: old.key})
		}
	}
	*b = *next
	for _, g := range b.groups {
		b.settle(g, Cause{ByInterlock, g.label, 0})
	}
	for _, u := range b.outputOrder {
		if u.state == released {
			b.request(now, u)
		} else {
			b.advanceGroups(now, u)
		}
	}
	for _, in := range b.inputOrder {
		if in.state == released {
			b.requestInput(in)
		} else {
			b.tickInput(now, in)
		}
	}
	b.failsafe(now)
	b.at(now)
}

// DropPulse replaces the pulse demanded of an output by off, without a [PulseEnded]. The
// caller must call [Bank.Configure] next, which turns the output off.
func (b *Bank) DropPulse(label string) {
	if u := b.outputs[label]; u != nil && u.demand.IsPulse() {
		u.demand, u.begun, u.cause = u.off(), time.Time{}, Cause{Kind: ByChange}
	}
}

// sameRequest reports whether the kernel request of a line is the same for both.
func sameRequest(a, b config.Line) bool {
	return Identity(a) == Identity(b) && a.Direction == b.Direction && a.ActiveLow == b.ActiveLow && a.Bias == b.Bias &&
		a.Drive == b.Drive && a.Debounce == b.Debounce && a.Poll == b.Poll
}

// count counts a claim that has not answered yet.
func (b *Bank) count(c *claim) {
	if c.moving() {
		b.moving++
	}
}

// keepClaim takes over the state of an output whose request stays.
func (b *Bank) keepClaim(u, old *output) {
	configured := *u
	*u = *old
	u.label, u.lines, u.cfgs, u.groups, u.use, u.order = configured.label, configured.lines, configured.cfgs, configured.groups, configured.use, configured.order
	b.count(&u.claim)
	for i, cfg := range u.cfgs {
		u.failsafed[i] = u.failsafed[i] && sameFailsafe(cfg, old.cfgs[i])
		if u.since[i].IsZero() {
			u.initial[i] = configured.startOfUnread(i, member{old, i})
		}
	}
	if u.use.sameTiming(old.use) || u.demand.Levels == nil && !u.read() {
		return // the start state is that of the new use
	}
	// A demand for another use must not switch anything on.
	levels, timed := u.levels(), u.demand.Timed()
	for i, on := range levels {
		levels[i] = on && !timed && !u.use.Momentary && (u.values[i] || u.set[i])
	}
	found := u.demand.Levels == nil && u.use.Momentary // no demand keeps it off
	if timed || found || !slices.Equal(levels, u.levels()) {
		b.replace(u, Pattern(levels), Cause{Kind: ByChange})
	}
}

// read reports whether any line of an output was ever read.
func (u *output) read() bool {
	return slices.ContainsFunc(u.since, func(t time.Time) bool { return !t.IsZero() })
}

func sameFailsafe(a, b config.Line) bool {
	return a.Failsafe != nil && b.Failsafe != nil && a.Failsafe.On == b.Failsafe.On
}

// replaceClaim releases a claim, and hands its lines over to their new outputs.
func (b *Bank) replaceClaim(old *output) {
	r := Release{Claim: old.key}
	levels, leaves := slices.Clone(old.set), false
	for i, cfg := range old.cfgs {
		if m, stays := b.identities[old.identities[i]]; stays {
			b.inheritLine(m, member{old, i})
			continue
		}
		leaves = true
		levels[i] = cfg.Stop != config.StopOff && old.values[i] && old.wantsOn(i) && !old.demand.Timed() && cfg.MaxOn == 0
	}
	if leaves && old.state == held {
		r.Values = levels
	}
	b.do(r)
	if u := b.outputClaims[old.key]; u != nil {
		b.inheritDemand(u, old)
	}
}

// inheritLine hands a line over to its new output. The level on the wire stays.
//
// With the same polarity the times stay too. The line stays on if it was on and was
// demanded on; an earlier demand never turns it on.
//
// With the other polarity no earlier level, time or demand keeps its meaning. The line
// starts like a new one.
func (b *Bank) inheritLine(m, was member) {
	u, i, old, j := m.output, m.index, was.output, was.index
	level := old.set[j] && (old.values[j] || old.wantsOn(j))
	if u.cfgs[i].ActiveLow != old.cfgs[j].ActiveLow {
		if old.state == held {
			u.from[i], u.values[i], u.set[i] = new(!level), !level, !level
		}
		u.cause = Cause{Kind: ByChange}
		return
	}
	u.failsafed[i] = old.failsafed[j] && sameFailsafe(u.cfgs[i], old.cfgs[j])
	unread := old.since[j].IsZero()
	if unread && old.demand.Levels == nil {
		u.initial[i] = u.startOfUnread(i, was)
		return
	}
	if old.state == held && !unread {
		u.from[i], u.seen[i] = &level, true
	}
	u.values[i], u.set[i], u.asked[i], u.since[i] = old.values[j], old.set[j], old.asked[j], old.since[j]
	u.cause = Cause{Kind: ByChange}
	switch {
	case u.use.Momentary || old.demand.Timed():
		u.initial[i] = new(false)
	case old.demand.Levels == nil && old.initial[j] == nil:
		u.initial[i] = nil // no demand
	default:
		u.initial[i] = new(old.wantsOn(j) && (old.values[j] || old.set[j]))
	}
}

// startOfUnread is the start state of a line that was never read: a remembered level
// still counts, unless the configuration of the start changed.
func (u *output) startOfUnread(i int, was member) *bool {
	initial := was.initial[was.index]
	switch {
	case u.cfgs[i].Start != was.cfgs[was.index].Start:
	case u.use.sameTiming(was.use), initial != nil && !u.use.Momentary:
		return initial
	}
	return u.initial[i]
}

// inheritDemand hands a demand over to the new claim of the same lines if it keeps its
// meaning. A pulse ends: its line may fall during the new request.
func (b *Bank) inheritDemand(u, old *output) {
	same := u.use.sameTiming(old.use)
	for i := range u.cfgs {
		same = same && u.cfgs[i].ActiveLow == old.cfgs[i].ActiveLow
	}
	switch {
	case old.demand.IsPulse():
		b.notify(PulseEnded{u.label, ByChange})
	case same && old.demand.Levels != nil:
		u.demand, u.cause, u.begun, u.active = old.demand, old.cause, old.begun, old.active
	}
}

// Busy returns the reason not to interrupt the outputs now, and the earliest time
// without this reason: a pulse, or a change delayed by a rule. why is empty if an
// interruption is safe.
func (b *Bank) Busy(now time.Time) (until time.Time, why string) {
	for _, u := range b.outputOrder {
		switch {
		case u.demand.IsPulse():
			end := now.Add(u.demand.On)
			if !u.begun.IsZero() {
				end = u.begun.Add(u.demand.On)
			}
			until, why = latest(until, end), "a pulse of "+u.label+" is under way"
		case u.waiting != "" && u.state == held:
			_, _, at := b.permitted(now, u, u.demand.Levels)
			until, why = latest(until, at), u.label+" waits: "+u.waiting
		}
	}
	return until, why
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
