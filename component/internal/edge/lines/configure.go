package lines

import (
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Outputs are the labels of the outputs of a configuration, sorted.
func Outputs(cfg *config.Config) []string {
	labels := map[string]bool{}
	for label, line := range cfg.Lines {
		labels[label] = line.Direction == gpio.Output
	}
	for _, s := range cfg.Shadows {
		for _, p := range s.Properties {
			if p.Kind != config.Pattern {
				continue
			}
			for _, line := range p.Lines() {
				delete(labels, line)
			}
			labels[Label(p.Lines()...)] = true
		}
	}
	maps.DeleteFunc(labels, func(_ string, output bool) bool { return !output })
	return slices.Sorted(maps.Keys(labels))
}

// Configure puts another configuration in force. Lines that are requested as before
// go on as they are, under the new rules. The others are given up, those that are no
// longer configured in their stop state, and what is new is requested. Nothing may be
// moving.
func (b *Bank) Configure(now time.Time, cfg *config.Config) {
	next := New(cfg, b.Memory(), b.random, b.log)
	next.away, next.stopped, next.wake = b.away, b.stopped, b.wake
	next.effects, next.notices = b.effects, b.notices
	for _, old := range sorted(b.outputs) {
		switch u := next.outputs[old.label]; {
		case u == nil:
			next.giveUp(now, old)
		case !slices.EqualFunc(u.cfgs, old.cfgs, sameRequest):
			next.cutPulse(old)
			next.do(Release{Claim: old.label})
		default:
			u.continues(old)
			if u.kind != old.kind && u.demand.Timed() {
				next.replace(u, u.off(), Cause{Kind: ByChange})
			}
		}
	}
	for _, old := range sorted(b.inputs) {
		in := next.inputs[old.label]
		if in == nil || !sameRequest(in.cfg, old.cfg) {
			next.do(Release{Claim: old.label})
		} else {
			cfg := in.cfg
			*in = *old
			in.cfg = cfg
		}
	}
	*b = *next
	for _, u := range sorted(b.outputs) {
		if u.state == released {
			b.request(now, u)
			continue
		}
		b.begin(now, u)
		b.advanceGroups(now, u)
	}
	for _, in := range sorted(b.inputs) {
		if in.state == released {
			b.requestInput(in)
		}
	}
	b.failsafe(now)
	b.at(now)
}

// sameRequest reports whether a line is requested the same way by both.
func sameRequest(a, b config.Line) bool {
	return a.Ref == b.Ref && a.Direction == b.Direction && a.ActiveLow == b.ActiveLow && a.Bias == b.Bias &&
		a.Drive == b.Drive && a.Debounce == b.Debounce && a.Poll == b.Poll
}

// continues takes over what an output of the configuration before is.
func (u *output) continues(old *output) {
	cfgs, groups, kind := u.cfgs, u.groups, u.kind
	*u = *old
	u.cfgs, u.groups, u.kind = cfgs, groups, kind
}

// giveUp releases an output that is no longer configured, in its stop state.
func (b *Bank) giveUp(now time.Time, u *output) {
	b.cutPulse(u)
	r := Release{Claim: u.label}
	if u.state == held {
		r.Values = slices.Clone(u.values)
		for i, cfg := range u.cfgs {
			r.Values[i] = cfg.Stop != config.StopOff && u.values[i] && u.wantsOn(i) && !u.demand.Timed() && cfg.MaxOn == 0
		}
	}
	b.do(r)
}

// cutPulse notes that the pulse of an output, if there is one, ends with its request.
func (b *Bank) cutPulse(u *output) {
	if u.demand.IsPulse() {
		b.notify(PulseEnded{u.label, ByChange})
	}
}

// Busy says what goes on that should not be cut short, and until when at least:
// a pulse, or a change that a rule makes wait. why is empty when nothing does.
func (b *Bank) Busy(now time.Time) (until time.Time, why string) {
	for _, u := range sorted(b.outputs) {
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
