package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Times of a disk that fails.
const (
	readPatience = 5 * time.Second        // of lines, for a state file that cannot be read
	firstReread  = 100 * time.Millisecond // after a failure; it doubles
	longReread   = 30 * time.Second       // and does not grow any more
	diskPatience = 30 * time.Second       // until a write without an answer is a fault
	endPatience  = 400 * time.Millisecond // of a stop, for what hangs in a disk
)

// Parts of the work directory, as a status names their faults.
const (
	stateFault         = "state"
	configurationFault = "configuration"
	journalFault       = "journal"
)

// errStateRead ends a run that began without its state: the state can be read now.
var errStateRead = errors.New("the state can be read again")

// loaded is what became of an attempt to read the state.
type loaded struct {
	state  state.State
	report state.Report
	err    error
}

// readState reads the state file until that succeeds, and sends what came of each
// attempt. Nobody waits for its end: a disk may hang.
func readState(ctx context.Context, file state.File, results chan<- loaded) {
	for pause := firstReread; ; pause = min(2*pause, longReread) {
		var l loaded
		l.state, l.report, l.err = file.Load()
		select {
		case results <- l:
		case <-ctx.Done():
			return
		}
		if l.err == nil {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// firstState waits for the state, or until lines cannot wait any longer; then they
// start without it. An error that time does not mend is not waited for.
func (a *agent) firstState(ctx context.Context) state.State {
	late := time.NewTimer(readPatience)
	defer late.Stop()
	err := fmt.Errorf("the disk has not answered for %v", readPatience)
	for waits := true; waits; {
		select {
		case l := <-a.states:
			if l.err == nil {
				if l.report.Missing {
					a.Logger.Info("no state file; starting without a state", "file", a.State)
				}
				a.logDamage(l)
				return l.state
			}
			err = l.err
			_, kind := errors.AsType[*durable.KindError](err)
			_, newer := errors.AsType[*state.NewerError](err)
			waits = !kind && !newer
		case <-late.C:
			waits = false
		case <-ctx.Done():
			a.unread = true
			return state.State{}
		}
	}
	a.unread = true
	a.Logger.Error("state file not read; it is left alone, and nothing is saved until it can be read", "file", a.State, "error", err)
	a.inputs <- notRead(err) // there is room
	return state.State{}
}

func notRead(err error) engine.Input {
	return engine.DiskFault{What: stateFault, Err: fmt.Errorf("not read: %w", durable.Reason(err))}
}

// logDamage tells what a state file has lost.
func (a *agent) logDamage(l loaded) {
	if l.report.Broken != nil {
		a.Logger.Error("state file is broken and set aside; what could be read of it is used", "error", l.report.Broken, "file", l.report.Aside, "entries", l.state.Entries())
	}
	for _, d := range l.report.Damages.First {
		a.Logger.Warn("entry of the state file is damaged and left out", "entry", d.Path, "reason", d.Reason)
	}
	if n := l.report.Damages.Count; n > len(l.report.Damages.First) {
		a.Logger.Warn("further entries of the state file are damaged and left out", "entries", n-len(l.report.Damages.First))
	}
}

// saver writes the state beside the loop, since a slow disk must not hold a line.
// While the state file is not read it refuses: what the engine remembers is less.
func (a *agent) saver() {
	for {
		select {
		case e := <-a.saves:
			a.send(engine.Saved{Seq: e.Seq, Err: a.save(e.State)})
		case l := <-a.states:
			a.stateRead(l)
		case <-a.ctx.Done():
			return
		}
	}
}

func (a *agent) save(s state.State) (err error) {
	if a.unread {
		return engine.ErrNotRead
	}
	a.answersInTime(stateFault, "not saved", func() { err = a.State.Save(s) })
	return err
}

// errSilent is the fault of a disk that has not answered for long.
var errSilent = fmt.Errorf("the disk has not answered for %v", diskPatience)

// answersInTime runs do, which uses the disk. It reports false if that took so long that
// the engine was told of a fault; what comes of do has to end the fault.
func (a *agent) answersInTime(what, failure string, do func()) bool {
	told := make(chan struct{})
	silent := time.AfterFunc(diskPatience, func() {
		defer close(told)
		a.send(engine.DiskFault{What: what, Err: fmt.Errorf("%s: %w", failure, errSilent)})
	})
	do()
	if silent.Stop() {
		return true
	}
	<-told // before what is told next
	return false
}

// stateRead takes what came of another attempt to read the state. The agent starts
// again with a state that has entries. A missing file was removed by somebody who
// wants to go on without it.
func (a *agent) stateRead(l loaded) {
	if l.err != nil {
		a.send(notRead(l.err))
		return
	}
	a.logDamage(l)
	if l.state.Entries() > 0 {
		a.Logger.Info("state file can be read again; starting again with it", "file", a.State)
		close(a.again)
		return
	}
	a.Logger.Info("state file holds nothing any more; the state is saved again", "file", a.State)
	a.unread = false
	a.send(engine.DiskFault{What: stateFault})
}
