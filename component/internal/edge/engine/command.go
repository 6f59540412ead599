package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// command is a request that is carried out once: a pulse, a count that is set, the
// reset of an alarm. It is on the disk before it is carried out, so that a process
// that is killed in between does not repeat it, and its desired value is cleared when
// it is over, so that nobody else does.
type command struct {
	*property
	known  bool // last is a command, of this run or an earlier one
	last   state.Command
	before *state.Command // the one before last, while last waits for the disk; nil for none
}

func (c *command) resume(saved state.Property) {
	if saved.Command != nil {
		c.known, c.last = true, *saved.Command
	}
}

// remember leaves out a command that has not begun when the component stops: the
// next run carries it out.
func (c *command) remember(saved state.Property) state.Property {
	switch {
	case c.stopped && c.waiting():
		saved.Command = c.before
	case c.known:
		last := c.last
		saved.Command = &last
	}
	return saved
}

func (c *command) adopt(old command) { c.known, c.last, c.before = old.known, old.last, old.before }

// isNew reports whether a request is not the command that is remembered. One that
// came as a message is new even if it looks the same; so is one in a document that
// was created again, whose versions began anew.
func (c *command) isNew(r replica.Request) bool {
	return r.Fresh || !c.known || c.last.Cleared || c.last.Version > r.Version || c.last.At != r.At || !shadow.Equal(c.last.Value, r.Value)
}

// isForeign reports whether a request was written when the key was of another kind:
// a standing "on" of a lamp must not open a gate.
func (c *command) isForeign(r replica.Request) bool {
	return c.retyped != 0 && !r.Fresh && r.At <= c.retyped
}

// rejectForeign concludes such a request, for later runs, too.
func (c *command) rejectForeign(r replica.Request) {
	c.known, c.last = true, state.Command{At: r.At, Version: r.Version, Value: r.Value, Done: true}
	c.saveWithin(saveDelay)
	c.replica.Conclude(c.key, shadow.Refused, "requested before this property became a "+c.Kind.String())
}

// begin takes a request for its command. run is called when it is on the disk, or
// could not be saved.
func (c *command) begin(r replica.Request, run func(failed error)) {
	if !c.waiting() {
		c.before = nil
		if c.known {
			before := c.last
			c.before = &before
		}
	}
	c.known, c.last = true, state.Command{At: r.At, Version: r.Version, Value: r.Value}
	c.beginWhenSaved(c.identity, run)
}

// waiting reports whether the command has yet to be saved.
func (c *command) waiting() bool { return c.waits(c.identity) }

func (c *command) stopWaiting() { c.core.stopWaiting(c.identity) }

// notSaved answers a command that is not on the disk: unsaved it could be carried
// out twice.
func (c *command) notSaved(err error) {
	c.acknowledge(shadow.LineFailed, "not remembered yet: "+err.Error())
}

// stillRequested reports whether the command is what is requested: the request may
// have been withdrawn or replaced meanwhile.
func (c *command) stillRequested() bool {
	r, requested := c.replica.Requested(c.key)
	return requested && c.known && r.Version == c.last.Version && shadow.Equal(r.Value, c.last.Value)
}

// seenAgain notes the document in which a command that goes on was found again.
func (c *command) seenAgain(r replica.Request) {
	if c.last.Version != r.Version {
		c.last.Version = r.Version
		c.saveWithin(saveDelay)
	}
}

// over remembers how the command ended; "" is as it should.
func (c *command) over(failure string) {
	c.last.Done, c.last.Failure = true, failure
	c.saveWithin(saveDelay)
}

// conclude answers the command as it ended, with the code where it failed.
func (c *command) conclude(failed shadow.Code) {
	code := shadow.Done
	if c.last.Failure != "" {
		code = failed
	}
	c.replica.Conclude(c.key, code, c.last.Failure)
}

// cleared remembers that the command is no longer requested: the same value would
// be a new one.
func (c *command) cleared() {
	if c.known && !c.last.Cleared {
		c.last.Cleared = true
		c.saveWithin(saveDelay)
	}
}

// readCleared does that for a document that does not request it.
func (c *command) readCleared() {
	if desired, _ := c.replica.Desired(c.key); desired == nil {
		c.cleared()
	}
}
