package ipc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func (c *Conn) send(m *eventstream.Message) error {
	if err := c.lock(context.Background()); err != nil {
		return err
	}
	defer c.unlock()
	frame, err := eventstream.Encode(m)
	if err != nil {
		return err
	}
	return c.write(frame)
}

// lock waits for the right to write.
func (c *Conn) lock(ctx context.Context) error {
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return contextError(ctx)
	case <-c.done:
		return c.Err()
	}
	if ctx.Err() != nil {
		c.unlock()
		return contextError(ctx)
	}
	return nil
}

func (c *Conn) unlock() { <-c.writing }

// write sends one frame, by whoever has the right to. A frame that is not written
// completely ends the connection, since nothing could follow it.
func (c *Conn) write(frame []byte) error {
	_ = c.transport.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.transport.Write(frame)
	if err == nil {
		return nil
	}
	c.fail(disconnected(err))
	if n >= len(frame) {
		return nil // the peer may have all of it, so it counts as sent
	}
	return c.Err()
}

// open sends the request of a stream. When it fails, no complete request was sent.
func (c *Conn) open(ctx context.Context, s *stream, payload []byte) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	m := &eventstream.Message{
		ContentType: eventstream.ContentJSON,
		ModelType:   s.op.RequestType(),
		Operation:   s.op.ID(),
		Payload:     payload,
	}
	// The id is used up only when the frame is there to be written; nobody else
	// opens a stream meanwhile.
	var err error
	c.mu.Lock()
	m.StreamID, err = c.state.nextID()
	c.mu.Unlock()
	if errors.Is(err, errNoMoreIDs) {
		c.fail(err)
	}
	if err != nil {
		return err
	}
	frame, err := eventstream.Encode(m)
	if err != nil {
		return err
	}
	if c.limit > 0 && len(frame) > c.limit {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(frame), c.limit)
	}
	c.update(func(st *connState) { err = st.open(s) })
	if err != nil {
		return err
	}
	return c.write(frame)
}

// await waits for the answer to an open stream.
func (c *Conn) await(ctx context.Context, s *stream) ([]byte, error) {
	select {
	case r := <-s.reply:
		return s.outcome(r)
	case <-ctx.Done():
	}
	c.abandon(s, contextError(ctx))
	return s.outcome(<-s.reply) // the answer, if it came at this moment
}

// outcome turns a reply into what a caller gets.
func (s *stream) outcome(r reply) ([]byte, error) {
	var refused *ServiceError
	if r.err != nil && !errors.As(r.err, &refused) {
		return nil, outcomeUnknown(s.op, r.err)
	}
	return r.payload, r.err
}

// abandon ends a stream from this side.
func (c *Conn) abandon(s *stream, reason error) {
	if s.end(reason) {
		c.update(func(st *connState) { st.drop(s.id, true) })
	}
}

// timeoutOf is the time-out of an operation; none when negative.
func (c *Conn) timeoutOf(op model.Operation) time.Duration {
	switch op {
	case model.SubscribeToIoTCore, model.DeferComponentUpdate:
		return -1 // answered by the cloud, or when the nucleus comes to it
	}
	return c.timeout
}

// exchange sends a request and waits for its answer.
func (c *Conn) exchange(ctx context.Context, s *stream, request any) ([]byte, error) {
	payload, err := encodeJSON(request)
	if err != nil {
		return nil, notSent(s.op, err)
	}
	ctx, cancel := bounded(ctx, c.timeoutOf(s.op))
	defer cancel()
	if err := c.open(ctx, s, payload); err != nil {
		return nil, notSent(s.op, err)
	}
	return c.await(ctx, s)
}

// bounded ends ctx after d, unless it has a deadline of its own, which then counts
// alone. A negative d is no bound.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has || d < 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, noAnswer(d))
}

// noAnswer is the cause of a context that ended by CallTimeout.
type noAnswer time.Duration

func (d noAnswer) Error() string { return fmt.Sprintf("no answer within %v", time.Duration(d)) }
