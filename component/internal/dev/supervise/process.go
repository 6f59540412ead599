package supervise

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// killWait is how long a process may take to end after SIGTERM.
const killWait = 5 * time.Second

// logWait is how long the log of a process is still read that has ended. What it has
// left behind beyond its group may hold the log open.
const logWait = time.Second

// process is one run of the component, with all processes that it starts.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and its log is read
	err   error         // why, once ended is closed
}

// startProcess starts a component and prints what it logs.
func startProcess(argv, env []string, dir string, say func(format string, args ...any)) (*process, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	// A group of its own, so that ^C reaches it through us and in our order; and
	// the end of this process is its end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		r.Close()
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	var reader sync.WaitGroup
	reader.Go(func() { relay(r, say) })
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
		p.signal(syscall.SIGKILL) // what it has left behind
		r.SetReadDeadline(time.Now().Add(logWait))
		reader.Wait()
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// signal reaches all processes of the component.
func (p *process) signal(sig syscall.Signal) error { return syscall.Kill(-p.pid(), sig) }

// freeze stops all processes of the component, or has them go on.
func (p *process) freeze(on bool) error {
	if on {
		return p.signal(syscall.SIGSTOP)
	}
	return p.signal(syscall.SIGCONT)
}

// end ends the process and waits for it.
func (p *process) end() {
	select {
	case <-p.ended:
		return
	default:
	}
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT) // in case it is paused
	kill := time.AfterFunc(killWait, func() { p.signal(syscall.SIGKILL) })
	defer kill.Stop()
	<-p.ended
}

// relay prints a log line by line.
func relay(r io.ReadCloser, say func(format string, args ...any)) {
	defer r.Close()
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		say("%s", scanner.Text())
	}
	if err := scanner.Err(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		say("log not readable: %v", err)
		io.Copy(io.Discard, r)
	}
}
