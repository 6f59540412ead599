package ipc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	r.Session = ipc.NewSession(cfg)
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

func seconds(values ...float64) []time.Duration {
	var ds []time.Duration
	for _, v := range values {
		ds = append(ds, time.Duration(v*float64(time.Second)))
	}
	return ds
}

func TestSessionBackoff(t *testing.T) {
	nobody := make([]ipctest.Script, 9)
	for _, test := range []struct {
		name   string
		cfg    ipc.SessionConfig
		jitter float64
		want   []time.Duration
	}{
		{"longest", ipc.SessionConfig{}, 1, seconds(0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3, 21.3)},
		{"shortest", ipc.SessionConfig{}, 0, seconds(0, 0.05, 0.15, 0.35, 0.75, 1.55, 3.15, 5.65, 8.15, 10.65)},
		{"configured", ipc.SessionConfig{MinBackoff: time.Second, MaxBackoff: 3 * time.Second}, 1, seconds(0, 1, 3, 6, 9, 12, 15, 18, 21, 24)},
		{"bounds the wrong way round", ipc.SessionConfig{MinBackoff: time.Second, MaxBackoff: time.Millisecond}, 1, seconds(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.cfg.Jitter = func() float64 { return test.jitter }
				r := runSession(t, test.cfg, append(nobody, accept)...)
				if err := r.WaitConnected(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := r.dialled(); !slices.Equal(got, test.want) {
					t.Errorf("dialled at %v, want %v", got, test.want)
				}
			})
		})
	}
}

// TestSessionBackoffAfterDrop: connections that do not last do not make the session
// come back faster; one that lasted does.
func TestSessionBackoffAfterDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lasts := func(p *ipctest.Peer) {
			p.Accept()
			time.Sleep(time.Minute)
		}
		r := runSession(t, ipc.SessionConfig{}, drop, drop, drop, lasts, drop, accept)
		time.Sleep(2 * time.Minute)
		if got, want := r.dialled(), seconds(0, 0.1, 0.3, 0.7, 60.8, 61); !slices.Equal(got, want) {
			t.Errorf("dialled at %v, want %v", got, want)
		}
	})
}

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

// TestSessionSilentRefusal: a peer that closes instead of answering is a restart at
// first, and a refusal when it goes on for at least five times and ten seconds.
func TestSessionSilentRefusal(t *testing.T) {
	times := func(n int, s ipctest.Script) []ipctest.Script { return slices.Repeat([]ipctest.Script{s}, n) }
	for _, test := range []struct {
		name    string
		cfg     ipc.SessionConfig
		scripts []ipctest.Script
		refused bool
		want    []time.Duration
	}{
		{"for good", ipc.SessionConfig{}, times(20, silent), true, seconds(0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3)},
		{"at least five times", ipc.SessionConfig{MinBackoff: 10 * time.Second, MaxBackoff: 10 * time.Second}, times(20, silent), true, seconds(0, 10, 20, 30, 40)},
		{"shorter time", ipc.SessionConfig{Refusal: time.Second}, times(20, silent), true, seconds(0, 0.1, 0.3, 0.7, 1.5)},
		{"a restart", ipc.SessionConfig{}, append(times(4, silent), accept), false, seconds(0, 0.1, 0.3, 0.7, 1.5)},
		{"nobody in between", ipc.SessionConfig{Refusal: time.Second}, append(append(append(times(4, silent), nil), times(2, silent)...), accept), false,
			seconds(0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := runSession(t, test.cfg, test.scripts...)
				time.Sleep(time.Minute)
				if test.refused {
					<-r.done
					if !errors.Is(r.err, ipc.ErrRefused) || !errors.Is(r.err, ipc.ErrClosedBeforeAck) {
						t.Errorf("Run returned %v, want refused", r.err)
					}
				} else if r.State() != ipc.Connected {
					t.Errorf("state %v, want connected", r.State())
				}
				if got := r.dialled(); !slices.Equal(got, test.want) {
					t.Errorf("dialled at %v, want %v", got, test.want)
				}
			})
		})
	}
}

func TestSessionMaxOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := runSession(t, ipc.SessionConfig{MaxOutage: time.Minute}, nil, func(p *ipctest.Peer) {
			p.Accept()
			time.Sleep(time.Hour)
		})
		<-r.done
		if !errors.Is(r.err, ipc.ErrDisconnected) || !errors.Is(r.err, syscall.ECONNREFUSED) || errors.Is(r.err, ipc.ErrRefused) {
			t.Errorf("Run returned %v, want disconnected", r.err)
		}
		want := time.Hour + time.Minute + 100*time.Millisecond
		if took := time.Since(start); took != want || r.State() != ipc.Idle {
			t.Errorf("Run ended after %v in state %v, want after %v, idle", took, r.State(), want)
		}
	})
}

// TestSessionHangingNucleus accepts each connection and never answers the
// handshake: an attempt is bounded, and the outage exactly.
func TestSessionHangingNucleus(t *testing.T) {
	hang := func(p *ipctest.Peer) { p.Connect(); hangUntilClosed(p) }
	for _, test := range []struct {
		name        string
		callTimeout time.Duration
		outage      time.Duration
		want        []time.Duration
	}{
		{"ends in the first attempt", 0, 3 * time.Second, seconds(0)},
		{"ends in the second attempt", 0, 15 * time.Second, seconds(0, 10.1)},
		{"calls without a bound", -1, 25 * time.Second, seconds(0, 10.1, 20.3)},
		{"calls with a long bound", 20 * time.Second, 25 * time.Second, seconds(0, 20.1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				cfg := ipc.SessionConfig{Config: ipc.Config{CallTimeout: test.callTimeout}, MaxOutage: test.outage}
				r := runSession(t, cfg, slices.Repeat([]ipctest.Script{hang}, 9)...)
				time.Sleep(time.Hour)
				select {
				case <-r.done:
				default:
					t.Fatal("Run did not end")
				}
				if !errors.Is(r.err, ipc.ErrDisconnected) || !errors.Is(r.err, context.DeadlineExceeded) {
					t.Errorf("Run returned %v, want disconnected", r.err)
				}
				if ended := r.Status(); ended.State != ipc.Idle || ended.Since != start {
					t.Errorf("status %+v", ended)
				}
				if got := r.dialled(); !slices.Equal(got, test.want) {
					t.Errorf("dialled at %v, want %v", got, test.want)
				}
			})
		})
	}
}

// TestSessionMaxOutageHanging: the end comes at the time that was set, not after
// the attempt that is under way.
func TestSessionMaxOutageHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := runSession(t, ipc.SessionConfig{MaxOutage: 3 * time.Second}, func(p *ipctest.Peer) { p.Connect(); hangUntilClosed(p) })
		<-r.done
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("Run ended after %v, want 3s", took)
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
		s := ipc.NewSession(ipc.SessionConfig{})
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

// updates takes what a subscription says at this moment of the bubble.
func updates(t *testing.T, sub *ipc.Subscription) string {
	t.Helper()
	var all []string
	for {
		synctest.Wait()
		select {
		case u, ok := <-sub.Updates():
			if !ok {
				return strings.Join(append(all, "end"), ", ")
			}
			all = append(all, describe(u))
		default:
			return strings.Join(all, ", ")
		}
	}
}

func describe(u ipc.Update) string {
	switch u := u.(type) {
	case ipc.Live:
		return "live"
	case ipc.Message:
		return fmt.Sprintf("%s=%s", u.Topic, u.Payload)
	case ipc.Lost:
		for _, end := range []struct {
			name string
			err  error
		}{
			{"overflow", ipc.ErrOverflow}, {"closed", ipc.ErrClosed}, {"disconnected", ipc.ErrDisconnected},
			{"ended", ipc.ErrStreamEnded}, {"timeout", context.DeadlineExceeded},
		} {
			if errors.Is(u.Err, end.err) {
				return "lost " + end.name
			}
		}
		var refused *ipc.ServiceError
		if errors.As(u.Err, &refused) {
			return "lost " + string(refused.Code)
		}
	}
	return fmt.Sprintf("%#v", u)
}

func wantUpdates(t *testing.T, sub *ipc.Subscription, want string) {
	t.Helper()
	if got := updates(t, sub); got != want {
		t.Errorf("got updates %q, want %q", got, want)
	}
}

// confirm answers the next request, which has to be a subscription.
func confirm(p *ipctest.Peer) int32 {
	r := p.Expect(model.SubscribeToTopic)
	p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
	return r.ID
}

var topicT = model.SubscribeToTopicRequest{Topic: "t"}

func TestResubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve := func(text string) ipctest.Script {
			return func(p *ipctest.Peer) {
				p.Accept()
				r := p.Expect(model.SubscribeToTopic)
				if want := `{"topic":"t","receiveMode":"RECEIVE_ALL_MESSAGES"}`; string(r.Payload) != want {
					t.Errorf("request %s, want %s", r.Payload, want)
				}
				p.Send(ipctest.TopicEvent(r.ID, "t", text+" early"))
				p.Send(ipctest.Response(r.ID, model.SubscribeToTopic, `{}`))
				p.Send(ipctest.TopicEvent(r.ID, "t", text))
				time.Sleep(time.Minute)
			}
		}
		r := runSession(t, ipc.SessionConfig{}, nil, serve("one"), nil, serve("two"),
			func(p *ipctest.Peer) { p.Accept(); p.Request() }, // lost before it is confirmed
			serve("three"))
		sub := r.Topic(topicT)
		wantUpdates(t, sub, "")
		time.Sleep(time.Second)
		wantUpdates(t, sub, "live, t=one early, t=one")
		time.Sleep(time.Minute)
		wantUpdates(t, sub, "lost disconnected, live, t=two early, t=two")
		time.Sleep(61 * time.Second)
		wantUpdates(t, sub, "lost disconnected") // the request comes now, and is lost too
		time.Sleep(time.Second)
		wantUpdates(t, sub, "live, t=three early, t=three")
		r.stop()
		wantUpdates(t, sub, "lost closed")
		_ = sub.Close()
		_ = sub.Close()
		wantUpdates(t, sub, "end")
	})
}

func TestSubscriptionOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			id := confirm(p)
			// The subscription holds the Live that nobody takes, and no message.
			for i := range ipc.InboxSize + 1 {
				p.Send(ipctest.TopicEvent(id, "t", fmt.Sprint(i)))
			}
			p.ExpectTerminate(id)
			id = confirm(p)
			p.Send(ipctest.TopicEvent(id, "t", "again"))
			p.ExpectClosed()
		})
		sub := r.Topic(topicT)
		defer func() { _ = sub.Close() }()
		synctest.Wait()
		want := []string{"live"}
		for i := range ipc.InboxSize {
			want = append(want, fmt.Sprintf("t=%d", i))
		}
		want = append(want, "lost overflow", "live", "t=again")
		wantUpdates(t, sub, strings.Join(want, ", "))
		r.stop()
	})
}

// TestSubscriptionRefused: a subscription that the nucleus does not want is told
// each time, tried slowly, and at once on a new connection.
func TestSubscriptionRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(p *ipctest.Peer) {
			r := p.Expect(model.SubscribeToTopic)
			p.Send(ipctest.Failure(r.ID, model.Unauthorized, "no"))
		}
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			refuse(p)
			refuse(p)
			time.Sleep(10 * time.Second)
		}, func(p *ipctest.Peer) {
			p.Accept()
			refuse(p)
			id := confirm(p)
			p.Send(ipctest.Terminate(id))
			id = confirm(p)
			p.Send(ipctest.Failure(id, model.ServiceFailure, "over"))
			confirm(p)
			p.ExpectClosed()
		})
		sub := r.Topic(topicT)
		defer func() { _ = sub.Close() }()
		wantUpdates(t, sub, "lost UnauthorizedError")
		time.Sleep(29 * time.Second)
		wantUpdates(t, sub, "")
		time.Sleep(time.Second)
		wantUpdates(t, sub, "lost UnauthorizedError")
		time.Sleep(11 * time.Second) // the connection is lost, which is no news
		wantUpdates(t, sub, "lost UnauthorizedError")
		time.Sleep(30 * time.Second)
		wantUpdates(t, sub, "live, lost ended")
		time.Sleep(30 * time.Second)
		wantUpdates(t, sub, "live, lost ServiceError")
		time.Sleep(30 * time.Second)
		wantUpdates(t, sub, "live")
		r.stop()
	})
}

func TestSubscriptionNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{ResubscribeDelay: time.Second}, func(p *ipctest.Peer) {
			p.Accept()
			p.ExpectTerminate(p.Expect(model.SubscribeToTopic).ID)
			confirm(p)
			p.ExpectClosed()
		})
		sub := r.Topic(topicT)
		defer func() { _ = sub.Close() }()
		time.Sleep(10 * time.Second)
		wantUpdates(t, sub, "lost timeout")
		time.Sleep(time.Second)
		wantUpdates(t, sub, "live")
		r.stop()
	})
}

// TestSubscriptionClose closes in each state; the bubble proves that nothing stays.
func TestSubscriptionClose(t *testing.T) {
	for _, test := range []struct {
		name   string
		script ipctest.Script
	}{
		{"without connection", nil},
		{"while requested", func(p *ipctest.Peer) {
			p.Accept()
			p.ExpectTerminate(p.Expect(model.SubscribeToTopic).ID)
			p.ExpectClosed()
		}},
		{"with an update that nobody takes", func(p *ipctest.Peer) {
			p.Accept()
			p.ExpectTerminate(confirm(p))
			p.ExpectClosed()
		}},
		{"after a refusal", func(p *ipctest.Peer) {
			p.Accept()
			r := p.Expect(model.SubscribeToTopic)
			p.Send(ipctest.Failure(r.ID, model.Unauthorized, "no"))
			p.ExpectClosed()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := runSession(t, ipc.SessionConfig{}, test.script)
				sub := r.Topic(topicT)
				synctest.Wait()
				_ = sub.Close()
				wantUpdates(t, sub, "end")
				synctest.Wait()
			})
		})
	}
}

// TestSubscriptionCloseWhileWriting: the bound that the documentation states.
func TestSubscriptionCloseWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			time.Sleep(time.Hour) // and does not read
		})
		sub := r.Topic(topicT)
		synctest.Wait()
		start := time.Now()
		_ = sub.Close()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Close took %v, want 5s at most", took)
		}
		wantUpdates(t, sub, "end")
		r.stop()
	})
}

// TestSubscriptionReceiveMode: what the caller chose is not changed.
func TestSubscriptionReceiveMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runSession(t, ipc.SessionConfig{}, func(p *ipctest.Peer) {
			p.Accept()
			if got := string(p.Expect(model.SubscribeToTopic).Payload); !strings.Contains(got, string(model.ReceiveFromOthers)) {
				t.Errorf("request %s, want the mode of the caller", got)
			}
			p.ExpectClosed()
		})
		sub := r.Topic(model.SubscribeToTopicRequest{Topic: "t", ReceiveMode: model.ReceiveFromOthers})
		synctest.Wait()
		r.stop()
		_ = sub.Close()
	})
}

// TestManySubscriptions share one connection, and each is told of its loss once.
func TestManySubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		serve := func(p *ipctest.Peer) {
			p.Accept()
			for range n {
				confirm(p)
			}
			time.Sleep(time.Minute)
		}
		r := runSession(t, ipc.SessionConfig{}, serve, serve)
		var subs []*ipc.Subscription
		for range n {
			subs = append(subs, r.Topic(topicT))
		}
		for _, sub := range subs {
			wantUpdates(t, sub, "live")
		}
		time.Sleep(61 * time.Second)
		for _, sub := range subs {
			wantUpdates(t, sub, "lost disconnected, live")
		}
		r.stop()
		for _, sub := range subs {
			_ = sub.Close()
			wantUpdates(t, sub, "end")
		}
	})
}
