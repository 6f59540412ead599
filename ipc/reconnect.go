package ipc

import (
	"context"
	"errors"
	"fmt"
	"time"
)

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
