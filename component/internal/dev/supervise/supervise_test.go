package supervise

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// supervised runs a shell script as the component until the test ends. Its states
// and what it logs arrive on channels.
type supervised struct {
	*Supervisor
	t      *testing.T
	states chan model.LifecycleState
	said   chan string
}

const testComponent = "com.example.Script"

func supervise(t *testing.T, script string) *supervised {
	t.Helper()
	s := &supervised{t: t, states: make(chan model.LifecycleState, 1000), said: make(chan string, 1000)}
	s.Supervisor = New(testComponent, "1.2.3", []string{"/bin/sh", "-c", script}, t.TempDir(),
		func(format string, args ...any) { s.said <- fmt.Sprintf(format, args...) })
	s.times = times{first: time.Millisecond, last: 8 * time.Millisecond, steady: time.Hour, look: time.Millisecond}
	s.moved = func(state model.LifecycleState) { s.states <- state }
	return s
}

func (s *supervised) start() *supervised {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx, os.Environ()) }()
	s.t.Cleanup(func() { cancel(); <-done })
	return s
}

func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(servertest.Patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// passes demands the next states.
func (s *supervised) passes(want ...model.LifecycleState) {
	s.t.Helper()
	var got []model.LifecycleState
	for range want {
		got = append(got, await(s.t, s.states))
	}
	if !slices.Equal(got, want) {
		s.t.Fatalf("went through %q, want %q", got, want)
	}
}

// says waits for a line.
func (s *supervised) says(text string) {
	s.t.Helper()
	for !strings.Contains(await(s.t, s.said), text) {
	}
}

const (
	installed = model.StateInstalled
	starting  = model.StateStarting
	running   = model.StateRunning
	stopping  = model.StateStopping
	errored   = model.StateErrored
	finished  = model.StateFinished
)

// blocking is a script that tells when it waits and when it was asked to end. From
// then on it has no child: a shell that is paused while it starts one is not stopped
// itself, it waits for a child that is.
const blocking = `trap 'echo asked; exit 0' TERM; mkfifo wait; exec 3<>wait; echo ready; while :; do read x <&3; done`

func TestSupervisorStates(t *testing.T) {
	again := []model.LifecycleState{errored, stopping, installed, starting, running}
	t.Run("exit 0", func(t *testing.T) {
		s := supervise(t, "exit 0").start()
		for range 5 {
			s.passes(installed, starting, running, stopping, finished)
			s.says("ended with exit status 0")
		}
	})
	t.Run("stopped while it waits", func(t *testing.T) {
		s := supervise(t, "exit 0")
		s.times.first, s.times.last = time.Hour, time.Hour
		s.start().passes(installed, starting, running, stopping, finished)
		s.Stop(testComponent)
		if !s.Restart(testComponent) {
			t.Error("a finished component does not restart")
		}
		s.passes(installed, starting, running, stopping, finished)
		s.Restart(testComponent) // which does not wait for the pause
		s.passes(installed, starting, running, stopping, finished)
	})
	t.Run("signals from outside", func(t *testing.T) {
		s := supervise(t, `echo "is $$"; `+blocking).start()
		s.passes(installed, starting, running)
		for i := range 2 * failures {
			var pid int
			for pid == 0 {
				fmt.Sscanf(await(t, s.said), "is %d", &pid)
			}
			sig := []syscall.Signal{syscall.SIGKILL, syscall.SIGHUP}[i%2]
			if signal.Ignored(sig) { // as by nohup
				sig = syscall.SIGKILL
			}
			syscall.Kill(pid, sig)
			s.says("ended with signal: " + sig.String() + "; started again in")
			s.passes(again...)
		}
	})
	t.Run("three failures", func(t *testing.T) {
		s := supervise(t, "exit 3").start()
		s.passes(installed, starting, running)
		s.passes(again...)
		s.passes(again...)
		s.passes(model.StateBroken)
		s.says("ended with exit status 3; after 3 failures")
		if !s.Restart(testComponent) {
			t.Error("the request of a restart failed")
		}
		if got := s.List(); got[0].State != model.StateBroken {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("failures of long runs", func(t *testing.T) {
		s := supervise(t, "exit 3")
		s.times.steady = 0
		s.start().passes(installed, starting, running)
		for range 2 * failures {
			s.passes(again...)
			s.says("ended with exit status 3; started again in 1ms") // as if it were the first
		}
	})
	t.Run("growing pauses", func(t *testing.T) {
		s := supervise(t, "exit 0").start()
		for _, pause := range []string{"1ms", "2ms", "4ms", "8ms", "8ms"} {
			s.passes(installed, starting, running, stopping, finished)
			s.says("started again in " + pause)
		}
	})
	t.Run("broken, revived", func(t *testing.T) {
		s := supervise(t, "exit 3").start()
		if s.Revive("nothing") {
			t.Error("a component that is not broken is revived")
		}
		for range 2 {
			s.passes(installed, starting, running)
			s.passes(again...)
			s.passes(again...)
			s.passes(model.StateBroken)
			s.says("shadowctl component restart")
			s.Restart(testComponent)
			if !s.Revive("a deployment") {
				t.Error("a broken component is not revived")
			}
			s.says("started again after a deployment")
		}
	})
	t.Run("broken, changed", func(t *testing.T) {
		s := supervise(t, "")
		program := filepath.Join(s.dir, "program")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(program+".new", []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(program+".new", program); err != nil {
				t.Fatal(err)
			}
		}
		write("#!/bin/sh\nexit 3\n")
		s.argv = []string{program}
		s.start().passes(installed, starting, running)
		s.passes(again...)
		s.passes(again...)
		s.passes(model.StateBroken)
		write("#!/bin/sh\necho mended\n" + blocking)
		s.says("its program has changed")
		s.passes(installed, starting, running)
		s.says("mended")
	})
	t.Run("no program", func(t *testing.T) {
		s := supervise(t, "")
		s.argv = []string{filepath.Join(s.dir, "missing")}
		s.start().passes(installed, starting, errored, stopping, installed, starting, errored, stopping, installed, starting, model.StateBroken)
	})
	t.Run("restart and stop", func(t *testing.T) {
		s := supervise(t, blocking)
		if s.Restart(testComponent) {
			t.Error("a component that was never started restarts")
		}
		s.start().passes(installed, starting, running)
		s.says("ready")
		s.Restart(testComponent)
		s.passes(stopping, installed, starting, running)
		s.says("asked")
		s.says("ready")
		s.Stop(testComponent)
		s.passes(stopping, finished)
		s.says("asked")
	})
	t.Run("reported state", func(t *testing.T) {
		s := supervise(t, blocking).start()
		s.passes(installed, starting, running)
		s.says("ready")
		s.Report(testComponent, running)
		s.Report(testComponent, errored)
		s.passes(again...)
		s.says("asked")
		s.Report(testComponent, errored)
		s.passes(again...)
		s.Report(testComponent, errored)
		s.passes(model.StateBroken)
	})
	t.Run("a restart forgives", func(t *testing.T) {
		s := supervise(t, blocking).start()
		s.passes(installed, starting, running)
		for range 2 {
			s.Report(testComponent, errored)
			s.passes(again...)
		}
		s.Restart(testComponent)
		s.passes(stopping, installed, starting, running)
		s.Report(testComponent, errored)
		s.passes(again...)
	})
}

// processState is the letter of a process's state in /proc, T for a stopped one.
func processState(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[:1]
}

// TestComponentOperations drives the supervisor over IPC.
func TestComponentOperations(t *testing.T) {
	s := supervise(t, blocking)
	core, err := devcore.New(devcore.Config{Components: s.Supervisor})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { served <- core.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-served })
	if err := core.SetConfiguration(testComponent, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	c := servertest.Dial(t, socket).Login(core.IssueToken("other"))
	call := func(op model.Operation, response any) string {
		t.Helper()
		e, err := c.Answer(op, map[string]string{"componentName": testComponent}, response)
		if err != nil {
			t.Fatal(err)
		}
		if e != nil {
			return strings.TrimSpace(string(e.Code) + " " + e.LiteMessage)
		}
		return ""
	}
	none := &struct{}{}
	if got := call(model.PauseComponent, none); got != "InvalidArgumentsError Component com.example.Script is not running" {
		t.Error(got)
	}
	s.start().passes(installed, starting, running)
	s.says("ready")

	var details model.GetComponentDetailsResponse
	call(model.GetComponentDetails, &details)
	if d := details.ComponentDetails; d.ComponentName != testComponent || d.Version != "1.2.3" || d.State != running || string(d.Configuration) != `{"a":1}` {
		t.Errorf("got %+v", d)
	}
	pid := s.process.pid()
	if got := call(model.ResumeComponent, none); got != "InvalidArgumentsError Component com.example.Script is not paused" {
		t.Error(got)
	}
	for range 2 {
		if got := call(model.PauseComponent, none); got != "" {
			t.Fatal(got)
		}
	}
	// The stop is there before the next system call of the process, not before kill returns.
	for until := time.Now().Add(servertest.Patience); processState(t, pid) != "T" && time.Now().Before(until); {
	}
	if state := processState(t, pid); state != "T" {
		t.Errorf("a paused process is in state %s", state)
	}
	if got := call(model.ResumeComponent, none); got != "" {
		t.Fatal(got)
	}
	for until := time.Now().Add(servertest.Patience); processState(t, pid) == "T" && time.Now().Before(until); {
	}
	if state := processState(t, pid); state == "T" {
		t.Error("a resumed process is still stopped")
	}
	call(model.PauseComponent, none)
	var restarted model.RestartComponentResponse
	if call(model.RestartComponent, &restarted); restarted.RestartStatus != model.RequestSucceeded {
		t.Errorf("got %+v", restarted)
	}
	s.passes(stopping, installed, starting, running)
	if s.process.pid() == pid {
		t.Error("the process is the same after a restart")
	}
	own := servertest.Dial(t, socket).Login(core.IssueToken(testComponent))
	if e, err := own.Answer(model.UpdateState, model.UpdateStateRequest{State: errored}, none); e != nil || err != nil {
		t.Fatal(e, err)
	}
	s.passes(errored, stopping, installed, starting, running)
	var stopped model.StopComponentResponse
	if call(model.StopComponent, &stopped); stopped.StopStatus != model.RequestSucceeded {
		t.Errorf("got %+v", stopped)
	}
	s.passes(stopping, finished)
	var list model.ListComponentsResponse
	if call(model.ListComponents, &list); len(list.Components) != 1 || list.Components[0].State != finished {
		t.Errorf("got %+v", list)
	}
}

// TestDaemon does not wait for a process that has left the component's group and
// holds its log.
func TestDaemon(t *testing.T) {
	s := supervise(t, `mkfifo wait; setsid sh -c 'exec 3<>wait; echo "daemon $$"; read x <&3' & sleep 1000`).start()
	s.passes(installed, starting, running)
	var pid int
	for pid == 0 {
		fmt.Sscanf(await(t, s.said), "daemon %d", &pid)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	s.Stop(testComponent)
	s.passes(stopping, finished)
	if state := processState(t, pid); state == "Z" {
		t.Error("the daemon ended with the component")
	}
}

// TestStopAsItEnds requests a stop as the process ends: it is not started again.
func TestStopAsItEnds(t *testing.T) {
	for range 20 {
		s := supervise(t, "exit 0")
		s.times.first, s.times.last = time.Hour, time.Hour
		s.start().passes(installed, starting, running)
		s.Stop(testComponent)
		s.passes(stopping, finished)
		s.mu.Lock()
		if s.again {
			t.Error("a stopped component is to be started again")
		}
		s.mu.Unlock()
	}
}

// TestLeftBehind ends processes that a component leaves behind.
func TestLeftBehind(t *testing.T) {
	s := supervise(t, `mkfifo wait; sh -c 'exec 3<>wait; read x <&3' & echo "child $!"`).start()
	s.passes(installed, starting, running, stopping, finished)
	var pid int
	for pid == 0 {
		fmt.Sscanf(await(t, s.said), "child %d", &pid)
	}
	for until := time.Now().Add(servertest.Patience); ; {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(text), ") Z ") {
			return
		}
		if time.Now().After(until) {
			t.Fatal("the child lives on")
		}
	}
}
