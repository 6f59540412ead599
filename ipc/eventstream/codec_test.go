package eventstream

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// vector is a row of testdata/vectors.json: bytes, and the message or the error
// that they are.
type vector struct {
	Name       string
	What       string
	Hex        string
	Message    *vectorMessage
	DecodeOnly bool   // others send it, we would not
	Error      string // "EOF", or "frame" or "header" and how the reason begins
}

type vectorMessage struct {
	Type                                       MessageType
	Flags                                      Flags
	Stream                                     int32
	Version, ContentType, ModelType, Operation string
	Payload                                    string
}

func (v vectorMessage) message() *Message {
	m := &Message{
		Type: v.Type, Flags: v.Flags, StreamID: v.Stream,
		Version: v.Version, ContentType: v.ContentType, ModelType: v.ModelType, Operation: v.Operation,
	}
	if v.Payload != "" {
		m.Payload = []byte(v.Payload)
	}
	return m
}

// documented is how many vectors the protocol's description has (V1 to V18).
const documented = 18

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(data, &vs); err != nil {
		t.Fatal(err)
	}
	if len(vs) < documented {
		t.Fatalf("%d vectors, want at least %d", len(vs), documented)
	}
	return vs
}

func (v vector) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return b
}

func TestVectorsDecode(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			for how, wrap := range map[string]func(io.Reader) io.Reader{
				"at once":      func(r io.Reader) io.Reader { return r },
				"byte by byte": iotest.OneByteReader,
				"data and EOF": iotest.DataErrReader,
			} {
				got, err := NewReader(wrap(bytes.NewReader(v.bytes(t))), 0).Read()
				if v.Message == nil {
					checkError(t, how, err, v.Error)
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", how, err)
				} else if want := v.Message.message(); !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\n got %+v\nwant %+v", how, got, want)
				}
			}
		})
	}
}

func checkError(t *testing.T, how string, err error, want string) {
	t.Helper()
	var frame *FrameError
	var header *HeaderError
	var got string
	switch {
	case want == "":
		t.Fatal("vector has neither message nor error")
	case err == io.EOF:
		got = "EOF"
	case errors.As(err, &frame):
		got = "frame " + frame.Reason
	case errors.As(err, &header):
		got = "header " + header.Header
	default:
		t.Errorf("%s: error %T %v, want %s", how, err, err, want)
		return
	}
	if !strings.HasPrefix(got, want) {
		t.Errorf("%s: got %q, want %q", how, got, want)
	}
}

func TestVectorsEncode(t *testing.T) {
	n := 0
	for _, v := range vectors(t) {
		if v.Message == nil || v.DecodeOnly {
			continue
		}
		n++
		t.Run(v.Name, func(t *testing.T) {
			got, err := Encode(v.Message.message())
			if err != nil {
				t.Fatal(err)
			}
			if want := v.bytes(t); !bytes.Equal(got, want) {
				t.Errorf("\n got %x\nwant %x", got, want)
			}
		})
	}
	if n < documented-1 { // V1 is no message
		t.Errorf("%d messages encoded, want at least %d", n, documented-1)
	}
}

// TestVectorsInOneStream proves that a message ends where the next one begins.
func TestVectorsInOneStream(t *testing.T) {
	var all bytes.Buffer
	var want []*Message
	for _, v := range vectors(t) {
		if v.Message != nil {
			all.Write(v.bytes(t))
			want = append(want, v.Message.message())
		}
	}
	r := NewReader(iotest.HalfReader(&all), 0)
	for i, w := range want {
		got, err := r.Read()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if !reflect.DeepEqual(got, w) {
			t.Errorf("message %d:\n got %+v\nwant %+v", i, got, w)
		}
	}
	if _, err := r.Read(); err != io.EOF {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestEncodeLimits(t *testing.T) {
	for _, test := range []struct {
		name string
		m    Message
		ok   bool
	}{
		{"operation of 32767 bytes", Message{Operation: strings.Repeat("x", 32767)}, true},
		{"operation of 32768 bytes", Message{Operation: strings.Repeat("x", 32768)}, false},
		{"payload over the limit", Message{Payload: make([]byte, MaxMessage+1)}, false},
		{"message over the limit", Message{Payload: make([]byte, MaxMessage-20)}, false},
		{"message at the limit", Message{Payload: make([]byte, MaxMessage-71)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Encode(&test.m)
			var frame *FrameError
			if test.ok && err != nil || !test.ok && !errors.As(err, &frame) {
				t.Errorf("error %v, want ok %v", err, test.ok)
			}
		})
	}
}

func TestText(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{ApplicationMessage.String(), "APPLICATION_MESSAGE"},
		{InternalError.String(), "INTERNAL_ERROR"},
		{MessageType(8).String(), "message type 8"},
		{MessageType(-1).String(), "message type -1"},
		{(&Message{Type: Ping}).String(), "PING flags 0 stream 0, 0 bytes"},
		{(&Message{StreamID: 3, Operation: "a#B", Payload: []byte("secret")}).String(), "APPLICATION_MESSAGE flags 0 stream 3 a#B, 6 bytes"},
		{(&Message{StreamID: 3, Flags: TerminateStream, ModelType: "a#B"}).String(), "APPLICATION_MESSAGE flags 2 stream 3 a#B, 0 bytes"},
		{(&FrameError{Reason: "cut short", Err: io.ErrUnexpectedEOF}).Error(), "event-stream frame: cut short: unexpected EOF"},
		{(&HeaderError{":stream-id", "missing"}).Error(), "event-stream header :stream-id: missing"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
