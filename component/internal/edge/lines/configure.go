package lines

import (
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// Configure puts another setup in force.
//
// A claim whose lines are requested as before goes on as it is, under its new labels
// and rules. Its pulse or wave goes on only if the use of the output is the same.
//
// Every other claim is released: its lines that are no longer outputs in their stop
// state, the others as they are. Those are requested again at once with the level that
// they have, and keep their times. See [output.inherit] for their demands.
//
// Nothing may be moving.
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
			next.goOn(u, old)
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

// sameRequest reports whether a line is requested the same way by both.
func sameRequest(a, b config.Line) bool {
	return Identity(a) == Identity(b) && a.Direction == b.Direction && a.ActiveLow == b.ActiveLow && a.Bias == b.Bias &&
		a.Drive == b.Drive && a.Debounce == b.Debounce && a.Poll == b.Poll
}

// count counts a claim that is taken over while it moves.
func (b *Bank) count(c *claim) {
	if c.moving() {
		b.moving++
	}
}

// goOn takes over what an output is whose request stays.
func (b *Bank) goOn(u, old *output) {
	is := *u
	*u = *old
	u.label, u.lines, u.cfgs, u.groups, u.use, u.order = is.label, is.lines, is.cfgs, is.groups, is.use, is.order
	b.count(&u.claim)
	for i, cfg := range u.cfgs {
		u.failsafed[i] = u.failsafed[i] && sameFailsafe(cfg, old.cfgs[i])
		if u.since[i].IsZero() {
			u.initial[i] = is.startOf(i, member{old, i})
		}
	}
	if u.use.timedLike(old.use) {
		return
	}
	// What was demanded for another use must not switch anything on.
	levels, timed := u.levels(), u.demand.Timed()
	for i, on := range levels {
		levels[i] = on && !timed && !u.use.Momentary && (u.values[i] || u.set[i])
	}
	if timed || !slices.Equal(levels, u.levels()) {
		b.replace(u, Pattern(levels), Cause{Kind: ByChange})
	}
}

func sameFailsafe(a, b config.Line) bool {
	return a.Failsafe != nil && b.Failsafe != nil && a.Failsafe.On == b.Failsafe.On
}

// replaceClaim releases a claim, and hands its lines over to the outputs that have
// them now.
func (b *Bank) replaceClaim(old *output) {
	r := Release{Claim: old.key}
	levels, leaves := slices.Clone(old.set), false
	for i, cfg := range old.cfgs {
		if m, stays := b.identities[old.identities[i]]; stays {
			b.inherit(m, member{old, i})
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

// inherit hands a line that is requested anew over to its new output. It stays as it
// is on the wire. With the same polarity it also keeps its times, and is to stay on
// only if it was on and was to be; it never goes on for what was demanded before.
// With the other polarity nothing that was known or demanded means the same: it starts
// like a new line, from the level that it has.
func (b *Bank) inherit(m, was member) {
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
		u.initial[i] = u.startOf(i, was)
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
		u.initial[i] = nil // nothing was demanded
	default:
		u.initial[i] = new(old.wantsOn(j) && (old.values[j] || old.set[j]))
	}
}

// startOf is the start state of a line that was never read under the setup before
// either: what is remembered of it counts still.
func (u *output) startOf(i int, was member) *bool {
	remembered := was.initial[was.index]
	if remembered != nil && u.cfgs[i].Start == was.cfgs[was.index].Start && !u.use.Momentary {
		return remembered
	}
	return u.initial[i]
}

// inheritDemand hands a whole demand over to the claim of the same lines, if it means
// the same there. A pulse does not go on: its line may have gone off for a moment.
func (b *Bank) inheritDemand(u, old *output) {
	same := u.use.timedLike(old.use)
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

// Busy says what goes on that should not be cut short, and until when at least:
// a pulse, or a change that a rule makes wait. why is empty when nothing does.
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
