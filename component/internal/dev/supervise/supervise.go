// Package supervise runs a component as a nucleus does: as a process group of its own,
// through the states of its life. Unlike a nucleus it starts the component again whatever
// its process died of.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Supervisor runs one component through the states of its life. It restarts it after a
// failure, gives it up after the third, and ends it with SIGTERM and, 5 s later, SIGKILL
// (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/lifecyclemanager/Lifecycle.java,
// GenericExternalService.java and util/platforms/unix/UnixPlatform.java).
//
// It is more patient than a nucleus with a component that is being developed:
//   - A process that ends without being asked to is followed by another, also after exit
//     code 0, where a nucleus leaves the component FINISHED.
//   - The pause before that doubles from 500 ms to 30 s. It starts over after a run of 10 s.
//   - Only failures within the first 10 s of a run leave the component BROKEN. A signal
//     from outside is no failure.
//   - A broken component starts again when its program changes, or with [Supervisor.Revive].
//
// It implements [devcore.Components] with this one component. Its methods may be called
// from any goroutine.
type Supervisor struct {
	name, version string
	argv          []string
	env           []string
	dir           string
	say           func(format string, args ...any)
	moved         func(model.LifecycleState) // told of each state; may be nil
	times         times

	wake chan struct{} // one slot: desired, errored or revived has changed

	mu      sync.Mutex
	state   model.LifecycleState
	desired desire
	errored bool // the component has reported so
	revived bool
	process *process
	paused  bool
	failed  map[model.LifecycleState][]time.Time // by the state in which it happened
	again   bool                                 // it ended without being asked to, and is to be started after pause
	pause   time.Duration                        // the last one before a start; 0 is none
	started time.Time
	program string // identity of the program file at the last start
}

// times are how long things take, which tests shorten.
type times struct {
	first, last time.Duration // pause before a start
	steady      time.Duration // run after which the pauses start over, and failures are not counted
	look        time.Duration // between looks at the program of a broken component
}

var _ devcore.Components = (*Supervisor)(nil)

// desire is where the component is to go.
type desire int

const (
	wantRunning desire = iota
	wantRestart
	wantFinished
)

const (
	failures = 3         // in the same state leave a component broken
	forgiven = time.Hour // without a failure forgives the earlier ones
)

var usualTimes = times{first: 500 * time.Millisecond, last: 30 * time.Second, steady: 10 * time.Second, look: time.Second}

// New makes a supervisor of the component that argv starts in dir. It says what happens
// to the component, and what the component logs.
func New(name, version string, argv []string, dir string, say func(format string, args ...any)) *Supervisor {
	return &Supervisor{
		name: name, version: version, argv: argv, dir: dir, say: say,
		times:  usualTimes,
		wake:   make(chan struct{}, 1),
		state:  model.StateNew,
		failed: map[model.LifecycleState][]time.Time{},
	}
}

// Run starts the component with that environment, and blocks until ctx is done and
// the component has ended.
func (s *Supervisor) Run(ctx context.Context, env []string) {
	s.env = env
	s.move(model.StateInstalled)
	for ctx.Err() == nil {
		switch s.present() {
		case model.StateInstalled:
			if next := s.rest(ctx, wantRunning); next == wantFinished {
				s.move(model.StateFinished)
			} else if ctx.Err() == nil {
				s.move(model.StateStarting)
			}
		case model.StateStarting:
			s.start()
		case model.StateRunning:
			s.watch(ctx)
		case model.StateErrored:
			s.move(model.StateStopping)
		case model.StateStopping:
			s.stopProcess()
			s.afterStop()
		case model.StateFinished:
			if next := s.rest(ctx, wantFinished); next != wantFinished {
				s.move(model.StateInstalled)
			}
		case model.StateBroken:
			s.stopProcess()
			s.awaitRevival(ctx)
		}
	}
	s.stopProcess()
}

func (s *Supervisor) present() model.LifecycleState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// move changes the state. Leaving a state in order forgives what went wrong in it.
func (s *Supervisor) move(to model.LifecycleState) {
	s.mu.Lock()
	if to != model.StateErrored && to != model.StateBroken {
		delete(s.failed, s.state)
	}
	s.state = to
	s.mu.Unlock()
	if s.moved != nil {
		s.moved(to)
	}
}

// start starts the process. A component with a run script is running at once.
func (s *Supervisor) start() {
	s.mu.Lock()
	s.started, s.program = time.Now(), programIdentity(s.argv[0])
	s.mu.Unlock()
	p, err := startProcess(s.argv, s.env, s.dir, s.say)
	if err != nil {
		s.fail(fmt.Sprintf("not started: %v", err))
		return
	}
	s.mu.Lock()
	s.process, s.desired, s.errored = p, settled(s.desired), false
	s.mu.Unlock()
	s.say("started, process %d", p.pid())
	s.move(model.StateRunning)
}

// settled is what is still desired of a component that has just started.
func settled(d desire) desire {
	if d == wantRestart {
		return wantRunning
	}
	return d
}

// watch waits for what ends the running of the component.
func (s *Supervisor) watch(ctx context.Context) {
	s.mu.Lock()
	p, desired, errored := s.process, s.desired, s.errored
	s.mu.Unlock()
	switch {
	case errored:
		s.fail("reported ERRORED")
		return
	case desired != wantRunning:
		s.move(model.StateStopping)
		return
	}
	select {
	case <-p.ended:
		s.exited(p.err)
	case <-s.wake:
	case <-ctx.Done():
	}
}

// exited takes the end of the process, which was not asked for.
func (s *Supervisor) exited(err error) {
	s.mu.Lock()
	if s.desired != wantRunning {
		s.mu.Unlock()
		s.move(model.StateStopping)
		return
	}
	if err != nil && !fromOutside(err) {
		s.mu.Unlock()
		s.fail(fmt.Sprintf("ended with %v", err))
		return
	}
	pause := s.lengthen()
	if err == nil {
		s.desired = wantFinished
	}
	s.mu.Unlock()
	if err == nil {
		s.say("ended with exit status 0, where a nucleus leaves it FINISHED; started again in %v", pause)
		s.move(model.StateStopping)
		return
	}
	s.say("ended with %v; started again in %v", err, pause)
	s.move(model.StateErrored)
}

// fromOutside reports whether a process was ended by a signal that others send, and none
// that a fault of its own raises.
func fromOutside(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && slices.Contains([]syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}, status.Signal())
}

// lengthen has the component start again after a pause, which it returns: longer than the
// last one, unless the last run was long. The caller holds mu.
func (s *Supervisor) lengthen() time.Duration {
	if s.steady() {
		s.pause = 0
	}
	s.pause = min(max(s.times.first, 2*s.pause), s.times.last)
	s.again = s.desired == wantRunning
	return s.pause
}

// steady reports whether the component has run for a while. The caller holds mu.
func (s *Supervisor) steady() bool { return time.Since(s.started) >= s.times.steady }

// fail counts a failure in the present state, unless the component has run for a while.
func (s *Supervisor) fail(what string) {
	s.mu.Lock()
	now := time.Now()
	earlier := s.failed[s.state]
	if n := len(earlier); n > 0 && now.Sub(earlier[n-1]) >= forgiven {
		earlier = nil
	}
	if s.steady() {
		delete(s.failed, s.state)
	} else {
		s.failed[s.state] = append(earlier, now)
	}
	broken := len(s.failed[s.state]) >= failures
	s.errored = false
	pause := s.lengthen()
	s.mu.Unlock()
	if broken {
		s.say("%s; after %d failures in its start a nucleus leaves it BROKEN. Mend the cause, then: shadowctl component restart, or shadowctl deploy. A changed program starts by itself", what, failures)
		s.move(model.StateBroken)
		return
	}
	s.say("%s; started again in %v", what, pause)
	s.move(model.StateErrored)
}

// stopProcess ends the process if there is one; a paused one is resumed for that.
func (s *Supervisor) stopProcess() {
	s.mu.Lock()
	p := s.process
	s.process, s.paused = nil, false
	s.mu.Unlock()
	if p != nil {
		p.end()
	}
}

// afterStop goes where the component is desired to be.
func (s *Supervisor) afterStop() {
	s.mu.Lock()
	finished, errored := s.desired == wantFinished, s.errored
	s.errored = false
	s.mu.Unlock()
	if errored {
		s.note(model.StateErrored)
	}
	if finished {
		s.move(model.StateFinished)
	} else {
		s.move(model.StateInstalled)
	}
}

// note tells of a state that is left at once.
func (s *Supervisor) note(state model.LifecycleState) {
	if s.moved != nil {
		s.moved(state)
	}
}

// rest waits in a state in which there is no process, and returns where the component is
// to go: after the pause before a start, if there is one, or once something else than
// present is desired.
func (s *Supervisor) rest(ctx context.Context, present desire) desire {
	var due <-chan time.Time // never without a pause
	for {
		s.mu.Lock()
		again, pause, desired := s.again, s.pause, s.desired
		s.mu.Unlock()
		switch {
		case !again && (desired != present || present == wantRunning):
			return desired
		case !again:
			due = nil
		case due == nil:
			timer := time.NewTimer(pause)
			defer timer.Stop()
			due = timer.C
		}
		select {
		case <-s.wake:
		case <-due:
			s.mu.Lock()
			if s.again {
				s.again, s.desired = false, wantRunning
			}
			s.mu.Unlock()
		case <-ctx.Done():
			return present
		}
	}
}

// awaitRevival waits until a broken component is to start again.
func (s *Supervisor) awaitRevival(ctx context.Context) {
	look := time.NewTicker(s.times.look)
	defer look.Stop()
	for {
		s.mu.Lock()
		revived := s.revived
		changed := programIdentity(s.argv[0]) != s.program
		if revived || changed {
			s.revived, s.again, s.pause, s.desired = false, false, 0, wantRunning
			s.failed = map[model.LifecycleState][]time.Time{}
		}
		s.mu.Unlock()
		if changed && !revived {
			s.say("its program has changed; started again")
		}
		if revived || changed {
			s.move(model.StateInstalled)
			return
		}
		select {
		case <-s.wake:
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// programIdentity tells one content of a program file from another; "" is none.
func programIdentity(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	var inode uint64
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano(), inode)
}

// Revive starts a component that is broken, which a nucleus does after a new deployment
// only. It returns false, and does nothing, if the component is not broken.
func (s *Supervisor) Revive(why string) bool {
	s.mu.Lock()
	broken := s.state == model.StateBroken
	s.revived = s.revived || broken
	s.mu.Unlock()
	if broken {
		s.say("started again after %s", why)
		s.signal()
	}
	return broken
}

func (s *Supervisor) ask(d desire) {
	s.mu.Lock()
	s.desired, s.again, s.pause = d, false, 0
	s.mu.Unlock()
	s.signal()
}

func (s *Supervisor) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// List has the one component.
func (s *Supervisor) List() []devcore.Component {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []devcore.Component{{Name: s.name, Version: s.version, State: s.state, Paused: s.paused}}
}

// Restart begins a restart; a broken component stays so, whatever the answer.
func (s *Supervisor) Restart(string) bool {
	if s.present() == model.StateNew {
		return false
	}
	s.say("restart requested")
	s.ask(wantRestart)
	return true
}

// Stop begins a stop.
func (s *Supervisor) Stop(string) {
	s.say("stop requested")
	s.ask(wantFinished)
}

// Report takes what the component says of itself. Its process is running as soon as
// it has started, so RUNNING is nothing new.
func (s *Supervisor) Report(_ string, state model.LifecycleState) {
	s.mu.Lock()
	heard := slices.Contains([]model.LifecycleState{model.StateStarting, model.StateRunning, model.StateStopping}, s.state)
	s.errored = s.errored || heard && state == model.StateErrored
	s.mu.Unlock()
	s.signal()
}

// Pause stops all processes of the component, as the freezer of its cgroup does.
func (s *Supervisor) Pause(string) error { return s.freeze(true) }

// Resume has them go on.
func (s *Supervisor) Resume(string) error { return s.freeze(false) }

func (s *Supervisor) freeze(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return fmt.Errorf("it has no process, its state is %s", s.state)
	}
	if s.paused == on {
		return nil
	}
	if err := s.process.freeze(on); err != nil {
		return err
	}
	s.paused = on
	return nil
}
