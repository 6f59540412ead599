package ipc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
)

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
