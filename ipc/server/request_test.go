package server_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"path/filepath"
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
	opWait       = model.Operation{Name: "Wait"}
	opWaitStream = model.Operation{Name: "WaitStream", Event: "WaitEvents"}
)

// waiting is a fixture with operations that wait.
type waiting struct {
	*fixture
	begun   chan string // text of a request that waits
	release chan string // answers one of them
	gone    chan string // text of a request whose context has ended
}

func newWaiting(cfg server.Config) *waiting {
	w := &waiting{newFixture(cfg), make(chan string, 100), make(chan string), make(chan string, 100)}
	wait := func(c *server.Call, req *echo) (echo, error) {
		c.Async()
		c.Async() // once is enough
		w.begun <- req.Text
		select {
		case text := <-w.release:
			return echo{Text: text}, nil
		case <-c.Context.Done():
			w.gone <- req.Text
			return echo{Text: "too late"}, nil
		}
	}
	server.Handle(w.Server, opWait, wait)
	server.HandleStream(w.Server, opWaitStream, func(c *server.Call, s *server.Stream, req *echo) (echo, error) {
		if req.Text == "ended" {
			s.End(&server.Error{Code: model.ServiceFailure, Message: "over"})
			return echo{Text: "after the end"}, nil
		}
		s.OnClose(func() { w.closed <- req.Text })
		s.Send(echo{Text: "early"})
		return wait(c, req)
	})
	return w
}

func wantEcho(t *testing.T, m *eventstream.Message, stream int32, text string) {
	t.Helper()
	if want := `{"text":"` + text + `"}`; m.StreamID != stream || string(m.Payload) != want {
		t.Errorf("got %v %s, want %s on stream %d", m, m.Payload, want, stream)
	}
}

func TestRequestsThatWaitDoNotHoldUpOthers(t *testing.T) {
	f := newWaiting(server.Config{})
	client := servertest.Dial(t, f.start(t)).Login(token)
	client.Send(client.Request(opWait, echo{Text: "a"}), client.Request(opWait, echo{Text: "b"}), client.Request(opEcho, echo{Text: "c"}),
		client.Request(opEcho, echo{Text: "d"}))
	wantEcho(t, client.Read(), 3, "component:c")
	wantEcho(t, client.Read(), 4, "component:d")
	for range 2 {
		f.release <- "released"
		if m := client.Read(); m.StreamID > 2 || m.Flags != eventstream.TerminateStream {
			t.Errorf("got %v", m)
		}
	}
	// The response of a stream that waits comes before its events.
	client.Send(client.Request(opWaitStream, echo{Text: "s"}))
	echoes(t, client)
	f.release <- "subscribed"
	wantEcho(t, client.Read(), 5, "subscribed")
	wantEcho(t, client.Read(), 5, "early")
}

func TestStreamsThatEndBeforeTheirResponse(t *testing.T) {
	f := newWaiting(server.Config{})
	client := servertest.Dial(t, f.start(t)).Login(token)
	for i, op := range []model.Operation{opWait, opWaitStream} {
		request := client.Request(op, echo{Text: op.Name})
		client.Send(request, &eventstream.Message{StreamID: request.StreamID, Flags: eventstream.TerminateStream})
		if text := <-f.gone; text != op.Name {
			t.Errorf("%d: the context of %q ended", i, text)
		}
		echoes(t, client) // and nothing before it
	}
	if text := <-f.closed; text != opWaitStream.Name {
		t.Errorf("closed %q", text)
	}
	if m := client.Call(opWaitStream, echo{Text: "ended"}); m.Type != eventstream.ApplicationError {
		t.Errorf("got %v", m)
	}
	echoes(t, client)
}

// TestWaitingEndsWithTheConnection runs in a bubble, which fails when a goroutine
// is left over.
func TestWaitingEndsWithTheConnection(t *testing.T) {
	for name, end := range map[string]func(conn net.Conn, stop func()){
		"by the client": func(conn net.Conn, _ func()) { conn.Close() },
		"by the server": func(_ net.Conn, stop func()) { stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newWaiting(server.Config{})
				conn, stop := pipe(t, f.fixture)
				client := servertest.New(t, conn).Login(token)
				for range 3 {
					client.Send(client.Request(opWait, echo{Text: "w"}))
					<-f.begun
				}
				end(conn, stop)
				for range 3 {
					<-f.gone
				}
				<-f.down
				if name == "by the client" {
					stop()
				}
			})
		})
	}
}

func TestRequestsThatWaitAreBounded(t *testing.T) {
	f := newWaiting(server.Config{MaxPending: 2})
	path := f.start(t)
	client := servertest.Dial(t, path).Login(token)
	for range 5 { // those that are answered do not count
		client.Send(client.Request(opWait, "{}"))
		f.release <- "x"
		client.Read()
	}
	for range 3 {
		client.Send(client.Request(opWait, "{}"))
	}
	if err := <-f.down; !errors.Is(err, server.ErrPending) || !strings.Contains(err.Error(), "limit is 2") {
		t.Errorf("down: %v", err)
	}
	client.WantClosed()
	echoes(t, servertest.Dial(t, path).Login(token))
}

func TestLargePing(t *testing.T) {
	path := newFixture(server.Config{}).start(t)
	client := servertest.Dial(t, path).Login(token)
	client.Send(&eventstream.Message{Type: eventstream.Ping, Payload: make([]byte, server.MaxPing)})
	if got := client.Read(); got.Type != eventstream.PingResponse || len(got.Payload) != server.MaxPing {
		t.Errorf("got %v", got)
	}
	client.Send(&eventstream.Message{Type: eventstream.Ping, Payload: make([]byte, server.MaxPing+1)})
	if got := client.Read(); got.Type != eventstream.ProtocolError || !strings.Contains(string(got.Payload), "got 65537") {
		t.Errorf("got %v %.100s", got, got.Payload)
	}
	client.WantClosed()
}

func TestConfigIsChecked(t *testing.T) {
	authenticate := func(string) (string, bool) { return "", false }
	for name, c := range map[string]struct {
		cfg  server.Config
		want []string
	}{
		"zero values":         {server.Config{Authenticate: authenticate}, nil},
		"smallest":            {server.Config{Authenticate: authenticate, MaxMessage: 16, MaxQueue: 1, MaxPending: 1, HandshakeTimeout: 1, WriteTimeout: 1}, nil},
		"no authentication":   {server.Config{}, []string{"Authenticate: want a function, got nil"}},
		"message below frame": {server.Config{Authenticate: authenticate, MaxMessage: 15}, []string{"MaxMessage: want 16 to 25165824 bytes, or 0 for the default, got 15"}},
		"message too large":   {server.Config{Authenticate: authenticate, MaxMessage: math.MaxInt}, []string{"MaxMessage: want 16 to 25165824"}},
		"all at once": {
			server.Config{Authenticate: authenticate, HandshakeTimeout: -time.Second, WriteTimeout: -1, MaxQueue: -2, MaxPending: -3, MaxMessage: -4},
			[]string{"HandshakeTimeout: want above 0, or 0 for the default, got -1s", "WriteTimeout", "MaxQueue", "MaxPending", "got -4"},
		},
	} {
		s, err := server.New(c.cfg)
		if (err == nil) != (c.want == nil) || (s == nil) != (err != nil) {
			t.Errorf("%s: got %v, %v", name, s, err)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
}

func TestIntercept(t *testing.T) {
	var served int
	f := newFixture(server.Config{Intercept: func(r *server.Request) {
		switch string(r.Payload) {
		case `{"text":"twice"}`:
			r.Serve()
			r.Answer(r.Serve())
			r.Answer(r.Serve()) // an answer too many is not sent
		case `{"text":"refused"}`:
			r.Answer(nil, &server.Error{Code: model.Conflict, Message: r.Component + " " + r.Operation.Name})
		case `{"text":"unanswered"}`:
		case `{"text":"cut"}`:
			r.Disconnect(errors.New("cut by the test"))
		default:
			r.Answer(r.Serve())
		}
	}})
	server.Handle(f.Server, model.Operation{Name: "Count"}, func(*server.Call, *echo) (echo, error) {
		served++
		return echo{N: served}, nil
	})
	client := servertest.Dial(t, f.start(t)).Login(token)
	if got := client.Call(model.Operation{Name: "Count"}, echo{Text: "twice"}); string(got.Payload) != `{"text":"","n":2}` {
		t.Errorf("got %s", got.Payload)
	}
	if e, err := client.Answer(opEcho, echo{Text: "refused"}, &echo{}); err != nil || e == nil || e.Code != model.Conflict || e.LiteMessage != "component Echo" {
		t.Errorf("got %+v, %v", e, err)
	}
	unanswered := client.Request(opEcho, echo{Text: "unanswered"})
	client.Send(unanswered)
	echoes(t, client)
	client.Send(&eventstream.Message{StreamID: unanswered.StreamID, Flags: eventstream.TerminateStream})
	echoes(t, client)
	client.Send(client.Request(opEcho, echo{Text: "cut"}))
	client.WantClosed()
	if err := <-f.down; err.Error() != "cut by the test" {
		t.Errorf("down: %v", err)
	}
}

func TestInterceptEvent(t *testing.T) {
	var kept []*server.Event
	f := newFixture(server.Config{InterceptEvent: func(e *server.Event) {
		if e.Component() != "component" || e.Operation().Name != opStream.Name {
			t.Errorf("event of %s for %s", e.Operation().Name, e.Component())
		}
		switch string(e.Payload) {
		case `{"text":"lost"}`:
		case `{"text":"kept"}`:
			kept = append(kept, e)
		default:
			e.Deliver()
			e.Deliver()
		}
	}})
	client := servertest.Dial(t, f.start(t)).Login(token)
	client.Call(opStream, echo{})
	stream := <-f.streams
	for _, text := range []string{"lost", "kept", "twice"} {
		stream.Send(echo{Text: text})
	}
	kept[0].Deliver()
	for _, want := range []string{"twice", "twice", "kept"} {
		wantEcho(t, client.Read(), 1, want)
	}
	echoes(t, client)
}

// TestTooManyConnections closes what is one too many, and takes another when one has left.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	down := make(chan struct{}, 10)
	s, err := server.New(server.Config{Authenticate: func(string) (string, bool) { return "c", true }, MaxConnections: 2, Down: func(server.Peer, error) { down <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { served <- s.Serve(ctx, l) }()
	first := servertest.Dial(t, socket).Login("token")
	servertest.Dial(t, socket).Login("token")
	third, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	third.SetDeadline(time.Now().Add(servertest.Patience))
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one connection too many: %v, want its end", err)
	}
	first.Conn.Close()
	<-down
	for { // its place is free a moment later
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		hello, err := eventstream.Encode(servertest.Connect("token"))
		if err != nil {
			t.Fatal(err)
		}
		c.Write(hello)
		if _, err := c.Read(make([]byte, 1)); err == nil {
			c.Close()
			break
		}
		c.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
