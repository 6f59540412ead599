package engine

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// restarted is what a restart may change: outputs with a start state of on or off, those
// that go on and off and keep their level, and pulse outputs that are on.
func (j *confJudge) restarted() configgen.Scope {
	s := configgen.Scope{Lines: map[gpio.Ref]bool{}, Properties: map[configgen.PropertyID]bool{}}
	for _, l := range j.w.cfg.Lines {
		p, driven := j.driver(l.Ref)
		waves := driven && (p.Kind == config.Blink || p.Kind == config.PWM)
		pulsed := driven && p.Kind == config.Pulse && j.on[l.Ref] // by its fail-safe state, say
		if l.Start == config.StartOn || l.Start == config.StartOff || l.Start == config.StartKeep && waves || pulsed {
			s.Lines[l.Ref] = true
		}
	}
	s.Extend(j.w.cfg)
	return s
}

// confView is what the shadows show at rest, by property.
type confView map[configgen.PropertyID]confShown

// confShown is what a shadow shows of a property.
type confShown struct {
	reported, desired any
	ack               shadow.Ack
	doubt             bool // the clock does not tell whether the answer is newer than the value
}

func (j *confJudge) view() confView {
	v := confView{}
	for _, p := range j.w.props {
		c := j.w.content(p.ID.Shadow)
		v[p.ID] = confShown{c.Reported[p.ID.Key], c.Desired[p.ID.Key], answer(c.Reported, p.ID.Key), c.doubt[p.ID.Key]}
	}
	return v
}

// same checks that a change at rest left everything as it was that it is not about.
func (j *confJudge) same(was confView, about configgen.Scope, step string) {
	w := j.w
	now := j.view()
	for _, p := range w.props {
		a, seen := was[p.ID]
		b := now[p.ID]
		if !seen || about.Properties[p.ID] || p.Kind == config.Schedule || slices.ContainsFunc(p.Lines(), j.isScheduled) {
			continue
		}
		turned := slices.ContainsFunc(configgen.Refs(w.cfg, p.Property), func(ref gpio.Ref) bool { return j.turns[ref] > 0 })
		if a.ack.Code == b.ack.Code && (a.doubt || turned || a.ack.Reason != b.ack.Reason) { // an answer given anew, or with another label
			a.ack.Version, a.ack.Reason = b.ack.Version, b.ack.Reason
		}
		if a.doubt && a.ack.Code == shadow.Done && b.ack.Code == shadow.Conflict {
			a.ack = b.ack // the clock does not tell that it was done before the local change
		}
		if a.ack.Code == 0 && b.ack.Code == shadow.Done && p.Override == config.UpdatesDesired {
			a.ack = b.ack // the component wrote the value itself, which the next run does not know
		}
		switch {
		case !shadow.Equal(a.reported, b.reported) && isSteady(p.Rules):
			w.fail("changed value: %v goes from %v to %v by %s", p.ID, a.reported, b.reported, step)
		case a.ack != b.ack:
			w.fail("changed answer: %v goes from %v to %v by %s", p.ID, a.ack, b.ack, step)
		case !shadow.Equal(a.desired, b.desired):
			w.fail("changed desired: %v goes from %v to %v by %s", p.ID, a.desired, b.desired, step)
		}
	}
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		l := w.cfg.Lines[label]
		if l.Direction != gpio.Output || about.Lines[l.Ref] || j.isScheduled(label) {
			continue
		}
		p, driven := j.driver(l.Ref)
		if driven && (p.Kind == config.Blink || p.Kind == config.PWM) {
			continue
		}
		if j.turns[l.Ref] > 0 {
			w.fail("turned: %v moves %d times after %s", l.Ref, j.turns[l.Ref], step)
		}
	}
}

// isSteady reports whether a value at rest depends on the last sample alone.
func isSteady(r reading.Rules) bool {
	return r.Median < 2 && r.Average < 2 && r.Deadband == 0 && r.DeadbandPercent == 0
}
