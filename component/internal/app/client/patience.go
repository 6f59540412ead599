package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

func hasCode(err error, code int) bool {
	refusal, ok := errors.AsType[*Error](err)
	return ok && refusal.Code == code
}

// Pace is a service that sends at most so many requests a second over another, gives up
// those that are not answered, and repeats those that were throttled all the same, until
// their context ends.
type Pace struct {
	Service
	limiter  *rate.Limiter
	requests atomic.Int64
}

// Paced makes a service of another. A limit of [rate.Inf] only repeats. Closing it closes
// the other.
func Paced(s Service, limit rate.Limit) *Pace {
	return &Pace{Service: s, limiter: rate.NewLimiter(limit, 1)}
}

// Requests is how many requests were sent.
func (p *Pace) Requests() int64 { return p.requests.Load() }

// throttledPause is after what time a throttled request is repeated: limits of AWS
// IoT and of the shadow manager count by the second.
const throttledPause = time.Second

// answerTimeout is how long an answer may take. The service answers within a second; one
// that is lost must not hold up who waits for it.
const answerTimeout = 30 * time.Second

var errNoAnswer = fmt.Errorf("the shadow service has not answered within %v", answerTimeout)

// request sends a request in its turn.
func (p *Pace) request(ctx context.Context, send func(context.Context) error) error {
	for {
		if err := p.limiter.Wait(ctx); err != nil {
			<-ctx.Done() // the limiter says at once that its turn would come too late
			return ctx.Err()
		}
		p.requests.Add(1)
		attempt, cancel := context.WithTimeoutCause(ctx, answerTimeout, errNoAnswer)
		err := send(attempt)
		if err != nil && context.Cause(attempt) == errNoAnswer {
			err = errNoAnswer
		}
		cancel()
		if !hasCode(err, http.StatusTooManyRequests) {
			return err
		}
		select {
		case <-time.After(throttledPause):
		case <-ctx.Done():
			return err
		}
	}
}

func (p *Pace) Get(ctx context.Context, id shadow.ID) (payload []byte, err error) {
	err = p.request(ctx, func(ctx context.Context) error { payload, err = p.Service.Get(ctx, id); return err })
	return payload, err
}

func (p *Pace) Update(ctx context.Context, id shadow.ID, u shadow.Update) (version int64, err error) {
	err = p.request(ctx, func(ctx context.Context) error { version, err = p.Service.Update(ctx, id, u); return err })
	return version, err
}

func (p *Pace) Delete(ctx context.Context, id shadow.ID) error {
	return p.request(ctx, func(ctx context.Context) error { return p.Service.Delete(ctx, id) })
}

func (p *Pace) List(ctx context.Context, thing string) (names []string, err error) {
	err = p.request(ctx, func(ctx context.Context) error { names, err = p.Service.List(ctx, thing); return err })
	return names, err
}

// Follow has the follower send its requests in their turn, too.
func (p *Pace) Follow(ctx context.Context, id shadow.ID) (Follower, error) {
	return p.follow(ctx, id, p)
}

func (p *Pace) follow(ctx context.Context, id shadow.ID, by Service) (Follower, error) {
	return p.Service.follow(ctx, id, by)
}
