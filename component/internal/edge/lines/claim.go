package lines

import (
	"errors"
	"time"
)

// state is where a claim is in its life.
type state uint8

const (
	released  state = iota // not ours
	requested              // asked for
	writing                // held, with a write under way
	held                   // ours and at rest
	faulted                // failed; tried again at retryAt
)

// Pauses between the attempts to get a failed claim back, or an output that does
// not follow, doubled each time.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// claim is a set of lines that are requested together.
type claim struct {
	key     string // the identities of its lines, sorted and joined by "+"
	request uint64 // number of the latest request
	label   string
	lines   []string // their labels, in the order of the key
	state   state

	values []bool // what they read; valid when known
	known  bool   // they were read since they were requested

	fault   error // why it is faulted, or why an output does not follow
	retryAt time.Time
	pause   time.Duration
}

// move changes the state of a claim and counts those that have not answered.
func (b *Bank) move(c *claim, to state) {
	if c.moving() {
		b.moving--
	}
	c.state = to
	if c.moving() {
		b.moving++
	}
}

// live reports whether a request is the latest one of the claim and has not failed.
func (c *claim) live(request uint64) bool {
	return c.request == request && c.state != released && c.state != faulted
}

func (c *claim) moving() bool { return c.state == requested || c.state == writing }

// fail takes a claim for lost until it is requested again.
func (b *Bank) fail(now time.Time, c *claim, err error) {
	if err == nil {
		err = errors.New("failed for an unknown reason")
	}
	if c.fault == nil || c.fault.Error() != err.Error() {
		b.log.Error("line failed; it is retried", "line", c.label, "error", err)
	}
	b.move(c, faulted)
	c.known = false
	c.fault = err
	b.retryLater(now, c)
}

func (b *Bank) retryLater(now time.Time, c *claim) {
	c.pause = min(max(2*c.pause, firstRetry), lastRetry)
	c.retryAt = now.Add(c.pause + time.Duration(b.random.Int64N(int64(c.pause)/2+1)))
	b.at(c.retryAt)
}

// well forgets a fault.
func (b *Bank) well(c *claim) {
	if c.fault != nil {
		b.log.Info("line is well again", "line", c.label)
	}
	c.fault, c.pause, c.retryAt = nil, 0, time.Time{}
}

// due reports whether a retry is to be made now, and otherwise asks for a tick.
func (b *Bank) due(now time.Time, c *claim) bool {
	switch {
	case c.retryAt.IsZero():
		return false
	case now.Before(c.retryAt):
		b.at(c.retryAt)
		return false
	}
	return true
}
