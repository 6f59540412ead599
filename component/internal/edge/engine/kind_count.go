package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// count is the number of edges of an input, which a request can set.
type count struct {
	plain
	interval
	command command
	offset  int64 // of the total, against the edges of the bank
}

func newCount(p *property) kind { return &count{plain: plain{p}, command: command{property: p}} }

func (c *count) isCommand() bool { return true }

// edges are those that the bank has seen.
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
		c.command.beginWhenSaved(c.identity, c.counted)
	}
}

// drop keeps the total: should a rollback bring the property back, it goes on.
func (c *count) drop() { c.command.stopWaiting() }

// shadowRead takes up a total that the shadow has and the memory lost.
func (c *count) shadowRead() {
	c.command.readCleared()
	held := c.replica.Held(c.key)
	if c.read || c.retyped != 0 || held == nil {
		return
	}
	if total, err := c.ParseCount(held); err == nil && total > 0 {
		c.set(total + c.total())
		c.log.Info("count taken from the shadow, since none is remembered", "shadow", c.id, "property", c.key, "count", held)
		c.saveWithin(saveDelay)
		c.showNow()
	}
}

// obey sets the count.
func (c *count) obey(r replica.Request) {
	total, err := c.ParseCount(r.Value)
	switch {
	case err != nil:
		c.acknowledge(shadow.Refused, err.Error())
	case c.stopped && !c.command.waiting():
		// The next run does it.
	case c.command.isNew(r) && c.command.isForeign(r):
		c.command.rejectForeign(r)
	case c.command.isNew(r):
		// Should the process be killed before this is saved, it is done again.
		c.set(total)
		c.command.begin(r, c.counted) // it is shown together with its answer
	case c.command.waiting():
		c.command.seenAgain(r)
	default:
		c.command.conclude(shadow.LineFailed)
	}
}

// counted answers when the count that was set is on the disk.
func (c *count) counted(failed error) {
	switch {
	case !c.command.stillRequested():
		c.command.stopWaiting()
		c.showNow() // it was set nevertheless
	case failed != nil:
		c.command.notSaved(failed)
	default:
		c.command.stopWaiting()
		c.showNow()
		c.command.conclude(shadow.LineFailed)
	}
}

func (c *count) withdrawn() { c.command.cleared() }

func (c *count) stored(value any) {
	if value == nil {
		c.command.cleared()
	}
}

func (c *count) show() {
	c.saveWithin(countDelay)
	c.showTotal()
}

// showTotal reports the count, at most once in its interval.
func (c *count) showTotal() {
	if _, known := c.edges(); known && c.open(c.property) {
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
