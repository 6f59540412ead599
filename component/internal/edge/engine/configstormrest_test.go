package engine

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// check checks the shadows and the lines at rest.
func (j *confJudge) check() {
	j.budget()
	j.commands()
	j.counters()
	j.values()
	j.ghosts()
	j.settle()
}

// budget checks the rate of requests to the shadow manager.
func (j *confJudge) budget() {
	byThing := map[string][]time.Time{}
	var all []time.Time
	for _, r := range j.w.times {
		byThing[r.thing] = append(byThing[r.thing], r.at)
		all = append(all, r.at)
	}
	within := func(times []time.Time, most int, what string) {
		for i := most; i < len(times); i++ {
			if d := times[i].Sub(times[i-most]); d < time.Second {
				j.w.fail("budget: %d requests of %s within %v", most+1, what, d)
			}
		}
	}
	for thing, times := range byThing {
		within(times, stormPerThing, thing)
	}
	within(all, stormAllThings, "all things")
	j.w.times = j.w.times[:0:0]
}

// commands checks the answers to all desired values, and that no command is left.
func (j *confJudge) commands() {
	w := j.w
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Shadows)) {
		s := w.cfg.Shadows[label]
		if w.shadow(s.ID).doc == nil {
			continue // it has nothing to report
		}
		if at := w.shadow(s.ID); at.checked != at.doc && !j.isExcused(s.ID) {
			if err := w.schema.Check(at.doc.JSON()); err != nil {
				w.fail("schema: %v: %v\n%s", s.ID, err, at.doc.JSON())
			}
			at.checked = at.doc
		}
		c := w.content(s.ID)
		for _, key := range slices.Sorted(maps.Keys(c.Desired)) {
			j.desired(s, key, c.Desired[key], c.Reported)
		}
		acks, _ := c.Reported[shadow.AckKey].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(acks)) {
			p, configured := s.Properties[key]
			_, desired := c.Desired[key]
			if !desired && acks[key] != nil && !(configured && isCommand(p.Kind)) {
				w.fail("left answer: %v answers %s, which is not desired: %v", s.ID, key, acks[key])
			}
		}
	}
}

// isInterlocked reports whether an interlock has a line of a property.
func (j *confJudge) isInterlocked(p config.Property) bool {
	for _, lock := range j.w.cfg.Interlocks {
		if slices.ContainsFunc(p.Lines(), func(label string) bool { return slices.Contains(lock.Lines, label) }) {
			return true
		}
	}
	return false
}

// desired checks the answer to one desired value, and that it was carried out.
func (j *confJudge) desired(s config.Shadow, key string, value any, reported map[string]any) {
	w := j.w
	if members, object := value.(map[string]any); object && emptied(members) {
		return // no value is left
	}
	p, configured := s.Properties[key]
	ack := answer(reported, key)
	id := fmt.Sprintf("%v %s=%v", s.ID, key, value)
	fits := func(codes ...shadow.Code) {
		if !slices.Contains(codes, ack.Code) {
			w.fail("answer: %s is answered with %v %q, want one of %v", id, ack.Code, ack.Reason, codes)
		}
	}
	switch {
	case !configured:
		fits(shadow.NoProperty)
		return
	case p.Kind == config.Setting:
		if _, err := p.ParseSetting(value, nil); err != nil {
			fits(shadow.Refused)
		} else {
			fits(shadow.Done)
		}
		return
	case p.Kind == config.Schedule:
		fits(shadow.Done, shadow.Refused)
		return
	case isCommand(p.Kind):
		if p.Kind == config.Pulse && !asks(w.cfg, p, gpio.Ref{}, value) {
			fits(shadow.Done, shadow.Refused, shadow.Conflict)
		} else {
			fits(shadow.Refused, shadow.Conflict) // a command that was carried out is cleared
		}
		return
	case !p.Output:
		fits(shadow.Refused)
		return
	}
	var err error
	switch p.Kind {
	case config.PWM:
		_, err = p.ParseDuty(value)
	case config.Pattern:
		_, err = p.ParsePattern(value)
	default:
		_, err = p.Values.Line(value)
	}
	same := shadow.Equal(value, reported[key])
	switch {
	case err != nil:
		fits(shadow.Refused)
	case p.Override == config.UpdatesDesired && ack.Code == 0 && (same || j.isInterlocked(p)):
		// The component wrote it itself. A later interlock may have ended it without an answer.
	case p.Kind == config.PWM:
		fits(shadow.Done, shadow.Conflict, shadow.Refused)
	default:
		fits(shadow.Done, shadow.Conflict)
	}
	// A value that maxOn ended keeps its answer 200, even after the limit is removed.
	line := w.cfg.Lines[p.Line]
	limited := line.MaxOn > 0 || j.limited[line.Ref]
	if err == nil && ack.Code == shadow.Done && p.Override != config.HoldsUntilNextDesired && !limited && !same {
		w.fail("not done: %s is answered with 200, reported is %v", id, reported[key])
	}
}

// answer reads the answer to a desired value.
func answer(reported map[string]any, key string) shadow.Ack {
	acks, _ := reported[shadow.AckKey].(map[string]any)
	ack, _ := shadow.ParseAck(acks[key])
	return ack
}

// isExcused reports whether a shadow may hold values that nobody remembers.
func (j *confJudge) isExcused(id shadow.ID) bool {
	for key := range j.w.content(id).Reported {
		if at := (confKey{id, key}); j.leftovers[at] || j.otherKind[at] {
			return true
		}
	}
	return false
}

func isCommand(kind config.Kind) bool {
	return kind == config.Pulse || kind == config.Count || kind == config.Flag
}

// emptied reports whether an object has nothing but nulls.
func emptied(members map[string]any) bool {
	for _, value := range members {
		if inner, object := value.(map[string]any); value != nil && !(object && emptied(inner)) {
			return false
		}
	}
	return true
}

// counters checks the counts.
func (j *confJudge) counters() {
	w := j.w
	for _, p := range w.props {
		if p.Kind != config.Count {
			continue
		}
		at, id := keyOf(p), p.ID
		value := w.content(at.id).Reported[at.key]
		n, ok := edgesOfCount(p.Property, value)
		if !ok {
			w.fail("count: %v reports %v", id, value)
		}
		c := j.counts[id]
		writes := j.requests[at]
		switch {
		case j.rewritten[at.id] && (len(writes) > 0 || j.added[id] || j.stateLost):
		case len(writes) == 0 || allRefused(p.Property, writes):
			if n < c.low || n > c.high {
				w.fail("count: %v is %d edges, want %d to %d", id, n, c.low, c.high)
			}
		case j.added[id] || allRefused(p.Property, writes[len(writes)-1:]): // the engine may have heard of it too late
		default:
			last, set := lastCount(p.Property, writes)
			within := slices.ContainsFunc(append(j.meanings[id], last), func(last int64) bool {
				return set && n >= last+max(c.after, 0) && n <= last+c.since
			})
			if !within && !(answer(w.content(at.id).Reported, at.key).Code != shadow.Done && n >= c.low && n <= c.high) {
				w.fail("count: %v is %d edges, want %d, the value desired last and the edges since then, to %d", id, n, last+max(c.after, 0), last+c.since)
			}
		}
		j.counts[id] = confCount{n, n, 0, -1}
	}
	if w.pending == nil {
		j.countsSaved = maps.Clone(j.counts)
	}
}

// lastCount is the last valid one of some values, in edges.
func lastCount(p config.Property, writes []any) (edges int64, ok bool) {
	for _, value := range slices.Backward(writes) {
		if edges, err := p.ParseCount(value); err == nil {
			return edges, true
		}
	}
	return 0, false
}

// allRefused reports whether none of the values is valid.
func allRefused(p config.Property, writes []any) bool {
	_, ok := lastCount(p, writes)
	return !ok
}

// values checks the reported values against the lines.
func (j *confJudge) values() {
	w := j.w
	for _, p := range w.props {
		at, id := keyOf(p), p.ID
		c := w.content(at.id)
		got := c.Reported[at.key]
		want := got
		refs := configgen.Refs(w.cfg, p.Property)
		switch p.Kind {
		case config.Level, config.Pulse:
			want = p.Values.Value(w.on(refs[0]))
		case config.Blink:
			want = p.Values.Value(j.waves[refs[0]] || w.on(refs[0]))
		case config.PWM:
			// The component reports a percentage that rounds to nothing as it was desired.
			if percent, ok := got.(float64); !j.waves[refs[0]] && !(ok && (percent > 99.9) == w.on(refs[0]) && (percent < 0.1) != w.on(refs[0])) {
				want = map[bool]any{true: 100.0, false: 0.0}[w.on(refs[0])]
			}
		case config.Pattern:
			want = nil
			for _, word := range slices.Sorted(maps.Keys(p.Patterns)) {
				if matches(w, p.Patterns[word]) {
					want = word
				}
			}
		case config.Rate, config.Period, config.Duty, config.LastPulse, config.Reading:
			_, number := got.(float64)
			want = j.ofKind(at, got, number)
		case config.Changed:
			text, _ := got.(string)
			_, err := time.Parse(timeFormat, text)
			want = j.ofKind(at, got, err == nil)
		case config.Setting:
			j.setting(p, c.Desired[at.key], got)
		case config.Flag:
			_, boolean := got.(bool)
			want = j.ofKind(at, got, boolean)
			j.flag(p, got)
		}
		if !shadow.Equal(want, got) {
			w.fail("reported: %v is %v, want %v", id, got, want)
		}
	}
}

// ofKind is what a property without a value may report: nothing, unless nobody remembers
// that the value is one of another kind.
func (j *confJudge) ofKind(at confKey, got any, fits bool) any {
	switch {
	case fits || got == nil:
		delete(j.otherKind, at)
	case !j.otherKind[at]:
		return nil
	}
	return got
}

// matches reports whether the lines are in the states of a pattern.
func matches(w *confWorld, states map[string]bool) bool {
	for label, on := range states {
		if w.on(w.cfg.Lines[label].Ref) != on {
			return false
		}
	}
	return true
}

// unknownSetting stands for a setting that may have one of several values.
const unknownSetting = "\x00unknown"

// setting checks a setting. Objects are only compared before and after a change.
func (j *confJudge) setting(p configgen.Property, desired, got any) {
	w := j.w
	id, at := p.ID, keyOf(p)
	if p.Domain.Type == config.ObjectValue {
		return // see the comparisons at rest
	}
	adopted, err := p.ParseSetting(desired, nil)
	remembered, known := j.settings[id]
	untouched := j.requestCount[at] == 0 && !j.added[id] && !j.stateLost && !j.rewritten[at.id]
	switch {
	case desired != nil && err == nil:
		j.settings[id] = adopted
	case remembered == unknownSetting:
		return
	case !known && untouched || known && len(j.requests[at]) == 0 && !j.stateLost:
		j.settings[id] = remembered
		adopted = remembered
	default:
		j.settings[id] = unknownSetting
		return
	}
	want, _ := p.Initial(adopted)
	if !shadow.Equal(want, got) {
		w.fail("setting: %v is %v, want %v, remembered is %v", id, got, want, adopted)
	}
}

// flag checks the reported state of an alarm.
func (j *confJudge) flag(p configgen.Property, got any) {
	w := j.w
	a := w.cfg.Alarms[p.Alarm]
	watched := watchedBy(w.cfg, a)
	if len(alarmsOf(w.cfg, watched)) > 1 {
		return
	}
	reset := false
	for _, q := range w.props {
		if q.Kind == config.Flag && q.Alarm == p.Alarm {
			reset = reset || len(j.requests[keyOf(q)]) > 0
		}
	}
	if a.Line != "" && got != nil {
		holds := w.on(w.cfg.Lines[a.Line].Ref) == a.Limit
		if holds && got != true || !holds && got == true && !a.Latched {
			w.fail("alarm: %v is %v, the line that it watches is %v", p.ID, got, w.on(w.cfg.Lines[a.Line].Ref))
		}
	}
	if j.latched[watched] && a.Latched && got != true && !reset && !j.stateLost {
		w.fail("alarm: %v is %v, want true, since it is latched and was not reset", p.ID, got)
	}
	// Without a value to test, flags may show the former alarm.
	shown := a.Line != ""
	if !shown {
		s := w.cfg.Shadows[a.Property.Shadow]
		shown = w.content(s.ID).Reported[a.Property.Key] != nil
	}
	for _, q := range w.props {
		shown = shown && !(q.Kind == config.Flag && q.Alarm == p.Alarm && w.content(q.ID.Shadow).Reported[q.ID.Key] != true)
	}
	j.latched[watched] = a.Latched && shown
}

// watchedBy is the identity of an alarm: its source and its test.
func watchedBy(cfg *config.Config, a config.Alarm) string {
	if a.Line != "" {
		return fmt.Sprint(cfg.Lines[a.Line].Ref, " ", a.Test)
	}
	s := cfg.Shadows[a.Property.Shadow]
	return fmt.Sprint(configgen.PropertyID{Shadow: s.ID, Key: a.Property.Key, Kind: s.Properties[a.Property.Key].Kind}, " ", a.Test)
}

// alarmsOf lists the alarms with an identity.
func alarmsOf(cfg *config.Config, watched string) (alarms []config.Alarm) {
	for _, label := range slices.Sorted(maps.Keys(cfg.Alarms)) {
		if a := cfg.Alarms[label]; watchedBy(cfg, a) == watched {
			alarms = append(alarms, a)
		}
	}
	return alarms
}

// keepsAlarm reports whether a latched alarm has to stay raised: it is configured as
// before, or removed for a time.
func (j *confJudge) keepsAlarm(watched string, before *config.Config) bool {
	alarms := alarmsOf(j.w.cfg, watched)
	return len(alarms) == 0 || len(alarms) == 1 && alarms[0].Latched && len(alarmsOf(before, watched)) < 2
}

// ghosts checks that nothing is reported that is not configured.
func (j *confJudge) ghosts() {
	w := j.w
	for _, s := range w.shadows() {
		properties := w.properties(s.id)
		status := false
		for _, c := range w.cfg.Shadows {
			status = status || c.ID == s.id && c.Status
		}
		reported := w.content(s.id).Reported
		for _, key := range slices.Sorted(maps.Keys(reported)) {
			_, configured := properties[key]
			if configured || key == "foreign" || reported[key] == nil || (key == shadow.AckKey || key == shadow.SyncKey) && properties != nil || key == shadow.StatusKey && status {
				delete(j.leftovers, confKey{s.id, key})
				continue
			}
			if !j.leftovers[confKey{s.id, key}] {
				w.fail("ghost: %v still reports %s=%v", s.id, key, reported[key])
			}
		}
	}
}

// settle takes the present state for the base of what follows.
func (j *confJudge) settle() {
	w := j.w
	configured := map[configgen.PropertyID]bool{}
	for _, p := range w.props {
		configured[p.ID] = true
	}
	for id := range j.counts {
		if !configured[id] && len(j.requests[confKey{id.Shadow, id.Key}]) > 0 {
			j.counts[id] = confCount{0, math.MaxInt64 / 2, 0, -1} // it may have been set before it was removed
			j.countsSaved[id] = j.counts[id]
		}
	}
	for id := range j.settings {
		if !configured[id] && len(j.requests[confKey{id.Shadow, id.Key}]) > 0 {
			j.settings[id] = unknownSetting
		}
	}
	maps.DeleteFunc(j.requests, func(at confKey, _ []any) bool {
		// A desired value without a property may be heard later.
		_, configured := w.properties(at.id)[at.key]
		return configured || w.content(at.id).Desired[at.key] == nil
	})
	clear(j.added)
	clear(j.rewritten)
	clear(j.toggles)
	clear(j.faulty)
	clear(j.unbidden)
	clear(j.meanings)
	j.stateLost = false
	for _, p := range w.props {
		id := p.ID
		id.Kind = config.Pulse
		j.spent[id] = j.requestNumber
		for _, ref := range configgen.Refs(w.cfg, p.Property) {
			if p.Output && !j.on[ref] && !j.waves[ref] {
				delete(j.demanded, ref)
			}
			if p.Output && asks(w.cfg, p.Property, ref, w.content(p.ID.Shadow).Desired[p.ID.Key]) {
				j.demanded[ref] = true
			}
		}
	}
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		ref := w.cfg.Lines[label].Ref
		if _, driven := j.driver(ref); w.cfg.Lines[label].Direction == gpio.Output && !driven && !j.on[ref] && !j.waves[ref] {
			delete(j.demanded, ref)
		}
	}
}
