package ipc

import (
	"errors"
	"math"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
)

// phase is where a connection is in its one life.
type phase uint8

const (
	handshaking phase = iota // no stream may be opened yet
	ready
	ended // lost or closed: cause says which
)

func (p phase) String() string { return [...]string{"handshaking", "ready", "ended"}[p] }

// canBecome says which steps there are.
func (p phase) canBecome(q phase) bool {
	switch p {
	case handshaking:
		return q == ready || q == ended
	case ready:
		return q == ended
	}
	return false
}

// connState is everything about a connection that changes. It is changed through
// Conn.update only; its methods do no input or output.
type connState struct {
	phase   phase
	cause   error                  // why it ended: the first reason, which all get to see
	lastID  int32                  // of the newest stream
	streams map[int32]*stream      // the open ones
	outbox  []*eventstream.Message // what the connection itself has to send
	pongs   int                    // of these in outbox
}

// maxPongs bounds the answers that wait to be written: a peer that sends pings
// and reads nothing gets no more.
const maxPongs = 8

var errNoMoreIDs = errors.New("all stream ids of the connection are used")

// become makes the step if there is one, and says whether.
func (st *connState) become(p phase) bool {
	ok := st.phase.canBecome(p)
	if ok {
		st.phase = p
	}
	return ok
}

// fail ends the connection for this reason unless it ended before.
func (st *connState) fail(cause error) {
	if st.become(ended) {
		st.cause = cause
	}
}

// nextID is the id of the stream to open next.
func (st *connState) nextID() (int32, error) {
	switch {
	case st.phase == ended:
		return 0, st.cause
	case st.phase != ready:
		return 0, ErrDisconnected
	case st.lastID == math.MaxInt32:
		return 0, disconnected(errNoMoreIDs)
	}
	return st.lastID + 1, nil
}

// open registers a stream under the next id.
func (st *connState) open(s *stream) error {
	id, err := st.nextID()
	if err != nil {
		return err
	}
	st.lastID, s.id = id, id
	st.streams[id] = s
	return nil
}

// find returns the open stream of an id. It returns nil for one that was closed,
// and an error for one that never was.
func (st *connState) find(id int32) (*stream, error) {
	if id < 0 || id > st.lastID {
		return nil, &ProtocolError{Stream: id, Reason: "message for a stream that was never opened"}
	}
	return st.streams[id], nil
}

// drop forgets a stream and, unless the peer ended it, has it terminated.
func (st *connState) drop(id int32, terminate bool) {
	if st.streams[id] == nil {
		return
	}
	delete(st.streams, id)
	if terminate {
		st.outbox = append(st.outbox, &eventstream.Message{Flags: eventstream.TerminateStream, StreamID: id})
	}
}

// pong has a ping answered.
func (st *connState) pong(payload []byte) {
	if st.phase == ready && st.pongs < maxPongs {
		st.pongs++
		st.outbox = append(st.outbox, &eventstream.Message{Type: eventstream.PingResponse, Payload: payload})
	}
}

// takeOutbox hands over what is to be sent.
func (st *connState) takeOutbox() []*eventstream.Message {
	out := st.outbox
	st.outbox, st.pongs = nil, 0
	return out
}

// takeStreams hands over the streams that the end of the connection ends.
func (st *connState) takeStreams() map[int32]*stream {
	streams := st.streams
	st.streams, st.outbox = nil, nil
	return streams
}
