package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// pulse is an output that turns on for a fixed time when requested on.
type pulse struct {
	output
	command command
	running bool // the last requested pulse is in progress
}

func newPulse(p *property) kind {
	u := &pulse{output: newOutput(p), command: command{property: p}}
	u.impl = u
	return u
}

func (u *pulse) isCommand() bool { return true }

func (u *pulse) resume(saved state.Property) { u.command.resume(saved) }

func (u *pulse) remember(saved state.Property) state.Property { return u.command.remember(saved) }

// adopt continues the command. If the output is another one, [parts.drop] has ended it,
// and the document, once reread, requests the next pulse.
func (u *pulse) adopt(old kind) {
	before := old.(*pulse)
	u.command.adopt(before.command)
	u.adoptOutput(&before.output)
	u.running = before.running
	if u.command.waiting() {
		u.command.beginWhenSaved(u.identity, u.startSaved)
	}
}

// drop ends the command of a removed property, so a rollback does not repeat it.
func (u *pulse) drop() { u.cutShort() }

// cutShort ends the command and its pulse, which also may wait for a rule: the next
// property of the output has not requested it.
func (u *pulse) cutShort() {
	if !u.command.waiting() && !u.running {
		return
	}
	if u.running {
		u.bank.DropPulse(u.output.output)
	}
	u.running = false
	u.command.stopWaiting()
	u.command.finish("the pulse was cut short by " + lines.ByChange)
}

// applyRequest starts a pulse, or ends the pulse in progress.
func (u *pulse) applyRequest(r replica.Request) {
	if !u.admit(r) {
		return
	}
	requested, on, err := u.requested(r.Value)
	switch {
	case err != nil:
		u.command.abandon()
		u.reject(err)
	case !on:
		u.command.abandon()
		u.driveRequest(r, lines.Level(false))
	case u.stopped:
		// The next run carries out the pulse.
	case !u.command.isNew(r) && u.command.last.Rejected != "":
		u.followsRequest, u.conflict = false, u.command.last.Rejected
		u.acknowledge(shadow.Conflict, u.conflict)
	case u.command.isNew(r) && u.command.isForeign(r):
		u.command.rejectForeign(r)
	case u.command.concludesEarlier(r, shadow.LineFailed):
		u.followsRequest = false
	case u.command.isNew(r) && u.command.lateness(r, requested.made) != "":
		u.followsRequest = false
		u.command.rejectLate(r, u.command.lateness(r, requested.made))
	case u.command.isNew(r):
		u.dropUnbegun()
		u.command.begin(r, u.startSaved)
	case u.command.waiting() || u.running:
		u.command.seenAgain(r) // a repeated request for the waiting or running pulse
	default:
		if !u.command.last.Done {
			u.command.finish("the pulse was interrupted by a restart")
		}
		u.conclude()
	}
}

// dropUnbegun ends a pulse that still waits for a rule: a new request replaces it, and
// must not make two pulses of both.
func (u *pulse) dropUnbegun() {
	if u.running && !u.bank.Output(u.output.output).Active.IsPulse() {
		u.demand(u.output.output, order{lines.Order{Demand: lines.Level(false), Cause: lines.Cause{Kind: lines.ByDesired, Name: u.shadow}}, func(error) {}})
	}
}

// startSaved starts the pulse after its save.
func (u *pulse) startSaved(failed error) {
	switch {
	case !u.command.stillRequested():
		u.command.stopWaiting()
	case u.stopped:
		// The next run carries it out, so it waits on: a command that waits is left out
		// of what is saved.
	case failed != nil:
		if !u.command.expires() {
			u.command.ackNotSaved(failed)
		}
	case u.command.expires():
	default:
		u.command.stopWaiting()
		u.running = true
		r, _ := u.replica.Requested(u.key)
		u.driveRequest(r, lines.Pulse(u.Pulse))
	}
}

// demandRejected records the rejection of the command, which did not start.
func (u *pulse) demandRejected(reason string) {
	u.running = false
	u.command.last.Rejected = reason
	u.saveWithin(saveDelay)
}

func (u *pulse) conclude() {
	u.followsRequest = false
	u.command.conclude(shadow.LineFailed)
}

// pulseEnded concludes the command of the pulse.
func (u *pulse) pulseEnded(cut string) {
	if !u.running {
		return // a control started the pulse
	}
	u.running = false
	if u.command.waiting() {
		return // a newer command has replaced this pulse
	}
	failure := ""
	if cut != "" {
		failure = "the pulse was cut short by " + cut
	}
	u.command.finish(failure)
	if u.command.stillRequested() {
		u.conclude()
	}
}

func (u *pulse) withdrawn() {
	u.output.withdrawn()
	u.command.markCleared()
}

func (u *pulse) shadowRead() {
	u.command.markClearedIfAbsent()
	u.output.shadowRead()
}

func (u *pulse) stored(value any) {
	if value == nil {
		u.command.markCleared()
	}
}

func (u *pulse) demandOf(value any) (lines.Demand, error) {
	_, on, err := u.requested(value)
	if on {
		return lines.Pulse(u.Pulse), err
	}
	return lines.Level(false), err
}

func (u *pulse) shownValue(s lines.Status) (any, bool) {
	return u.Values.Value(s.Known && s.Levels[0]), s.Known
}

// switchDemand starts a pulse without a request: the nil value keeps it out of the
// local changes.
func (u *pulse) switchDemand(on bool) (lines.Demand, any) {
	if on {
		return lines.Pulse(u.Pulse), nil
	}
	return lines.Level(false), nil
}

func (u *pulse) acksWhenDone(value any) bool {
	_, on, err := u.requested(value)
	return err != nil || !on
}

// requested reads a requested value. An object without a value begins a pulse.
func (u *pulse) requested(value any) (c call, on bool, err error) {
	if c, err = parseCall(value, u.Values.Value(true)); err != nil {
		return c, false, err
	}
	on, err = u.Values.Line(c.value)
	return c, on, err
}
