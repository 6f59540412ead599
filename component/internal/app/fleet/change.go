package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Rails are the guard rails of a change.
type Rails struct {
	// Concurrency is how many things are changed at a time, 1 or more.
	Concurrency int
	// StopAfter is how many things may refuse, or fail, before the change stops; 0 is
	// any number.
	StopAfter int
	// Wait is how long each thing may take to answer.
	Wait time.Duration
	// Retry has things with these outcomes taken up again.
	Retry []client.Outcome
}

// Count is how many things have which outcome. Those without one are left.
type Count struct {
	Total    int                    `json:"total"`
	Left     int                    `json:"left"`
	Outcomes map[client.Outcome]int `json:"outcomes"`
}

// Count counts the things of a journal.
func (j *Journal) Count() Count {
	c := Count{Total: len(j.Header.Targets), Outcomes: map[client.Outcome]int{}}
	for _, t := range j.Header.Targets {
		if r, ok := j.Result(t.Thing); ok {
			c.Outcomes[r.Outcome]++
		} else {
			c.Left++
		}
	}
	return c
}

// ErrStopped is the end of a change that a guard rail has stopped. What goes on when
// it is stopped is waited for.
var ErrStopped = errors.New("stopped")

// Change is one run of a change: a new one, or one that is taken up again.
type Change struct {
	Journal *Journal
	Service client.Service
	Rails   Rails
	// Ended is told of each thing that has a result, one at a time; nil tells nobody.
	Ended func(thing string, r Result)

	mu      sync.Mutex
	refused int
	stop    context.CancelCauseFunc
}

// Run carries out what is left of the change. It returns an error that is
// [ErrStopped] if a guard rail has stopped it, and that of ctx if that is done; both
// can be taken up again.
func (c *Change) Run(ctx context.Context) error {
	if err := c.canaries(ctx); err != nil {
		return err
	}
	return c.each(ctx, c.left(c.Journal.Header.Targets))
}

// left are those of targets that have no result that counts.
func (c *Change) left(targets []Target) (left []Target) {
	for _, t := range targets {
		r, ok := c.Journal.Result(t.Thing)
		if !ok || r.Outcome == Failed || slices.Contains(c.Rails.Retry, r.Outcome) {
			left = append(left, t)
		}
	}
	return left
}

// canaries changes those that go first, and judges them, unless an earlier run has: who
// takes up a change that they have stopped knows of it.
func (c *Change) canaries(ctx context.Context) error {
	h := c.Journal.Header
	first := h.Targets[:min(h.Canaries, len(h.Targets))]
	if len(first) == 0 || c.Journal.judged() {
		return nil
	}
	if err := c.each(ctx, c.left(first)); err != nil {
		return err
	}
	if err := c.Journal.judge(); err != nil {
		return err
	}
	for _, t := range first {
		r, ok := c.Journal.Result(t.Thing)
		if !ok || r.Outcome != client.Done && r.Outcome != Skipped {
			return fmt.Errorf("%w: canary %s: %v", ErrStopped, t.Thing, r)
		}
	}
	return nil
}

// each changes things, as many at a time as may be, until all are or the change stops.
func (c *Change) each(ctx context.Context, targets []Target) error {
	begin, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c.stop = stop
	places := make(chan struct{}, max(1, c.Rails.Concurrency))
	var going sync.WaitGroup
	for _, t := range targets {
		select {
		case places <- struct{}{}:
		case <-begin.Done():
		}
		if begin.Err() != nil {
			break
		}
		going.Go(func() {
			defer func() { <-places }()
			// What has begun ends when it ends, or with ctx.
			if err := c.one(ctx, t); err != nil {
				stop(err)
			}
		})
	}
	going.Wait()
	return context.Cause(begin)
}

// one changes one thing. An error is one of the journal, or of ctx: then the thing has
// no result, and is taken up again.
func (c *Change) one(ctx context.Context, t Target) error {
	result, err := c.ask(ctx, t)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errJournal):
		return err
	case err != nil:
		result = Result{Outcome: Failed, Reason: err.Error()}
	}
	if err := c.Journal.end(t.Thing, result); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if result.Outcome == client.Refused || result.Outcome == Failed {
		c.refused++
	}
	if c.Rails.StopAfter > 0 && c.refused >= c.Rails.StopAfter {
		c.stop(fmt.Errorf("%w: %d things have refused or failed, the last was %s: %v", ErrStopped, c.refused, t.Thing, result))
	}
	if c.Ended != nil {
		c.Ended(t.Thing, result)
	}
	return nil
}

// errJournal is an error of the journal, without which nothing may go on.
var errJournal = errors.New("journal")

func (c *Change) ask(ctx context.Context, t Target) (Result, error) {
	id := shadow.ID{Thing: t.Thing, Name: c.Journal.Header.Shadow}
	q := client.Question{Desired: t.Desired}
	f, err := c.Service.Follow(ctx, id)
	if err != nil {
		return Result{}, err
	}
	defer f.Close()
	now, err := f.Next(ctx)
	if err != nil {
		return Result{}, err
	}
	before, begun := c.Journal.begun(t.Thing)
	last, _ := c.Journal.Result(t.Thing)
	if begun && last.Outcome != client.Overruled && client.Sent(t.Desired, before, now) {
		q.Before, q.Version = before, before.Version+1
		return c.await(ctx, q, f, now)
	}
	if reason := unfit(t, now); reason != "" {
		return Result{Outcome: Skipped, Reason: reason}, nil
	}
	q.Before = part(now, t.Desired)
	if !begun { // what was desired before a first attempt is what undoing goes back to
		if err := c.Journal.begin(t.Thing, q.Before); err != nil {
			return Result{}, fmt.Errorf("%w: %w", errJournal, err)
		}
	}
	if q.Version, err = client.Send(ctx, c.Service, id, t.Desired, now); err != nil {
		return Result{}, err
	}
	return c.await(ctx, q, f, q.Before)
}

// unfit is why a thing is not to be changed, "" if it is.
func unfit(t Target, now shadow.Document) string {
	for key, want := range t.Expect {
		got := now.Desired[key]
		if got != nil && !client.Holds(got, want) && !client.Holds(got, t.Desired[key]) {
			return fmt.Sprintf("%s: somebody has desired %s since", key, client.Text(got))
		}
	}
	return ""
}

func (c *Change) await(ctx context.Context, q client.Question, f client.Follower, now shadow.Document) (Result, error) {
	answers, err := q.Await(ctx, f, now, c.Rails.Wait)
	if err != nil {
		return Result{}, err
	}
	return Result{Outcome: client.Worst(answers), Answers: answers}, nil
}

func (r Result) String() string {
	if r.Reason != "" {
		return fmt.Sprintf("%s: %s", r.Outcome, r.Reason)
	}
	for _, key := range sortedKeys(r.Answers) {
		if a := r.Answers[key]; a.Outcome == r.Outcome {
			return fmt.Sprintf("%s: %v", key, a)
		}
	}
	if r.Outcome == "" {
		return "no result"
	}
	return string(r.Outcome)
}
