package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// pulse is an output that is on for a time when it is requested on.
type pulse struct {
	output
	command command
	running bool // the pulse that was requested last is under way
}

func newPulse(p *property) kind {
	u := &pulse{output: newOutput(p), command: command{property: p}}
	u.does = u
	return u
}

func (u *pulse) isCommand() bool { return true }

func (u *pulse) resume(saved state.Property) { u.command.resume(saved) }

func (u *pulse) remember(saved state.Property) state.Property { return u.command.remember(saved) }

// adopt goes on with a pulse under way. One that waits for the disk is for the lines
// of the configuration before: the document, which is read again, tells it anew.
func (u *pulse) adopt(old kind) {
	before := old.(*pulse)
	u.command.adopt(before.command)
	waits := before.command.waiting()
	same := u.carryOn(&before.output)
	switch {
	case waits && same:
		u.command.beginWhenSaved(u.identity, u.run)
	case waits:
		u.command.stopWaiting()
		u.command.over("the pulse was cut short by " + lines.ByChange)
	case same:
		u.running = before.running
	case before.running:
		u.command.over("the pulse was cut short by " + lines.ByChange)
	}
}

// drop ends the command of a property that is gone: should a rollback bring it back,
// it is not carried out again.
func (u *pulse) drop() {
	if u.command.waiting() || u.running {
		u.command.stopWaiting()
		u.command.over("the pulse was cut short by " + lines.ByChange)
	}
	u.running = false
}

// obey begins a pulse, or ends the one under way.
func (u *pulse) obey(r replica.Request) {
	if !u.hear(r) {
		return
	}
	on, err := u.Values.Line(r.Value)
	switch {
	case err != nil:
		u.reject(err)
	case !on:
		u.follow(r, lines.Level(false))
	case u.stopped:
		// The next run does it.
	case u.command.isNew(r) && u.command.isForeign(r):
		u.command.rejectForeign(r)
	case u.command.isNew(r):
		u.command.begin(r, u.run)
	case u.command.waiting() || u.running:
		u.command.seenAgain(r) // it is the pulse that is about to begin, or under way
	default:
		if !u.command.last.Done {
			u.command.over("the pulse was interrupted by a restart")
		}
		u.conclude()
	}
}

// run begins the pulse that had to be saved first.
func (u *pulse) run(failed error) {
	switch {
	case !u.command.stillRequested():
		u.command.stopWaiting()
	case u.stopped:
		// The next run carries it out, so it waits on: a command that waits is left out
		// of what is saved.
	case failed != nil:
		u.command.notSaved(failed)
	default:
		u.command.stopWaiting()
		u.running = true
		r, _ := u.replica.Requested(u.key)
		u.follow(r, lines.Pulse(u.Pulse))
	}
}

// refused forgets the command: it was not carried out.
func (u *pulse) refused() {
	u.running = false
	u.command.known = false
	u.saveWithin(saveDelay)
}

func (u *pulse) conclude() {
	u.follows = false
	u.command.conclude(shadow.LineFailed)
}

// pulseEnded concludes the command that the pulse was.
func (u *pulse) pulseEnded(cut string) {
	if !u.running {
		return // it was begun by a control
	}
	u.running = false
	if u.command.waiting() {
		return // the command that is remembered is the next one
	}
	failure := ""
	if cut != "" {
		failure = "the pulse was cut short by " + cut
	}
	u.command.over(failure)
	if u.command.stillRequested() {
		u.conclude()
	}
}

func (u *pulse) withdrawn() {
	u.output.withdrawn()
	u.command.cleared()
}

func (u *pulse) shadowRead() {
	u.command.readCleared()
	u.output.shadowRead()
}

func (u *pulse) stored(value any) {
	if value == nil {
		u.command.cleared()
	}
}

func (u *pulse) demandOf(value any) (lines.Demand, error) {
	on, err := u.Values.Line(value)
	if on {
		return lines.Pulse(u.Pulse), err
	}
	return lines.Level(false), err
}

func (u *pulse) shown(s lines.Status) (any, bool) {
	return u.Values.Value(s.Known && s.Levels[0]), s.Known
}

// switched begins a pulse that no request asked for: nothing is to be noted of it.
func (u *pulse) switched(on bool) (lines.Demand, any) {
	if on {
		return lines.Pulse(u.Pulse), nil
	}
	return lines.Level(false), nil
}

func (u *pulse) answersDone(value any) bool {
	on, err := u.Values.Line(value)
	return err != nil || !on
}
