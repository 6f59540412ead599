package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// errEnding answers who asks while the component ends.
var errEnding = errors.New("the component is ending")

// listen serves the control socket beside the loop: the disk that has the socket may
// hang. Lines and shadows do not depend on it.
func (a *agent) listen() {
	a.work.Go(func() { control.Serve(a.ctx, a.Control, a, a.Logger) })
}

// Status asks the loop, which owns the engine.
func (a *agent) Status(ctx context.Context) (control.Status, error) {
	var status control.Status
	err := a.question(ctx, func() { status.Snapshot, status.Held = a.engine.Snapshot(time.Now()), a.heldOutputs() })
	if err != nil {
		return control.Status{}, err
	}
	if a.LogDropped != nil {
		status.LogDropped = a.LogDropped()
	}
	status.JournalDropped = a.journal.Dropped()
	session := a.Session.Status()
	status.PID, status.Nucleus.State = os.Getpid(), session.State.String()
	if !session.Since.IsZero() {
		status.Nucleus.Since = &session.Since
	}
	if session.Err != nil {
		status.Nucleus.Error = session.Err.Error()
	}
	return status, nil
}

// question has the loop run f, and waits for it.
func (a *agent) question(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case a.questions <- func() { f(); close(done) }:
		<-done
		return nil
	case <-a.ctx.Done():
		return errEnding
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Changed tells of each step of the engine.
func (a *agent) Changed() (<-chan struct{}, func()) { return a.watchers.add() }

// Journal returns what outputs did.
func (a *agent) Journal(after int64) ([]journal.Entry, int64) { return a.journal.After(after) }

// Desire writes a desired value as an application does.
func (a *agent) Desire(ctx context.Context, label, property string, value json.RawMessage) (int64, error) {
	var cfg config.Shadow
	var known bool
	var via transport
	if err := a.question(ctx, func() { cfg, known = a.Config.Shadows[label]; via = a.via }); err != nil {
		return 0, err
	}
	if !known {
		return 0, fmt.Errorf("want the label of a shadow, got %q", label)
	}
	if len(value) == 0 {
		return 0, errors.New("want a value, got none")
	}
	token := fmt.Sprintf("shadowgpio-desire-%016x", rand.Uint64())
	payload, err := json.Marshal(map[string]any{
		"state": map[string]any{"desired": map[string]json.RawMessage{property: value}}, "clientToken": token,
	})
	if err != nil {
		return 0, err
	}
	return sendUpdate(ctx, via, cfg.ID, token, payload)
}

// record takes a change of an output to the journal. It does not wait for the disk.
func (a *agent) record(m lines.Moved) {
	a.journal.Add(m)
	select {
	case a.moved <- struct{}{}:
	default: // the journalist has yet to look
	}
}

// journalPause is how often the journalist asks the journal to retry. The journal itself
// leaves 30 s between attempts: a longer pause here would add up to its own length.
const journalPause = 5 * time.Second

// journalist writes the journal beside the loop, since a slow disk must not hold a
// line.
func (a *agent) journalist() {
	retry := time.NewTicker(journalPause)
	defer retry.Stop()
	defer a.journal.Close()
	for {
		a.saveJournal()
		select {
		case <-a.moved:
		case <-retry.C:
		case <-a.ctx.Done():
			return
		}
	}
}

// saveJournal tells of each failure of the journal once, and when it is over.
func (a *agent) saveJournal() {
	var err error
	if !a.answersInTime(journalFault, "not written", func() { err = a.journal.Save() }) {
		a.journalFault = errSilent.Error()
	}
	if dropped := a.journal.Dropped(); err == nil && dropped > a.journalDropped {
		a.Logger.Warn("journal lacks changes; the disk did not keep up", "changes", dropped-a.journalDropped)
		a.journalDropped = dropped
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == a.journalFault {
		return
	}
	if a.journalFault = text; err != nil {
		a.Logger.Warn("journal not written; the last changes are in memory alone", "error", err)
		err = fmt.Errorf("not written: %w", durable.Reason(err))
	}
	a.send(engine.DiskFault{What: journalFault, Err: err})
}

// watchers are those who want to know that something changed.
type watchers struct {
	mu  sync.Mutex
	all map[chan struct{}]bool
}

func (w *watchers) add() (<-chan struct{}, func()) {
	changed := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[chan struct{}]bool{}
	}
	w.all[changed] = true
	return changed, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, changed)
	}
}

// tell never waits.
func (w *watchers) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for changed := range w.all {
		select {
		case changed <- struct{}{}:
		default: // it has yet to look
		}
	}
}
