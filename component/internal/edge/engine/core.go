package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// core is shared by the parts of the engine during a step: the time, the lines, the
// memory, and the effects collected so far.
type core struct {
	cfg    *config.Config
	bank   *lines.Bank
	random *rand.Rand
	log    *slog.Logger

	now     time.Time // of the step
	stopped bool

	effects []Effect
	wake    time.Time

	orders    map[string]order  // demands from requested values, by output
	switches  []localSwitch     // local changes to apply together
	momentary map[string]bool   // outputs with pulses only, by label
	claims    map[string]string // the identity of each output, by label

	faults      map[string]error // faults of the work directory, by file
	statusStale bool             // the reported status may be out of date

	memory memory
	clock  clock
}

// order is the demand of a requested value on an output.
type order struct {
	lines.Order
	done func(refused error) // called when the bank accepts or rejects the demand
}

// localSwitch changes an output independently of its shadow.
type localSwitch struct {
	output string
	on     bool
	cause  lines.Cause
}

func (c *core) emit(effect Effect) { c.effects = append(c.effects, effect) }

// wakeAt requests a tick at t or earlier.
func (c *core) wakeAt(t time.Time) {
	if !t.IsZero() && (c.wake.IsZero() || t.Before(c.wake)) {
		c.wake = t
	}
}

// jitter returns d plus up to half of it.
func (c *core) jitter(d time.Duration) time.Duration {
	return d + time.Duration(c.random.Int64N(int64(d)/2+1))
}

// demand queues the demand of a requested value. drive passes all of them on together.
func (c *core) demand(output string, o order) { c.orders[output] = o }

// drive passes the queued demands to the lines, all at once.
func (c *core) drive() {
	if len(c.orders) == 0 {
		return
	}
	orders := c.orders
	c.orders = map[string]order{}
	demands := make(map[string]lines.Order, len(orders))
	for output, o := range orders {
		demands[output] = o.Order
	}
	refused := c.bank.Drive(c.now, demands)
	for _, output := range sortedKeys(orders) {
		orders[output].done(refused[output])
	}
}

// switchOutput queues a local change. A step applies simultaneous changes together.
func (c *core) switchOutput(output string, on bool, cause lines.Cause) {
	c.switches = append(c.switches, localSwitch{output, on, cause})
}

// willBeOn reports whether an output is demanded on, pending local changes included.
func (c *core) willBeOn(output string) bool {
	for _, s := range slices.Backward(c.switches) {
		if s.output == output {
			return s.on
		}
	}
	return c.bank.IsOn(output)
}

// setFault records the fault of a file; a nil error removes it.
func (c *core) setFault(what string, err error) {
	old := c.faults[what]
	if err == nil {
		delete(c.faults, what)
	} else {
		c.faults[what] = err
	}
	c.statusStale = c.statusStale || (old == nil) != (err == nil) || err != nil && old.Error() != err.Error()
}

// input returns the level of an input. ok is false while the level is unknown.
func (c *core) input(line string) (on any, ok bool) {
	value, _, ok := c.bank.Input(line)
	return value, ok && c.bank.Reads(line)
}

// sortedKeys makes decisions independent of the order of maps.
func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
}

// sortedValues returns the values of a map in the order of its keys.
func sortedValues[V any](m map[string]V) []V {
	values := make([]V, 0, len(m))
	for _, key := range sortedKeys(m) {
		values = append(values, m[key])
	}
	return values
}

// brief returns a value as shortened JSON.
func brief(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return shadow.CutReason(strings.ToValidUTF8(string(text[:min(len(text), 40)]), ""))
}

// ErrNotRead fails every save of a run with an unreadable state file. A [DiskFault]
// gives the reason.
var ErrNotRead = errors.New("the state file could not be read, and is left alone")

// saveFault returns the fault of a save without paths: a shadow has little room.
func saveFault(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("not saved: %w", durable.Reason(err))
}

// Delays before a save. They bound the loss in a power cut, and spare the flash.
const (
	saveDelay  = time.Second      // for outputs and local changes
	countDelay = 10 * time.Second // for counts
	saveRetry  = 30 * time.Second // after a failure
)

// memory is the state for a later run, and the schedule of its saves.
type memory struct {
	snapshot func() state.State // returns the state to save

	saveAt  time.Time        // when to save; zero for never
	seq     uint64           // of the last save
	saving  bool             // a save is in progress
	last    state.State      // the state passed to the last save
	failed  bool             // the content of the disk is unknown
	kept    bool             // a state of this run is on the disk
	waiting map[string]await // actions to start once saved, by property
	frozen  *lines.Memory    // the outputs before Stop changed them
}

// await is an action to start after the save with number seq.
type await struct {
	seq   uint64
	saved func(failed error) // called after the save; a nil error means success
}

// idle reports whether nothing is left to save. At the end, waiting actions are left to
// the next run.
func (m *memory) idle(stopped bool) bool {
	return m.saveAt.IsZero() && !m.saving && (stopped || len(m.waiting) == 0)
}

// saveWithin schedules a save after delay or earlier.
func (c *core) saveWithin(delay time.Duration) {
	if at := c.now.Add(delay); c.memory.saveAt.IsZero() || at.Before(c.memory.saveAt) {
		c.memory.saveAt = at
	}
	c.wakeAt(c.memory.saveAt)
}

// beginWhenSaved saves without delay. It calls begin when the state is on the disk, and
// after each failed attempt, until [core.stopWaiting].
func (c *core) beginWhenSaved(id string, begin func(failed error)) {
	// A save in progress lacks this change.
	c.memory.waiting[id] = await{c.memory.seq + 1, begin}
	c.saveNow()
}

func (c *core) stopWaiting(id string) { delete(c.memory.waiting, id) }

func (c *core) isWaiting(id string) bool {
	_, waits := c.memory.waiting[id]
	return waits
}

func (c *core) saveNow() {
	c.memory.saveAt = c.now
	c.save()
}

// save saves the state when due, one save at a time, and only after every line has
// answered: while a line changes, neither its old level nor its new one is true.
func (c *core) save() {
	m := &c.memory
	switch {
	case m.saveAt.IsZero() || m.saving || c.bank.Moving() && !c.stopped:
		return
	case c.now.Before(m.saveAt) && !c.stopped:
		c.wakeAt(m.saveAt)
		return
	}
	m.saveAt = time.Time{}
	s := m.snapshot()
	if s.Equal(m.last) && !m.failed && len(m.waiting) == 0 {
		return
	}
	m.seq++
	m.saving, m.last = true, s
	c.emit(Save{m.seq, s})
}

// handleSaved handles the result of a save, and starts the actions waiting for it.
func (c *core) handleSaved(in Saved) {
	m := &c.memory
	if in.Seq != m.seq || !m.saving {
		return
	}
	m.saving, m.failed = false, in.Err != nil
	m.kept = m.kept || in.Err == nil
	if !errors.Is(in.Err, ErrNotRead) {
		c.setFault("state", saveFault(in.Err))
	}
	switch {
	case in.Err == nil:
	case c.stopped: // no time to wait for another disk
		c.log.Error("state not saved; the next start has the one before", "error", in.Err)
	default:
		c.log.Error("state not saved; retrying", "error", in.Err, "retry", saveRetry)
		c.saveWithin(c.jitter(saveRetry))
	}
	for _, id := range sortedKeys(m.waiting) {
		if w, waits := m.waiting[id]; waits && (in.Err != nil || w.seq <= m.seq) {
			w.saved(in.Err)
		}
	}
	c.drive()
	c.save() // changes made during the save
}
