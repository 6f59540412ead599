package ipctest

import (
	"bytes"
	"encoding/json"
	"strings"

	aws "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Nucleus is a kind of nucleus.
type Nucleus uint8

// The kinds of nucleus. Lite differs by aws-greengrass/aws-greengrass-lite
// modules/ggipcd/src/ipc_server.c and ipc_error.c: it never ends a stream by its
// answer, has two members in an error, knows fewer operations, orders the headers
// in another way, refuses a token without a word, takes no message of more than 10000
// bytes, and nothing on stream 0 after the handshake.
const (
	Classic Nucleus = iota
	Lite
)

// Nuclei are all kinds.
var Nuclei = []Nucleus{Classic, Lite}

func (n Nucleus) String() string { return [...]string{"classic", "lite"}[n] }

// liteLimit is the most that lite takes: its buffer is for what follows the prelude.
const liteLimit = eventstream.MaxLiteMessage + 12

// As makes the peer a nucleus of this kind. It comes before all messages.
func (p *Peer) As(n Nucleus) {
	p.nucleus = n
	if n == Lite {
		p.reader = eventstream.NewReader(p.conn, liteLimit)
	}
}

// Unsupported answers a request for an operation that the nucleus does not know.
func (p *Peer) Unsupported(r Request) {
	p.t.Helper()
	m := &eventstream.Message{
		Type: eventstream.ApplicationError, Flags: eventstream.TerminateStream, StreamID: r.ID, ContentType: eventstream.ContentJSON,
		Payload: []byte(`{ "error": "Unsupported Operation", "message": "` + model.Namespace + r.Op + ` is an unsupported operation." }`),
	}
	if p.nucleus == Lite {
		m = Failure(r.ID, model.ServiceFailure, "")
	}
	p.Send(m)
}

// Unreadable answers a request that the nucleus cannot read.
func (p *Peer) Unreadable(r Request) {
	p.t.Helper()
	m := &eventstream.Message{
		Type: eventstream.ApplicationError, Flags: eventstream.TerminateStream, StreamID: r.ID, ContentType: eventstream.ContentText,
		Payload: []byte("InternalServerError"),
	}
	if p.nucleus == Lite {
		m = Failure(r.ID, model.ServiceFailure, "")
	}
	p.Send(m)
}

// encode returns the bytes of a message in the form of the nucleus.
func (p *Peer) encode(m *eventstream.Message) []byte {
	p.t.Helper()
	encode := eventstream.Encode
	if p.nucleus == Lite {
		m, encode = p.liteForm(m), encodeLite
	}
	frame, err := encode(m)
	if err != nil {
		p.t.Fatalf("peer: encode %v: %v", m, err)
	}
	return frame
}

// liteForm is what lite would send for a message of classic.
func (p *Peer) liteForm(m *eventstream.Message) *eventstream.Message {
	lite := *m
	switch {
	case m.Type == eventstream.ApplicationMessage && strings.HasSuffix(m.ModelType, "Response") && m.Flags.Has(eventstream.TerminateStream):
		lite.Flags &^= eventstream.TerminateStream
		p.owed[m.StreamID] = true
	case m.Type == eventstream.ApplicationError:
		var short struct {
			Message string          `json:"_message"`
			Code    model.ErrorCode `json:"_errorCode"`
		}
		if json.Unmarshal(m.Payload, &short) == nil && short.Code != "" {
			lite.Payload, _ = json.Marshal(short) // of strings
		}
	}
	return &lite
}

// encodeLite has the headers in the order of lite.
func encodeLite(m *eventstream.Message) ([]byte, error) {
	headers := aws.Headers{
		{Name: ":message-type", Value: aws.Int32Value(m.Type)},
		{Name: ":message-flags", Value: aws.Int32Value(m.Flags)},
		{Name: ":stream-id", Value: aws.Int32Value(m.StreamID)},
	}
	for _, h := range []struct{ name, value string }{{":content-type", m.ContentType}, {"service-model-type", m.ModelType}} {
		if h.value != "" {
			headers = append(headers, aws.Header{Name: h.name, Value: aws.StringValue(h.value)})
		}
	}
	var frame bytes.Buffer
	err := aws.NewEncoder().Encode(&frame, aws.Message{Headers: headers, Payload: m.Payload})
	return frame.Bytes(), err
}
