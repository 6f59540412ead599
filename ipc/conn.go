package ipc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
)

// Conn is one connection to a nucleus, from its handshake to its end. All methods
// are safe for concurrent use. Its end is final; a [Session] makes new ones.
type Conn struct {
	operations

	transport net.Conn
	reader    *eventstream.Reader
	limit     int           // of requests in bytes; none unless positive
	inbox     int           // bytes of events that wait for one consumer; none unless positive
	kept      int           // bytes of the largest message that is kept
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
// or [ErrClosedBeforeAck], a *[ProtocolError], the error of ctx, what the
// operating system said (errors.Is(err, syscall.ENOENT) and the like), or
// *[ConfigError] for each bad value of cfg. ctx bounds Dial only, not the life of
// the connection; without a deadline in ctx, cfg.CallTimeout does.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx, cfg.CallTimeout)
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
	c.reader.BoundMessages(transport, frameTimeout)
	c.reader.DropPayloads(cfg.PayloadLimit)
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
		inbox:     cfg.InboxLimit,
		kept:      cfg.PayloadLimit,
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
	if m.Dropped > 0 {
		err := fmt.Errorf("%w: it is above %d bytes", ErrMessageTooLarge, c.kept)
		c.log.Debug("message dropped", "message", m.String())
		if s.end(err) {
			c.update(func(st *connState) { st.drop(m.StreamID, !m.Flags.Has(eventstream.TerminateStream)) })
		}
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
