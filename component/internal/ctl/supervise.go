package ctl

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// supervisor runs the component as a nucleus does: it restarts it at once after a
// failure, gives it up after the third, and ends it with SIGTERM and, 5 s later,
// SIGKILL (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/lifecyclemanager/Lifecycle.java and
// util/platforms/unix/UnixPlatform.java).
type supervisor struct {
	argv []string
	env  []string
	dir  string
	say  func(format string, args ...any)
}

const (
	failures = 3         // in the same hour leave a component broken
	goodRun  = time.Hour // forgives earlier failures
	killWait = 5 * time.Second
)

// run blocks until ctx is done and the component has ended.
func (s *supervisor) run(ctx context.Context) {
	for failed := 0; ctx.Err() == nil; {
		started := time.Now()
		err := s.once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.say("ended; a nucleus leaves it FINISHED")
			return
		}
		if time.Since(started) > goodRun {
			failed = 0
		}
		if failed++; failed == failures {
			s.say("ended with %v; after %d failures a nucleus leaves it BROKEN", err, failures)
			return
		}
		s.say("ended with %v; started again", err)
	}
}

// once runs the component to its end.
func (s *supervisor) once(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killWait
	// A group of its own, so that ^C reaches it through us and in our order; and
	// the end of this process is its end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		r.Close()
		w.Close()
		return err
	}
	w.Close()
	s.say("started, process %d", cmd.Process.Pid)
	var reader sync.WaitGroup
	reader.Go(func() { s.relay(r) })
	err = cmd.Wait()
	reader.Wait()
	return err
}

// relay prints what the component logs, line by line.
func (s *supervisor) relay(r io.ReadCloser) {
	defer r.Close()
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		s.say("%s", scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		s.say("log not readable: %v", err)
		io.Copy(io.Discard, r)
	}
}

// environment is what the component finds, as a nucleus would set it.
func environment(c contact, token string) []string {
	return append(os.Environ(),
		"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT="+c.Socket,
		"SVCUID="+token,
		"AWS_IOT_THING_NAME="+c.ThingName,
		fmt.Sprintf("%s=%s", chipsVariable, c.Chips),
	)
}
