package server

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Call is one request, as its operation sees it. Its methods are called by the
// goroutine that serves it.
type Call struct {
	Context    context.Context // ends with the connection; after Async with the stream, too
	Component  string          // who asks
	Connection uint64          // and on which connection, see [Peer]
	Operation  model.Operation

	stream *Stream
	async  bool
}

// Async lets the connection serve its next requests while this one waits for
// something. What was done before stays in order; what comes after is in no order
// with other requests. Calling it again does nothing.
//
// A connection with more than [Config.MaxPending] such requests is ended, which
// ends Context as usual.
func (c *Call) Async() {
	if c.async {
		return
	}
	c.async = true
	ctx, cancel := context.WithCancel(c.Context)
	c.Context = ctx
	c.stream.OnClose(cancel)
	c.stream.conn.passOn()
}

// Disconnect ends the connection at once. Nothing more is sent, what waits to be
// sent included.
func (c *Call) Disconnect(reason error) { c.stream.conn.cancel(reason) }

// Request is a request on its way through [Config.Intercept], from Serve to Answer.
type Request struct {
	Call
	Payload json.RawMessage

	op operation
}

func newRequest(c *conn, op operation, msg *eventstream.Message) *Request {
	r := &Request{
		Call:    Call{Context: c.ctx, Component: c.peer.Component, Connection: c.peer.Connection, Operation: op.Operation},
		Payload: msg.Payload,
		op:      op,
	}
	r.stream = &Stream{conn: c, id: msg.StreamID, call: &r.Call}
	return r
}

// Serve runs the operation and returns what is to be answered. An operation that
// panics does not take the other connections along.
func (r *Request) Serve() (response any, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.stream.conn.log.Error("operation panicked", "operation", r.op.Name, "panic", p, "stack", string(debug.Stack()))
			err = &Error{Code: model.ServiceFailure, Message: fmt.Sprint(p)}
		}
	}()
	return r.op.serve(&r.Call, r.stream, r.Payload)
}

// Answer sends the response, or the error that is there instead. It does nothing
// once the stream has ended. A request that is never answered stays open until its
// client or its connection ends it.
func (r *Request) Answer(response any, err error) {
	c := r.stream.conn
	if err == nil {
		err = r.respond(response)
	}
	if err != nil {
		c.log.Debug("operation refused", "operation", r.op.Name, "err", err)
		c.finish(errorMessage(r.stream.id, err))
	}
	if err != nil || r.op.Event == "" {
		c.streamClosed(r.stream.id)
	}
}

// respond sends the response, and the events that came before it.
func (r *Request) respond(response any) error {
	c, stream := r.stream.conn, r.stream
	payload, err := Marshal(response)
	if err != nil {
		return err
	}
	msg := &eventstream.Message{
		StreamID: stream.id, ContentType: eventstream.ContentJSON, ModelType: r.op.ResponseType(), Payload: payload,
	}
	if r.op.Event == "" {
		msg.Flags = eventstream.TerminateStream
		c.finish(msg)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.machine.open[stream.id] || stream.answered {
		return nil
	}
	if err := c.enqueue(msg); err != nil {
		return unsendable(err)
	}
	for _, early := range stream.early {
		c.enqueue(early) // one that cannot be sent was logged and is left out
	}
	stream.early, stream.answered = nil, true
	return nil
}
