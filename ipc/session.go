package ipc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// SessionConfig is a [Config] with the bounds of reconnecting. An attempt to
// connect is bounded by 10 seconds also when CallTimeout is no bound, since
// nothing else would end one at a nucleus that hangs.
type SessionConfig struct {
	Config

	// MinBackoff and MaxBackoff bound the wait before the next attempt to
	// connect, which doubles from one to the other; 0 is 100 ms and 5 s.
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

func (c SessionConfig) resolved() SessionConfig {
	c.Config = c.Config.resolved()
	orDefault(&c.MinBackoff, 100*time.Millisecond)
	orDefault(&c.MaxBackoff, 5*time.Second)
	orDefault(&c.Refusal, 10*time.Second)
	orDefault(&c.ResubscribeDelay, 30*time.Second)
	c.MaxBackoff = max(c.MinBackoff, c.MaxBackoff)
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return c
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
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

// NewSession makes a session. It connects when [Session.Run] is called.
func NewSession(cfg SessionConfig) *Session {
	cfg = cfg.resolved()
	s := &Session{
		dial: func(ctx context.Context) (*Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, max(cfg.CallTimeout, defaultCallTimeout))
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
	return s
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

// Run connects, and reconnects whenever the connection is lost, until ctx ends:
// then it closes the connection and returns the cause of ctx. It returns an error
// that wraps [ErrRefused] when the token is refused, which is final, and one that
// wraps [ErrDisconnected] after [SessionConfig].MaxOutage. It may be called again
// after it returned.
func (s *Session) Run(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.stopped()
	r := retries{session: s, outageStart: time.Now()}
	for {
		s.update(Connecting, nil, nil)
		conn, err := r.dial(ctx)
		if err == nil {
			err = r.connected(ctx, conn)
		}
		if ctx.Err() != nil {
			s.update(Idle, nil, disconnected(context.Cause(ctx)))
			return context.Cause(ctx)
		}
		if err := r.final(err); err != nil {
			s.update(Refused, nil, err)
			return err
		}
		if err := r.wait(ctx, err); err != nil {
			s.update(Idle, nil, disconnected(err))
			return err
		}
	}
}

// retries is what one Run remembers from one attempt to the next.
type retries struct {
	session     *Session
	backoff     time.Duration // the last wait, before jitter
	outageStart time.Time
	attempts    int    // in this outage
	said        string // the error that was logged last

	unanswered      int // handshakes in a row that the peer ended by closing
	unansweredSince time.Time
}

// dial makes one attempt, which ends with the time for the outage.
func (r *retries) dial(ctx context.Context) (*Conn, error) {
	if r.session.outage > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.outageStart.Add(r.session.outage))
		defer cancel()
	}
	return r.session.dial(ctx)
}

// connected hands the connection out until it ends, and says why.
func (r *retries) connected(ctx context.Context, conn *Conn) error {
	s := r.session
	defer func() { _ = conn.Close() }()
	start := time.Now()
	s.log.Info("connected to the nucleus", "attempts", r.attempts+1)
	s.update(Connected, conn, nil)
	select {
	case <-conn.Done():
	case <-ctx.Done():
		// Whoever has the connection still gets the error of a session without one.
		conn.fail(disconnected(ErrClosed))
		return context.Cause(ctx)
	}
	// A connection that does not last is no reason to come back faster.
	if time.Since(start) >= s.maxBackoff {
		r.backoff = 0
	}
	r.outageStart, r.attempts, r.said, r.unanswered = time.Now(), 0, "", 0
	return conn.Err()
}

// final returns the error that ends Run, if this one does.
func (r *retries) final(err error) error {
	if errors.Is(err, ErrRefused) {
		return err
	}
	if !errors.Is(err, ErrClosedBeforeAck) {
		r.unanswered = 0
		return nil
	}
	if r.unanswered == 0 {
		r.unansweredSince = time.Now()
	}
	r.unanswered++
	if r.unanswered < refusalAttempts || time.Since(r.unansweredSince) < r.session.refusal {
		return nil
	}
	return fmt.Errorf("%w: %d attempts: %w", ErrRefused, r.unanswered, err)
}

// wait lets the time to the next attempt pass. Its error ends Run.
func (r *retries) wait(ctx context.Context, reason error) error {
	s := r.session
	s.update(Waiting, nil, disconnected(reason))
	r.attempts++
	if text := reason.Error(); text != r.said {
		s.log.Warn("no connection to the nucleus", "error", reason)
		r.said = text
	}
	r.backoff = min(max(2*r.backoff, s.minBackoff), s.maxBackoff)
	delay, last := s.jittered(r.backoff), false
	if s.outage > 0 {
		if left := s.outage - time.Since(r.outageStart); delay >= left {
			delay, last = left, true
		}
	}
	if err := sleep(ctx, delay); err != nil {
		return err
	}
	if last {
		return fmt.Errorf("no connection for %v: %w", s.outage, disconnected(reason))
	}
	return nil
}

// jittered is between half of d and d.
func (s *Session) jittered(d time.Duration) time.Duration {
	return d/2 + time.Duration(s.jitter()*float64(d/2))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
