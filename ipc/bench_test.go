package ipc_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// benchConn connects to a peer that answers each request with the same bytes, but
// for stream id and checksum, over a real socket.
func benchConn(b *testing.B) *ipc.Conn {
	b.Helper()
	l := ipctest.Listen(b)
	var peer sync.WaitGroup
	peer.Go(func() {
		if p := l.Accept(); p != nil {
			p.Accept()
			echo(p)
		}
	})
	conn, err := ipc.Dial(b.Context(), ipc.Config{Socket: l.Path, Token: ipctest.Token})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		peer.Wait()
	})
	return conn
}

// BenchmarkCall is a round trip of GetThingShadow. The allocations are those of both
// ends, which are in this process.
func BenchmarkCall(b *testing.B) {
	conn := benchConn(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.GetThingShadow(b.Context(), getShadow); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCallParallel has many callers on one connection.
func BenchmarkCallParallel(b *testing.B) {
	for _, callers := range []int{10, 1000} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			conn := benchConn(b)
			b.ReportAllocs()
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := conn.GetThingShadow(b.Context(), getShadow); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkFloor is the ping-pong of as many bytes over a socket without anything
// else.
func BenchmarkFloor(b *testing.B) {
	request, err := eventstream.Encode(&eventstream.Message{
		ContentType: eventstream.ContentJSON, ModelType: model.GetThingShadow.RequestType(),
		StreamID: 1, Operation: model.GetThingShadow.ID(), Payload: []byte(`{"thingName":"MyThing"}`),
	})
	if err != nil {
		b.Fatal(err)
	}
	l := ipctest.Listen(b)
	listenerGone := make(chan struct{})
	far := make(chan net.Conn, 1)
	go func() {
		defer close(listenerGone)
		if conn := l.AcceptConn(); conn != nil {
			far <- conn
			_, _ = io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, make([]byte, len(request)))
		}
	}()
	conn, err := net.Dial("unix", l.Path)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, len(request))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
	_ = conn.Close()
	<-listenerGone
	_ = (<-far).Close()
}

// BenchmarkEvents is the way of one event from the socket to its consumer.
func BenchmarkEvents(b *testing.B) {
	l := ipctest.Listen(b)
	// The peer sends as many events as the consumer has taken, and some ahead.
	credit := make(chan struct{}, ipc.InboxSize)
	for range ipc.InboxSize {
		credit <- struct{}{}
	}
	var peer sync.WaitGroup
	peer.Go(func() {
		p := l.Accept()
		if p == nil {
			return
		}
		p.Accept()
		id := confirm(p)
		frame, err := eventstream.Encode(ipctest.TopicEvent(id, "t", "hello"))
		if err != nil {
			b.Error(err)
		}
		for range credit {
			if !p.TrySendBytes(frame) {
				return
			}
		}
	})
	conn, err := ipc.Dial(b.Context(), ipc.Config{Socket: l.Path, Token: ipctest.Token})
	if err != nil {
		b.Fatal(err)
	}
	stream, err := conn.SubscribeToTopic(b.Context(), topicT)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := <-stream.Events(); !ok {
			b.Fatal(stream.Err())
		}
		credit <- struct{}{}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	_ = conn.Close()
	close(credit)
	peer.Wait()
}
