package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

const (
	// silentAfter is how long an alarm may be without a value before it is said.
	silentAfter = 10 * time.Second
	silence     = "nothing to compare; it stays as it is"
)

// alarm watches a value. It changes only when it has been tested, so that a restart
// leaves it, and what it drives, as they were.
type alarm struct {
	config.Alarm
	label  string
	raised bool
	known  bool      // it has been tested, by this run or an earlier one
	since  time.Time // since when the test holds while it is not raised; zero while it does not
	lost   time.Time // since when there is no value; zero while there is one
	silent bool      // that was said
}

// cause is what the alarm is called where it switches something.
func (a *alarm) cause() lines.Cause { return lines.Cause{Kind: lines.ByAlarm, Name: a.label} }

// watchAlarms makes the alarms those of the configuration. One that was there
// before goes on as it was.
func (e *Engine) watchAlarms() {
	old := map[string]*alarm{}
	for _, a := range e.alarms {
		old[a.label] = a
	}
	e.alarms = nil
	for label, c := range e.cfg.Alarms {
		a := &alarm{Alarm: c, label: label}
		a.raised, a.known = e.memory.alarms[label]
		if was := old[label]; was != nil {
			a.lost, a.silent = was.lost, was.silent
			if a.tests(was.Alarm) {
				a.since = was.since
			}
		}
		e.alarms = append(e.alarms, a)
		e.showAlarm(a)
	}
	slices.SortFunc(e.alarms, func(a, b *alarm) int { return cmp.Compare(a.label, b.label) })
}

// tests reports whether both are raised by the same.
func (a *alarm) tests(other config.Alarm) bool {
	return a.Line == other.Line && a.Property == other.Property && a.Test == other.Test && a.Limit == other.Limit && a.Setting == other.Setting
}

// restoreAlarms has the outputs of raised alarms follow them that start as
// something else. What is desired of them is heard when the shadow is read.
func (e *Engine) restoreAlarms(now time.Time) {
	for _, a := range e.alarms {
		start := e.cfg.Lines[a.Output].Start
		if a.raised && a.Output != "" && (start == config.StartOn || start == config.StartOff) {
			demand := lines.Level(a.Set)
			if p := e.outputs[a.Output]; p != nil {
				demand = p.local(a.Set)
			}
			if !demand.IsPulse() { // it is over
				e.bank.Drive(now, map[string]lines.Order{a.Output: {Demand: demand, Cause: a.cause()}})
			}
		}
	}
}

// assertAlarms has raised alarms drive outputs that they did not drive before.
func (e *Engine) assertAlarms(now time.Time, before *config.Config) {
	for _, a := range e.alarms {
		was, ok := before.Alarms[a.label]
		if ok && a.raised && a.Output != "" && (was.Output != a.Output || was.Set != a.Set) {
			e.switchLocally(now, a.Output, a.Set, a.cause())
		}
	}
}

// testAlarms compares what alarms watch with their limits.
func (e *Engine) testAlarms(now time.Time) {
	for _, a := range e.alarms {
		value, ok := e.watched(a)
		limit, ok2 := e.limit(a)
		if !ok || !ok2 {
			e.alarmSilent(now, a)
			continue
		}
		e.alarmHeard(a)
		switch holds := a.holds(value, limit); {
		case !holds:
			a.since = time.Time{}
			if !a.known || a.raised && !a.Latched {
				e.raise(now, a, false)
			}
		case a.raised:
		case a.For > 0 && a.since.IsZero():
			a.since = now
			e.at(now.Add(a.For))
		case now.Before(a.since.Add(a.For)):
			e.at(a.since.Add(a.For))
		default:
			a.since = time.Time{}
			e.raise(now, a, true)
		}
	}
}

// holds reports whether the value raises the alarm, or keeps it raised.
func (a *alarm) holds(value, limit any) bool {
	v, isNumber := number(value)
	l, _ := number(limit)
	margin := 0.0
	if a.raised {
		margin = a.Margin
	}
	switch {
	case a.Test == config.Above && a.raised && margin > 0:
		return v > l-margin
	case a.Test == config.Above:
		return v > l
	case a.Test == config.Below && a.raised && margin > 0:
		return v < l+margin
	case a.Test == config.Below:
		return v < l
	case isNumber:
		return v == l
	}
	return value == limit
}

// watched is the value that an alarm watches, if there is one.
func (e *Engine) watched(a *alarm) (any, bool) {
	if a.Line != "" {
		return e.input(a.Line)
	}
	p := e.shadows[a.Property.Shadow].props[a.Property.Key]
	switch p.Kind {
	case config.Setting:
		return p.value, p.value != nil
	case config.Level:
		return e.input(p.Line)
	case config.Count:
		_, edges, ok := e.bank.Input(p.Line)
		return p.CountValue(p.meter.base + int64(edgesOf(edges, p.Edges).count)), ok
	}
	if isSampled(p.Kind) {
		value, known := p.meter.samples.Value() // the latest one, whatever is reported
		return value, known && (p.Line == "" || e.bank.Reads(p.Line))
	}
	value := p.shadow.want[p.key]
	return value, value != nil && (p.Line == "" || e.bank.Reads(p.Line))
}

// input is whether an input is on. ok is false while that is not known.
func (e *Engine) input(line string) (on any, ok bool) {
	value, _, ok := e.bank.Input(line)
	return value, ok && e.bank.Reads(line)
}

func (e *Engine) limit(a *alarm) (any, bool) {
	if a.Limit != nil {
		return a.Limit, true
	}
	value := e.shadows[a.Setting.Shadow].props[a.Setting.Key].value
	return value, value != nil
}

func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// raise notes whether an alarm is raised, and drives its output. An alarm that was
// never tested and is not raised drives nothing.
func (e *Engine) raise(now time.Time, a *alarm, raised bool) {
	changed := a.raised != raised
	a.raised, a.known = raised, true
	e.memory.alarms[a.label] = raised
	e.remember(now, saveDelay)
	e.showAlarm(a)
	if !changed {
		return
	}
	e.log.Info("alarm", "alarm", a.label, "raised", raised)
	if a.Output != "" && (raised || !a.Keep) {
		e.switchLocally(now, a.Output, a.Set == raised, a.cause())
	}
}

// showAlarm reports the alarm in its properties.
func (e *Engine) showAlarm(a *alarm) {
	if !a.known {
		return
	}
	for _, p := range e.flags[a.label] {
		p.shadow.want[p.key] = a.raised
		e.touch(p.shadow)
	}
}

// alarmSilent notes that an alarm has no value: it stays as it is.
func (e *Engine) alarmSilent(now time.Time, a *alarm) {
	a.since = time.Time{}
	if a.lost.IsZero() {
		a.lost = now
	}
	switch at := a.lost.Add(silentAfter); {
	case a.silent:
	case now.Before(at):
		e.at(at)
	default:
		a.silent = true
		e.log.Warn("alarm has nothing to compare; it stays as it is", "alarm", a.label, "raised", a.raised)
		e.showStatus()
	}
}

func (e *Engine) alarmHeard(a *alarm) {
	if a.lost = (time.Time{}); a.silent {
		a.silent = false
		e.log.Info("alarm has a value again", "alarm", a.label)
		e.showStatus()
	}
}

// waitsFor is what alarms and schedules wait for, by their names in the status.
func (e *Engine) waitsFor() map[string]string {
	waits := map[string]string{}
	for _, a := range e.alarms {
		if a.silent {
			waits["alarm "+a.label] = silence
		}
	}
	if e.clockAwaited() {
		waits["clock"] = "not set since the machine started; schedules wait"
	}
	return waits
}

// resetAlarm takes a reset that is desired. It is carried out when it is
// remembered, so that one that was given once resets once.
func (e *Engine) resetAlarm(now time.Time, p *property, value any, fresh bool) {
	switch {
	case value != false:
		e.answer(p.shadow, p.key, shadow.Refused, fmt.Sprintf("want false, to reset the alarm, got %s", brief(value)))
	case !e.cfg.Alarms[p.Alarm].Latched:
		e.answer(p.shadow, p.key, shadow.Refused, "the alarm is not latched: it is over by itself")
	case e.stopped:
		// The next run does it.
	case e.isNew(p, fresh):
		e.command(now, p)
	case e.waits(p):
		e.stillDesired(now, p)
	default:
		e.concludeOver(p)
	}
}

// resetSaved resets an alarm unless what raised it is still so.
func (e *Engine) resetSaved(now time.Time, p *property) {
	failure := ""
	for _, a := range e.alarms {
		if a.label != p.Alarm || !a.raised {
			continue
		}
		value, ok := e.watched(a)
		limit, ok2 := e.limit(a)
		switch {
		case !ok || !ok2:
			failure = "there is nothing to compare"
		case a.holds(value, limit):
			failure = fmt.Sprintf("what raised it goes on: %s", brief(value))
		default:
			e.raise(now, a, false)
		}
	}
	e.commandOver(now, p, failure)
	e.concludeOver(p)
}

// brief is a value as JSON, shortened.
func brief(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return shadow.CutReason(string(text[:min(len(text), 40)]))
}
