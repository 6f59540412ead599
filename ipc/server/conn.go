package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

var (
	errRefused  = errors.New("connection refused: wrong version or token")
	errProtocol = errors.New("client broke the protocol")
	errPassedOn = errors.New("another goroutine reads on")
)

// ErrPending ends the connection of a client that makes more requests than may wait.
var ErrPending = errors.New("too many requests wait for their answers")

// conn is one connection. One goroutine writes; one reads and serves. An operation
// that waits keeps the goroutine it runs on, and another one reads on, see [Call.Async].
type conn struct {
	server *Server
	net    net.Conn
	ctx    context.Context // done when the connection is to end
	cancel context.CancelCauseFunc
	log    *slog.Logger
	peer   Peer
	reader *eventstream.Reader
	out    *outbox

	work  sync.WaitGroup // the goroutine that reads, and those of operations that wait
	ended chan error     // one slot: why nothing more is read
	late  *time.Timer    // set before ended: ends what is still being written

	mu      sync.Mutex // also orders a response before the events of its stream
	machine *machine
	streams map[int32]*Stream // open ones
	pending int               // requests that wait
	large   bool              // a message too large for lite was logged
}

// run serves the connection until it ends, and returns when all its goroutines have.
func (c *conn) run() {
	stop := context.AfterFunc(c.ctx, func() { c.net.Close() })
	defer stop()
	c.net.SetReadDeadline(time.Now().Add(c.server.cfg.HandshakeTimeout))
	c.work.Go(c.read)
	c.write() // until the reader has ended, or cannot go on

	err := <-c.ended
	c.late.Stop()
	c.linger(err)
	c.cancel(err)
	c.net.Close()
	c.work.Wait()
	err = context.Cause(c.ctx)
	c.closeStreams()
	if c.peer.Component == "" {
		c.log.Info("connection ended before its handshake", "reason", err)
		return
	}
	c.log.Info("disconnected", "reason", err)
	if c.server.cfg.Down != nil {
		c.server.cfg.Down(c.peer, err)
	}
}

// lingering is how long a client may take to close a connection whose end was
// announced to it.
const lingering = 250 * time.Millisecond

// linger lets the client read a refusal before the connection is gone: the
// official clients do not look at a message when they see the end at the same
// time, and report a lost connection instead of a wrong token.
func (c *conn) linger(end error) {
	if !errors.Is(end, errRefused) && !errors.Is(end, errProtocol) {
		return
	}
	c.net.SetReadDeadline(time.Now().Add(lingering))
	io.Copy(io.Discard, c.net)
}

// read reads and serves until there is nothing more to read, or until another
// goroutine reads on.
func (c *conn) read() {
	for c.ctx.Err() == nil {
		msg, err := c.reader.Read()
		if err == nil {
			err = c.receive(msg)
		} else if header, ok := errors.AsType[*eventstream.HeaderError](err); ok {
			err = c.fail(eventstream.ProtocolError, headerText(header))
		}
		switch {
		case errors.Is(err, errPassedOn):
			return
		case err != nil:
			c.end(c.readable(err))
			return
		}
	}
	c.end(context.Cause(c.ctx))
}

// end says that nothing more is read. What is already sent still goes out, the
// reason of the end above all.
func (c *conn) end(err error) {
	c.late = time.AfterFunc(c.server.cfg.WriteTimeout, func() { c.cancel(err) })
	c.ended <- err
	c.out.seal()
}

// passOn has another goroutine read on while a request waits on this one.
func (c *conn) passOn() {
	c.mu.Lock()
	c.pending++
	over := c.pending > c.server.cfg.MaxPending
	c.mu.Unlock()
	if over {
		c.cancel(fmt.Errorf("%w: the limit is %d", ErrPending, c.server.cfg.MaxPending))
	}
	c.work.Go(c.read)
}

// readable says what the usual ends of reading mean.
func (c *conn) readable(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("closed by the client: %w", err)
	case c.peer.Component == "" && errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no CONNECT in %v: %w", c.server.cfg.HandshakeTimeout, err)
	}
	return err
}

// headerText names the fault of a frame that is no message. A header of the
// wrong type counts as missing.
func headerText(e *eventstream.HeaderError) string {
	if e.Header == "operation" {
		return textOperation
	}
	return textMissing
}

func (c *conn) receive(msg *eventstream.Message) error {
	c.mu.Lock()
	v, text := c.machine.next(msg)
	c.mu.Unlock()
	switch v {
	case connect:
		return c.connect(msg)
	case call:
		return c.call(msg)
	case hangUp:
		c.streamClosed(msg.StreamID)
	case intrude:
		c.send(errorMessage(msg.StreamID, ErrMalformed))
		c.streamClosed(msg.StreamID)
	case pong:
		return c.pong(msg)
	case protocol:
		return c.fail(eventstream.ProtocolError, text)
	case unrouted:
		return c.fail(eventstream.InternalError, text)
	}
	return nil
}

// fail sends a message about the whole connection, which then ends.
func (c *conn) fail(t eventstream.MessageType, text string) error {
	c.send(&eventstream.Message{Type: t, ContentType: eventstream.ContentJSON, Payload: []byte(text)})
	return fmt.Errorf("%w: %s", errProtocol, text)
}

func (c *conn) connect(msg *eventstream.Message) error {
	var login struct {
		AuthToken string `json:"authToken"`
	}
	ack := &eventstream.Message{Type: eventstream.ConnectAck}
	if msg.Version == eventstream.ProtocolVersion && json.Unmarshal(msg.Payload, &login) == nil {
		component, ok := c.server.cfg.Authenticate(login.AuthToken)
		if ok {
			c.peer.Component = component
			ack.Flags = eventstream.ConnectionAccepted
		}
	}
	if c.peer.Component == "" {
		c.send(ack)
		return errRefused
	}
	c.net.SetReadDeadline(time.Time{})
	c.reader.BoundMessages(c.net, c.server.cfg.ReadTimeout)
	c.log = c.log.With("component", c.peer.Component)
	c.log.Info("connected")
	if c.server.cfg.Up != nil {
		c.server.cfg.Up(c.peer)
	}
	c.mu.Lock()
	c.machine.accepted()
	c.mu.Unlock()
	c.send(ack)
	return nil
}

// call has a new stream served.
func (c *conn) call(msg *eventstream.Message) error {
	op, ok := c.server.operations[msg.Operation]
	if !ok {
		c.log.Info("unknown operation", "operation", msg.Operation)
		c.finish(unsupportedMessage(msg.StreamID, msg.Operation))
		return nil
	}
	r := newRequest(c, op, msg)
	c.mu.Lock()
	c.streams[msg.StreamID] = r.stream
	c.mu.Unlock()
	if c.server.cfg.Intercept != nil {
		c.server.cfg.Intercept(r)
	} else {
		r.Answer(r.Serve())
	}
	if !r.async {
		return nil
	}
	c.mu.Lock()
	c.pending--
	c.mu.Unlock()
	return errPassedOn
}

// pong answers a ping with its payload, as the classic nucleus does.
func (c *conn) pong(msg *eventstream.Message) error {
	if n := len(msg.Payload); n > MaxPing {
		return c.fail(eventstream.ProtocolError, fmt.Sprintf(`{ "message": "a PING may have %d bytes of payload, got %d" }`, MaxPing, n))
	}
	c.send(&eventstream.Message{
		Type: eventstream.PingResponse, ModelType: msg.ModelType, Operation: msg.Operation, Payload: msg.Payload,
	})
	return nil
}

// finish sends the last message of a stream, or a short error in its place.
func (c *conn) finish(msg *eventstream.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.machine.finish(msg.StreamID) {
		return
	}
	if err := c.enqueue(msg); err != nil {
		c.enqueue(errorMessage(msg.StreamID, unsendable(err)))
	}
}

// unsendable is what the client gets instead of an answer that has no frame.
func unsendable(err error) error {
	return &Error{Code: model.ServiceFailure, Message: fmt.Sprintf("the answer cannot be sent: %v", err)}
}

func (c *conn) send(msg *eventstream.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enqueue(msg)
}

// enqueue hands a message to the writer. The caller holds mu, so that messages
// leave in the order in which the state changed. A message that cannot be encoded
// is logged and left out, and is the only error: the connection goes on.
func (c *conn) enqueue(msg *eventstream.Message) error {
	frame, err := eventstream.Encode(msg)
	if err != nil {
		c.log.Error("message cannot be sent", "message", msg.String(), "err", err)
		return err
	}
	if len(frame) > eventstream.MaxLiteMessage && !c.large {
		c.large = true
		c.log.Warn("message is too large for nucleus lite and the component SDK for C",
			"message", msg.String(), "limit", eventstream.MaxLiteMessage)
	}
	if err := c.out.put(frame); err != nil {
		c.cancel(err)
	}
	return nil
}

// write sends what is in the outbox until that is sealed and empty, or the
// connection ends.
func (c *conn) write() {
	for {
		frame, ok := c.out.take(c.ctx.Done())
		if !ok {
			return
		}
		c.net.SetWriteDeadline(time.Now().Add(c.server.cfg.WriteTimeout))
		if _, err := c.net.Write(frame); err != nil {
			c.cancel(fmt.Errorf("write: %w", err))
			return
		}
	}
}

// streamClosed runs the close hooks of a stream, once.
func (c *conn) streamClosed(id int32) {
	c.mu.Lock()
	stream := c.streams[id]
	delete(c.streams, id)
	var hooks []func()
	if stream != nil {
		hooks, stream.hooks, stream.early, stream.closed = stream.hooks, nil, nil, true
	}
	c.mu.Unlock()
	for _, hook := range hooks {
		hook()
	}
}

func (c *conn) closeStreams() {
	c.mu.Lock()
	ids := make([]int32, 0, len(c.streams))
	for id := range c.streams {
		ids = append(ids, id)
	}
	c.mu.Unlock()
	for _, id := range ids {
		c.streamClosed(id)
	}
}
