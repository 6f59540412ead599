package engine

import (
	"encoding/json"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// silence is what the status shows of an alarm without a value.
const silence = "nothing to compare; it stays as it is"

// alarm watches a value. It changes only when it has been tested, so that a restart
// leaves it, and its output, as they were.
type alarm struct {
	*core
	config.Alarm
	label   string
	watches string // the identity of what it watches, and its test
	limits  string // the identity of its limit, and how else it differs from others
	drives  string // the identity and polarity of its output; "" for none
	resumed string // the identity under which it was remembered; "" if it was not

	source, limit func() (value any, known bool)
	changed       []func() // told when raised may be different

	raised bool
	known  bool      // it has been tested, by this run or an earlier one
	since  time.Time // since when the test holds while it is not raised; zero while it does not
	lost   time.Time // since when there is no value; zero while there is one
	silent bool      // that was logged
}

func newAlarm(c *core, label string) *alarm {
	a := &alarm{core: c, Alarm: c.cfg.Alarms[label], label: label}
	a.watches, a.limits = watched(c.cfg, a.Alarm), limits(c.cfg, a.Alarm)
	if a.Output != "" {
		a.drives = lines.MemoryKey(c.cfg.Lines[a.Output])
	}
	return a
}

// identity is how the memory knows the alarm: by what it watches, its limit, time,
// latch and output and, since several alarms may be the same in all, its label.
func (a *alarm) identity() string { return alarmID(a.watches, a.limits, a.label) }

func alarmID(watches, limits, label string) string { return watches + " " + limits + " " + label }

// watched is the identity of what an alarm watches, and how.
func watched(cfg *config.Config, a config.Alarm) string {
	watched := "line " + lines.Identity(cfg.Lines[a.Line])
	if a.Line == "" {
		watched = propertyAt(cfg, a.Property)
	}
	return watched + " " + a.Test.String()
}

// limits is the identity of the limit of an alarm, its value or its setting, with what
// else tells it from another alarm of the same value.
func limits(cfg *config.Config, a config.Alarm) string {
	limits := ""
	if a.Limit != nil {
		limits = brief(a.Limit)
	} else {
		limits = propertyAt(cfg, a.Setting)
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

// propertyAt is the identity of a property.
func propertyAt(cfg *config.Config, at config.Path) string {
	s := cfg.Shadows[at.Shadow]
	return state.PropertyID(s.ID, at.Key, s.Properties[at.Key].Kind.String())
}

// resume takes up whether the alarm was raised.
func (a *alarm) resume(identity string, raised bool) {
	a.resumed, a.raised, a.known = identity, raised, true
}

// goesOn reports whether the alarm is the one of the configuration before.
func (a *alarm) goesOn(old *alarm) bool {
	if a.resumed != "" {
		return old.identity() == a.resumed
	}
	return old.identity() == a.identity()
}

// cause is what the alarm is called where it switches something.
func (a *alarm) cause() lines.Cause { return lines.Cause{Kind: lines.ByAlarm, Name: a.label} }

// adopt goes on with the alarm of the same identity under the configuration before.
func (a *alarm) adopt(old *alarm) {
	a.raised, a.known, a.lost, a.silent = old.raised, old.known, old.lost, old.silent
	if a.Limit == old.Limit {
		a.since = old.since
	}
}

// assert drives an output that a raised alarm did not drive before.
func (a *alarm) assert(old *alarm) {
	if a.raised && a.Output != "" && (old.drives != a.drives || old.Set != a.Set) {
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
	a.noteHeard()
	switch holds := a.holds(value, limit); {
	case !holds:
		a.since = time.Time{}
		if !a.known || a.raised && !a.Latched {
			a.raise(false)
		}
	case a.raised:
	case a.For > 0 && a.since.IsZero():
		a.since = a.now
		a.at(a.now.Add(a.For))
	case a.now.Before(a.since.Add(a.For)):
		a.at(a.since.Add(a.For))
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

// raise notes whether the alarm is raised, and drives its output. An alarm that was
// never tested and is not raised drives nothing.
func (a *alarm) raise(raised bool) {
	moved := a.raised != raised
	a.raised, a.known = raised, true
	a.saveWithin(saveDelay)
	for _, show := range a.changed {
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

// reset ends a raised alarm unless its cause goes on; why says so.
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

// noteSilent notes that the alarm has no value: it stays as it is.
func (a *alarm) noteSilent() {
	a.since = time.Time{}
	if a.lost.IsZero() {
		a.lost = a.now
	}
	switch at := a.lost.Add(silentAfter); {
	case a.silent:
	case a.now.Before(at):
		a.at(at)
	default:
		a.silent = true
		a.log.Warn("alarm has nothing to compare; it stays as it is", "alarm", a.label, "raised", a.raised)
		a.statusStale = true
	}
}

func (a *alarm) noteHeard() {
	if a.lost = (time.Time{}); a.silent {
		a.silent = false
		a.log.Info("alarm has a value again", "alarm", a.label)
		a.statusStale = true
	}
}
