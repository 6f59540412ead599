package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// moved notes that a wire changed, and checks that it was allowed to.
func (j *confJudge) moved(ref gpio.Ref, how string) {
	w := j.w
	label, configured := w.labels[ref]
	if !configured || w.cfg.Lines[label].Direction != gpio.Output {
		return
	}
	on, was, since := w.on(ref), j.on[ref], j.changedAt[ref]
	if on == was {
		return
	}
	if held, dropped := j.released[ref]; dropped && on == held.on && how == "requested" {
		j.on[ref], j.changedAt[ref] = on, held.since // requested again with its level
		return
	}
	if how == "given up" {
		j.released[ref] = confLevel{was, since}
	}
	j.on[ref], j.changedAt[ref] = on, w.now
	j.turns[ref]++
	j.waves[ref] = true
	if how != "written" && how != "requested" {
		return
	}
	cfg := w.cfg.Lines[label]
	others, lock := j.others(label)
	lasted := w.now.Sub(since)
	switch {
	case !on && how == "written" && lasted < cfg.MinOn && !j.stopping && !slices.ContainsFunc(others, j.mayBeOn):
		w.fail("minOn: %v goes off after %v, want %v", ref, lasted, cfg.MinOn)
	case on && how == "written" && lasted < cfg.MinOff && !j.stopping:
		w.fail("minOff: %v goes on after %v, want %v", ref, lasted, cfg.MinOff)
	case !on:
		return
	}
	for _, other := range others {
		if j.lostUnheard(other) {
			continue
		}
		if w.on(other) {
			w.fail("interlock: %v goes on while %v is on", ref, other)
		}
		if off := w.now.Sub(j.changedAt[other]); off < lock.DeadTime && !j.stopping {
			w.fail("dead time: %v goes on %v after %v went off, want %v", ref, off, other, lock.DeadTime)
		}
	}
	j.mayGoOn(ref, label, how)
}

// mayGoOn checks that an output has a reason to go on.
func (j *confJudge) mayGoOn(ref gpio.Ref, label, how string) {
	w := j.w
	cfg := w.cfg.Lines[label]
	free := isSwitched(w.cfg, label) || cfg.Start == config.StartOn || cfg.Failsafe != nil && cfg.Failsafe.On || j.stopping && cfg.Stop == config.StopOn
	p, driven := j.driver(ref)
	if driven && p.Kind == config.Pulse && !free {
		switch at := keyOf(p); {
		case j.faulty[ref]:
			delete(j.faulty, ref) // it resumes the pulse that a fault cut off
		case j.spent[p.ID] < j.lastRequest[at] && j.spent[p.ID] < j.heard[at.id]:
			j.spent[p.ID] = max(j.nextRequest(at, j.spent[p.ID]), j.read[at.id])
		case j.toggles[ref] > 0:
			j.toggles[ref]--
		case j.unbidden[ref]:
			delete(j.unbidden, ref) // the demand stands, as any other does, when its cause is configured otherwise
		default:
			w.fail("pulse: %v pulses again for %v, desired %d times", ref, p.ID, j.requestCount[at])
		}
		j.pulsesSince[p.ID]++
	}
	asked := driven && asks(w.cfg, p.Property, ref, w.content(p.ID.Shadow).Desired[p.ID.Key])
	if !free && !asked && !j.demanded[ref] {
		w.fail("no reason: %v is %s on, and nothing demands that", ref, how)
	}
	j.demanded[ref] = true
}

// nextRequest is the number of the first desired value of a key after another one.
func (j *confJudge) nextRequest(at confKey, after int) int {
	for _, number := range j.numbers[at] {
		if number > after {
			return number
		}
	}
	return after
}

// mayBeOn reports whether a line is on, or was set on and did not follow.
func (j *confJudge) mayBeOn(ref gpio.Ref) bool { return j.w.on(ref) || j.faulty[ref] }

// stray notes that a line does not follow.
func (j *confJudge) stray(ref gpio.Ref) { j.faulty[ref] = true }

// held reports whether the engine holds a line of a sound chip.
func (j *confJudge) held(ref gpio.Ref) bool {
	for _, h := range j.w.claims {
		if slices.Contains(h.refs, ref) {
			return !h.dead && !j.w.broken[ref]
		}
	}
	return false
}

// lostUnheard reports whether a chip is gone and the engine has not heard of it yet.
func (j *confJudge) lostUnheard(ref gpio.Ref) bool {
	for _, h := range j.w.claims {
		if slices.Contains(h.refs, ref) && h.dead {
			return true
		}
	}
	return false
}

// rules checks the rules that hold after each step.
func (j *confJudge) rules() {
	w := j.w
	if wake := w.engine.Wake(); j.stopping || !wake.IsZero() && !wake.After(w.now) {
		return // a tick is due
	}
	for ref, label := range w.labels {
		cfg := w.cfg.Lines[label]
		if !j.on[ref] || cfg.Direction != gpio.Output || j.faulty[ref] || !j.held(ref) {
			continue
		}
		begun := latest(j.changedAt[ref], latest(j.rulesSince[ref], j.began))
		if cfg.MaxOn > 0 && w.now.Sub(begun) > cfg.MaxOn+time.Millisecond {
			w.fail("maxOn: %v is on for %v, want %v at most", ref, w.now.Sub(begun), cfg.MaxOn)
		}
		others, _ := j.others(label)
		for _, other := range others {
			if j.on[other] && !j.faulty[other] && j.held(other) {
				w.fail("interlock: %v and %v are on", ref, other)
			}
		}
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// stays checks that a change moved no output that it is not about.
func (j *confJudge) stays(levels map[gpio.Ref]bool, step configgen.Step, before *config.Config) {
	w := j.w
	about := step.Scope(before, w.cfg)
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		l := w.cfg.Lines[label]
		if l.Direction == gpio.Output && !about.Lines[l.Ref] && levels[l.Ref] != w.high[l.Ref] {
			w.fail("moved: %v goes from %v to %v by a change that is not about it: %s", l.Ref, levels[l.Ref], w.high[l.Ref], step.Text)
		}
	}
}
