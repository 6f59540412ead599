// Package ipctest plays the nucleus in tests of a Greengrass IPC client.
//
// A [Peer] is the far end of one connection under the hand of the test: it says
// what the test makes it say, well-formed or not, and checks what the client
// says by the rules of the protocol: the handshake first, stream ids that grow by
// one, all headers there. It shares the frame codec and the names of package
// model with the client and nothing else, so that it does not repeat the client's
// mistakes. For a peer that behaves by itself, take the development core.
//
// Messages are made in the form of the classic nucleus; a Peer that was told to be
// nucleus lite, see [Peer.As], sends them in that of lite, so that one script tests
// a client against both.
//
// A fault ends the test, or when the Peer runs in another goroutine that
// goroutine, with the test marked as failed.
package ipctest

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Token is the token that the scripts of this package expect.
const Token = "ABCDEFGH01234567"

// Peer is the far end of one connection. Its methods are for one goroutine.
type Peer struct {
	t       testing.TB
	conn    net.Conn
	reader  *eventstream.Reader
	nucleus Nucleus
	lastID  int32          // of the newest stream
	owed    map[int32]bool // streams of lite that the client has to end
}

// NewPeer plays the far end of conn, which is closed when the test ends.
func NewPeer(t testing.TB, conn net.Conn) *Peer {
	t.Cleanup(func() { _ = conn.Close() })
	return &Peer{t: t, conn: conn, reader: eventstream.NewReader(conn, 0), owed: make(map[int32]bool)}
}

// Pipe returns a Peer and the client's end of its connection, which is in memory
// and has no buffer: a write waits until the other end reads.
func Pipe(t testing.TB) (net.Conn, *Peer) {
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close() })
	return near, NewPeer(t, far)
}

// Request is the first message of a stream.
type Request struct {
	ID      int32
	Op      string // without the namespace
	Payload []byte
}

// Read returns the next message, and fails the test if there is none.
func (p *Peer) Read() *eventstream.Message {
	p.t.Helper()
	m, err := p.read()
	if err != nil {
		p.t.Fatalf("peer: read: %v", err)
	}
	return m
}

// Next is Read for a peer that goes on until the client leaves: it returns false
// then, whatever the error.
func (p *Peer) Next() (*eventstream.Message, bool) {
	m, err := p.read()
	return m, err == nil
}

// read returns the next message but the ends of streams that lite leaves to the client.
func (p *Peer) read() (*eventstream.Message, error) {
	for {
		m, err := p.reader.Read()
		if err != nil || !p.owed[m.StreamID] || !bareEnd(m) {
			return m, err
		}
		delete(p.owed, m.StreamID)
	}
}

func bareEnd(m *eventstream.Message) bool {
	return m.Type == eventstream.ApplicationMessage && m.Flags == eventstream.TerminateStream &&
		m.ContentType == "" && m.ModelType == "" && m.Operation == "" && len(m.Payload) == 0
}

// TrySend is Send for a peer that goes on until the client leaves.
func (p *Peer) TrySend(m *eventstream.Message) bool {
	p.t.Helper()
	return p.TrySendBytes(p.encode(m))
}

// TrySendBytes is SendBytes for a peer that goes on until the client leaves.
func (p *Peer) TrySendBytes(b []byte) bool {
	_, err := p.conn.Write(b)
	return err == nil
}

// Send sends a message.
func (p *Peer) Send(m *eventstream.Message) {
	p.t.Helper()
	p.SendBytes(p.encode(m))
}

// SendBytes sends bytes as they are.
func (p *Peer) SendBytes(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("peer: write: %v", err)
	}
}

// ReadBytes returns the next n bytes. It must not be mixed with Read.
func (p *Peer) ReadBytes(n int) []byte {
	p.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(p.conn, b); err != nil {
		p.t.Fatalf("peer: read: %v", err)
	}
	return b
}

// Close closes the connection without a word.
func (p *Peer) Close() { _ = p.conn.Close() }

// ExpectClosed waits until the client has closed the connection.
func (p *Peer) ExpectClosed() {
	p.t.Helper()
	m, err := p.read()
	if err == nil {
		p.t.Fatalf("peer: got %v, want the connection closed", m)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, syscall.ECONNRESET) {
		p.t.Fatalf("peer: got %v, want the connection closed", err)
	}
}

// Connect reads the client's CONNECT message and checks it.
func (p *Peer) Connect() {
	p.t.Helper()
	m := p.Read()
	var login struct{ AuthToken string }
	if err := json.Unmarshal(m.Payload, &login); err != nil {
		p.t.Fatalf("peer: payload of CONNECT: %v", err)
	}
	switch {
	case m.Type != eventstream.Connect, m.Flags != 0, m.StreamID != 0, m.Version != eventstream.ProtocolVersion:
		p.t.Fatalf("peer: got %v version %q, want CONNECT flags 0 stream 0 version %q", m, m.Version, eventstream.ProtocolVersion)
	case login.AuthToken != Token:
		p.t.Fatalf("peer: the token is not ipctest.Token")
	}
}

// Accept reads the CONNECT message and lets the client in.
func (p *Peer) Accept() {
	p.t.Helper()
	p.Connect()
	p.Send(&eventstream.Message{Type: eventstream.ConnectAck, Flags: eventstream.ConnectionAccepted})
}

// Refuse reads the CONNECT message, refuses it, which lite does without a word, and
// closes.
func (p *Peer) Refuse() {
	p.t.Helper()
	p.Connect()
	if p.nucleus == Classic {
		p.Send(&eventstream.Message{Type: eventstream.ConnectAck})
	}
	p.Close()
}

// Request reads a message and checks that it opens a stream.
func (p *Peer) Request() Request {
	p.t.Helper()
	return p.Check(p.Read())
}

// Check checks that a message opens a stream, the next one.
func (p *Peer) Check(m *eventstream.Message) Request {
	p.t.Helper()
	op := m.Operation
	if len(op) > len(model.Namespace) && op[:len(model.Namespace)] == model.Namespace {
		op = op[len(model.Namespace):]
	}
	var object map[string]json.RawMessage
	switch {
	case m.Type != eventstream.ApplicationMessage || m.Flags != 0:
		p.t.Fatalf("peer: got %v, want a request", m)
	case m.StreamID != p.lastID+1:
		p.t.Fatalf("peer: got %v, want stream id %d", m, p.lastID+1)
	case op == m.Operation:
		p.t.Fatalf("peer: operation %q is not in %s", m.Operation, model.Namespace)
	case m.ModelType != m.Operation+"Request":
		p.t.Fatalf("peer: model type %q of %s", m.ModelType, m.Operation)
	case m.ContentType != eventstream.ContentJSON:
		p.t.Fatalf("peer: content type %q", m.ContentType)
	case json.Unmarshal(m.Payload, &object) != nil:
		p.t.Fatalf("peer: payload %q is not a JSON object", m.Payload)
	}
	for name, value := range object {
		if string(value) == "null" {
			p.t.Fatalf("peer: member %s of %s is null, want it left out", name, m.Payload)
		}
	}
	p.lastID = m.StreamID
	return Request{ID: m.StreamID, Op: op, Payload: m.Payload}
}

// Expect reads a request and checks that it is for this operation.
func (p *Peer) Expect(op model.Operation) Request {
	p.t.Helper()
	r := p.Request()
	if r.Op != op.Name {
		p.t.Fatalf("peer: got a request for %s, want %s", r.Op, op.Name)
	}
	return r
}

// ExpectTerminate reads a message and checks that it ends the stream.
func (p *Peer) ExpectTerminate(id int32) {
	p.t.Helper()
	m := p.Read()
	if m.StreamID != id || !bareEnd(m) {
		p.t.Fatalf("peer: got %v, want the end of stream %d", m, id)
	}
}
