package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

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
	begun    time.Time      // when this run took last
}

// call is a requested command, taken apart.
type call struct {
	value any
	made  time.Time // when it was requested, as its sender says; zero if it does not
}

// maxEnded is the number of commands with an ID that are remembered besides the last.
const maxEnded = 16

// parseCall reads a requested command: a value, or an object with an ID and perhaps a
// value and a time. missing is the value of an object without one, nil if it needs one.
func parseCall(requested, missing any) (call, error) {
	members, object := requested.(map[string]any)
	if !object {
		return call{value: requested}, nil
	}
	c := call{value: missing}
	for _, name := range sortedKeys(members) {
		switch member := members[name]; name {
		case "id":
		case "value":
			c.value = member
		case "at":
			made, err := parseTime(member)
			if err != nil {
				return call{}, err
			}
			c.made = made
		default:
			return call{}, fmt.Errorf("want id, value and at, got %s", brief(name))
		}
	}
	if shadow.RequestID(requested) == "" {
		return call{}, fmt.Errorf("want an id, text of 1 to %d bytes, got %s", shadow.MaxRequestID, brief(members["id"]))
	}
	if c.value == nil {
		return call{}, fmt.Errorf("want a value beside the id, got none")
	}
	return c, nil
}

// parseTime reads a time as RFC 3339, or as seconds since the epoch.
func parseTime(value any) (time.Time, error) {
	switch value := value.(type) {
	case string:
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			return at, nil
		}
	case json.Number:
		if seconds, err := value.Float64(); err == nil && seconds > 0 && seconds < 1<<40 {
			whole, part := math.Modf(seconds)
			return time.Unix(int64(whole), int64(part*1e9)), nil
		}
	}
	return time.Time{}, fmt.Errorf("want at as RFC 3339 or in seconds since 1970, got %s", brief(value))
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

func (c *command) adopt(old command) {
	c.known, c.last, c.previous, c.begun = old.known, old.last, old.previous, old.begun
}

// isNew reports whether a request is another one than the remembered command. An ID is
// carried out once. Without an ID a value is one request for as long as it stands, since
// a synchronization writes it again with another time and version. Written by somebody
// in a message of its own, it is another request, and so it is after it was gone.
func (c *command) isNew(r replica.Request) bool {
	if id := shadow.RequestID(r.Value); id != "" {
		return c.last.ID != id
	}
	return r.Fresh || !c.known || c.last.Cleared && !c.cameBack(r) || r.Direct && c.last.At != r.At || !shadow.Equal(c.last.Value, r.Value)
}

// backWithin is how long after its clear a value may come back. A longer outage of the
// link in the moment of a full synchronization is rarer than another request.
const backWithin = time.Minute

// cameBack reports whether a cleared value is probably no other request, but came back.
func (c *command) cameBack(r replica.Request) bool {
	since := c.clock.wall(c.now).Unix() - c.last.ClearedAt
	unclear := r.Unclear || r.Lost && c.last.Unclear
	return unclear && c.last.ClearedAt != 0 && 0 <= since && since <= int64(backWithin/time.Second)
}

// concludesEarlier concludes a request with the ID of a command that was carried out
// before the last one, and reports whether it is one.
func (c *command) concludesEarlier(r replica.Request, failed shadow.Code) bool {
	id := shadow.RequestID(r.Value)
	for _, e := range c.last.Earlier {
		if e.ID == id && id != c.last.ID {
			code := shadow.Done
			if e.Failure != "" {
				code = cmp.Or(e.Code, failed)
			}
			c.replica.Conclude(c.key, code, e.Failure)
			return true
		}
	}
	return false
}

// next returns the command of a request, which comes after the last one.
func (c *command) next(r replica.Request) state.Command {
	next := state.Command{At: r.At, Version: r.Version, Value: r.Value, ID: shadow.RequestID(r.Value)}
	next.Earlier = slices.Clone(c.last.Earlier)
	if c.last.ID != "" {
		ended := state.Ended{ID: c.last.ID, Code: c.last.Code, Failure: c.last.Failure}
		if !c.last.Done {
			ended.Failure = "another request came before its end"
		}
		next.Earlier = append(next.Earlier, ended)
	}
	next.Earlier = next.Earlier[max(0, len(next.Earlier)-maxEnded):]
	return next
}

// lateness returns why a new request may not be carried out any more, "" if it may.
func (c *command) lateness(r replica.Request, made time.Time) string {
	told := !made.IsZero()
	local := !told && r.Fresh && !r.Direct // dated by the clock of this machine, a moment ago unless this process was stopped
	switch {
	case c.Expires == 0:
		return ""
	case local:
		return c.tooOld(c.clock.wall(c.now).Sub(time.Unix(r.At, 0)))
	case !told && r.Undated:
		return "its age is not known: it came with a synchronization"
	case !told:
		made = time.Unix(r.At, 0)
	}
	age := c.clock.wall(c.now).Sub(made)
	if !c.clock.set && (told || r.Direct || age < 0) {
		return "its age is not known: the clock is not set"
	}
	return c.tooOld(age)
}

func (c *command) tooOld(age time.Duration) string {
	if c.Expires == 0 || age <= c.Expires {
		return ""
	}
	return fmt.Sprintf("it is %s old, want at most %s", age.Round(time.Second), c.Expires)
}

// rejectLate concludes a request that came too late.
func (c *command) rejectLate(r replica.Request, reason string) {
	c.known, c.last = true, c.next(r)
	c.expire(reason)
}

// expire concludes the last command, which was not carried out.
func (c *command) expire(reason string) {
	c.last.Done, c.last.Failure, c.last.Code = true, reason, shadow.Expired
	c.saveWithin(saveDelay)
	c.replica.Conclude(c.key, shadow.Expired, reason)
}

// expires concludes a command that waited too long for the disk, and reports whether it
// did.
func (c *command) expires() bool {
	reason := c.tooOld(c.now.Sub(c.begun))
	if reason == "" {
		return false
	}
	c.stopWaiting()
	c.expire(reason)
	return true
}

// isForeign reports whether a request was written when the key had another kind: a
// standing "on" of a lamp must not open a gate.
func (c *command) isForeign(r replica.Request) bool {
	return c.retyped != 0 && !r.Fresh && r.At <= c.retyped
}

// rejectForeign concludes such a request, for later runs, too.
func (c *command) rejectForeign(r replica.Request) {
	c.known, c.last = true, c.next(r)
	c.last.Done, c.last.Code = true, shadow.Refused
	c.last.Failure = "requested before this property became a " + c.Kind.String()
	c.saveWithin(saveDelay)
	c.replica.Conclude(c.key, shadow.Refused, c.last.Failure)
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
	c.known, c.last, c.begun = true, c.next(r), c.now
	c.beginWhenSaved(c.identity, run)
}

// waiting reports whether the command still has to be saved.
func (c *command) waiting() bool { return c.isWaiting(c.identity) }

func (c *command) stopWaiting() { c.core.stopWaiting(c.identity) }

// abandon forgets a command that waits for the disk, since its value has lost its meaning.
func (c *command) abandon() {
	if !c.waiting() {
		return
	}
	c.stopWaiting()
	c.known, c.last = false, state.Command{}
	if c.previous != nil {
		c.known, c.last = true, *c.previous
	}
	c.saveWithin(saveDelay)
}

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
		code = cmp.Or(c.last.Code, failed)
	}
	c.replica.Conclude(c.key, code, c.last.Failure)
}

// markCleared notes the withdrawal of the command, so a later request for the same
// value counts as new.
func (c *command) markCleared() {
	if c.known && !c.last.Cleared {
		c.last.Cleared, c.last.ClearedAt, c.last.Unclear = true, c.clock.wall(c.now).Unix(), c.replica.Unclear(c.key)
		c.saveWithin(0) // a run after a kill must know that the next value is another command
	}
}

// markClearedIfAbsent marks the command as cleared if the document does not request it.
func (c *command) markClearedIfAbsent() {
	if desired, _ := c.replica.Desired(c.key); desired == nil {
		c.markCleared()
	}
}
