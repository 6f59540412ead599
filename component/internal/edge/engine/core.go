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

// core is what the parts of the engine share during a step: the time, the lines,
// the memory, and what the step asks for so far.
type core struct {
	cfg    *config.Config
	bank   *lines.Bank
	random *rand.Rand
	log    *slog.Logger

	now     time.Time // of the step
	stopped bool

	effects []Effect
	wake    time.Time

	orders    map[string]order  // demands by requested values, by output
	switches  []localSwitch     // local changes, to be made together
	momentary map[string]bool   // the outputs that are only pulsed, by label
	claims    map[string]string // the identity of each output, by label

	faults      map[string]error // of the work directory, by what fails
	statusStale bool             // the reported status may be different

	memory memory
	clock  clock
}

// order is a demand on an output by a requested value.
type order struct {
	lines.Order
	done func(refused error) // told when the demand was taken or refused
}

// localSwitch is a change of an output by something other than its shadow.
type localSwitch struct {
	output string
	on     bool
	cause  lines.Cause
}

func (c *core) do(effect Effect) { c.effects = append(c.effects, effect) }

// at asks for a tick at t at the latest.
func (c *core) at(t time.Time) {
	if !t.IsZero() && (c.wake.IsZero() || t.Before(c.wake)) {
		c.wake = t
	}
}

// jitter is d plus up to half of it.
func (c *core) jitter(d time.Duration) time.Duration {
	return d + time.Duration(c.random.Int64N(int64(d)/2+1))
}

// demand adds a demand by a requested value; all of a step are made together.
func (c *core) demand(output string, o order) { c.orders[output] = o }

// drive hands the demands of the step to the lines, all at once.
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

// switchOutput adds a local change; the step makes those of one moment together.
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

// fault notes that a file cannot be read or written, or can again with nil.
func (c *core) fault(what string, err error) {
	old := c.faults[what]
	if err == nil {
		delete(c.faults, what)
	} else {
		c.faults[what] = err
	}
	c.statusStale = c.statusStale || (old == nil) != (err == nil) || err != nil && old.Error() != err.Error()
}

// input is whether an input is on. ok is false while that is not known.
func (c *core) input(line string) (on any, ok bool) {
	value, _, ok := c.bank.Input(line)
	return value, ok && c.bank.Reads(line)
}

// sortedKeys makes the order of decisions independent of the order of maps.
func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
}

// sorted are the values of a map in the order of its keys.
func sorted[V any](m map[string]V) []V {
	values := make([]V, 0, len(m))
	for _, key := range sortedKeys(m) {
		values = append(values, m[key])
	}
	return values
}

// brief is a value as JSON, shortened.
func brief(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return shadow.CutReason(strings.ToValidUTF8(string(text[:min(len(text), 40)]), ""))
}

// ErrNotRead fails the saves of a run whose state file cannot be read. A [DiskFault]
// says why.
var ErrNotRead = errors.New("the state file could not be read, and is left alone")

// notSaved is the fault of a save, without paths: a shadow has room for a few words.
func notSaved(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("not saved: %w", durable.Reason(err))
}

// Delays before something is saved. They bound what a power cut can lose, and
// spare the flash.
const (
	saveDelay  = time.Second      // of outputs and local changes
	countDelay = 10 * time.Second // of counts
	saveRetry  = 30 * time.Second // after a failure
)

// memory is what a later run has to know, and when it is to be saved.
type memory struct {
	snapshot func() state.State // what is to be saved now

	at      time.Time        // when to save; zero when there is nothing
	seq     uint64           // of the last save
	saving  bool             // it is under way
	last    state.State      // what it saves
	failed  bool             // the content of the disk is not known
	waiting map[string]await // begin when they are saved, by property
	frozen  *lines.Memory    // the outputs as they were before they were stopped
}

// await is something that begins with the save of that number.
type await struct {
	seq   uint64
	saved func(failed error) // nil: it is on the disk
}

// idle reports whether nothing is to be saved. What waits at the end is for the next run.
func (m *memory) idle(stopped bool) bool {
	return m.at.IsZero() && !m.saving && (stopped || len(m.waiting) == 0)
}

// saveWithin has the state saved after that delay at the latest.
func (c *core) saveWithin(delay time.Duration) {
	if at := c.now.Add(delay); c.memory.at.IsZero() || at.Before(c.memory.at) {
		c.memory.at = at
	}
	c.at(c.memory.at)
}

// beginWhenSaved saves without delay, and calls begin when the state is on the disk
// and after each attempt that failed, until [core.stopWaiting].
func (c *core) beginWhenSaved(id string, begin func(failed error)) {
	// A save under way holds what was before.
	c.memory.waiting[id] = await{c.memory.seq + 1, begin}
	c.saveNow()
}

func (c *core) stopWaiting(id string) { delete(c.memory.waiting, id) }

func (c *core) waits(id string) bool {
	_, waits := c.memory.waiting[id]
	return waits
}

func (c *core) saveNow() {
	c.memory.at = c.now
	c.save()
}

// save saves when the time has come, one at a time, and not before every line has
// answered: a line that is about to change is neither what it was nor what it will be.
func (c *core) save() {
	m := &c.memory
	switch {
	case m.at.IsZero() || m.saving || c.bank.Moving() && !c.stopped:
		return
	case c.now.Before(m.at) && !c.stopped:
		c.at(m.at)
		return
	}
	m.at = time.Time{}
	s := m.snapshot()
	if s.Equal(m.last) && !m.failed && len(m.waiting) == 0 {
		return
	}
	m.seq++
	m.saving, m.last = true, s
	c.do(Save{m.seq, s})
}

// saved takes the outcome of a save, and begins what had to be saved first.
func (c *core) saved(in Saved) {
	m := &c.memory
	if in.Seq != m.seq || !m.saving {
		return
	}
	m.saving, m.failed = false, in.Err != nil
	if !errors.Is(in.Err, ErrNotRead) {
		c.fault("state", notSaved(in.Err))
	}
	switch {
	case in.Err == nil:
	case c.stopped: // there is no time to wait for another disk
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
	c.save() // what changed meanwhile
}
