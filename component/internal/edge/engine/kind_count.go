package engine

import (
	"errors"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// count is the number of edges of an input. A request can set it.
type count struct {
	plain
	interval
	command command
	offset  int64 // the total minus the edges counted by the bank
	apart   bool  // an earlier run saved edges without the total of the shadow
}

func newCount(p *property) kind { return &count{plain: plain{p}, command: command{property: p}} }

func (c *count) isCommand() bool { return true }

// edges returns the edges counted by the bank.
func (c *count) edges() (n int64, known bool) {
	_, edges, known := c.bank.Input(c.Line)
	return int64(edgesOf(edges, c.Edges).count), known
}

func (c *count) total() int64 {
	edges, _ := c.edges()
	return c.offset + edges
}

func (c *count) set(total int64) {
	edges, _ := c.edges()
	c.offset = total - edges
}

func (c *count) resume(saved state.Property) {
	if saved.Count != nil {
		c.set(*saved.Count)
		c.apart = !saved.Read
	} else {
		c.set(0)
	}
	c.command.resume(saved)
}

func (c *count) remember(saved state.Property) state.Property {
	total := c.total()
	saved.Count = &total
	if c.command.known { // also while it waits: the total is set, and saved together
		last := c.command.last
		saved.Command = &last
	}
	return saved
}

func (c *count) adopt(old kind) {
	before := old.(*count)
	c.command.adopt(before.command)
	if c.command.waiting() {
		c.command.beginWhenSaved(c.identity, c.countSaved)
	}
	c.apart = before.apart
	if c.summing() {
		c.beginWhenSaved(c.sumID(), c.sumSaved)
	}
}

// drop keeps the total, so the count continues if a rollback restores the property.
func (c *count) drop() {
	c.command.stopWaiting()
	c.stopWaiting(c.sumID())
}

// sumID names the save of the first total, the sum of the edges and the reported total.
func (c *count) sumID() string { return c.identity + " sum" }

// summing reports whether the first total still has to be saved.
func (c *count) summing() bool { return c.isWaiting(c.sumID()) }

// sumSaved reports the first total after its save. If the save failed, and
// the disk has none of the edges, no later run can add them again.
func (c *count) sumSaved(failed error) {
	if failed != nil && !errors.Is(failed, ErrNotRead) && (c.apart || c.memory.kept) {
		return // the save is retried
	}
	c.stopWaiting(c.sumID())
	c.showNow()
}

// shadowRead recovers a total from the shadow if the memory lost it. A later run whose
// memory has the edges, but not that they are part of the reported total, would add them
// again, so the first total is saved before it is reported.
func (c *count) shadowRead() {
	c.command.markClearedIfAbsent()
	if c.read || c.retyped != 0 {
		return
	}
	held, own := c.replica.Held(c.key), c.total()
	if total, err := c.ParseCount(held); err == nil && total > 0 {
		c.set(total + own)
		c.log.Info("count taken from the shadow, since none is remembered", "shadow", c.id, "property", c.key, "count", held)
		c.saveWithin(saveDelay)
		c.showNow()
	}
	if own > 0 {
		c.report(held)
		c.read = true
		c.beginWhenSaved(c.sumID(), c.sumSaved)
	}
}

// applyRequest sets the count.
func (c *count) applyRequest(r replica.Request) {
	requested, err := parseCall(r.Value, nil)
	var total int64
	if err == nil {
		total, err = c.ParseCount(requested.value)
	}
	switch {
	case err != nil:
		c.acknowledge(shadow.Refused, err.Error())
	case c.stopped && !c.command.waiting():
		// The next run does it.
	case c.command.isNew(r) && c.command.isForeign(r):
		c.command.rejectForeign(r)
	case c.command.concludesEarlier(r, shadow.LineFailed):
	case c.command.isNew(r) && c.command.lateness(r, requested.made) != "":
		c.command.rejectLate(r, c.command.lateness(r, requested.made))
	case c.command.isNew(r):
		// If the process is killed before the save, the next run sets the count again.
		c.set(total)
		c.command.begin(r, c.countSaved) // the total is reported together with its acknowledgement
	case c.command.waiting():
		c.command.seenAgain(r)
	default:
		c.command.conclude(shadow.LineFailed)
	}
}

// countSaved acknowledges the new count after its save.
func (c *count) countSaved(failed error) {
	switch {
	case !c.command.stillRequested():
		c.command.stopWaiting()
		c.showNow() // the count was set nevertheless
	case failed != nil:
		c.command.ackNotSaved(failed)
	default:
		c.command.stopWaiting()
		c.showNow()
		c.command.conclude(shadow.LineFailed)
	}
}

func (c *count) withdrawn() { c.command.markCleared() }

func (c *count) stored(value any) {
	if value == nil {
		c.command.markCleared()
	}
}

func (c *count) show() {
	c.saveWithin(countDelay)
	c.showTotal()
}

// showTotal reports the count, at most once per interval.
func (c *count) showTotal() {
	if _, known := c.edges(); known && !c.summing() && c.mayReport(c.property) {
		c.report(c.CountValue(c.total()))
	}
}

// showNow reports the count without delay.
func (c *count) showNow() {
	c.shownAt = time.Time{}
	c.showTotal()
}

func (c *count) tick() {
	if c.isDue(c.property) {
		c.showTotal()
	}
}

func (c *count) flush() {
	if !c.due.IsZero() {
		c.showNow()
	}
}

func (c *count) value() (any, bool) {
	_, known := c.edges()
	return c.CountValue(c.total()), known
}
