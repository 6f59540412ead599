package ipc

import (
	"context"
	"errors"
	"time"
)

// follow starts the goroutine of a subscription.
func follow[T any](s *Session, open func(context.Context, *Conn) (*Stream[T], error), convert func(T) Update) *Subscription {
	ctx, cancel := context.WithCancel(context.Background())
	sub := &Subscription{updates: make(chan Update), cancel: cancel}
	f := &follower[T]{session: s, open: open, convert: convert, updates: sub.updates}
	sub.task.Go(func() { f.run(ctx) })
	return sub
}

// subscriptionState is where a subscription is.
type subscriptionState uint8

const (
	wanted     subscriptionState = iota // there is no stream
	requested                           // the request is on its way
	subscribed                          // the nucleus has confirmed
)

func (s subscriptionState) String() string {
	return [...]string{"wanted", "requested", "subscribed"}[s]
}

// lose says whether the loss of a subscription in this state is to be told. The
// end of the connection is not, to those who know already that they have nothing.
func (s subscriptionState) lose(err error) (next subscriptionState, tell bool) {
	return wanted, s == subscribed || s == requested && !errors.Is(err, ErrDisconnected) && !errors.Is(err, ErrClosed)
}

// follower is the goroutine of a subscription.
type follower[T any] struct {
	session *Session
	open    func(context.Context, *Conn) (*Stream[T], error)
	convert func(T) Update
	updates chan<- Update
	state   subscriptionState
}

func (f *follower[T]) run(ctx context.Context) {
	defer close(f.updates)
	for {
		conn := f.session.next(ctx)
		if conn == nil {
			return
		}
		f.state = requested
		stream, err := f.open(ctx, conn)
		if err == nil {
			err = f.drain(ctx, stream)
		}
		var tell bool
		f.state, tell = f.state.lose(err)
		if tell && !f.send(ctx, Lost{err}) {
			return
		}
		if !f.session.pause(ctx, conn, err) {
			return
		}
	}
}

// drain hands on what a stream brings, and says why it ended.
func (f *follower[T]) drain(ctx context.Context, stream *Stream[T]) error {
	defer func() { _ = stream.Close() }()
	f.state = subscribed
	if !f.send(ctx, Live{}) {
		return ctx.Err()
	}
	for {
		select {
		case v, ok := <-stream.Events():
			if !ok {
				return stream.Err()
			}
			if !f.send(ctx, f.convert(v)) {
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send says whether the update was taken; it was not if the subscription is closed.
func (f *follower[T]) send(ctx context.Context, u Update) bool {
	select {
	case f.updates <- u:
		return true
	case <-ctx.Done():
		return false
	}
}

// next waits for a connection; nil when ctx ended.
func (s *Session) next(ctx context.Context) *Conn {
	for ctx.Err() == nil {
		_, changed := s.Watch()
		if conn, err := s.connection(); err == nil && conn.Err() == nil {
			return conn
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// pause waits until a subscription that was lost may be tried again: at once after
// an overflow or a message that was too large, on the next connection if this one ended or the nucleus does not
// have the operation, slowly if it does not want it. It returns false when ctx ended.
func (s *Session) pause(ctx context.Context, conn *Conn, reason error) bool {
	if errors.Is(reason, ErrOverflow) || errors.Is(reason, ErrMessageTooLarge) {
		return ctx.Err() == nil
	}
	t := time.NewTimer(s.jittered(s.resubDelay))
	defer t.Stop()
	retry := t.C
	if errors.Is(reason, ErrUnsupported) {
		retry = nil
	}
	select {
	case <-conn.Done():
	case <-retry:
	case <-ctx.Done():
		return false
	}
	return true
}
