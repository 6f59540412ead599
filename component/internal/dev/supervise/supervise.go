// Package supervise runs a component as a nucleus does: as a process group of its own,
// through the states of its life.
package supervise

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Supervisor runs one component through the states of its life: it restarts it at once
// after a failure, gives it up after the third, and ends it with SIGTERM and, 5 s
// later, SIGKILL (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/lifecyclemanager/Lifecycle.java,
// GenericExternalService.java and util/platforms/unix/UnixPlatform.java).
//
// It implements [devcore.Components] with this one component.
type Supervisor struct {
	name, version string
	argv          []string
	env           []string
	dir           string
	say           func(format string, args ...any)
	moved         func(model.LifecycleState) // told of each state; may be nil

	wake chan struct{} // one slot: desired or errored has changed

	mu      sync.Mutex
	state   model.LifecycleState
	desired desire
	errored bool // the component has reported so
	process *process
	paused  bool
	failed  map[model.LifecycleState][]time.Time // by the state in which it happened
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

// New makes a supervisor of the component that argv starts in dir. It says what happens
// to the component, and what the component logs.
func New(name, version string, argv []string, dir string, say func(format string, args ...any)) *Supervisor {
	return &Supervisor{
		name: name, version: version, argv: argv, dir: dir, say: say,
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
			s.move(model.StateStarting)
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
			s.await(ctx, wantRestart)
		case model.StateBroken:
			s.stopProcess()
			<-ctx.Done()
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
	if err != nil {
		s.fail(fmt.Sprintf("ended with %v", err))
		return
	}
	s.mu.Lock()
	if s.desired == wantRunning {
		s.desired = wantFinished
	}
	s.mu.Unlock()
	s.say("ended; a nucleus leaves it FINISHED")
	s.move(model.StateStopping)
}

// fail counts a failure in the present state.
func (s *Supervisor) fail(what string) {
	s.mu.Lock()
	now := time.Now()
	earlier := s.failed[s.state]
	if n := len(earlier); n > 0 && now.Sub(earlier[n-1]) >= forgiven {
		earlier = nil
	}
	s.failed[s.state] = append(earlier, now)
	broken := len(s.failed[s.state]) >= failures
	s.errored = false
	s.mu.Unlock()
	if broken {
		s.say("%s; after %d failures a nucleus leaves it BROKEN", what, failures)
		s.move(model.StateBroken)
		return
	}
	s.say("%s; started again", what)
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

// await waits until something is desired.
func (s *Supervisor) await(ctx context.Context, d desire) {
	for ctx.Err() == nil {
		s.mu.Lock()
		desired := s.desired
		s.mu.Unlock()
		if desired == d {
			s.move(model.StateInstalled)
			return
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

func (s *Supervisor) ask(d desire) {
	s.mu.Lock()
	s.desired = d
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
