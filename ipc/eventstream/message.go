// Package eventstream turns bytes into Greengrass IPC messages and back.
//
// The bytes are the AWS event-stream encoding. The tests hold this package to AWS's
// own codec (aws/aws-sdk-go-v2 aws/protocol/eventstream), which leaves to its users
// what a socket needs: limits checked before anything is allocated, header types,
// header names without regard to case, and the seven headers that make an encoded
// message one of the event-stream RPC protocol
// (awslabs/aws-c-event-stream include/aws/event-stream/event_stream_rpc.h).
//
// It knows nothing of connections: both ends of IPC, which keep state machines
// of their own, share only this package and package model.
package eventstream

import "fmt"

// MessageType is the value of the ":message-type" header.
type MessageType int32

// The message types. The first two belong to streams, whose ids are above 0;
// the others belong to the connection, stream id 0.
const (
	ApplicationMessage MessageType = iota
	ApplicationError
	Ping
	PingResponse
	Connect
	ConnectAck
	ProtocolError
	InternalError
	messageTypes // how many there are
)

var messageTypeNames = [messageTypes]string{
	"APPLICATION_MESSAGE", "APPLICATION_ERROR", "PING", "PING_RESPONSE",
	"CONNECT", "CONNECT_ACK", "PROTOCOL_ERROR", "INTERNAL_ERROR",
}

// Valid reports whether t is one of the types above.
func (t MessageType) Valid() bool { return t >= 0 && t < messageTypes }

func (t MessageType) String() string {
	if !t.Valid() {
		return fmt.Sprintf("message type %d", int32(t))
	}
	return messageTypeNames[t]
}

// Flags is the value of the ":message-flags" header, a set of bits.
type Flags int32

const (
	// ConnectionAccepted on a ConnectAck lets the client in.
	ConnectionAccepted Flags = 1 << iota
	// TerminateStream on a message of a stream makes it the last one of its sender.
	TerminateStream
)

// Has reports whether all bits of g are set.
func (f Flags) Has(g Flags) bool { return f&g == g }

// Content types of a payload.
const (
	ContentJSON = "application/json"
	ContentText = "text/plain"
)

// ProtocolVersion is the one version of the protocol, sent with Connect.
const ProtocolVersion = "0.1.0"

// Message is one frame. Its zero value is an application message without payload
// on stream 0, which no peer accepts.
type Message struct {
	Type     MessageType
	Flags    Flags
	StreamID int32

	// The optional headers; "" leaves the header out.
	Version     string // of Connect
	ContentType string // of the payload
	ModelType   string // "service-model-type": the shape in the payload
	Operation   string // of the first message of a stream

	Payload []byte

	// Dropped is the size of a payload that was read and not kept, 0 for one that was;
	// see [Reader.DropPayloads]. Encode ignores it.
	Dropped int
}

func (m *Message) String() string {
	s := fmt.Sprintf("%v flags %d stream %d", m.Type, m.Flags, m.StreamID)
	if m.Operation != "" {
		s += " " + m.Operation
	} else if m.ModelType != "" {
		s += " " + m.ModelType
	}
	return fmt.Sprintf("%s, %d bytes", s, len(m.Payload)+m.Dropped)
}

// FrameError says that the bytes are no message. The stream of bytes is out of
// step after it: the only thing left to do is to close the connection.
type FrameError struct {
	Reason string
	Err    error // cause in the connection, or nil
}

func (e *FrameError) Error() string {
	if e.Err == nil {
		return "event-stream frame: " + e.Reason
	}
	return fmt.Sprintf("event-stream frame: %s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *FrameError) Unwrap() error { return e.Err }

// HeaderError says that a whole frame was read whose headers do not make a
// message: a mandatory header is missing or has another type.
type HeaderError struct {
	Header string
	Reason string
}

func (e *HeaderError) Error() string {
	return fmt.Sprintf("event-stream header %s: %s", e.Header, e.Reason)
}
