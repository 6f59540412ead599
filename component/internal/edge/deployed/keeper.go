package deployed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
)

const (
	maxSize    = 4 << 20                // bytes of the file
	firstPause = 100 * time.Millisecond // after a failure; it doubles
	longPause  = 30 * time.Second       // and does not grow any more
	diskWait   = 2 * time.Second        // at most, before a configuration is in force

	endPatience = 300 * time.Millisecond // of the end, for a disk that hangs
)

// keeper keeps the last good configuration in a file. It works beside
// [Source.Follow], so that a disk that hangs holds up nothing else.
//
// A file that cannot be read is read again and again. The next good configuration
// replaces it all the same: the kept one is out of date by then, and must not come
// back at a later start. Nothing but a regular file is replaced.
type keeper struct {
	file   string
	log    *slog.Logger
	found  chan []byte   // gets the text of the file when it was read; nil if there is none
	faults chan error    // one slot, the latest: what is wrong with the file, nil for nothing
	wake   chan struct{} // one slot: there is a text to keep

	mu   sync.Mutex
	next *task // the newest text to keep that nobody has taken yet

	last string // the fault that was told last, "" for none
}

// task is a text to keep. done is closed after the first attempt.
type task struct {
	text []byte
	done chan struct{}
}

func newKeeper(file string, log *slog.Logger) *keeper {
	return &keeper{file: file, log: log, found: make(chan []byte, 1), faults: make(chan error, 1), wake: make(chan struct{}, 1)}
}

// run reads the file, and writes each text that is to be kept, until ctx is done.
func (k *keeper) run(ctx context.Context) {
	reading, pause := true, firstPause
	var writing []byte
	for {
		t := k.take()
		if t != nil {
			reading, writing = false, t.text
		}
		var err error
		switch {
		case reading:
			err = k.read()
			reading = err != nil
		case writing != nil:
			if err = k.write(writing); err == nil {
				writing = nil
			}
		}
		k.tell(err)
		if t != nil {
			close(t.done)
		}
		var retry <-chan time.Time
		if err != nil {
			retry = time.After(pause)
			pause = min(2*pause, longPause)
		} else {
			pause = firstPause
		}
		select {
		case <-k.wake:
		case <-retry:
		case <-ctx.Done():
			return
		}
	}
}

func (k *keeper) take() *task {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.next
	k.next = nil
	return t
}

// keep has a text written. It returns after the first attempt, or when the disk has
// not answered for two seconds: the text is written then when it does.
func (k *keeper) keep(ctx context.Context, text []byte) {
	t := &task{text, make(chan struct{})}
	k.mu.Lock()
	k.next = t
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default: // it has yet to look
	}
	late := time.NewTimer(diskWait)
	defer late.Stop()
	select {
	case <-t.done:
	case <-late.C:
	case <-ctx.Done():
	}
}

func (k *keeper) read() error {
	text, err := durable.Read(k.file, maxSize)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fault := fmt.Errorf("last good configuration not read: %w", durable.Reason(err))
		if k.last != fault.Error() {
			k.log.Warn("last good configuration not read", "error", err)
		}
		return fault
	}
	k.found <- text
	return nil
}

func (k *keeper) write(text []byte) error {
	err := durable.Write(k.file, text)
	if err == nil {
		return nil
	}
	fault := fmt.Errorf("not kept for the next start: %w", durable.Reason(err))
	if k.last != fault.Error() {
		k.log.Warn("configuration not kept for the next start", "error", err)
	}
	return fault
}

// tell hands over what is wrong with the file.
func (k *keeper) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == k.last {
		return
	}
	k.last = text
	select {
	case <-k.faults: // nobody has taken the one before
	default:
	}
	k.faults <- err
}
