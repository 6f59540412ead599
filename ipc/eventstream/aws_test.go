package eventstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"reflect"
	"strings"
	"testing"

	aws "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// FuzzRead proves that no bytes make the reader panic, that what it takes for a
// message is one to AWS's codec, too, with the same headers and payload, and that it
// is the same message after another round.
func FuzzRead(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.bytes(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data), 1<<20)
		for {
			m, err := r.Read()
			var header *HeaderError
			if errors.As(err, &header) {
				continue
			}
			if err != nil {
				return
			}
			checkDecoded(t, r.frame, m)
			frame, err := Encode(m)
			if err != nil {
				t.Fatalf("%v cannot be encoded: %v", m, err)
			}
			again, err := NewReader(bytes.NewReader(frame), 0).Read()
			if err != nil {
				t.Fatalf("%x cannot be decoded: %v", frame, err)
			}
			if !reflect.DeepEqual(m, again) {
				t.Fatalf("\n got %+v\nwant %+v", again, m)
			}
			checkDecoded(t, frame, m)
		}
	})
}

// checkDecoded holds a message against what AWS's codec makes of its bytes.
func checkDecoded(t *testing.T, frame []byte, m *Message) {
	t.Helper()
	theirs, err := aws.NewDecoder().Decode(bytes.NewReader(frame), nil)
	if err != nil {
		t.Fatalf("%x: AWS's codec says %v", frame, err)
	}
	if !bytes.Equal(theirs.Payload, m.Payload) {
		t.Fatalf("payload %x, to AWS's codec %x", m.Payload, theirs.Payload)
	}
	values := make(map[string]aws.Value)
	for _, h := range theirs.Headers {
		name := strings.ToLower(h.Name)
		if _, twice := values[name]; twice {
			return // in two spellings, of which each codec may take another
		}
		values[name] = h.Value
	}
	for name, got := range map[string]aws.Value{
		headerType: aws.Int32Value(m.Type), headerFlags: aws.Int32Value(m.Flags), headerStream: aws.Int32Value(m.StreamID),
	} {
		if want := values[name]; got != want {
			t.Fatalf("header %s is %v, to AWS's codec %v", name, got, want)
		}
	}
	for name, got := range map[string]string{
		headerVersion: m.Version, headerContent: m.ContentType, headerModel: m.ModelType, headerOperation: m.Operation,
	} {
		if want, _ := values[name].(aws.StringValue); got != string(want) {
			t.Fatalf("header %s is %q, to AWS's codec %q", name, got, want)
		}
	}
}

// TestEncodeAsAWS: the bytes are those of AWS's codec for the same headers in the
// same order.
func TestEncodeAsAWS(t *testing.T) {
	for _, m := range []*Message{
		{},
		{Type: 7, Flags: 3, StreamID: math.MaxInt32, Payload: []byte("{}")},
		{Type: -1, StreamID: -1, Version: "v", ContentType: "c", ModelType: "m", Operation: "o", Payload: make([]byte, 100_000)},
		{Operation: strings.Repeat("ä", maxHeaderValue/2)},
	} {
		var headers aws.Headers
		for _, h := range []struct{ name, value string }{{headerVersion, m.Version}, {headerContent, m.ContentType}, {headerModel, m.ModelType}} {
			if h.value != "" {
				headers = append(headers, aws.Header{Name: h.name, Value: aws.StringValue(h.value)})
			}
		}
		headers = append(headers, aws.Header{Name: headerType, Value: aws.Int32Value(m.Type)},
			aws.Header{Name: headerFlags, Value: aws.Int32Value(m.Flags)}, aws.Header{Name: headerStream, Value: aws.Int32Value(m.StreamID)})
		if m.Operation != "" {
			headers = append(headers, aws.Header{Name: headerOperation, Value: aws.StringValue(m.Operation)})
		}
		var want bytes.Buffer
		if err := aws.NewEncoder().Encode(&want, aws.Message{Headers: headers, Payload: m.Payload}); err != nil {
			t.Fatal(err)
		}
		if got, err := Encode(m); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%v:\n got %x, %v\nwant %x", m, got, err, want.Bytes())
		}
	}
}

// FuzzHeaders is FuzzRead behind the checksums, which no fuzzer guesses.
func FuzzHeaders(f *testing.F) {
	for _, v := range vectors(f) {
		if b := v.bytes(f); len(b) >= overhead {
			if _, n, err := checkPrelude(b, MaxMessage); err == nil && n <= len(b)-overhead {
				f.Add(b[preludeSize:preludeSize+n], b[preludeSize+n:len(b)-4])
			}
		}
	}
	f.Fuzz(func(t *testing.T, headers, payload []byte) {
		frame := binary.BigEndian.AppendUint32(nil, uint32(overhead+len(headers)+len(payload)))
		frame = binary.BigEndian.AppendUint32(frame, uint32(len(headers)))
		frame = binary.BigEndian.AppendUint32(frame, crc32.ChecksumIEEE(frame))
		frame = append(append(frame, headers...), payload...)
		frame = binary.BigEndian.AppendUint32(frame, crc32.ChecksumIEEE(frame))
		m, err := NewReader(bytes.NewReader(frame), 0).Read()
		var frameErr *FrameError
		var header *HeaderError
		switch {
		case err == nil:
			checkDecoded(t, frame, m)
		case errors.As(err, &frameErr): // AWS's codec is not so strict
		case !errors.As(err, &header):
			t.Fatalf("got %T %v", err, err)
		default: // the headers are whole, and not those of a message
			if _, err := aws.NewDecoder().Decode(bytes.NewReader(frame), nil); err != nil {
				t.Fatalf("%x: got %v, AWS's codec says %v", frame, header, err)
			}
		}
	})
}
