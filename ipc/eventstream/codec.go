package eventstream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	aws "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// Sizes in bytes.
const (
	// MaxMessage is the largest message that the C runtime below the official
	// clients takes (awslabs/aws-c-event-stream include/aws/event-stream/event_stream.h).
	MaxMessage = 24 << 20
	// MaxLiteMessage is the largest message that nucleus lite and the component
	// SDK for C take (aws-greengrass/aws-greengrass-lite GGL_IPC_MAX_MSG_LEN).
	MaxLiteMessage = 10000

	overhead       = 16        // prelude, its checksum, the message's checksum
	preludeSize    = 12        // lengths and their checksum
	maxHeaders     = 128 << 10 // of all headers together; ours need under 300
	maxHeaderCount = 1024      // as the C runtime has it
	maxHeaderValue = math.MaxInt16
	keptBuffer     = 64 << 10 // a buffer that grew beyond it is not kept
)

// The headers of the protocol.
const (
	headerType      = ":message-type"
	headerFlags     = ":message-flags"
	headerStream    = ":stream-id"
	headerVersion   = ":version"
	headerContent   = ":content-type"
	headerModel     = "service-model-type"
	headerOperation = "operation"
)

// Reader reads messages from a connection. It is not safe for concurrent use.
//
// Its memory is bounded by a small multiple of the bytes that really arrived: no
// announced length makes it allocate ahead of them.
type Reader struct {
	buf     *bufio.Reader
	decoder *aws.Decoder
	limit   int
	frame   []byte // of the present message; reused
	bytes   bytes.Reader
}

// NewReader reads messages of at most limit bytes from r. A limit that is not
// between 16 bytes and [MaxMessage] means MaxMessage.
func NewReader(r io.Reader, limit int) *Reader {
	if limit < overhead || limit > MaxMessage {
		limit = MaxMessage
	}
	return &Reader{buf: bufio.NewReaderSize(r, 4096), decoder: aws.NewDecoder(), limit: limit}
}

// Read returns the next message, whose payload the caller owns.
//
// It returns [io.EOF] at the end between two messages, a *[FrameError] for bytes
// that are no message (one cut short included), a *[HeaderError] for a frame
// that is no message of the protocol, and the error of the connection otherwise.
// After any error but a *HeaderError the reader is useless.
func (r *Reader) Read() (*Message, error) {
	prelude, err := r.buf.Peek(preludeSize)
	if err != nil {
		if len(prelude) == 0 {
			return nil, err
		}
		return nil, cutShort(err)
	}
	total, headers, err := checkPrelude(prelude, r.limit)
	if err != nil {
		return nil, err
	}
	if err := r.readFrame(total); err != nil {
		return nil, err
	}
	if err := checkHeaders(r.frame[preludeSize : preludeSize+headers]); err != nil {
		return nil, err
	}
	r.bytes.Reset(r.frame)
	var payload []byte
	if n := total - headers - overhead; n > 0 {
		payload = make([]byte, 0, n+bytes.MinRead) // all that the bytes.Buffer below wants
	}
	frame, err := r.decoder.Decode(&r.bytes, payload)
	if err != nil {
		return nil, undecodable(err)
	}
	return fromHeaders(frame)
}

// checkPrelude looks at the lengths before anything believes them: the codec
// would wait for up to 4 GiB, and take lengths whose difference is negative.
func checkPrelude(prelude []byte, limit int) (total, headers int, err error) {
	t, h := binary.BigEndian.Uint32(prelude), binary.BigEndian.Uint32(prelude[4:])
	want, got := crc32.ChecksumIEEE(prelude[:8]), binary.BigEndian.Uint32(prelude[8:])
	switch {
	case want != got:
		err = &FrameError{Reason: fmt.Sprintf("prelude checksum is %08x, want %08x", got, want)}
	case t < overhead:
		err = &FrameError{Reason: fmt.Sprintf("length %d is below the minimum of %d", t, overhead)}
	case t > uint32(limit):
		err = &FrameError{Reason: fmt.Sprintf("length %d is above the limit of %d", t, limit)}
	case h > t-overhead:
		err = &FrameError{Reason: fmt.Sprintf("%d bytes of headers do not fit a message of %d", h, t)}
	case h > maxHeaders:
		err = &FrameError{Reason: fmt.Sprintf("%d bytes of headers are above the limit of %d", h, maxHeaders)}
	}
	return int(t), int(h), err
}

// readFrame takes total bytes into r.frame, which grows as they come.
func (r *Reader) readFrame(total int) error {
	if cap(r.frame) > keptBuffer {
		r.frame = nil
	}
	r.frame = r.frame[:0]
	for len(r.frame) < total {
		have := len(r.frame)
		r.frame = slices.Grow(r.frame, min(total-have, max(have, 4096)))
		r.frame = r.frame[:min(total, cap(r.frame))]
		n, err := io.ReadFull(r.buf, r.frame[have:])
		if err != nil {
			r.frame = r.frame[:have+n]
			return cutShort(err)
		}
	}
	return nil
}

// checkHeaders walks over the headers, since the codec takes a name that is cut
// off for their end, and any number of them in quadratic time.
func checkHeaders(b []byte) error {
	for count := 1; len(b) > 0; count++ {
		if count > maxHeaderCount {
			return &FrameError{Reason: fmt.Sprintf("over %d headers", maxHeaderCount)}
		}
		n, ok := headerSize(b)
		if !ok {
			return &FrameError{Reason: fmt.Sprintf("header %d is longer than all headers", count)}
		}
		b = b[n:]
	}
	return nil
}

// headerSize is the size of the first header of b, which is not empty. A header of
// an unknown type has none: the codec refuses it with the reason, so its size does
// not matter.
func headerSize(b []byte) (n int, ok bool) {
	n = 1 + int(b[0]) + 1 // name and type
	if n > len(b) {
		return 0, false
	}
	switch b[n-1] {
	case 2: // int8
		n++
	case 3: // int16
		n += 2
	case 4: // int32
		n += 4
	case 5, 8: // int64, timestamp
		n += 8
	case 6, 7: // bytes, string
		if n+2 > len(b) {
			return 0, false
		}
		n += 2 + int(binary.BigEndian.Uint16(b[n:]))
	case 9: // UUID
		n += 16
	}
	return n, n <= len(b)
}

// cutShort tells the end of the connection in the middle of a message from its
// other errors.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &FrameError{Reason: "cut short", Err: io.ErrUnexpectedEOF}
	}
	return err
}

// undecodable names the faults of the codec, which has the whole frame.
func undecodable(err error) error {
	var checksum aws.ChecksumError
	if errors.As(err, &checksum) {
		return &FrameError{Reason: "message checksum", Err: err}
	}
	return &FrameError{Reason: "not decodable", Err: err}
}

func fromHeaders(frame aws.Message) (*Message, error) {
	m := &Message{Payload: frame.Payload}
	var typ, flags, stream bool
	for _, h := range frame.Headers {
		if err := m.header(h, &typ, &flags, &stream); err != nil {
			return nil, err
		}
	}
	switch {
	case !typ:
		return nil, &HeaderError{headerType, "missing"}
	case !flags:
		return nil, &HeaderError{headerFlags, "missing"}
	case !stream:
		return nil, &HeaderError{headerStream, "missing"}
	}
	return m, nil
}

// header takes one header over; those of other protocols pass.
func (m *Message) header(h aws.Header, typ, flags, stream *bool) error {
	switch name := strings.ToLower(h.Name); name {
	case headerType:
		return number(h, (*int32)(&m.Type), typ)
	case headerFlags:
		return number(h, (*int32)(&m.Flags), flags)
	case headerStream:
		return number(h, &m.StreamID, stream)
	case headerVersion:
		return text(h, &m.Version)
	case headerContent:
		return text(h, &m.ContentType)
	case headerModel:
		return text(h, &m.ModelType)
	case headerOperation:
		return text(h, &m.Operation)
	}
	return nil
}

func number(h aws.Header, dst *int32, seen *bool) error {
	v, ok := h.Value.(aws.Int32Value)
	if !ok {
		return &HeaderError{strings.ToLower(h.Name), fmt.Sprintf("want an int32, got %T", h.Value)}
	}
	*dst, *seen = int32(v), true
	return nil
}

func text(h aws.Header, dst *string) error {
	v, ok := h.Value.(aws.StringValue)
	switch {
	case !ok:
		return &HeaderError{strings.ToLower(h.Name), fmt.Sprintf("want a string, got %T", h.Value)}
	case len(v) > maxHeaderValue:
		return &HeaderError{strings.ToLower(h.Name), fmt.Sprintf("value of %d bytes is above the limit of %d", len(v), maxHeaderValue)}
	}
	*dst = string(v)
	return nil
}

// Encode returns the bytes of m. It fails with a *[FrameError] when a header
// value is over 32767 bytes or the whole message over [MaxMessage]. The headers
// come in the order that the official Java and Python clients use.
func Encode(m *Message) ([]byte, error) {
	headers := make(aws.Headers, 0, 7)
	text := func(name, value string) {
		if value != "" {
			headers = append(headers, aws.Header{Name: name, Value: aws.StringValue(value)})
		}
	}
	number := func(name string, value int32) {
		headers = append(headers, aws.Header{Name: name, Value: aws.Int32Value(value)})
	}
	text(headerVersion, m.Version)
	text(headerContent, m.ContentType)
	text(headerModel, m.ModelType)
	number(headerType, int32(m.Type))
	number(headerFlags, int32(m.Flags))
	number(headerStream, m.StreamID)
	text(headerOperation, m.Operation)

	if len(m.Payload) > MaxMessage {
		return nil, &FrameError{Reason: fmt.Sprintf("payload of %d bytes is above the limit of %d", len(m.Payload), MaxMessage)}
	}
	encoder := encoders.Get().(*aws.Encoder)
	var buf bytes.Buffer
	buf.Grow(overhead + 256 + len(m.Payload))
	if err := encoder.Encode(&buf, aws.Message{Headers: headers, Payload: m.Payload}); err != nil {
		return nil, &FrameError{Reason: "not encodable", Err: err}
	}
	if len(m.Payload) <= keptBuffer {
		encoders.Put(encoder)
	}
	if buf.Len() > MaxMessage {
		return nil, &FrameError{Reason: fmt.Sprintf("length %d is above the limit of %d", buf.Len(), MaxMessage)}
	}
	return buf.Bytes(), nil
}

// encoders are kept for their buffers.
var encoders = sync.Pool{New: func() any { return aws.NewEncoder() }}
