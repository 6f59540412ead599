package server

import (
	"errors"
	"fmt"
	"sync"
)

// ErrOverflow ends the connection of a client that does not read what it is sent.
var ErrOverflow = errors.New("client does not read")

// frameCost is what a waiting message costs beside its bytes, so that many small
// messages cannot take much more memory than the bound says.
const frameCost = 64

// outbox is the queue of encoded messages on their way to one client.
type outbox struct {
	limit int
	ready chan struct{} // one slot: something changed

	mu     sync.Mutex
	frames [][]byte
	cost   int
	sealed bool // nothing comes any more
}

func newOutbox(limit int) *outbox { return &outbox{limit: limit, ready: make(chan struct{}, 1)} }

// put adds a message. It fails when the queue would become longer than its
// limit; an empty queue takes any message.
func (o *outbox) put(frame []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	cost := len(frame) + frameCost
	switch {
	case o.sealed:
		return nil
	case o.cost > 0 && o.cost+cost > o.limit:
		return fmt.Errorf("%w: %d messages of %d bytes are waiting", ErrOverflow, len(o.frames), o.cost)
	}
	o.frames = append(o.frames, frame)
	o.cost += cost
	o.wake()
	return nil
}

// seal makes take return false once the queue is empty.
func (o *outbox) seal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = true
	o.wake()
}

func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// take removes the oldest message, waiting for one. What is being written no
// longer counts.
func (o *outbox) take(done <-chan struct{}) (frame []byte, ok bool) {
	for {
		o.mu.Lock()
		if len(o.frames) > 0 {
			frame = o.frames[0]
			o.frames[0] = nil
			o.frames = o.frames[1:]
			o.cost -= len(frame) + frameCost
			o.mu.Unlock()
			return frame, true
		}
		o.frames = nil
		sealed := o.sealed
		o.mu.Unlock()
		if sealed {
			return nil, false
		}
		select {
		case <-o.ready:
		case <-done:
			return nil, false
		}
	}
}
