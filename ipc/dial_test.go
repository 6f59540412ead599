package ipc_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestDialFailures(t *testing.T) {
	v := golden(t)
	send := func(name string) ipctest.Script {
		return func(p *ipctest.Peer) {
			p.Connect()
			p.SendBytes(v[name])
		}
	}
	for _, test := range []struct {
		name   string
		script ipctest.Script
		want   error
		text   string
	}{
		{"refused", func(p *ipctest.Peer) { p.Refuse() }, ipc.ErrRefused, "ipc: handshake: token refused"},
		{"closed before CONNECT", func(p *ipctest.Peer) {}, ipc.ErrClosedBeforeAck, "closed before"},
		{"closed before ack", func(p *ipctest.Peer) { p.Connect() }, ipc.ErrClosedBeforeAck, "closed before"},
		{"closed within ack", func(p *ipctest.Peer) { p.Connect(); p.SendBytes(v["V3"][:20]) }, ipc.ErrClosedBeforeAck, "closed before"},
		{"protocol error", send("V18"), nil, "nucleus says PROTOCOL_ERROR: an invalid value"},
		{"ping", send("V16"), nil, "PING instead of"},
		{"response", send("V7"), nil, "stream 1: message before"},
		{"empty frame", send("V1"), nil, "header :message-type: missing"},
		{"not the protocol", func(p *ipctest.Peer) { p.Connect(); p.SendBytes([]byte("HTTP/1.1 400 Bad Request\r\n")) }, nil, "prelude checksum"},
		{"nobody there", nil, syscall.ECONNREFUSED, "ipc: connect: "},
		{"hanging", func(p *ipctest.Peer) { p.Connect(); hangUntilClosed(p) }, context.DeadlineExceeded, "ipc: handshake: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, err := ipc.Dial(t.Context(), ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, test.script)})
				if err == nil {
					_ = conn.Close()
					t.Fatal("connected")
				}
				if test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %q, want %v with %q", err, test.want, test.text)
				}
				if test.want != ipc.ErrRefused && errors.Is(err, ipc.ErrRefused) {
					t.Errorf("%q counts as refused", err)
				}
			})
		})
	}
}

func TestDialCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("changed my mind")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := ipc.Dial(ctx, ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
			p.Connect()
			hangUntilClosed(p)
		})})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("got %v, want the cancellation and its cause", err)
		}
	})
}

// TestDialContextIsForDialing proves that the end of Dial's context is no end of
// the connection.
func TestDialContextIsForDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := ipc.Dial(ctx, ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, func(p *ipctest.Peer) {
			p.Accept()
			r := p.Expect(model.GetThingShadow)
			p.Send(ipctest.Response(r.ID, model.GetThingShadow, `{}`))
			hangUntilClosed(p)
		})})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		cancel()
		time.Sleep(time.Hour) // simulated: no deadline of the handshake is left
		if _, err := conn.GetThingShadow(t.Context(), getShadow); err != nil {
			t.Error(err)
		}
	})
}

func TestDialSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := dir + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path string
		want       error
		text       string
	}{
		{"missing", dir + "/none", syscall.ENOENT, dir + "/none"},
		{"no socket", file, syscall.ECONNREFUSED, file},
		{"no path", "", nil, "ipc: Socket: want a path"},
		{"name too long", "/" + strings.Repeat("x", 120), nil, "107"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ipc.Dial(t.Context(), ipc.Config{Socket: test.path, Token: "x"})
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v with %q", err, test.want, test.text)
			}
		})
	}
}

// TestDialDeadline: a deadline of the caller counts, and CallTimeout without one.
func TestDialDeadline(t *testing.T) {
	for _, test := range []struct {
		name string
		ctx  time.Duration
		want time.Duration
	}{
		{"CallTimeout", 0, time.Minute},
		{"earlier", time.Second, time.Second},
		{"later", time.Hour, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.ctx)
					defer cancel()
				}
				start := time.Now()
				_, err := ipc.Dial(ctx, ipc.Config{Token: ipctest.Token, CallTimeout: time.Minute, Dial: ipctest.Dialer(t, hanging)})
				if took := time.Since(start); took != test.want || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v after %v, want the deadline after %v", err, took, test.want)
				}
				if strings.Contains(err.Error(), "no answer within 1m0s") != (test.ctx == 0) {
					t.Errorf("%q does not tell whose deadline it was", err)
				}
			})
		})
	}
}

// hanging is a script that takes the login and says nothing.
func hanging(p *ipctest.Peer) { p.Connect(); hangUntilClosed(p) }

// TestTokenRefused: classic says so, and lite closes, which a session takes for the
// same after a while.
func TestTokenRefused(t *testing.T) {
	for _, n := range ipctest.Nuclei {
		t.Run(n.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refuse := func(p *ipctest.Peer) { p.As(n); p.Refuse() }
				_, err := ipc.Dial(t.Context(), ipc.Config{Token: ipctest.Token, Dial: ipctest.Dialer(t, refuse)})
				want := map[ipctest.Nucleus]error{ipctest.Classic: ipc.ErrRefused, ipctest.Lite: ipc.ErrClosedBeforeAck}[n]
				if !errors.Is(err, want) {
					t.Errorf("Dial: got %v, want %v", err, want)
				}
				s := runSession(t, ipc.SessionConfig{}, slices.Repeat([]ipctest.Script{refuse}, 20)...)
				if <-s.done; !errors.Is(s.err, ipc.ErrRefused) || s.State() != ipc.Refused {
					t.Errorf("Run: got %v, want refused", s.err)
				}
			})
		})
	}
}
