// Package servertest has a raw client for tests of servers. It knows frames and
// nothing else: every message is composed and read by the test, so that a test
// can break each rule of the protocol.
package servertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Patience is how long a client waits for what must come. Nothing waits for it
// in a test that passes.
const Patience = 20 * time.Second

// Client is one raw connection. Its methods fail the test when they cannot do
// what they say, but for those that return an error.
type Client struct {
	t      testing.TB
	Conn   net.Conn
	reader *eventstream.Reader
	latest int32
}

// New makes a client of a connection, which is closed at the end of the test.
func New(t testing.TB, conn net.Conn) *Client {
	t.Cleanup(func() { conn.Close() })
	return &Client{t: t, Conn: conn, reader: eventstream.NewReader(conn, 0)}
}

// Dial connects to a Unix socket.
func Dial(t testing.TB, path string) *Client {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return New(t, conn)
}

// Connect is the CONNECT message with a token.
func Connect(token string) *eventstream.Message {
	payload, err := json.Marshal(map[string]string{"authToken": token})
	if err != nil {
		panic(err)
	}
	return &eventstream.Message{Type: eventstream.Connect, Version: eventstream.ProtocolVersion, Payload: payload}
}

// Login does the handshake and demands that it is accepted.
func (c *Client) Login(token string) *Client {
	c.t.Helper()
	c.Send(Connect(token))
	if ack := c.Read(); ack.Type != eventstream.ConnectAck || !ack.Flags.Has(eventstream.ConnectionAccepted) {
		c.t.Fatalf("login: got %v", ack)
	}
	return c
}

// Write writes bytes.
func (c *Client) Write(data []byte) error {
	c.Conn.SetWriteDeadline(time.Now().Add(Patience))
	_, err := c.Conn.Write(data)
	return err
}

// Send writes messages in one piece.
func (c *Client) Send(messages ...*eventstream.Message) {
	c.t.Helper()
	var data []byte
	for _, m := range messages {
		frame, err := eventstream.Encode(m)
		if err != nil {
			c.t.Fatal(err)
		}
		data = append(data, frame...)
	}
	if err := c.Write(data); err != nil {
		c.t.Fatal(err)
	}
}

// TryRead returns the next message, or why there is none.
func (c *Client) TryRead() (*eventstream.Message, error) {
	c.Conn.SetReadDeadline(time.Now().Add(Patience))
	return c.reader.Read()
}

// Read returns the next message.
func (c *Client) Read() *eventstream.Message {
	c.t.Helper()
	m, err := c.TryRead()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return m
}

// WantClosed demands that the server closes the connection without more messages.
func (c *Client) WantClosed() {
	c.t.Helper()
	m, err := c.TryRead()
	if err == nil {
		c.t.Fatalf("got %v %s, want the connection closed", m, m.Payload)
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		c.t.Fatal("the connection is still open")
	}
}

// Request is the first message of the next stream, with the payload given as
// JSON text or as anything that is JSON.
func (c *Client) Request(op model.Operation, payload any) *eventstream.Message {
	c.latest++
	return Request(c.latest, op, payload)
}

// Request is the first message of a stream.
func Request(stream int32, op model.Operation, payload any) *eventstream.Message {
	text, ok := payload.(string)
	if !ok {
		data, err := json.Marshal(payload)
		if err != nil {
			panic(err)
		}
		text = string(data)
	}
	return &eventstream.Message{StreamID: stream, Operation: op.ID(), Payload: []byte(text)}
}

// Call sends a request and returns the next message, which must be of its stream.
func (c *Client) Call(op model.Operation, payload any) *eventstream.Message {
	c.t.Helper()
	req := c.Request(op, payload)
	c.Send(req)
	m := c.Read()
	if m.StreamID != req.StreamID {
		c.t.Fatalf("%s: got %v, want a message of stream %d", op.Name, m, req.StreamID)
	}
	return m
}

// Answer sends a request and decodes the response. It returns the error that
// came instead as it is in the message.
func (c *Client) Answer(op model.Operation, payload, response any) (*model.ErrorPayload, error) {
	c.t.Helper()
	m := c.Call(op, payload)
	if m.Type == eventstream.ApplicationError {
		e := new(model.ErrorPayload)
		if m.ContentType != eventstream.ContentJSON {
			return nil, fmt.Errorf("%s: %s", m.ContentType, m.Payload)
		}
		if err := json.Unmarshal(m.Payload, e); err != nil {
			return nil, err
		}
		if e.Code != "" && m.ModelType != e.Code.ErrorType() {
			return e, fmt.Errorf("%s: model type is %s, error code %s", op.Name, m.ModelType, e.Code)
		}
		return e, nil
	}
	if m.ModelType != op.ResponseType() || m.ContentType != eventstream.ContentJSON {
		return nil, fmt.Errorf("%s: got %v", op.Name, m)
	}
	if m.Flags.Has(eventstream.TerminateStream) == (op.Event != "") {
		return nil, fmt.Errorf("%s: response has flags %d", op.Name, m.Flags)
	}
	return nil, json.Unmarshal(m.Payload, response)
}

// Event reads the next message, which must be an event of SubscribeToTopic.
func (c *Client) Event() model.SubscriptionResponseMessage {
	c.t.Helper()
	m := c.Read()
	if m.ModelType != model.SubscribeToTopic.EventType() || m.Flags != 0 || m.Type != eventstream.ApplicationMessage {
		c.t.Fatalf("got %v %s, want an event", m, bytes.TrimSpace(m.Payload))
	}
	var event model.SubscriptionResponseMessage
	if err := json.Unmarshal(m.Payload, &event); err != nil {
		c.t.Fatal(err)
	}
	return event
}
