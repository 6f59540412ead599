package engine

import (
	"encoding/json"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// silence describes an alarm without a value in the status.
const silence = "nothing to compare; it stays as it is"

// alarm watches a value. Only a test changes its state, so a restart leaves the alarm
// and its output unchanged.
type alarm struct {
	*core
	config.Alarm
	label    string
	watchID  string // identity of the watched value and of the test
	limitID  string // identity of the limit, and of all else that tells alarms apart
	outputID string // identity and polarity of the output; "" for none
	resumed  string // the identity under which the alarm was remembered; "" for none

	source, limit func() (value any, known bool)
	onChange      []func() // called when raised may have changed

	raised bool
	known  bool      // tested by this run or an earlier one
	since  time.Time // start of the time For, while the alarm waits to be raised; else zero
	lost   time.Time // when the value was lost; zero while there is a value
	silent bool      // the loss of the value was logged
}

func newAlarm(c *core, label string) *alarm {
	a := &alarm{core: c, Alarm: c.cfg.Alarms[label], label: label}
	a.watchID, a.limitID = watchIdentity(c.cfg, a.Alarm), limitIdentity(c.cfg, a.Alarm)
	if a.Output != "" {
		a.outputID = lines.MemoryKey(c.cfg.Lines[a.Output])
	}
	return a
}

// identity returns the key of the alarm in the memory: the watched value, the limit,
// time, latch and output. Several alarms may have all of them in common, so the key has
// the label, too.
func (a *alarm) identity() string { return alarmID(a.watchID, a.limitID, a.label) }

func alarmID(watches, limits, label string) string { return watches + " " + limits + " " + label }

// watchIdentity returns the identity of the watched value and of the test.
func watchIdentity(cfg *config.Config, a config.Alarm) string {
	watched := "line " + lines.Identity(cfg.Lines[a.Line])
	if a.Line == "" {
		watched = propertyIdentity(cfg, a.Property)
	}
	return watched + " " + a.Test.String()
}

// limitIdentity returns the identity of the limit, a constant or a setting, with all
// that tells alarms of one value apart.
func limitIdentity(cfg *config.Config, a config.Alarm) string {
	limits := ""
	if a.Limit != nil {
		limits = brief(a.Limit)
	} else {
		limits = propertyIdentity(cfg, a.Setting)
	}
	if a.For > 0 {
		limits += " for " + a.For.String()
	}
	if a.Latched {
		limits += " latched"
	}
	if a.Output != "" {
		limits += " drives " + lines.Identity(cfg.Lines[a.Output])
	}
	return limits
}

// propertyIdentity returns the identity of a property.
func propertyIdentity(cfg *config.Config, at config.Path) string {
	s := cfg.Shadows[at.Shadow]
	return state.PropertyID(s.ID, at.Key, s.Properties[at.Key].Kind.String())
}

// resume restores the remembered state of the alarm.
func (a *alarm) resume(identity string, raised bool) {
	a.resumed, a.raised, a.known = identity, raised, true
}

// continues reports whether the alarm continues an alarm of the previous configuration.
func (a *alarm) continues(old *alarm) bool {
	if a.resumed != "" {
		return old.identity() == a.resumed
	}
	return old.identity() == a.identity()
}

// cause names the alarm as the cause of a switch.
func (a *alarm) cause() lines.Cause { return lines.Cause{Kind: lines.ByAlarm, Name: a.label} }

// adopt takes over the state of the alarm with the same identity under the previous
// configuration.
func (a *alarm) adopt(old *alarm) {
	a.raised, a.known, a.lost, a.silent = old.raised, old.known, old.lost, old.silent
	if a.Limit == old.Limit {
		a.since = old.since
	}
}

// assertOutput drives the output of a raised alarm if the previous configuration drove
// another output or another level.
func (a *alarm) assertOutput(old *alarm) {
	if a.raised && a.Output != "" && (old.outputID != a.outputID || old.Set != a.Set) {
		a.switchOutput(a.Output, a.Set, a.cause())
	}
}

// test compares the value with the limit.
func (a *alarm) test() {
	value, ok := a.source()
	limit, ok2 := a.limit()
	if !ok || !ok2 {
		a.noteSilent()
		return
	}
	a.noteValue()
	switch holds := a.holds(value, limit); {
	case !holds:
		a.since = time.Time{}
		if !a.known || a.raised && !a.Latched {
			a.raise(false)
		}
	case a.raised:
	case a.For > 0 && a.since.IsZero():
		a.since = a.now
		a.wakeAt(a.now.Add(a.For))
	case a.now.Before(a.since.Add(a.For)):
		a.wakeAt(a.since.Add(a.For))
	default:
		a.since = time.Time{}
		a.raise(true)
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
	case a.Test == config.Above && margin > 0:
		return v > l-margin
	case a.Test == config.Above:
		return v > l
	case a.Test == config.Below && margin > 0:
		return v < l+margin
	case a.Test == config.Below:
		return v < l
	case isNumber:
		return v == l
	}
	return value == limit
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

// raise records the new state and drives the output. The first test of an alarm drives
// the output only if it raises the alarm.
func (a *alarm) raise(raised bool) {
	moved := a.raised != raised
	a.raised, a.known = raised, true
	a.saveWithin(saveDelay)
	for _, show := range a.onChange {
		show()
	}
	if !moved {
		return
	}
	a.log.Info("alarm", "alarm", a.label, "raised", raised)
	if a.Output != "" && (raised || !a.Keep) {
		a.switchOutput(a.Output, a.Set == raised, a.cause())
	}
}

// reset ends a raised alarm, or returns why its cause persists.
func (a *alarm) reset() (why string) {
	if !a.raised {
		return ""
	}
	value, ok := a.source()
	limit, ok2 := a.limit()
	switch {
	case !ok || !ok2:
		return "there is nothing to compare"
	case a.holds(value, limit):
		return "what raised it goes on: " + brief(value)
	}
	a.raise(false)
	return ""
}

// noteSilent notes a missing value. The alarm keeps its state.
func (a *alarm) noteSilent() {
	a.since = time.Time{}
	if a.lost.IsZero() {
		a.lost = a.now
	}
	switch at := a.lost.Add(silentAfter); {
	case a.silent:
	case a.now.Before(at):
		a.wakeAt(at)
	default:
		a.silent = true
		a.log.Warn("alarm has nothing to compare; it stays as it is", "alarm", a.label, "raised", a.raised)
		a.statusStale = true
	}
}

func (a *alarm) noteValue() {
	if a.lost = (time.Time{}); a.silent {
		a.silent = false
		a.log.Info("alarm has a value again", "alarm", a.label)
		a.statusStale = true
	}
}
