package server

import (
	"encoding/json"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Stream sends the events of one streaming call. Its methods may be called from
// any goroutine and never block.
type Stream struct {
	conn *conn
	id   int32
	call *Call

	// Guarded by conn.mu.
	answered bool                   // the response is on its way
	early    []*eventstream.Message // events that wait for the response
	waiting  int                    // bytes of them
	closed   bool
	hooks    []func()
}

// Send sends an event; a [json.RawMessage] is sent as it is. Once the stream has
// ended it does nothing. An event that is too large for a message is logged and
// dropped; that is an error unless it had to wait for the response, or for
// [Config.InterceptEvent].
func (s *Stream) Send(event any) error {
	payload, ok := event.(json.RawMessage)
	if !ok {
		var err error
		if payload, err = Marshal(event); err != nil {
			return err
		}
	}
	if intercept := s.conn.server.cfg.InterceptEvent; intercept != nil {
		intercept(&Event{s, payload})
		return nil
	}
	return s.deliver(payload)
}

func (s *Stream) deliver(payload json.RawMessage) error {
	msg := &eventstream.Message{
		StreamID: s.id, ContentType: eventstream.ContentJSON, ModelType: s.call.Operation.EventType(), Payload: payload,
	}
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	switch {
	case s.closed || !s.conn.machine.open[s.id]:
	case s.answered:
		return s.conn.enqueue(msg)
	case s.waiting+len(payload) > s.conn.server.cfg.MaxQueue:
		s.conn.cancel(ErrOverflow)
	default:
		s.waiting += len(payload) + frameCost
		s.early = append(s.early, msg)
	}
	return nil
}

// Event is an event on its way through [Config.InterceptEvent].
type Event struct {
	Stream  *Stream
	Payload json.RawMessage
}

// Component is whose stream it is.
func (e *Event) Component() string { return e.Stream.call.Component }

// Operation is the one that opened the stream.
func (e *Event) Operation() model.Operation { return e.Stream.call.Operation }

// Deliver sends the event, once for each call. It may be called from any goroutine
// and never blocks.
func (e *Event) Deliver() error { return e.Stream.deliver(e.Payload) }

// End ends the stream with an error. Its close hooks run before End returns.
func (s *Stream) End(err error) {
	s.conn.finish(errorMessage(s.id, err))
	s.conn.streamClosed(s.id)
}

// OnClose has a function called when the stream ends: by the client, by an
// error, with the connection. If it has ended already, the function is called now.
func (s *Stream) OnClose(hook func()) {
	s.conn.mu.Lock()
	closed := s.closed
	if !closed {
		s.hooks = append(s.hooks, hook)
	}
	s.conn.mu.Unlock()
	if closed {
		hook()
	}
}
