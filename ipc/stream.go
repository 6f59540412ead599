package ipc

import (
	"encoding/json"
	"sync"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// InboxSize is how many events of one stream wait for their consumer. One more
// ends the stream with [ErrOverflow]. See also [Config].InboxLimit.
const InboxSize = 256

// Stream is a subscription on one connection.
//
// Events come in the order in which the nucleus sent them, from the moment it
// confirmed the subscription. Whoever has a Stream must take its events or close
// it. It ends by Close, with its connection, when the nucleus ends it, or when
// the consumer lags by more than [InboxSize] events. It never slows down
// anything else on the connection.
type Stream[T any] struct {
	conn   *Conn
	stream *stream
	events <-chan T
}

// Events returns the channel of events. It is closed when the stream ended, after
// the last event that arrived was taken.
func (s *Stream[T]) Events() <-chan T { return s.events }

// Err says why the stream ended: nil as long as it did not, and after Close;
// otherwise [ErrOverflow], [ErrMessageTooLarge], [ErrStreamEnded], a *[ServiceError], a
// *[ProtocolError] for an event that cannot be read, or why the connection ended.
func (s *Stream[T]) Err() error { return s.stream.reason() }

// Close ends the stream. It tells the nucleus and waits for nothing: events that
// are on the way are dropped. Further calls do nothing. The error is always nil.
func (s *Stream[T]) Close() error {
	s.conn.abandon(s.stream, nil)
	return nil
}

// streamPhase is where a stream is.
type streamPhase uint8

const (
	pending streamPhase = iota // the request was or is being sent
	live                       // a streaming operation was confirmed
	over
)

func (p streamPhase) String() string { return [...]string{"pending", "live", "over"}[p] }

// arrival is what a message means to a stream.
type arrival uint8

const (
	response arrival = iota // answers the request
	event
	failure   // an error of the operation, which ends the stream
	bareEnd   // the peer ends the stream and says nothing else
	duplicate // a second response
	breach    // no message for a stream
)

func (a arrival) String() string {
	return [...]string{"response", "event", "failure", "bare end", "duplicate", "breach"}[a]
}

// classify goes by the model type where there is one, because an event may come
// before the response, and by the order otherwise.
func classify(op model.Operation, p streamPhase, m *eventstream.Message) arrival {
	first := response
	if p == live {
		first = event
	}
	switch {
	case m.Type == eventstream.ApplicationError:
		return failure
	case m.Type != eventstream.ApplicationMessage:
		return breach
	case m.Flags.Has(eventstream.TerminateStream) && len(m.Payload) == 0 && m.ModelType == "":
		return bareEnd
	case op.Event == "":
		return response
	case m.ModelType == op.EventType():
		return event
	case m.ModelType == op.ResponseType() && p == live:
		return duplicate
	case m.ModelType == op.ResponseType():
		return response
	}
	return first
}

// reply is what ends the wait for a call's answer.
type reply struct {
	payload []byte
	err     error // *ServiceError, or why no answer will come
}

// stream is one call as the connection sees it. Its id is set by connState.open.
type stream struct {
	op    model.Operation
	id    int32
	reply chan reply // gets exactly one
	sink  sink       // nil unless the operation streams

	mu    sync.Mutex // guards phase, err, and the order of calls to sink
	phase streamPhase
	err   error
}

// sink takes the events of a stream without ever waiting.
type sink interface {
	put(payload []byte) error // fails when the stream has to end
	end()
}

// inbox is the sink of a Stream.
type inbox[T any] struct {
	ready chan T
	limit int   // bytes that may wait; none unless positive
	sizes []int // of the latest events put, as many as may wait
	bytes int   // their sum
}

func newInbox[T any](events, limit int) *inbox[T] {
	return &inbox[T]{ready: make(chan T, events), limit: limit}
}

// put is called by one goroutine at a time. What waits is the latest events put, since
// a consumer takes the oldest first.
func (b *inbox[T]) put(payload []byte) error {
	for gone := len(b.sizes) - len(b.ready); gone > 0; gone-- {
		b.bytes -= b.sizes[0]
		b.sizes = b.sizes[1:]
	}
	if b.limit > 0 && len(b.sizes) > 0 && b.bytes+len(payload) > b.limit {
		return ErrOverflow
	}
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		return &ProtocolError{Reason: "event that cannot be read", Err: err}
	}
	select {
	case b.ready <- v:
		b.sizes = append(b.sizes, len(payload))
		b.bytes += len(payload)
		return nil
	default:
		return ErrOverflow
	}
}

func (b *inbox[T]) end() { close(b.ready) }

func newStream(op model.Operation, events sink) *stream {
	return &stream{op: op, sink: events, reply: make(chan reply, 1)}
}

// receive takes a message in, and says whether the stream is over by it.
func (s *stream) receive(m *eventstream.Message) (done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == over {
		return true
	}
	switch classify(s.op, s.phase, m) {
	case response:
		s.answer(m.Payload)
	case event:
		s.event(m.Payload)
	case failure:
		s.finish(newServiceError(s.op, m))
	case bareEnd:
		s.finish(ErrStreamEnded)
	case breach:
		s.finish(&ProtocolError{Stream: s.id, Reason: m.Type.String() + " on a stream"})
	case duplicate:
	}
	if m.Flags.Has(eventstream.TerminateStream) {
		s.finish(ErrStreamEnded)
	}
	return s.phase == over
}

// answer completes the call; a call without events is over by it.
func (s *stream) answer(payload []byte) {
	s.reply <- reply{payload: payload}
	s.phase = live
	if s.sink == nil {
		s.phase = over
	}
}

func (s *stream) event(payload []byte) {
	err := s.sink.put(payload)
	if p, ok := err.(*ProtocolError); ok {
		p.Stream = s.id
	}
	if err != nil {
		s.finish(err)
	}
}

// finish ends the stream for this reason unless it is over.
func (s *stream) finish(reason error) bool {
	if s.phase == over {
		return false
	}
	if s.phase == pending {
		s.reply <- reply{err: reason}
	}
	if s.sink != nil {
		s.sink.end()
	}
	s.phase, s.err = over, reason
	return true
}

// end is finish for others than the reader.
func (s *stream) end(reason error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.finish(reason)
}

func (s *stream) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
