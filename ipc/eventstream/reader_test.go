package eventstream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestReadAfterHeaderError(t *testing.T) {
	bad, _ := hex.DecodeString("000000100000000005c248eb7d98c8ff")
	good, err := Encode(&Message{Type: Ping})
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(bytes.NewReader(append(bad, good...)), 0)
	var header *HeaderError
	if _, err := r.Read(); !errors.As(err, &header) {
		t.Fatalf("got %v, want a header error", err)
	}
	if m, err := r.Read(); err != nil || m.Type != Ping {
		t.Errorf("got %v, %v after a header error, want the ping", m, err)
	}
}

func TestReadLimit(t *testing.T) {
	frame, err := Encode(&Message{StreamID: 1, Payload: make([]byte, 1000)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewReader(bytes.NewReader(frame), len(frame)).Read(); err != nil {
		t.Errorf("a frame as long as the limit: %v", err)
	}
	var frameErr *FrameError
	if _, err := NewReader(bytes.NewReader(frame), len(frame)-1).Read(); !errors.As(err, &frameErr) {
		t.Errorf("a frame one byte longer than the limit: %v, want a frame error", err)
	}
}

// endless announces a message of a size and then sends a part of it.
func endless(size uint32, sent int) io.Reader {
	prelude := binary.BigEndian.AppendUint32(nil, size)
	prelude = binary.BigEndian.AppendUint32(prelude, 0)
	prelude = binary.BigEndian.AppendUint32(prelude, crc32.ChecksumIEEE(prelude))
	return io.MultiReader(bytes.NewReader(prelude), bytes.NewReader(make([]byte, sent)))
}

func TestReadMemory(t *testing.T) {
	for _, test := range []struct {
		name    string
		size    uint32
		sent    int
		atMost  uint64
		because string
	}{
		{"4 GiB announced", math.MaxUint32, 0, 64 << 10, "refused by its length"},
		{"24 MiB announced, nothing sent", MaxMessage, 0, 64 << 10, "memory follows the bytes, not the announcement"},
		{"24 MiB announced, 100 kB sent", MaxMessage, 100_000, 1 << 20, "the same"},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := endless(test.size, test.sent)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := NewReader(src, 0).Read()
			runtime.ReadMemStats(&after)
			var frame *FrameError
			if !errors.As(err, &frame) {
				t.Errorf("got %v, want a frame error", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > test.atMost {
				t.Errorf("%d bytes allocated, want at most %d: %s", used, test.atMost, test.because)
			}
		})
	}
}

// TestBoundMessages: a message has its time from the first byte to the last, and
// nothing has when there is no message.
func TestBoundMessages(t *testing.T) {
	frame, err := Encode(&Message{StreamID: 1, Payload: make([]byte, 5000)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		every time.Duration // between two of eleven pieces
		cut   int           // bytes of the first piece
		fail  bool
	}{
		{"fast", 0, 100, false},
		{"slow, and in time", 900 * time.Millisecond, 100, false},
		{"too slow", 1100 * time.Millisecond, 100, true},
		{"too slow within the prelude", 1100 * time.Millisecond, 5, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				var peer sync.WaitGroup
				defer peer.Wait()
				defer func() { _ = near.Close() }()
				peer.Go(func() {
					defer func() { _ = far.Close() }()
					for range 3 {
						time.Sleep(time.Hour)
						rest := frame
						for n := test.cut; len(rest) > 0; n = len(frame) / 10 {
							n = min(n, len(rest))
							if _, err := far.Write(rest[:n]); err != nil {
								return
							}
							rest = rest[n:]
							time.Sleep(test.every)
						}
					}
				})
				r := NewReader(near, 0)
				r.BoundMessages(near, 10*time.Second)
				if test.fail {
					var frameErr *FrameError
					_, err := r.Read()
					if !errors.As(err, &frameErr) || !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "not complete within 10s") {
						t.Errorf("got %v, want a frame error", err)
					}
					return
				}
				for range 3 {
					if m, err := r.Read(); err != nil || len(m.Payload) != 5000 {
						t.Errorf("got %v, %v", m, err)
					}
				}
				if _, err := r.Read(); err != io.EOF {
					t.Errorf("got %v, want EOF", err)
				}
			})
		})
	}
}

func TestReaderKeepsNoLargeBuffer(t *testing.T) {
	large, err := Encode(&Message{StreamID: 1, Payload: make([]byte, 4<<20)})
	if err != nil {
		t.Fatal(err)
	}
	small, err := Encode(&Message{Type: Ping})
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(bytes.NewReader(append(large, small...)), 0)
	for range 2 {
		if _, err := r.Read(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(r.frame) > keptBuffer {
		t.Errorf("the reader keeps %d bytes, want at most %d", cap(r.frame), keptBuffer)
	}
}

func TestReadPassesConnectionErrors(t *testing.T) {
	frame, err := Encode(&Message{Type: Ping})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for _, n := range []int{0, 5, 12, 40, len(frame) - 1} {
		r := NewReader(io.MultiReader(bytes.NewReader(frame[:n]), iotest.ErrReader(broken)), 0)
		if _, err := r.Read(); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v, want the error of the connection", n, err)
		}
	}

	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	if err := near.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewReader(near, 0).Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	_ = near.Close()
	if _, err := NewReader(near, 0).Read(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the closed pipe", err)
	}
}

func TestPayloadIsTheCallers(t *testing.T) {
	var all []byte
	for _, text := range []string{"first", "other"} {
		frame, err := Encode(&Message{StreamID: 1, Payload: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, frame...)
	}
	r := NewReader(bytes.NewReader(all), 0)
	first, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	if got := string(first.Payload); got != "first" {
		t.Errorf("the first payload became %q by reading on", got)
	}
}

// TestDropPayloads: a long message is checked as any other, costs no memory, and does
// not disturb those around it.
func TestDropPayloads(t *testing.T) {
	encode := func(payload int) []byte {
		frame, err := Encode(&Message{StreamID: 7, ModelType: "x", Payload: bytes.Repeat([]byte("p"), payload)})
		if err != nil {
			t.Fatal(err)
		}
		return frame
	}
	short, long := encode(100), encode(8<<20)
	broken := bytes.Clone(long)
	broken[len(broken)/2] ^= 1
	for _, test := range []struct {
		name   string
		frames []byte
		want   []int // payloads; negative for those that are dropped
		fails  bool
	}{
		{"between", slices.Concat(short, long, short), []int{100, -(8 << 20), 100}, false},
		{"exactly as long as may be", slices.Concat(short, short), []int{100, 100}, false},
		{"broken", slices.Concat(short, broken, short), []int{100}, true},
		{"cut short", long[:len(long)-1], nil, true},
		{"cut in its payload", long[:5000], nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := NewReader(bytes.NewReader(test.frames), 0)
			r.DropPayloads(len(short))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for _, want := range test.want {
				m, err := r.Read()
				if err != nil || m.StreamID != 7 || m.ModelType != "x" || len(m.Payload) != max(want, 0) || m.Dropped != max(-want, 0) {
					t.Fatalf("got %v, %v, want a payload of %d", m, err, want)
				}
			}
			_, err := r.Read()
			var frame *FrameError
			if test.fails != errors.As(err, &frame) || !test.fails && err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("%d bytes allocated", used)
			}
		})
	}
}
