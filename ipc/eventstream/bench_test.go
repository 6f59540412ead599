package eventstream

import (
	"bytes"
	"io"
	"testing"
)

var benchMessage = Message{
	ContentType: ContentJSON, ModelType: "aws.greengrass#UpdateThingShadowRequest",
	StreamID: 1, Operation: "aws.greengrass#UpdateThingShadow",
	Payload: []byte(`{"thingName":"MyThing","shadowName":"gpio","payload":"eyJzdGF0ZSI6eyJyZXBvcnRlZCI6eyJsZWQiOnRydWV9fX0="}`),
}

func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(&benchMessage); err != nil {
			b.Fatal(err)
		}
	}
}

// again is a connection that brings the same frame for ever.
type again struct {
	frame []byte
	rest  []byte
}

func (a *again) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		a.rest = a.frame
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{0, 1 << 10, 1 << 20} {
		b.Run(sizeName(size), func(b *testing.B) {
			m := benchMessage
			m.Payload = append(bytes.Clone(m.Payload), make([]byte, size)...)
			frame, err := Encode(&m)
			if err != nil {
				b.Fatal(err)
			}
			var src io.Reader = &again{frame: frame}
			r := NewReader(src, 0)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return "1MiB"
	case n >= 1<<10:
		return "1KiB"
	}
	return "small"
}
