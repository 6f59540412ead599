package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// command is a request carried out exactly once: a pulse, a new count, the reset of an
// alarm. The command is saved before it starts, so a killed process does not repeat it.
// Its desired value is cleared at the end, so nobody else repeats it.
type command struct {
	*property
	known    bool // last holds a command of this run or an earlier one
	last     state.Command
	previous *state.Command // the command before last, while last waits for the disk; nil for none
}

func (c *command) resume(saved state.Property) {
	if saved.Command != nil {
		c.known, c.last = true, *saved.Command
	}
}

// remember omits a command not started when the component stops: the next run carries
// it out.
func (c *command) remember(saved state.Property) state.Property {
	switch {
	case c.stopped && c.waiting():
		saved.Command = c.previous
	case c.known:
		last := c.last
		saved.Command = &last
	}
	return saved
}

func (c *command) adopt(old command) { c.known, c.last, c.previous = old.known, old.last, old.previous }

// isNew reports whether a request differs from the remembered command. A request that
// arrives as a message is always new. So is a request in a document created anew,
// because its versions restart.
func (c *command) isNew(r replica.Request) bool {
	return r.Fresh || !c.known || c.last.Cleared || c.last.Version > r.Version || c.last.At != r.At || !shadow.Equal(c.last.Value, r.Value)
}

// isForeign reports whether a request was written when the key had another kind: a
// standing "on" of a lamp must not open a gate.
func (c *command) isForeign(r replica.Request) bool {
	return c.retyped != 0 && !r.Fresh && r.At <= c.retyped
}

// rejectForeign concludes such a request, for later runs, too.
func (c *command) rejectForeign(r replica.Request) {
	c.known, c.last = true, state.Command{At: r.At, Version: r.Version, Value: r.Value, Done: true}
	c.saveWithin(saveDelay)
	c.replica.Conclude(c.key, shadow.Refused, "requested before this property became a "+c.Kind.String())
}

// begin records a request as the command and saves it. run is called after each save
// attempt.
func (c *command) begin(r replica.Request, run func(failed error)) {
	if !c.waiting() {
		c.previous = nil
		if c.known {
			before := c.last
			c.previous = &before
		}
	}
	c.known, c.last = true, state.Command{At: r.At, Version: r.Version, Value: r.Value}
	c.beginWhenSaved(c.identity, run)
}

// waiting reports whether the command still has to be saved.
func (c *command) waiting() bool { return c.isWaiting(c.identity) }

func (c *command) stopWaiting() { c.core.stopWaiting(c.identity) }

// ackNotSaved acknowledges a failed save. The command does not start, because an
// unsaved command could be carried out twice.
func (c *command) ackNotSaved(err error) {
	c.acknowledge(shadow.LineFailed, "not remembered yet: "+err.Error())
}

// stillRequested reports whether the command is still requested. The request may have
// been withdrawn or replaced meanwhile.
func (c *command) stillRequested() bool {
	r, requested := c.replica.Requested(c.key)
	return requested && c.known && r.Version == c.last.Version && shadow.Equal(r.Value, c.last.Value)
}

// seenAgain notes the newest document with the command in progress.
func (c *command) seenAgain(r replica.Request) {
	if c.last.Version != r.Version {
		c.last.Version = r.Version
		c.saveWithin(saveDelay)
	}
}

// finish records the end of the command. failure is "" for success.
func (c *command) finish(failure string) {
	c.last.Done, c.last.Failure = true, failure
	c.saveWithin(saveDelay)
}

// conclude acknowledges the end of the command. failed is the code for a failure.
func (c *command) conclude(failed shadow.Code) {
	code := shadow.Done
	if c.last.Failure != "" {
		code = failed
	}
	c.replica.Conclude(c.key, code, c.last.Failure)
}

// markCleared notes the withdrawal of the command, so a later request for the same
// value counts as new.
func (c *command) markCleared() {
	if c.known && !c.last.Cleared {
		c.last.Cleared = true
		c.saveWithin(saveDelay)
	}
}

// markClearedIfAbsent marks the command as cleared if the document does not request it.
func (c *command) markClearedIfAbsent() {
	if desired, _ := c.replica.Desired(c.key); desired == nil {
		c.markCleared()
	}
}
