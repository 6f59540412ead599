package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

var (
	opLarge       = model.Operation{Name: "Large"}
	opLargeStream = model.Operation{Name: "LargeStream", Event: "LargeEvents"}
)

// TestTooLargeToSend has answers and events that no message can hold. Their
// connection goes on.
func TestTooLargeToSend(t *testing.T) {
	text := strings.Repeat("x", eventstream.MaxMessage)
	raw := json.RawMessage(`"` + text + `"`)
	f := newFixture(server.Config{MaxQueue: 2 * eventstream.MaxMessage})
	reply := func(what string) (echo, error) {
		if what == "error" {
			return echo{}, errors.New(text)
		}
		return echo{Text: text}, nil
	}
	server.Handle(f.Server, opLarge, func(_ *server.Call, req *echo) (echo, error) { return reply(req.Text) })
	streams := make(chan *server.Stream, 1)
	server.HandleStream(f.Server, opLargeStream, func(_ *server.Call, s *server.Stream, req *echo) (echo, error) {
		s.OnClose(func() { f.closed <- req.Text })
		if req.Text != "event" {
			return reply(req.Text)
		}
		s.Send(raw)
		s.Send(echo{Text: "early"})
		streams <- s
		return echo{Text: "open"}, nil
	})
	client := servertest.Dial(t, f.start(t)).Login(token)
	for _, op := range []model.Operation{opLarge, opLargeStream} {
		for _, what := range []string{"response", "error"} {
			e, err := client.Answer(op, echo{Text: what}, &echo{})
			if err != nil || e == nil || e.Code != model.ServiceFailure || !strings.Contains(e.LiteMessage, "cannot be sent") || len(e.LiteMessage) > 200 {
				t.Fatalf("%s, %s: got %+.200v, %v", op.Name, what, e, err)
			}
			if op.Event != "" {
				if closed := <-f.closed; closed != what {
					t.Errorf("closed %q, want %q", closed, what)
				}
			}
			echoes(t, client)
		}
	}

	if got := client.Call(opLargeStream, echo{Text: "event"}); got.ModelType != opLargeStream.ResponseType() {
		t.Fatalf("got %v", got)
	}
	stream := <-streams
	if err := stream.Send(raw); err == nil {
		t.Error("an event that cannot be sent: no error")
	}
	if err := stream.Send(echo{Text: "late"}); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"early", "late"} {
		var got echo
		if event := client.Read(); json.Unmarshal(event.Payload, &got) != nil || got.Text != want {
			t.Errorf("got %v %.100s, want %q", event, event.Payload, want)
		}
	}
	echoes(t, client)
}

// TestEarlyEventsAreBounded has an operation that sends without end before it
// answers.
func TestEarlyEventsAreBounded(t *testing.T) {
	const limit, most = 10000, 100000
	f := newFixture(server.Config{MaxQueue: limit})
	sent := make(chan int, 1)
	server.HandleStream(f.Server, opLargeStream, func(c *server.Call, s *server.Stream, _ *echo) (echo, error) {
		n := 0
		for ; n < most && c.Context.Err() == nil; n++ {
			s.Send(json.RawMessage(`{"text":"xxxxxxxxxxxxxxxxxxxxxxx"}`)) // 34 bytes, which cost 98
		}
		sent <- n
		return echo{}, nil
	})
	client := servertest.Dial(t, f.start(t)).Login(token)
	client.Send(client.Request(opLargeStream, "{}"))
	if n := <-sent; n != limit/98+1 {
		t.Errorf("%d events were taken", n)
	}
	if err := <-f.down; !errors.Is(err, server.ErrOverflow) {
		t.Errorf("down: %v", err)
	}
}

// TestLinger runs in simulated time: a client that was refused has a moment to
// close first.
func TestLinger(t *testing.T) {
	for name, message := range map[string]*eventstream.Message{
		"wrong token":    servertest.Connect("wrong"),
		"protocol error": {Type: eventstream.Ping},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, wait := pipe(t, newFixture(server.Config{}))
				client := servertest.New(t, conn)
				client.Send(message)
				client.Read()
				start := time.Now()
				client.Send(&eventstream.Message{Type: eventstream.Ping}) // is taken, and ignored
				if m, err := client.TryRead(); !errors.Is(err, io.EOF) {
					t.Errorf("got %v, %v", m, err)
				}
				if d := time.Since(start); d != 250*time.Millisecond {
					t.Errorf("closed after %v", d)
				}
				wait()
			})
		})
	}
}
