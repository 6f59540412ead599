package ipc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// SessionConfig is a [Config] with the bounds of reconnecting. An attempt to
// connect is bounded by CallTimeout, and by 10 seconds when that is no bound, since
// nothing else would end one at a nucleus that hangs. No duration here may be negative.
type SessionConfig struct {
	Config

	// MinBackoff and MaxBackoff bound the wait before the next attempt to
	// connect, which doubles from one to the other; 0 is 100 ms and 5 s, or what
	// was set for the other where that is on the wrong side of it.
	MinBackoff, MaxBackoff time.Duration
	// Refusal is for how long, and for at least five attempts, a nucleus that
	// closes the connection before it answers the handshake is taken for one that
	// restarts. After that the token counts as refused. 0 is 10 s.
	Refusal time.Duration
	// MaxOutage ends Run when there was no connection for so long, in the middle
	// of an attempt too; 0 is never.
	// A component whose nucleus is gone for good should end rather than hold on
	// to hardware that its successor needs.
	MaxOutage time.Duration
	// ResubscribeDelay is the wait before a subscription that the nucleus refused
	// or ended is tried again on the same connection; 0 is 30 s.
	ResubscribeDelay time.Duration
	// Jitter returns a number in [0,1) that says how much of the second half of a
	// wait is used; nil is math/rand/v2.Float64.
	Jitter func() float64
}

const refusalAttempts = 5

// faults are the values that cannot be meant, each a *ConfigError.
func (c SessionConfig) faults() []error {
	faults := c.Config.faults()
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"MinBackoff", c.MinBackoff}, {"MaxBackoff", c.MaxBackoff}, {"Refusal", c.Refusal},
		{"MaxOutage", c.MaxOutage}, {"ResubscribeDelay", c.ResubscribeDelay},
	} {
		if d.value < 0 {
			faults = append(faults, &ConfigError{d.field, "0 or more", d.value})
		}
	}
	if c.MaxBackoff > 0 && c.MinBackoff > c.MaxBackoff {
		faults = append(faults, &ConfigError{"MinBackoff", fmt.Sprintf("at most MaxBackoff, %v", c.MaxBackoff), c.MinBackoff})
	}
	return faults
}

// resolved has every zero value replaced, and refuses those that cannot be meant.
func (c SessionConfig) resolved() (SessionConfig, error) {
	if err := errors.Join(c.faults()...); err != nil {
		return SessionConfig{}, err
	}
	c.Config = c.Config.withDefaults()
	if c.MinBackoff == 0 {
		c.MinBackoff = 100 * time.Millisecond
		if c.MaxBackoff > 0 {
			c.MinBackoff = min(c.MinBackoff, c.MaxBackoff)
		}
	}
	c.MaxBackoff = cmp.Or(c.MaxBackoff, max(c.MinBackoff, 5*time.Second))
	c.Refusal = cmp.Or(c.Refusal, 10*time.Second)
	c.ResubscribeDelay = cmp.Or(c.ResubscribeDelay, 30*time.Second)
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return c, nil
}

// State is where a session is.
type State uint8

// The states of a session.
const (
	Idle       State = iota // Run is not running
	Connecting              // an attempt is under way
	Connected               // operations go through
	Waiting                 // for the time of the next attempt
	Refused                 // Run returned because the token was refused
)

func (s State) String() string {
	return [...]string{"idle", "connecting", "connected", "waiting", "refused"}[s]
}

// canBecome says which steps there are.
func (s State) canBecome(next State) bool {
	switch s {
	case Idle, Refused, Waiting:
		return next == Connecting || s == Waiting && next == Idle
	case Connecting:
		return next == Connected || next == Waiting || next == Idle || next == Refused
	case Connected:
		return next == Waiting || next == Idle
	}
	return false
}

// Status is a session at one moment.
type Status struct {
	State State
	// Since is when the session was connected last, or lost its connection; the
	// attempts in between do not count. Zero before the first Run.
	Since time.Time
	// Err is why there is no connection, as far as known; nil when connected.
	Err error
	// Connects counts the connections so far.
	Connects int
}

// Session keeps a connection: it dials, and dials again whenever the connection
// is lost. It owns reconnecting and nothing else; what a new connection means to
// its user, only the user knows. All methods are safe for concurrent use.
//
// Operations use the present connection, and fail at once with an error that
// wraps [ErrNotSent] and [ErrDisconnected] when there is none. Nothing is ever
// repeated by itself except a [Subscription].
type Session struct {
	operations

	// A function, so that the token in its configuration is out of reach of
	// anything that prints a Session.
	dial func(context.Context) (*Conn, error)
	log  *slog.Logger

	minBackoff, maxBackoff      time.Duration
	refusal, outage, resubDelay time.Duration
	jitter                      func() float64

	mu      sync.Mutex // guards the following
	status  Status
	running bool
	conn    *Conn         // not nil while Connected
	changed chan struct{} // closed and replaced at each change of status
}

// NewSession makes a session, which connects when [Session.Run] is called. It fails
// with a *[ConfigError] for each bad value of cfg, and for nothing else.
func NewSession(cfg SessionConfig) (*Session, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, err
	}
	attempt := cfg.CallTimeout
	if attempt < 0 {
		attempt = defaultCallTimeout
	}
	s := &Session{
		dial: func(ctx context.Context) (*Conn, error) {
			ctx, cancel := context.WithTimeoutCause(ctx, attempt, noAnswer(attempt))
			defer cancel()
			return Dial(ctx, cfg.Config)
		},
		log:        cfg.Logger,
		minBackoff: cfg.MinBackoff, maxBackoff: cfg.MaxBackoff,
		refusal: cfg.Refusal, outage: cfg.MaxOutage, resubDelay: cfg.ResubscribeDelay,
		jitter:  cfg.Jitter,
		changed: make(chan struct{}),
		status:  Status{Err: ErrDisconnected},
	}
	s.operations = operations{s}
	return s, nil
}

// Status returns where the session is.
func (s *Session) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// State is Status().State.
func (s *Session) State() State { return s.Status().State }

// Watch returns where the session is, and a channel that is closed when this
// changes:
//
//	for status, changed := session.Watch(); ; status, changed = session.Watch() {
//		show(status)
//		select {
//		case <-changed:
//		case <-ctx.Done():
//			return
//		}
//	}
//
// States that pass between two calls are not seen.
func (s *Session) Watch() (Status, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, s.changed
}

// WaitConnected waits until the session is connected, and returns the error of
// ctx if that ends first. In the state Refused, which nothing but another Run
// ends, it returns Status().Err at once. It waits through Idle.
func (s *Session) WaitConnected(ctx context.Context) error {
	for {
		status, changed := s.Watch()
		switch status.State {
		case Connected:
			return nil
		case Refused:
			return status.Err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return contextError(ctx)
		}
	}
}

// connection returns the present one for an operation.
func (s *Session) connection() (*Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil, disconnected(s.status.Err)
	}
	return s.conn, nil
}

// update is the only way to change the state of a session.
func (s *Session) update(next State, conn *Conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.status
	if !st.State.canBecome(next) {
		panic(fmt.Sprintf("ipc: session cannot become %v from %v", next, st.State))
	}
	if st.Since.IsZero() || (st.State == Connected) != (next == Connected) {
		st.Since = time.Now()
	}
	if next == Connected {
		st.Connects++
	}
	if next == Connected || err != nil {
		st.Err = err
	}
	st.State, s.conn = next, conn
	close(s.changed)
	s.changed = make(chan struct{})
}

// begin makes sure that there is one Run at a time.
func (s *Session) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return errors.New("ipc: session runs already")
	}
	s.running = true
	return nil
}

func (s *Session) stopped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}
