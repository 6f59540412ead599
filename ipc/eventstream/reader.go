package eventstream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"time"
)

// Reader reads messages from a connection. It is not safe for concurrent use.
//
// Its memory is bounded by a small multiple of the bytes that really arrived: no
// announced length makes it allocate ahead of them.
type Reader struct {
	buf   *bufio.Reader
	limit int
	frame []byte // of the present message; reused
	keep  int    // the payload of a longer message is dropped

	deadline func(time.Time) error // of reading; nil without BoundMessages
	within   time.Duration
	running  bool // the deadline, for the present message
}

// NewReader reads messages of at most limit bytes from r. A limit that is not
// between 16 bytes and [MaxMessage] means MaxMessage.
func NewReader(r io.Reader, limit int) *Reader {
	if limit < overhead || limit > MaxMessage {
		limit = MaxMessage
	}
	return &Reader{buf: bufio.NewReaderSize(r, 4096), limit: limit, keep: limit}
}

// DropPayloads drops the payload of each message from now on that is longer than n
// bytes, headers included: the message is read and checked as any other, without memory
// for its payload, and comes with [Message].Dropped. n must be above 0.
func (r *Reader) DropPayloads(n int) { r.keep = n }

// BoundMessages gives each message from now on the time d from its first byte to
// its last. One that takes longer is a *[FrameError] that wraps
// [os.ErrDeadlineExceeded]. conn is the connection that is read from: nobody else
// may set its read deadline, which is set only for a message that did not come in
// one piece.
func (r *Reader) BoundMessages(conn interface{ SetReadDeadline(time.Time) error }, d time.Duration) {
	r.deadline, r.within = conn.SetReadDeadline, d
}

// begin has the time of a message run when less than n bytes of it are there. A
// connection whose deadline cannot be set says why when it is read.
func (r *Reader) begin(n int) {
	if r.deadline != nil && !r.running && r.buf.Buffered() < n {
		r.running = true
		_ = r.deadline(time.Now().Add(r.within))
	}
}

// done ends the time of a message that is there.
func (r *Reader) done() {
	if r.running {
		r.running = false
		_ = r.deadline(time.Time{})
	}
}

// Read returns the next message, whose payload the caller owns.
//
// It returns [io.EOF] at the end between two messages, a *[FrameError] for bytes
// that are no message (one cut short included), a *[HeaderError] for a frame
// that is no message of the protocol, and the error of the connection otherwise.
// After any error but a *HeaderError the reader is useless.
func (r *Reader) Read() (*Message, error) {
	if _, err := r.buf.Peek(1); err != nil {
		return nil, err
	}
	total, headers, err := r.readPrelude()
	if err != nil {
		return nil, err
	}
	if total > r.keep {
		return r.readDropped(total, headers)
	}
	if err := r.readFrame(total, total); err != nil {
		return nil, err
	}
	r.done()
	body, sum := r.frame[:total-4], binary.BigEndian.Uint32(r.frame[total-4:])
	if want := crc32.ChecksumIEEE(body); want != sum {
		return nil, &FrameError{Reason: fmt.Sprintf("message checksum is %08x, want %08x", sum, want)}
	}
	m, err := readHeaders(body[preludeSize : preludeSize+headers])
	if err != nil {
		return nil, err
	}
	if payload := body[preludeSize+headers:]; len(payload) > 0 {
		m.Payload = bytes.Clone(payload)
	}
	return m, nil
}

// readPrelude waits for the lengths, and leaves them in the buffer.
func (r *Reader) readPrelude() (total, headers int, err error) {
	r.begin(preludeSize)
	prelude, err := r.buf.Peek(preludeSize)
	if err != nil {
		return 0, 0, r.cutShort(err)
	}
	return checkPrelude(prelude, r.limit)
}

// checkPrelude looks at the lengths before anything believes them.
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

// readDropped reads a message but for its payload.
func (r *Reader) readDropped(total, headers int) (*Message, error) {
	kept := preludeSize + headers
	if err := r.readFrame(total, kept); err != nil {
		return nil, err
	}
	sum := crc32.NewIEEE()
	sum.Write(r.frame)
	payload := total - kept - 4
	if _, err := io.CopyN(sum, r.buf, int64(payload)); err != nil {
		return nil, r.cutShort(err)
	}
	var tail [4]byte
	if _, err := io.ReadFull(r.buf, tail[:]); err != nil {
		return nil, r.cutShort(err)
	}
	r.done()
	if got, want := binary.BigEndian.Uint32(tail[:]), sum.Sum32(); got != want {
		return nil, &FrameError{Reason: fmt.Sprintf("message checksum is %08x, want %08x", got, want)}
	}
	m, err := readHeaders(r.frame[preludeSize:])
	if err != nil {
		return nil, err
	}
	m.Dropped = payload
	return m, nil
}

// readFrame takes the first n bytes of a message of that total into r.frame, which
// grows as they come.
func (r *Reader) readFrame(total, n int) error {
	r.begin(total)
	if cap(r.frame) > keptBuffer {
		r.frame = nil
	}
	r.frame = r.frame[:0]
	for len(r.frame) < n {
		have := len(r.frame)
		r.frame = slices.Grow(r.frame, min(n-have, max(have, 4096)))
		r.frame = r.frame[:min(n, cap(r.frame))]
		got, err := io.ReadFull(r.buf, r.frame[have:])
		if err != nil {
			r.frame = r.frame[:have+got]
			return r.cutShort(err)
		}
	}
	return nil
}

// cutShort tells what ends a message in its middle from the other errors of a
// connection.
func (r *Reader) cutShort(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &FrameError{Reason: "cut short", Err: io.ErrUnexpectedEOF}
	case r.running && errors.Is(err, os.ErrDeadlineExceeded):
		return &FrameError{Reason: fmt.Sprintf("not complete within %v", r.within), Err: err}
	}
	return err
}
