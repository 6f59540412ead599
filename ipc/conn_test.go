package ipc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// conversation runs a client against a script, with each kind of nucleus.
func conversation(t *testing.T, script ipctest.Script, client func(*testing.T, *ipc.Conn)) {
	t.Helper()
	for _, n := range ipctest.Nuclei {
		t.Run(n.String(), func(t *testing.T) { converse(t, n, script, client) })
	}
}

// converse runs a client against a script, in memory and simulated time. The
// bubble proves that no goroutine is left.
func converse(t *testing.T, n ipctest.Nucleus, script ipctest.Script, client func(*testing.T, *ipc.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		conn := dialScript(t, func(p *ipctest.Peer) {
			p.As(n)
			p.Accept()
			script(p)
		})
		defer func() { _ = conn.Close() }()
		client(t, conn)
	})
}

func dialScript(t testing.TB, script ipctest.Script) *ipc.Conn {
	t.Helper()
	conn, err := ipc.Dial(t.Context(), ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, script)})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// hangUntilClosed is the end of a script whose peer stays there and is silent.
func hangUntilClosed(p *ipctest.Peer) { p.ExpectClosed() }

var getShadow = model.GetThingShadowRequest{ThingName: "MyThing"}

// golden returns the documented bytes by name.
func golden(t testing.TB) map[string][]byte {
	t.Helper()
	bytes := make(map[string][]byte)
	for name, v := range ipctest.Vectors(t, "eventstream/testdata/vectors.json") {
		bytes[name] = v.Bytes
	}
	return bytes
}

// TestGoldenConversation holds every byte of the client against the documented
// ones: what it sends is V2, V5, V11, V15 exactly.
func TestGoldenConversation(t *testing.T) {
	v := golden(t)
	expect := func(p *ipctest.Peer, name string) {
		want := v[name]
		if len(want) == 0 {
			t.Errorf("no vector %s", name)
			return
		}
		if got := p.ReadBytes(len(want)); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
	}
	peer := func(p *ipctest.Peer) {
		expect(p, "V2")
		p.SendBytes(v["V3"])
		expect(p, "V5")
		p.SendBytes(v["V7"])
		expect(p, "V11")
		for _, name := range []string{"V12", "V13", "V14"} {
			p.SendBytes(v[name])
		}
		expect(p, "V15")
		p.SendBytes(v["V16"])
		expect(p, "V17")
		p.SendBytes(v["V18"])
	}
	synctest.Test(t, func(t *testing.T) {
		conn := dialScript(t, peer)
		defer func() { _ = conn.Close() }()
		resp, err := conn.UpdateThingShadow(t.Context(), model.UpdateThingShadowRequest{
			ThingName: "MyThing", ShadowName: "gpio", Payload: []byte(`{"state":{"reported":{"led":true}}}`),
		})
		if err != nil || string(resp.Payload) != `{"version":1}` {
			t.Errorf("UpdateThingShadow: %q, %v", resp.Payload, err)
		}
		s := subscribe(t, conn, "my/topic")
		if got := next(t, s); got != "hello" {
			t.Errorf("binary event %q, want hello", got)
		}
		if got := next(t, s); got != `{"led":true}` {
			t.Errorf("JSON event %q, want an object", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-conn.Done()
		var protocol *ipc.ProtocolError
		if err := conn.Err(); !errors.As(err, &protocol) || !strings.Contains(protocol.Reason, "an invalid value for message-type field was received.") {
			t.Errorf("connection ended with %v, want the peer's words", err)
		}
	})
}

func TestClose(t *testing.T) {
	conversation(t, func(p *ipctest.Peer) {
		r := p.Expect(model.SubscribeToTopic)
		p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
		p.Expect(model.GetThingShadow)
		p.ExpectClosed()
	}, func(t *testing.T, conn *ipc.Conn) {
		s := subscribe(t, conn, "t")
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := conn.GetThingShadow(t.Context(), getShadow); !errors.Is(err, ipc.ErrOutcomeUnknown) || !errors.Is(err, ipc.ErrClosed) {
				t.Errorf("the waiting call got %v, want outcome unknown by closing", err)
			}
		})
		synctest.Wait()
		if err := conn.Err(); err != nil {
			t.Errorf("an open connection says %v", err)
		}
		for range 3 {
			all.Go(func() {
				if err := conn.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		all.Wait()
		<-conn.Done()
		if err := conn.Err(); err != ipc.ErrClosed {
			t.Errorf("cause %v, want closed", err)
		}
		if err := ended(t, s); err != ipc.ErrClosed {
			t.Errorf("stream ended with %v, want closed", err)
		}
		if _, err := conn.GetThingShadow(t.Context(), getShadow); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, ipc.ErrClosed) {
			t.Errorf("a call afterwards got %v, want not sent", err)
		}
		_ = s.Close()
	})
}

// TestConcurrentCalls runs over a real socket: the Peer proves that ids grow by one
// in the order on the wire; each caller proves that it got its own answer, and a
// part of the calls is canceled at any moment.
func TestConcurrentCalls(t *testing.T) {
	const callers, each = 3000, 3
	l := ipctest.Listen(t)
	var peer sync.WaitGroup
	peer.Go(func() {
		p := l.Accept()
		p.Accept()
		echo(p)
	})
	conn, err := ipc.Dial(t.Context(), ipc.Config{Socket: l.Path, Token: ipctest.Token})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range each {
				name := fmt.Sprintf("%d-%d", i, j)
				ctx, cancel := context.WithCancel(t.Context())
				if j == 2 {
					go cancel()
				}
				r, err := conn.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: name})
				cancel()
				if j == 2 && errors.Is(err, context.Canceled) {
					continue
				}
				if err != nil || string(r.Payload) != name {
					t.Errorf("call %s: %q, %v", name, r.Payload, err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	peer.Wait()
	if err := conn.Err(); err != ipc.ErrClosed {
		t.Errorf("the connection ended with %v", err)
	}
}

// echo answers each request with the name of its thing, until the client leaves.
func echo(p *ipctest.Peer) {
	for {
		m, ok := p.Next()
		if !ok {
			return
		}
		if m.Flags.Has(eventstream.TerminateStream) {
			continue
		}
		r := p.Check(m)
		var request model.GetThingShadowRequest
		if json.Unmarshal(r.Payload, &request) != nil {
			return
		}
		answer, err := json.Marshal(model.GetThingShadowResponse{Payload: []byte(request.ThingName)})
		if err != nil {
			return
		}
		if !p.TrySend(ipctest.Response(r.ID, model.GetThingShadow, string(answer))) {
			return
		}
	}
}
