package ipc_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// running is a session in a bubble, with one script for each connection.
type running struct {
	*ipc.Session
	stop  context.CancelFunc
	err   error // of Run, after done
	done  chan struct{}
	mu    sync.Mutex
	dials []time.Duration // since the start
}

var errStop = errors.New("the test stops")

// fixed makes every wait the longest possible one, so that times are exact.
func fixed() float64 { return 1 }

func runSession(t *testing.T, cfg ipc.SessionConfig, scripts ...ipctest.Script) *running {
	t.Helper()
	r := &running{done: make(chan struct{})}
	start := time.Now()
	dial := ipctest.Dialer(t, scripts...)
	cfg.Token = ipctest.Token
	if cfg.Jitter == nil {
		cfg.Jitter = fixed
	}
	cfg.Dial = func(ctx context.Context) (net.Conn, error) {
		r.mu.Lock()
		r.dials = append(r.dials, time.Since(start))
		r.mu.Unlock()
		return dial(ctx)
	}
	var err error
	if r.Session, err = ipc.NewSession(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r.stop = func() {
		cancel(errStop)
		<-r.done
	}
	go func() {
		defer close(r.done)
		r.err = r.Run(ctx)
	}()
	t.Cleanup(r.stop)
	return r
}

// idleSession is a session that does not run.
func idleSession(t *testing.T) *ipc.Session {
	t.Helper()
	s, err := ipc.NewSession(ipc.SessionConfig{Config: ipc.Config{Socket: "/s"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *running) dialled() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.dials)
}

// accept is a script that lets the client in and stays.
func accept(p *ipctest.Peer) {
	p.Accept()
	p.ExpectClosed()
}

// drop is a script that lets the client in and goes.
func drop(p *ipctest.Peer) { p.Accept() }

// silent is a script that closes instead of answering.
func silent(p *ipctest.Peer) { p.Connect() }

func TestSessionStop(t *testing.T) {
	for _, test := range []struct {
		name   string
		script ipctest.Script
		state  ipc.State
	}{
		{"while connected", accept, ipc.Connected},
		{"while waiting", nil, ipc.Waiting},
		{"while connecting", func(p *ipctest.Peer) { p.Connect(); hangUntilClosed(p) }, ipc.Connecting},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := runSession(t, ipc.SessionConfig{}, test.script)
				synctest.Wait()
				if got := r.State(); got != test.state {
					t.Errorf("state %v, want %v", got, test.state)
				}
				r.stop()
				if r.err != errStop || r.State() != ipc.Idle {
					t.Errorf("Run returned %v in state %v, want the cause of the context and idle", r.err, r.State())
				}
				if _, err := r.GetThingShadow(t.Context(), getShadow); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, ipc.ErrDisconnected) {
					t.Errorf("a call afterwards got %v", err)
				}
			})
		})
	}
}

func TestSessionRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, nil, func(p *ipctest.Peer) { p.Refuse() })
		<-r.done
		if !errors.Is(r.err, ipc.ErrRefused) || r.State() != ipc.Refused {
			t.Errorf("Run returned %v in state %v, want refused", r.err, r.State())
		}
		if got, want := r.dialled(), seconds(0, 0.1); !slices.Equal(got, want) {
			t.Errorf("dialled at %v, want %v", got, want)
		}
		if status := r.Status(); !errors.Is(status.Err, ipc.ErrRefused) || status.Connects != 0 {
			t.Errorf("status %+v", status)
		}
		_, err := r.GetThingShadow(t.Context(), getShadow)
		if !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, ipc.ErrDisconnected) || !errors.Is(err, ipc.ErrRefused) {
			t.Errorf("a call afterwards got %v, want not sent, disconnected, refused", err)
		}
	})
}

// TestSessionStopCalls: whoever still has the connection when Run ends gets the
// error that calls on a session without a connection get.
func TestSessionStopCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			p.Expect(model.GetThingShadow)
			p.ExpectClosed()
		})
		synctest.Wait()
		calls := make(chan error, 2)
		go func() {
			for range 2 {
				_, err := r.GetThingShadow(t.Context(), getShadow)
				calls <- err
			}
		}()
		synctest.Wait()
		r.stop()
		for _, outcome := range []error{ipc.ErrOutcomeUnknown, ipc.ErrNotSent} {
			if err := <-calls; !errors.Is(err, outcome) || !errors.Is(err, ipc.ErrDisconnected) {
				t.Errorf("got %v, want %v by being disconnected", err, outcome)
			}
		}
	})
}

func TestSessionRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) { p.Refuse() }, accept)
		<-r.done
		ctx, cancel := context.WithCancel(t.Context())
		again := make(chan error)
		go func() { again <- r.Run(ctx) }()
		synctest.Wait()
		if err := r.WaitConnected(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "runs already") {
			t.Errorf("a second Run at the same time: %v", err)
		}
		if r.State() != ipc.Connected {
			t.Errorf("the second Run changed the state to %v", r.State())
		}
		cancel()
		if err := <-again; err != context.Canceled {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestSessionStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			time.Sleep(time.Minute)
		}, nil, nil, accept)
		at := func() time.Duration { return r.Status().Since.Sub(start) }

		time.Sleep(time.Second)
		if s := r.Status(); s.State != ipc.Connected || s.Err != nil || s.Connects != 1 || at() != 0 {
			t.Errorf("at first: %+v", s)
		}
		_, changed := r.Watch()
		select {
		case <-changed:
			t.Error("changed while nothing changed")
		default:
		}
		<-changed
		if got := time.Since(start); got != time.Minute {
			t.Errorf("changed after %v, want a minute", got)
		}
		time.Sleep(150 * time.Millisecond)
		if s := r.Status(); s.State != ipc.Waiting || !errors.Is(s.Err, syscall.ECONNREFUSED) || at() != time.Minute {
			t.Errorf("in the outage: %+v", s)
		}
		if _, err := r.UpdateState(t.Context(), model.UpdateStateRequest{}); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, ipc.ErrDisconnected) || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a call in the outage got %v", err)
		}
		if err := r.WaitConnected(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := r.Status(); s.State != ipc.Connected || s.Err != nil || s.Connects != 2 || at() != time.Minute+700*time.Millisecond {
			t.Errorf("at the end: %+v after %v", s, at())
		}
	})
}

func TestWaitConnectedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := idleSession(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.WaitConnected(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		if _, err := s.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{}); !errors.Is(err, ipc.ErrNotSent) || !errors.Is(err, ipc.ErrDisconnected) {
			t.Errorf("a call before Run got %v", err)
		}
	})
}

// TestWaitConnectedRefused: there is nothing to wait for.
func TestWaitConnectedRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) { p.Refuse() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if err := r.WaitConnected(ctx); !errors.Is(err, ipc.ErrRefused) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want refused at once", err, time.Since(start))
		}
		<-r.done
		if err := r.WaitConnected(ctx); !errors.Is(err, ipc.ErrRefused) {
			t.Errorf("afterwards: %v, want refused", err)
		}
	})
}

// TestSessionLog: one line per change, not per attempt.
func TestSessionLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		cfg := ipc.SessionConfig{Config: ipc.Config{Logger: slog.New(slog.NewTextHandler(&out, nil))}}
		r := runSession(t, cfg, append(make([]ipctest.Script, 20), accept)...)
		if err := r.WaitConnected(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.stop()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[1], "attempts=21") {
			t.Errorf("got %d lines, want 2:\n%s", len(lines), &out)
		}
	})
}
