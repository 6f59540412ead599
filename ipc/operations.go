package ipc

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// connector is whoever has a connection for a call: a Conn, or a Session.
type connector interface {
	connection() (*Conn, error)
}

// operations are the operations of the service, for Conn and Session alike.
type operations struct{ via connector }

// call is the one way of an operation that is answered once.
func call[Resp any](ctx context.Context, via connector, op model.Operation, request any) (Resp, error) {
	var resp Resp
	c, err := via.connection()
	if err != nil {
		return resp, notSent(op, err)
	}
	s := newStream(op, nil)
	payload, err := c.exchange(ctx, s, request)
	if err != nil {
		return resp, err
	}
	if len(payload) == 0 {
		return resp, nil
	}
	if err := json.Unmarshal(payload, &resp); err != nil {
		var zero Resp
		return zero, outcomeUnknown(op, &ProtocolError{Stream: s.id, Reason: "response that cannot be read", Err: err})
	}
	return resp, nil
}

// subscribe is the one way of an operation that is answered by events. Nothing is
// read from its response: all are empty.
func subscribe[Event any](ctx context.Context, via connector, op model.Operation, request any) (*Stream[Event], error) {
	c, err := via.connection()
	if err != nil {
		return nil, notSent(op, err)
	}
	events := newInbox[Event](InboxSize, c.inbox)
	s := newStream(op, events)
	if _, err := c.exchange(ctx, s, request); err != nil {
		return nil, err
	}
	return &Stream[Event]{conn: c, stream: s, events: events.ready}, nil
}

// encodeJSON leaves <, > and & of topics readable.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
