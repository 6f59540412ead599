// Package workdir gives a work directory to one run of the component at a time.
//
// # Lock
//
// A run locks the directory itself (flock) before it reads, writes or removes
// anything in it. The kernel drops the lock when the process ends, however that
// happens. The lock needs no room on the disk, works on a read-only one, and cannot be
// removed by mistake. Children do not inherit it. It holds between the processes of one
// machine: on a network file system it may not be seen by others. A file system
// without locks makes [Take] fail with [ErrNoLocks].
//
// The file "lock" is a note: it tells other programs which process has the directory.
//
// # Waiting
//
// A run that waits holds a shared lock on the note. So the owner knows that another
// run waits ([Lock.Wanted]), and can make way if it is of no use itself.
package workdir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
)

// NoteName is the name of the note in the work directory.
const NoteName = "lock"

// noteSize bounds a note in bytes.
const noteSize = 4 << 10

// ErrNoLocks reports a file system that has no locks.
var ErrNoLocks = errors.New("the file system has no locks")

// Owner is the process that has a work directory.
type Owner struct {
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`   // when it took the directory
	Program string    `json:"program"` // its executable
}

// BusyError reports a directory that another process has.
type BusyError struct {
	Dir   string
	Owner Owner // the zero value if it is not known
}

func (e *BusyError) Error() string {
	if e.Owner.PID == 0 {
		return fmt.Sprintf("another process works in %s (lsof %[1]s may tell which)", e.Dir)
	}
	return fmt.Sprintf("process %d (%s) works in %s since %s", e.Owner.PID, e.Owner.Program, e.Dir, e.Owner.Since.Format(time.RFC3339))
}

// Lock is a work directory that this process has. A nil Lock is one that this process
// works in without having it.
type Lock struct {
	dir  *os.File
	note *os.File // nil if it cannot be opened
}

// Take takes a directory. The error is a [BusyError] if another process has it.
func Take(dir string) (*Lock, error) {
	// Messages are to tell which directory that is.
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	l := &Lock{}
	if l.dir, err = os.Open(path); err != nil {
		return nil, err
	}
	switch err = flock(l.dir, syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		l.note = writeNote(filepath.Join(path, NoteName))
		return l, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		owner, _ := ReadOwner(path)
		err = &BusyError{path, owner}
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EBADF), errors.Is(err, syscall.EINVAL):
		err = fmt.Errorf("lock %s: %w: %w", path, ErrNoLocks, err)
	default:
		err = fmt.Errorf("lock %s: %w", path, err)
	}
	l.dir.Close()
	return nil, err
}

// Times of a wait.
const (
	lookPause = 100 * time.Millisecond
	tellPause = 30 * time.Second
)

// Wait takes a directory as soon as no other process has it. It calls busy at the
// start of the wait, and again each 30 s.
func Wait(ctx context.Context, dir string, busy func(*BusyError)) (*Lock, error) {
	var told time.Time
	var note *os.File
	defer func() { closeNote(note) }()
	for {
		lock, err := Take(dir)
		taken, ok := errors.AsType[*BusyError](err)
		if !ok {
			return lock, err
		}
		if note == nil {
			note = markWanted(filepath.Join(taken.Dir, NoteName))
		}
		if time.Since(told) >= tellPause {
			told = time.Now()
			busy(taken)
		}
		select {
		case <-time.After(lookPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Wanted reports whether another run waits for the directory.
func (l *Lock) Wanted() bool {
	if l == nil || l.note == nil {
		return false
	}
	err := flock(l.note, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = flock(l.note, syscall.LOCK_UN)
	}
	return errors.Is(err, syscall.EWOULDBLOCK)
}

// Release lets another run have the directory. The end of the process does so, too.
func (l *Lock) Release() {
	if l == nil {
		return
	}
	closeNote(l.note)
	l.dir.Close()
}

// flock calls flock(2) again after a signal.
func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if err != syscall.EINTR {
			return err
		}
	}
}

// writeNote says in the note that this process has the directory. A disk that does not
// take it is no obstacle: then nobody is told who it is.
func writeNote(path string) *os.File {
	program, _ := os.Executable() // "" is as good as nothing
	text, err := json.Marshal(Owner{os.Getpid(), time.Now().UTC().Truncate(time.Second), program})
	if err != nil {
		return nil
	}
	// No link is followed: root may run in somebody else's directory.
	file, err := durable.Open(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		file, _ = durable.Open(path, os.O_RDONLY, 0) // of a disk that is read-only
		return file
	}
	// A full disk takes a text in the place of an older one.
	if _, err = file.WriteAt(append(text, '\n'), 0); err == nil {
		err = file.Truncate(int64(len(text) + 1))
	}
	if err != nil {
		file.Truncate(0) // rather nobody than the wrong one
	}
	return file
}

// markWanted tells the owner that this process waits.
func markWanted(path string) *os.File {
	file, err := durable.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	if err := flock(file, syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		file.Close() // the owner looks at this moment; the next attempt succeeds
		return nil
	}
	return file
}

func closeNote(note *os.File) {
	if note != nil {
		note.Close()
	}
}

// ReadOwner reads which process has, or had last, a directory. It is false where that
// process has ended, or nothing is known.
func ReadOwner(dir string) (Owner, bool) {
	text, err := durable.Read(filepath.Join(dir, NoteName), noteSize)
	if err != nil {
		return Owner{}, false
	}
	owner, ok := ParseNote(text)
	if !ok || syscall.Kill(owner.PID, 0) == syscall.ESRCH {
		return Owner{}, false
	}
	return owner, true
}

// ParseNote reads a note.
func ParseNote(text []byte) (Owner, bool) {
	var owner Owner
	err := json.Unmarshal(text, &owner)
	return owner, err == nil && owner.PID > 0
}
