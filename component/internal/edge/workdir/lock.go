// Package workdir gives a work directory to one run of the component at a time.
//
// # Lock
//
// A run locks the directory itself (flock) before it reads, writes or removes anything
// in the directory. The kernel drops the lock when the process ends for any reason. The
// lock needs no room on the disk, works on a read-only disk, and cannot be removed by
// mistake. Children do not inherit it. The lock holds between the processes of one
// machine: on a network file system, other machines may not see it. On a file system
// without locks, [Take] fails with [ErrNoLocks].
//
// The file "lock" is a note: it shows other programs the process with the lock.
//
// # Waiting
//
// A waiting run holds a shared lock on the note. This tells the owner about the waiting
// run ([Lock.Wanted]), and a broken owner can make way.
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

// noteSize limits the size of a note in bytes.
const noteSize = 4 << 10

// ErrNoLocks reports a file system without locks.
var ErrNoLocks = errors.New("the file system has no locks")

// Owner is the process with the lock on a work directory.
type Owner struct {
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`   // when the process took the directory
	Program string    `json:"program"` // path of the executable
}

// BusyError reports a directory locked by another process.
type BusyError struct {
	Dir   string
	Owner Owner // the zero value if unknown
}

func (e *BusyError) Error() string {
	if e.Owner.PID == 0 {
		return fmt.Sprintf("another process works in %s (lsof %[1]s may tell which)", e.Dir)
	}
	return fmt.Sprintf("process %d (%s) works in %s since %s", e.Owner.PID, e.Owner.Program, e.Dir, e.Owner.Since.Format(time.RFC3339))
}

// Lock is a work directory locked by this process. A nil Lock stands for a directory
// used without a lock.
type Lock struct {
	dir  *os.File
	note *os.File // nil if the note cannot be opened
}

// Take locks a directory. The error is a [BusyError] if another process has the lock.
func Take(dir string) (*Lock, error) {
	// Error messages need the full path.
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

// Intervals of Wait.
const (
	pollPause   = 100 * time.Millisecond
	reportPause = 30 * time.Second
)

// Wait locks a directory as soon as no other process has the lock. It calls busy at the
// start of the wait, and again every 30 s.
func Wait(ctx context.Context, dir string, busy func(*BusyError)) (*Lock, error) {
	var reportedAt time.Time
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
		if time.Since(reportedAt) >= reportPause {
			reportedAt = time.Now()
			busy(taken)
		}
		select {
		case <-time.After(pollPause):
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

// Release unlocks the directory. So does the end of the process.
func (l *Lock) Release() {
	if l == nil {
		return
	}
	closeNote(l.note)
	l.dir.Close()
}

// flock repeats flock(2) after a signal.
func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if err != syscall.EINTR {
			return err
		}
	}
}

// writeNote names this process in the note. A disk without room does not prevent the
// lock: other programs then do not see the owner.
func writeNote(path string) *os.File {
	program, _ := os.Executable() // "" if unknown
	text, err := json.Marshal(Owner{os.Getpid(), time.Now().UTC().Truncate(time.Second), program})
	if err != nil {
		return nil
	}
	// Do not follow links: root may run in somebody else's directory.
	file, err := durable.Open(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		file, _ = durable.Open(path, os.O_RDONLY, 0) // a read-only disk
		return file
	}
	// Overwrite in place: a full disk accepts a text in place of an older one.
	if _, err = file.WriteAt(append(text, '\n'), 0); err == nil {
		err = file.Truncate(int64(len(text) + 1))
	}
	if err != nil {
		file.Truncate(0) // no owner is better than a wrong owner
	}
	return file
}

// markWanted signals the owner that this process waits.
func markWanted(path string) *os.File {
	file, err := durable.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	if err := flock(file, syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		file.Close() // the owner is checking at this moment; the next attempt succeeds
		return nil
	}
	return file
}

func closeNote(note *os.File) {
	if note != nil {
		note.Close()
	}
}

// ReadOwner returns the process with the lock on a directory, or with the last one. It
// returns false if that process has ended, or the note is unreadable.
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

// ParseNote parses a note.
func ParseNote(text []byte) (Owner, bool) {
	var owner Owner
	err := json.Unmarshal(text, &owner)
	return owner, err == nil && owner.PID > 0
}
