package holder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a holder, known by the kernel's word: it holds the lock of a socket.
type process struct {
	pid    int
	handle int // a pidfd, which no later process gets
}

// holderProcess proves that a process is the holder of a socket. The kernel tells that it has
// the lock file of the socket open, also a deleted one, and that it holds the lock. Only
// processes of our user can be looked at. Close the result.
func holderProcess(pid int, socket string) (*process, error) {
	if pid == os.Getpid() {
		return nil, errors.New("the holder is in this process")
	}
	// The handle comes before the proof: if the process ends in between and another one
	// gets its number, the handle is of the one that ended.
	handle, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	p := &process{pid, handle}
	if !p.locks(lockPath(socket)) {
		p.close()
		return nil, fmt.Errorf("process %d does not hold the lock of %s", pid, socket)
	}
	return p, nil
}

// holderProcesses finds the holders of a socket that cannot be reached by it. There is more than
// one if the lock file was deleted and made again.
func holderProcesses(socket string) []*process {
	entries, _ := os.ReadDir("/proc") // without it nobody is found
	var found []*process
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			if p, err := holderProcess(pid, socket); err == nil {
				found = append(found, p)
			}
		}
	}
	return found
}

// lockPath is the path of a socket's lock as the kernel shows it: without symbolic links.
func lockPath(socket string) string {
	if dir, err := filepath.EvalSymlinks(filepath.Dir(socket)); err == nil {
		socket = filepath.Join(dir, filepath.Base(socket))
	}
	return socket + lockSuffix
}

// locks reports whether the process has the file open and holds its lock
// (torvalds/linux Documentation/filesystems/proc.rst, fdinfo).
func (p *process) locks(path string) bool {
	dir := fmt.Sprintf("/proc/%d", p.pid)
	files, _ := os.ReadDir(dir + "/fd") // of another user: not readable
	for _, file := range files {
		target, err := os.Readlink(dir + "/fd/" + file.Name())
		if err != nil || strings.TrimSuffix(target, " (deleted)") != path {
			continue
		}
		info, _ := os.ReadFile(dir + "/fdinfo/" + file.Name())
		for line := range strings.Lines(string(info)) {
			if words := strings.Fields(line); len(words) > 4 && words[0] == "lock:" && words[2] == "FLOCK" && words[4] == "WRITE" {
				return true
			}
		}
	}
	return false
}

// goOn continues the process if a signal stopped it.
func (p *process) goOn() {
	if p != nil && threadState(fmt.Sprintf("/proc/%d/stat", p.pid)) == 'T' {
		unix.PidfdSendSignal(p.handle, unix.SIGCONT, nil, 0) // the wait for its answer tells
	}
}

// busy reports whether any of its threads runs, waits for a processor, or waits for a disk
// or a chip. Otherwise all of them sleep.
func (p *process) busy() bool {
	if p == nil {
		return true // not known
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.pid))
	for _, thread := range threads {
		if state := threadState(thread); state == 'R' || state == 'D' {
			return true
		}
	}
	return false
}

// threadState is the state of a process or thread, 0 if it has ended
// (torvalds/linux Documentation/filesystems/proc.rst, stat).
func threadState(path string) byte {
	text, _ := os.ReadFile(path)
	_, rest, ok := strings.Cut(string(text), ") ")
	if !ok || rest == "" {
		return 0
	}
	return rest[0]
}

// end ends the process: by SIGTERM, so that it carries out its orders, and then by
// SIGKILL. It returns when the process has ended, or does not within a second.
func (p *process) end() error {
	err := unix.PidfdSendSignal(p.handle, unix.SIGTERM, nil, 0)
	if err == nil && !p.ended(termTime) {
		err = unix.PidfdSendSignal(p.handle, unix.SIGKILL, nil, 0)
	}
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil
	case err != nil:
		return fmt.Errorf("process %d: %w", p.pid, err)
	case !p.ended(killTime):
		return fmt.Errorf("process %d does not end though it was killed", p.pid)
	}
	return nil
}

const (
	termTime = 200 * time.Millisecond // for a holder that was asked to end
	killTime = time.Second            // for the kernel to end it
)

// ended waits for the end of the process.
func (p *process) ended(patience time.Duration) bool {
	for deadline := time.Now().Add(patience); ; {
		fds := []unix.PollFd{{Fd: int32(p.handle), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(max(0, time.Until(deadline)).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

func (p *process) close() {
	if p != nil {
		unix.Close(p.handle)
	}
}
