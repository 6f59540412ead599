package server

import (
	"fmt"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
)

// phase is how far the handshake of a connection is.
type phase int

const (
	unconnected phase = iota // nothing but CONNECT is allowed
	connected                // the CONNECT was accepted
	ended                    // nothing more is read
)

func (p phase) String() string {
	return [...]string{"unconnected", "connected", "ended"}[p]
}

// verdict is what a message from the client asks for.
type verdict int

const (
	ignore    verdict = iota
	connect           // check version and token, answer with accept or refuse
	call              // first message of a stream: run the operation
	hangUp            // the client ends a stream
	intrude           // a further message on an open stream, which no operation takes
	pong              // answer a ping
	protocol          // protocol error with a text, then close
	unrouted          // internal error with a text, then close
	abandoned         // a stream that begins and ends in one message: nothing is done
)

var verdictNames = [...]string{
	"ignore", "connect", "call", "hang up", "intrude", "pong", "protocol error", "internal error", "abandoned",
}

func (v verdict) String() string { return verdictNames[v] }

// The texts of connection errors, as clients get them from the C runtime of the
// classic nucleus (awslabs/aws-c-event-stream
// include/aws/event-stream/private/event_stream_rpc_priv.h). The one about the
// operation is no JSON there either.
const (
	textConnectFirst = `{ "message": "A CONNECT message must be received, and the CONNECT_ACK must be sent in response, before any other message-types can be sent on this connection. In addition, only one CONNECT message is allowed on a connection." }`
	textStreamID     = `{ "message": "non-zero stream-id field is only allowed for messages of type APPLICATION_MESSAGE. The stream id max value is INT32_MAX." }`
	textUsedStream   = `{ "message": "stream-id values must be monotonically incrementing. A stream-id arrived that was lower than the last seen stream-id." }`
	textSkippedID    = `{ "message": "stream-id values must be monotonically incrementing. A new stream-id arrived that was incremented by more than 1." }`
	textMessageType  = `{ "message": "an invalid value for message-type field was received." }`
	textMissing      = `{ "message": "A message was received with missing required fields. Check that your client is sending at least, :message-type, :message-flags, and :stream-id" }`
	textOperation    = `{ "message": "The first message for on a non-zero :stream-id must contain an operation header value."; }`
)

// textUnrouted answers a connection message that is not for servers
// (aws/aws-iot-device-sdk-java-v2 ServiceOperationMappingContinuationHandler).
func textUnrouted(t eventstream.MessageType) string {
	return fmt.Sprintf(`{ "error": "Unrecognized Message Type" }"message": " message type value: %d is not recognized as a valid request path." }`, t)
}

// machine is the protocol state of a connection. Its only question is what a
// message means now; it knows nothing of sockets. It is not safe for concurrent use.
type machine struct {
	phase  phase
	latest int32          // highest stream id that the client has used
	open   map[int32]bool // streams that neither side has ended
}

func newMachine() *machine { return &machine{open: map[int32]bool{}} }

// next moves on by one message of the client. The text belongs to the verdicts
// protocol and unrouted, after which the machine has ended.
func (m *machine) next(msg *eventstream.Message) (v verdict, text string) {
	v, text = m.judge(msg)
	switch v {
	case call:
		m.latest = msg.StreamID
		m.open[msg.StreamID] = true
	case abandoned:
		m.latest = msg.StreamID
	case hangUp, intrude:
		delete(m.open, msg.StreamID)
	case protocol, unrouted:
		m.phase = ended
	}
	return v, text
}

func (m *machine) judge(msg *eventstream.Message) (verdict, string) {
	switch {
	case m.phase == ended:
		return ignore, ""
	case m.phase == unconnected && msg.Type != eventstream.Connect:
		return protocol, textConnectFirst
	case msg.StreamID != 0:
		return m.judgeStream(msg)
	}
	switch msg.Type {
	case eventstream.Connect:
		if m.phase != unconnected {
			return protocol, textConnectFirst
		}
		return connect, ""
	case eventstream.Ping:
		return pong, ""
	case eventstream.PingResponse:
		return ignore, ""
	case eventstream.ConnectAck, eventstream.ProtocolError, eventstream.InternalError:
		return unrouted, textUnrouted(msg.Type)
	}
	return protocol, textMessageType
}

func (m *machine) judgeStream(msg *eventstream.Message) (verdict, string) {
	terminate := msg.Flags.Has(eventstream.TerminateStream)
	switch {
	case msg.Type != eventstream.ApplicationMessage && msg.Type != eventstream.ApplicationError, msg.StreamID < 0:
		return protocol, textStreamID
	case msg.StreamID > m.latest && msg.StreamID != m.latest+1:
		return protocol, textSkippedID
	case msg.StreamID > m.latest && msg.Operation == "":
		return protocol, textOperation
	case msg.StreamID > m.latest && terminate:
		return abandoned, ""
	case msg.StreamID > m.latest:
		return call, ""
	case m.open[msg.StreamID] && terminate:
		return hangUp, ""
	case m.open[msg.StreamID]:
		return intrude, ""
	case terminate:
		return ignore, "" // both sides ended it at the same time
	}
	return protocol, textUsedStream
}

// accepted notes that the CONNECT was answered with yes.
func (m *machine) accepted() { m.phase = connected }

// finish notes that the server has ended a stream, and reports whether it was open.
func (m *machine) finish(id int32) bool {
	was := m.open[id]
	delete(m.open, id)
	return was
}
