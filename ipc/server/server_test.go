package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

const token = "ABCDEFGH01234567"

var (
	opEcho   = model.Operation{Name: "Echo"}
	opFail   = model.Operation{Name: "Fail"}
	opPanic  = model.Operation{Name: "Panic"}
	opStream = model.Operation{Name: "Stream", Event: "StreamEvents"}
)

type echo struct {
	Text string `json:"text"`
	N    int    `json:"n,omitempty"`
}

// fixture is a server with operations that show what the server does.
type fixture struct {
	*server.Server
	streams chan *server.Stream // one for each call of Stream
	closed  chan string         // text of the request of a stream that was closed
	down    chan error
}

func newFixture(cfg server.Config) *fixture {
	f := &fixture{streams: make(chan *server.Stream, 100), closed: make(chan string, 100), down: make(chan error, 100)}
	cfg.Authenticate = func(t string) (string, bool) { return "component", t == token }
	cfg.Down = func(_ server.Peer, err error) { f.down <- err }
	var err error
	if f.Server, err = server.New(cfg); err != nil {
		panic(err)
	}
	server.Handle(f.Server, opEcho, func(c *server.Call, req *echo) (echo, error) {
		return echo{c.Component + ":" + req.Text, req.N}, nil
	})
	server.Handle(f.Server, opFail, func(_ *server.Call, req *echo) (echo, error) {
		switch req.Text {
		case "modelled":
			return echo{}, &server.Error{Code: model.ResourceNotFound, Message: "no such thing", ResourceType: "thing", ResourceName: "x"}
		case "silent":
			return echo{}, &server.Error{Code: model.ServiceFailure}
		case "malformed":
			return echo{}, server.ErrMalformed
		}
		return echo{}, errors.New(req.Text)
	})
	server.Handle(f.Server, opPanic, func(*server.Call, *echo) (echo, error) { panic("broken") })
	server.HandleStream(f.Server, opStream, func(_ *server.Call, s *server.Stream, req *echo) (echo, error) {
		s.OnClose(func() { f.closed <- req.Text })
		for i := range req.N {
			s.Send(echo{"early", i})
		}
		if req.Text == "refuse" {
			return echo{}, &server.Error{Code: model.Unauthorized, Message: "no"}
		}
		f.streams <- s
		return echo{Text: "open"}, nil
	})
	f.HandleAbsent("GetSecretValue")
	return f
}

// start serves on a socket until the test ends.
func (f *fixture) start(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := server.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestHandshake(t *testing.T) {
	good := `{"authToken":"` + token + `"}`
	path := newFixture(server.Config{}).start(t)
	for name, c := range map[string]struct {
		version, payload string
		accepted         bool
	}{
		"right":             {"0.1.0", good, true},
		"unknown members":   {"0.1.0", `{"x":1,"authToken":"` + token + `"}`, true},
		"wrong token":       {"0.1.0", `{"authToken":"ABCDEFGH01234568"}`, false},
		"empty token":       {"0.1.0", `{"authToken":""}`, false},
		"no token":          {"0.1.0", `{}`, false},
		"token of no text":  {"0.1.0", `{"authToken":5}`, false},
		"no JSON":           {"0.1.0", `ABCDEFGH01234567`, false},
		"no payload":        {"0.1.0", ``, false},
		"no version":        {"", good, false},
		"later version":     {"0.1.1", good, false},
		"version in spaces": {" 0.1.0", good, false},
	} {
		client := servertest.Dial(t, path)
		client.Send(&eventstream.Message{Type: eventstream.Connect, Version: c.version, Payload: []byte(c.payload)})
		ack := client.Read()
		if ack.Type != eventstream.ConnectAck || ack.StreamID != 0 || len(ack.Payload) != 0 ||
			(ack.Flags == eventstream.ConnectionAccepted) != c.accepted || ack.Flags > 1 {
			t.Errorf("%s: got %v", name, ack)
		}
		if !c.accepted {
			client.WantClosed()
		}
	}
}

// TestProtocolErrors breaks each rule on a connection of its own, and looks that
// the other connections live on.
func TestProtocolErrors(t *testing.T) {
	path := newFixture(server.Config{}).start(t)
	bystander := servertest.Dial(t, path).Login(token)
	type messages []*eventstream.Message
	request := func(id int32) *eventstream.Message { return servertest.Request(id, opEcho, "{}") }
	for name, c := range map[string]struct {
		login    bool
		send     messages
		skip     int // answers that come first
		wantType eventstream.MessageType
		want     string
	}{
		"request before connect": {false, messages{request(1)}, 0, eventstream.ProtocolError, "CONNECT message must be received"},
		"ping before connect":    {false, messages{{Type: eventstream.Ping}}, 0, eventstream.ProtocolError, "CONNECT message must be received"},
		"connect on a stream":    {false, messages{{Type: eventstream.Connect, StreamID: 1, Version: "0.1.0"}}, 0, eventstream.ProtocolError, "non-zero stream-id"},
		"second connect":         {true, messages{servertest.Connect(token)}, 0, eventstream.ProtocolError, "only one CONNECT message"},
		"first id is 2":          {true, messages{request(2)}, 0, eventstream.ProtocolError, "incremented by more than 1"},
		"gap":                    {true, messages{request(1), request(3)}, 1, eventstream.ProtocolError, "incremented by more than 1"},
		"used id":                {true, messages{request(1), request(1)}, 1, eventstream.ProtocolError, "lower than the last seen"},
		"negative id":            {true, messages{request(-5)}, 0, eventstream.ProtocolError, "max value is INT32_MAX"},
		"no operation":           {true, messages{{StreamID: 1, Payload: []byte("{}")}}, 0, eventstream.ProtocolError, "must contain an operation header value"},
		"ping on a stream":       {true, messages{{Type: eventstream.Ping, StreamID: 1}}, 0, eventstream.ProtocolError, "non-zero stream-id"},
		"message on stream 0":    {true, messages{{}}, 0, eventstream.ProtocolError, "invalid value for message-type"},
		"type 9":                 {true, messages{{Type: 9}}, 0, eventstream.ProtocolError, "invalid value for message-type"},
		"acknowledgement":        {true, messages{{Type: eventstream.ConnectAck}}, 0, eventstream.InternalError, "5 is not recognized"},
		"client's own error":     {true, messages{{Type: eventstream.ProtocolError}}, 0, eventstream.InternalError, "6 is not recognized"},
	} {
		t.Run(name, func(t *testing.T) {
			client := servertest.Dial(t, path)
			if c.login {
				client.Login(token)
			}
			client.Send(c.send...)
			for range c.skip {
				client.Read()
			}
			got := client.Read()
			if got.Type != c.wantType || got.StreamID != 0 || got.Flags != 0 || got.ContentType != eventstream.ContentJSON ||
				!strings.Contains(string(got.Payload), c.want) {
				t.Errorf("got %v %s", got, got.Payload)
			}
			client.WantClosed()
			echoes(t, bystander)
		})
	}
}

func echoes(t *testing.T, c *servertest.Client) {
	t.Helper()
	var got echo
	if e, err := c.Answer(opEcho, echo{Text: "hi", N: 7}, &got); e != nil || err != nil {
		t.Fatal(e, err)
	}
	if got != (echo{"component:hi", 7}) {
		t.Errorf("got %+v", got)
	}
}

// frame composes bytes that the encoder would refuse.
func frame(headers, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func int32Header(name string, value int32) []byte {
	b := append([]byte{byte(len(name))}, name...)
	return binary.BigEndian.AppendUint32(append(b, 4), uint32(value))
}

func stringHeader(name, value string) []byte {
	b := append([]byte{byte(len(name))}, name...)
	return append(binary.BigEndian.AppendUint16(append(b, 7), uint16(len(value))), value...)
}

// TestHostileFrames sends bytes that are no messages. Whole frames get an answer,
// faults of framing do not; each ends its own connection only.
func TestHostileFrames(t *testing.T) {
	path := newFixture(server.Config{}).start(t)
	bystander := servertest.Dial(t, path).Login(token)
	ping, err := eventstream.Encode(&eventstream.Message{Type: eventstream.Ping})
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(i int) []byte {
		b := bytes.Clone(ping)
		b[i] ^= 1
		return b
	}
	prelude := func(total, headers uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, total)
		b = binary.BigEndian.AppendUint32(b, headers)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	}
	three := bytes.Join([][]byte{int32Header(":message-type", 0), int32Header(":message-flags", 0), int32Header(":stream-id", 1)}, nil)
	for name, c := range map[string]struct {
		bytes []byte
		want  string // part of a protocol error; "" is none
	}{
		"prelude checksum":       {wrong(9), ""},
		"message checksum":       {wrong(len(ping) - 1), ""},
		"header byte":            {wrong(20), ""},
		"length below 16":        {prelude(15, 0), ""},
		"length of 4 GiB":        {prelude(1<<32-1, 0), ""},
		"length over the limit":  {prelude(24<<20+1, 0), ""},
		"headers over the frame": {prelude(32, 17), ""},
		"zeros":                  {make([]byte, 64), ""},
		"text":                   {[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), ""},
		"no headers":             {frame(nil, nil), "missing required fields"},
		"no stream id":           {frame(append(int32Header(":message-type", 2), int32Header(":message-flags", 0)...), nil), "missing required fields"},
		"type as string": {frame(bytes.Join([][]byte{
			stringHeader(":message-type", "2"), int32Header(":message-flags", 0), int32Header(":stream-id", 0)}, nil), nil), "missing required fields"},
		"operation as number": {frame(append(bytes.Clone(three), int32Header("operation", 1)...), nil), "must contain an operation"},
	} {
		t.Run(name, func(t *testing.T) {
			client := servertest.Dial(t, path).Login(token)
			if err := client.Write(c.bytes); err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				if got := client.Read(); got.Type != eventstream.ProtocolError || !strings.Contains(string(got.Payload), c.want) {
					t.Errorf("got %v %s", got, got.Payload)
				}
			}
			client.WantClosed()
			echoes(t, bystander)
		})
	}
	t.Run("cut short", func(t *testing.T) {
		client := servertest.Dial(t, path).Login(token)
		client.Write(ping[:30])
		client.Conn.(*net.UnixConn).CloseWrite()
		client.WantClosed()
		echoes(t, bystander)
	})
}

func TestHeaderNamesInAnyCase(t *testing.T) {
	path := newFixture(server.Config{}).start(t)
	client := servertest.Dial(t, path).Login(token)
	headers := bytes.Join([][]byte{
		stringHeader("OPERATION", opEcho.ID()), int32Header(":Stream-Id", 1), int32Header(":MESSAGE-FLAGS", 0), int32Header(":Message-Type", 0),
		stringHeader("extra", "x"),
	}, nil)
	if err := client.Write(frame(headers, []byte("{}"))); err != nil {
		t.Fatal(err)
	}
	if got := client.Read(); got.ModelType != opEcho.ResponseType() || got.Flags != eventstream.TerminateStream {
		t.Errorf("got %v", got)
	}
}

func TestErrors(t *testing.T) {
	path := newFixture(server.Config{}).start(t)
	client := servertest.Dial(t, path).Login(token)
	for name, c := range map[string]struct {
		op            model.Operation
		payload       string
		content, kind string
		want          string
	}{
		"modelled": {opFail, `{"text":"modelled"}`, "application/json", "aws.greengrass#ResourceNotFoundError",
			`{"message":"no such thing","resourceType":"thing","resourceName":"x","_service":"aws.greengrass#GreengrassCoreIPC","_message":"no such thing","_errorCode":"ResourceNotFoundError"}`},
		"without text": {opFail, `{"text":"silent"}`, "application/json", "aws.greengrass#ServiceError",
			`{"_service":"aws.greengrass#GreengrassCoreIPC","_message":"","_errorCode":"ServiceError"}`},
		"other error": {opFail, `{"text":"disk full"}`, "application/json", "aws.greengrass#ServiceError",
			`{"message":"disk full","_service":"aws.greengrass#GreengrassCoreIPC","_message":"disk full","_errorCode":"ServiceError"}`},
		"panic": {opPanic, `{}`, "application/json", "aws.greengrass#ServiceError",
			`{"message":"broken","_service":"aws.greengrass#GreengrassCoreIPC","_message":"broken","_errorCode":"ServiceError"}`},
		"malformed by the operation": {opFail, `{"text":"malformed"}`, "text/plain", "", "InternalServerError"},
		"malformed JSON":             {opEcho, `{"text"`, "text/plain", "", "InternalServerError"},
		"text after JSON":            {opEcho, `{} x`, "text/plain", "", "InternalServerError"},
		"wrong type of a member":     {opEcho, `{"n":"x"}`, "text/plain", "", "InternalServerError"},
		"not an object":              {opEcho, `[1]`, "text/plain", "", "InternalServerError"},
		"no payload": {opEcho, ``, "application/json", "aws.greengrass#ServiceError",
			`{"_service":"aws.greengrass#GreengrassCoreIPC","_message":"","_errorCode":"ServiceError"}`},
		"null": {opEcho, ` null `, "application/json", "aws.greengrass#ServiceError",
			`{"_service":"aws.greengrass#GreengrassCoreIPC","_message":"","_errorCode":"ServiceError"}`},
		"absent provider": {model.Operation{Name: "GetSecretValue"}, `{`, "application/json", "aws.greengrass#ServiceError",
			`{"message":"Operation aws.greengrass#GetSecretValue is not supported by Greengrass","_service":"aws.greengrass#GreengrassCoreIPC","_message":"Operation aws.greengrass#GetSecretValue is not supported by Greengrass","_errorCode":"ServiceError"}`},
		"unknown operation": {model.Operation{Name: "Dance"}, `{`, "application/json", "",
			`{ "error": "Unsupported Operation", "message": "aws.greengrass#Dance is an unsupported operation." }`},
	} {
		got := client.Call(c.op, c.payload)
		if got.Type != eventstream.ApplicationError || got.Flags != eventstream.TerminateStream {
			t.Errorf("%s: got %v", name, got)
		}
		if got.ContentType != c.content || got.ModelType != c.kind || string(got.Payload) != c.want {
			t.Errorf("%s: got %s, %s\n\t%s\nwant\n\t%s", name, got.ContentType, got.ModelType, got.Payload, c.want)
		}
	}
	echoes(t, client)
}

func TestStreamEventsComeAfterTheResponse(t *testing.T) {
	f := newFixture(server.Config{})
	client := servertest.Dial(t, f.start(t)).Login(token)
	got := client.Call(opStream, echo{Text: "s", N: 3})
	if got.ModelType != opStream.ResponseType() || got.Flags != 0 {
		t.Fatalf("first message: %v", got)
	}
	stream := <-f.streams
	stream.Send(json.RawMessage(`{"text":"late","n":3}`))
	for i, text := range []string{"early", "early", "early", "late"} {
		event := client.Read()
		var e echo
		if err := json.Unmarshal(event.Payload, &e); err != nil || event.ModelType != opStream.EventType() || event.Flags != 0 || e != (echo{text, i}) {
			t.Errorf("event %d: %v %s", i, event, event.Payload)
		}
	}

	// The client ends the stream: the hook runs, no answer follows.
	client.Send(&eventstream.Message{StreamID: 1, Flags: eventstream.TerminateStream})
	if text := <-f.closed; text != "s" {
		t.Errorf("closed %q", text)
	}
	stream.Send(echo{Text: "too late"})
	called := false
	stream.OnClose(func() { called = true })
	if !called {
		t.Error("a hook for a stream that is closed was not called")
	}
	echoes(t, client)
	client.Send(&eventstream.Message{StreamID: 1, Flags: eventstream.TerminateStream})
	echoes(t, client)
}

func TestStreamEnds(t *testing.T) {
	f := newFixture(server.Config{})
	path := f.start(t)
	client := servertest.Dial(t, path).Login(token)

	// By a further message.
	client.Call(opStream, echo{Text: "intruded"})
	<-f.streams
	client.Send(&eventstream.Message{StreamID: 1, Payload: []byte("{}")})
	if got := client.Read(); string(got.Payload) != "InternalServerError" || got.StreamID != 1 || got.Flags != eventstream.TerminateStream {
		t.Errorf("got %v %s", got, got.Payload)
	}
	if text := <-f.closed; text != "intruded" {
		t.Errorf("closed %q", text)
	}

	// By a refusal: events are not sent.
	if got := client.Call(opStream, echo{Text: "refuse", N: 2}); got.ModelType != model.Unauthorized.ErrorType() {
		t.Errorf("got %v", got)
	}
	if text := <-f.closed; text != "refuse" {
		t.Errorf("closed %q", text)
	}

	// By the server.
	client.Call(opStream, echo{Text: "ended"})
	(<-f.streams).End(&server.Error{Code: model.ServiceFailure, Message: "over"})
	if got := client.Read(); got.StreamID != 3 || got.Type != eventstream.ApplicationError || got.Flags != eventstream.TerminateStream {
		t.Errorf("got %v", got)
	}
	if text := <-f.closed; text != "ended" {
		t.Errorf("closed %q", text)
	}

	// A stream that ends as it begins is not served.
	abandoned := client.Request(opStream, echo{Text: "abandoned"})
	abandoned.Flags = eventstream.TerminateStream
	client.Send(abandoned)
	client.Call(opEcho, "{}")

	// With the connection.
	client.Call(opStream, echo{Text: "lost"})
	<-f.streams
	client.Conn.Close()
	if text := <-f.closed; text != "lost" {
		t.Errorf("closed %q", text)
	}
	if err := <-f.down; !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		t.Errorf("down: %v", err)
	}
}

func TestPing(t *testing.T) {
	client := servertest.Dial(t, newFixture(server.Config{}).start(t)).Login(token)
	client.Send(&eventstream.Message{Type: eventstream.Ping, ModelType: "mine", Payload: []byte("data")},
		&eventstream.Message{Type: eventstream.PingResponse})
	got := client.Read()
	if got.Type != eventstream.PingResponse || got.Flags != 0 || got.StreamID != 0 || got.ModelType != "mine" || string(got.Payload) != "data" {
		t.Errorf("got %v", got)
	}
	echoes(t, client)
}

// TestSlowReader has a client that never reads. It is disconnected when its
// queue is full, and nobody else notices.
func TestSlowReader(t *testing.T) {
	f := newFixture(server.Config{MaxQueue: 1 << 20})
	path := f.start(t)
	slow, other := servertest.Dial(t, path).Login(token), servertest.Dial(t, path).Login(token)
	slow.Call(opStream, echo{Text: "slow"})
	stream := <-f.streams
	var sent atomic.Int64
	var sender sync.WaitGroup
	stop := make(chan struct{})
	sender.Go(func() {
		event := json.RawMessage(`"` + strings.Repeat("x", 1000) + `"`)
		for {
			select {
			case <-stop:
				return
			default:
				stream.Send(event)
				sent.Add(1)
			}
		}
	})
	if err := <-f.down; !errors.Is(err, server.ErrOverflow) {
		t.Errorf("down: %v", err)
	}
	close(stop)
	sender.Wait()
	<-f.closed
	echoes(t, other)
}

// TestTimeLimits runs in simulated time.
func TestTimeLimits(t *testing.T) {
	t.Run("handshake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, wait := pipe(t, newFixture(server.Config{}))
			start := time.Now()
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("read: %v", err)
			}
			if d := time.Since(start); d != server.DefaultHandshakeTimeout {
				t.Errorf("closed after %v", d)
			}
			wait()
		})
	})
	t.Run("write", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(server.Config{})
			conn, wait := pipe(t, f)
			client := servertest.New(t, conn).Login(token)
			start := time.Now()
			client.Send(client.Request(opEcho, "{}")) // and does not read the answer
			if err := <-f.down; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("down: %v", err)
			}
			if d := time.Since(start); d != server.DefaultWriteTimeout {
				t.Errorf("disconnected after %v", d)
			}
			wait()
		})
	})
	t.Run("idle connections live", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn, wait := pipe(t, newFixture(server.Config{}))
			client := servertest.New(t, conn).Login(token)
			time.Sleep(24 * time.Hour)
			echoes(t, client)
			conn.Close()
			wait()
		})
	})
}

// pipe serves one connection in memory. The function stops the server.
func pipe(t *testing.T, f *fixture) (net.Conn, func()) {
	l := servertest.NewPipes()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx, l) }()
	conn := l.Dial()
	return conn, func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		conn.Close()
	}
}

func TestServeStops(t *testing.T) {
	f := newFixture(server.Config{})
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l, err := server.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx, l) }()
	waiting, ready := servertest.Dial(t, path), servertest.Dial(t, path).Login(token)
	ready.Call(opStream, echo{Text: "s"})
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if text := <-f.closed; text != "s" {
		t.Errorf("closed %q", text)
	}
	if err := <-f.down; !errors.Is(err, context.Canceled) {
		t.Errorf("down: %v", err)
	}
	waiting.WantClosed()
	ready.WantClosed()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket: %v", err)
	}

	broken, _ := net.Listen("unix", path)
	broken.Close()
	if err := f.Serve(t.Context(), broken); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve on a closed listener: %v", err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "s")
	l, err := server.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	if _, err := server.Listen(path); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("socket in use: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = server.Listen(path); err != nil {
		t.Fatalf("stale socket: %v", err)
	}
	l.Close()

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Listen(file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if got, _ := os.ReadFile(file); string(got) != "precious" {
		t.Errorf("the file holds %q", got)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Listen(link); err == nil {
		t.Error("a link: no error")
	}
	if _, err := server.Listen("/tmp/" + strings.Repeat("x", 103)); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("long path: %v", err)
	}
}

// FuzzServer writes any bytes to a connection that is logged in. Whatever they
// are, a new connection must still be served.
func FuzzServer(f *testing.F) {
	request, err := eventstream.Encode(servertest.Request(1, opEcho, `{"text":"x"}`))
	if err != nil {
		f.Fatal(err)
	}
	stream, err := eventstream.Encode(servertest.Request(2, opStream, `{"text":"x","n":2}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request)
	f.Add(append(bytes.Clone(request), stream...))
	f.Add(append(bytes.Clone(request), request...))
	f.Add(frame(append(int32Header(":message-type", 2), int32Header(":stream-id", 0)...), nil))
	fx := newFixture(server.Config{})
	go func() {
		for {
			select {
			case <-fx.streams:
			case <-fx.closed:
			case <-fx.down:
			}
		}
	}()
	path := fx.start(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c := servertest.Dial(t, path).Login(token)
		if c.Write(data) == nil {
			c.Conn.(*net.UnixConn).CloseWrite()
			for {
				if _, err := c.TryRead(); err != nil {
					if e, ok := err.(net.Error); ok && e.Timeout() {
						t.Fatal("the server neither answers nor closes")
					}
					break
				}
			}
		}
		c.Conn.Close()
		echoes(t, servertest.Dial(t, path).Login(token))
	})
}

func BenchmarkCall(b *testing.B) {
	path := newFixture(server.Config{}).start(b)
	c := servertest.Dial(b, path).Login(token)
	for b.Loop() {
		c.Call(opEcho, `{"text":"x"}`)
	}
}
