package devcore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// restarts knows how to end what serves a listener at present.
type restarts struct {
	mu   sync.Mutex
	last int
	ends map[int]context.CancelCauseFunc
}

// restarting is why a listener is not served for a while.
type restarting struct{ away time.Duration }

func (r *restarting) Error() string { return fmt.Sprintf("the core restarts, away for %v", r.away) }

func (r *restarts) add(end context.CancelCauseFunc) (forget func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ends == nil {
		r.ends = map[int]context.CancelCauseFunc{}
	}
	r.last++
	id := r.last
	r.ends[id] = end
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.ends, id)
	}
}

// Restart has the core go away as its end would, for a time from 0: all connections
// and their subscriptions end, and nobody listens. What is stored is kept, and
// so are the tokens, which a nucleus would replace while it starts its components
// anew. What waits in the spool is lost. Restart does not wait for the core to be back; a core that is away
// already does not restart again.
func (c *Core) Restart(away time.Duration) {
	away = max(away, 0)
	c.restarts.mu.Lock()
	defer c.restarts.mu.Unlock()
	if len(c.restarts.ends) > 0 {
		c.observe(Event{Kind: CoreAway, Reason: away.String()})
	}
	for _, end := range c.restarts.ends {
		end(&restarting{away})
	}
	c.mqtt.clearSpool()
}

// Serve serves the clients of a listener on a Unix socket, such as one of
// [server.Listen], until ctx is done, and returns when all its connections are
// closed. After a restart it listens on the same path.
func (c *Core) Serve(ctx context.Context, l net.Listener) error {
	for {
		err := c.serveRun(ctx, l)
		r, again := errors.AsType[*restarting](err)
		if !again {
			return err
		}
		if l, err = r.listen(ctx, l.Addr()); l == nil {
			return err
		}
		c.observe(Event{Kind: CoreBack})
	}
}

// serveRun serves until the core restarts, which is the error then.
func (c *Core) serveRun(ctx context.Context, l net.Listener) error {
	run, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer c.restarts.add(end)()
	err := c.server.Serve(run, l)
	if r, ok := errors.AsType[*restarting](context.Cause(run)); ok && err == nil {
		return r
	}
	return err
}

// listen listens again when the time is over; it returns nil when ctx is done before.
func (r *restarting) listen(ctx context.Context, at net.Addr) (net.Listener, error) {
	timer := time.NewTimer(r.away)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, nil
	}
	if at.Network() != "unix" {
		return nil, fmt.Errorf("restart: want a Unix socket to listen on again, got %s %s", at.Network(), at)
	}
	return server.Listen(at.String())
}
