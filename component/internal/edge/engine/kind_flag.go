package engine

import (
	"fmt"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// alarmFlag shows whether an alarm is raised. A request resets a latched alarm.
type alarmFlag struct {
	plain
	alarm   *alarm
	command command
}

func newFlag(p *property, a *alarm) kind {
	f := &alarmFlag{plain{p}, a, command{property: p}}
	a.onChange = append(a.onChange, f.show)
	return f
}

func (f *alarmFlag) isCommand() bool { return true }

func (f *alarmFlag) resume(saved state.Property) {
	f.command.resume(saved)
	f.show()
}

func (f *alarmFlag) remember(saved state.Property) state.Property { return f.command.remember(saved) }

func (f *alarmFlag) adopt(old kind) {
	before := old.(*alarmFlag)
	f.command.adopt(before.command)
	switch {
	case !f.command.waiting():
	case f.alarm.continues(before.alarm):
		f.command.beginWhenSaved(f.identity, f.reset)
	default:
		f.command.stopWaiting()
		f.command.finish("requested of another alarm")
		if f.command.stillRequested() {
			f.command.conclude(shadow.Conflict)
		}
	}
}

func (f *alarmFlag) drop() { f.command.stopWaiting() }

// shadowRead recovers a latched alarm from the shadow if the memory lost it.
func (f *alarmFlag) shadowRead() {
	f.command.markClearedIfAbsent()
	if !f.read && f.retyped == 0 && f.alarm.Latched && !f.alarm.raised && f.replica.Held(f.key) == true {
		f.log.Info("latched alarm taken from the shadow, since none is remembered", "shadow", f.id, "alarm", f.alarm.label)
		f.alarm.raise(true)
	}
}

func (f *alarmFlag) show() {
	if f.alarm.known {
		f.report(f.alarm.raised)
	}
}

// applyRequest takes a reset. The reset waits for the disk, so one request resets once.
func (f *alarmFlag) applyRequest(r replica.Request) {
	requested, err := parseCall(r.Value, false)
	switch {
	case err != nil:
		f.acknowledge(shadow.Refused, err.Error())
	case requested.value != false:
		f.acknowledge(shadow.Refused, fmt.Sprintf("want false, to reset the alarm, got %s", brief(requested.value)))
	case !f.alarm.Latched:
		f.command.abandon()
		f.acknowledge(shadow.Refused, "the alarm is not latched: it is over by itself")
	case f.stopped:
		// The next run carries out the reset.
	case f.command.isNew(r) && f.command.isForeign(r):
		f.command.rejectForeign(r)
	case f.command.concludesEarlier(r, shadow.Conflict):
	case f.command.isNew(r) && f.command.lateness(r, requested.made) != "":
		f.command.rejectLate(r, f.command.lateness(r, requested.made))
	case f.command.waiting() && !f.command.isNew(r):
		f.command.seenAgain(r)
	case f.command.isNew(r), !f.command.last.Done: // the run with the reset ended early
		f.command.begin(r, f.reset)
	default:
		f.command.conclude(shadow.Conflict)
	}
}

// reset resets the alarm unless its cause persists.
func (f *alarmFlag) reset(failed error) {
	switch {
	case !f.command.stillRequested():
		f.command.stopWaiting()
	case f.stopped:
		// The next run carries it out.
	case failed != nil:
		if !f.command.expires() {
			f.command.ackNotSaved(failed)
		}
	case f.command.expires():
	default:
		f.command.stopWaiting()
		f.command.finish(f.alarm.reset())
		f.command.conclude(shadow.Conflict)
	}
}

func (f *alarmFlag) withdrawn() { f.command.markCleared() }

func (f *alarmFlag) stored(value any) {
	if value == nil {
		f.command.markCleared()
	}
}
