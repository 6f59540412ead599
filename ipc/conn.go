package ipc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Conn is one connection to a nucleus, from its handshake to its end. All methods
// are safe for concurrent use. Its end is final; a [Session] makes new ones.
type Conn struct {
	operations

	transport net.Conn
	reader    *eventstream.Reader
	limit     int           // of requests in bytes; none unless positive
	timeout   time.Duration // of calls; none when negative
	log       *slog.Logger

	// writing is the one slot of the right to write: it makes the order of stream
	// ids on the wire, and may be waited for with a context.
	writing chan struct{}

	wake  chan struct{} // there is something in the outbox
	done  chan struct{} // closed when the connection ended and all streams know
	tasks sync.WaitGroup

	mu    sync.Mutex // guards state
	state connState
}

// Dial connects and shakes hands. It fails with an error that wraps [ErrRefused]
// or [ErrClosedBeforeAck], a *[ProtocolError], the error of ctx, or what the
// operating system said (errors.Is(err, syscall.ENOENT) and the like). ctx
// bounds Dial only, not the life of the connection.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	cfg = cfg.resolved()
	ctx, cancel := withTimeout(ctx, cfg.CallTimeout)
	defer cancel()
	transport, err := cfg.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("ipc: connect: %w", err)
	}
	c := newConn(transport, cfg)
	if err := c.handshake(ctx, cfg.Token); err != nil {
		_ = transport.Close()
		return nil, fmt.Errorf("ipc: handshake: %w", err)
	}
	c.update(func(st *connState) { st.become(ready) })
	c.tasks.Go(c.read)
	c.tasks.Go(c.flush)
	return c, nil
}

func newConn(transport net.Conn, cfg Config) *Conn {
	c := &Conn{
		transport: transport,
		reader:    eventstream.NewReader(transport, cfg.MessageLimit),
		limit:     cfg.RequestLimit,
		timeout:   cfg.CallTimeout,
		log:       cfg.Logger,
		writing:   make(chan struct{}, 1),
		wake:      make(chan struct{}, 1),
		done:      make(chan struct{}),
		state:     connState{streams: make(map[int32]*stream)},
	}
	c.operations = operations{c}
	return c
}

func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// Close ends the connection and all its streams, and waits for the connection's
// goroutines. Calls that wait for an answer end with ErrOutcomeUnknown and
// [ErrClosed]. Further calls of Close do nothing but wait. The error is always nil.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.tasks.Wait()
	return nil
}

// Done returns a channel that is closed when the connection ended, for whatever
// reason.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection ended: nil as long as it did not, [ErrClosed] after
// Close, otherwise an error that wraps [ErrDisconnected] and the cause, which is
// a *[ProtocolError], an *[eventstream.FrameError], an *[eventstream.HeaderError],
// or an error of the transport.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.cause
}

// update is the only way to change the state. It also does what the change
// demands: has the outbox sent, and carries out the end of the connection.
func (c *Conn) update(change func(*connState)) {
	c.mu.Lock()
	before := c.state.phase
	change(&c.state)
	var orphans map[int32]*stream
	over, cause := before != ended && c.state.phase == ended, c.state.cause
	if over {
		orphans = c.state.takeStreams()
	}
	wake := len(c.state.outbox) > 0
	c.mu.Unlock()

	if wake {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	if over {
		_ = c.transport.Close()
		for _, s := range orphans {
			s.end(cause)
		}
		close(c.done)
		c.log.Debug("connection ended", "cause", cause)
	}
}

func (c *Conn) fail(cause error) {
	c.update(func(st *connState) { st.fail(cause) })
}

// connection makes a Conn the way of its own operations.
func (c *Conn) connection() (*Conn, error) { return c, nil }

// handshake runs before the connection's goroutines, and owns the transport.
func (c *Conn) handshake(ctx context.Context, token Token) error {
	stop := context.AfterFunc(ctx, func() { _ = c.transport.SetDeadline(time.Unix(1, 0)) })
	err := c.shakeHands(token)
	if !stop() { // the deadline was or is being set
		return contextError(ctx)
	}
	return err
}

func (c *Conn) shakeHands(token Token) error {
	payload, err := encodeJSON(struct {
		AuthToken string `json:"authToken"`
	}{string(token)})
	if err != nil {
		return err
	}
	frame, err := eventstream.Encode(&eventstream.Message{
		Type: eventstream.Connect, Version: eventstream.ProtocolVersion, Payload: payload,
	})
	if err != nil {
		return err
	}
	if _, err := c.transport.Write(frame); err != nil {
		return beforeAck(err)
	}
	m, err := c.reader.Read()
	if err != nil {
		return beforeAck(err)
	}
	return checkAck(m)
}

// beforeAck tells the peer's closing from other errors.
func beforeAck(err error) error {
	for _, closed := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, closed) {
			return fmt.Errorf("%w: %w", ErrClosedBeforeAck, err)
		}
	}
	return err
}

func checkAck(m *eventstream.Message) error {
	switch {
	case m.StreamID != 0:
		return &ProtocolError{Stream: m.StreamID, Reason: "message before the handshake was answered"}
	case m.Type == eventstream.ProtocolError, m.Type == eventstream.InternalError:
		return peerError(m)
	case m.Type != eventstream.ConnectAck:
		return &ProtocolError{Reason: fmt.Sprintf("%v instead of an answer to the handshake", m.Type)}
	case !m.Flags.Has(eventstream.ConnectionAccepted):
		return ErrRefused
	}
	return nil
}

// peerError is what the peer says before it closes: often JSON, always for people.
func peerError(m *eventstream.Message) error {
	var said struct{ Message string }
	reason := string(m.Payload)
	if err := json.Unmarshal(m.Payload, &said); err == nil && said.Message != "" {
		reason = said.Message
	}
	return &ProtocolError{Reason: fmt.Sprintf("nucleus says %v: %s", m.Type, reason)}
}

// read is the goroutine that takes in what the peer sends. It never waits for
// anything else: not for a consumer, not for the right to write.
func (c *Conn) read() {
	for {
		m, err := c.reader.Read()
		if err == nil {
			err = c.dispatch(m)
		}
		if err != nil {
			c.fail(disconnected(err))
			return
		}
	}
}

func (c *Conn) dispatch(m *eventstream.Message) error {
	if m.StreamID != 0 {
		return c.deliver(m)
	}
	switch m.Type {
	case eventstream.Ping:
		c.update(func(st *connState) { st.pong(m.Payload) })
	case eventstream.ProtocolError, eventstream.InternalError:
		return peerError(m)
	default:
		c.log.Debug("message ignored", "message", m.String())
	}
	return nil
}

func (c *Conn) deliver(m *eventstream.Message) error {
	c.mu.Lock()
	s, err := c.state.find(m.StreamID)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if s == nil {
		c.log.Debug("message for a closed stream ignored", "message", m.String())
		return nil
	}
	if s.receive(m) {
		terminated := m.Flags.Has(eventstream.TerminateStream)
		c.update(func(st *connState) { st.drop(m.StreamID, !terminated) })
	}
	return nil
}

// flush is the goroutine that sends what nobody waits for: answers to pings and
// the ends of streams.
func (c *Conn) flush() {
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		var out []*eventstream.Message
		c.update(func(st *connState) { out = st.takeOutbox() })
		for _, m := range out {
			if err := c.send(m); err != nil {
				c.log.Debug("message not sent", "message", m.String(), "error", err)
			}
		}
	}
}

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

// bound is the time-out of an operation; none when negative.
func (c *Conn) bound(op model.Operation) time.Duration {
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
	ctx, cancel := withTimeout(ctx, c.bound(s.op))
	defer cancel()
	if err := c.open(ctx, s, payload); err != nil {
		return nil, notSent(s.op, err)
	}
	return c.await(ctx, s)
}
