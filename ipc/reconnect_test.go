package ipc_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/ipctest"
)

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
		{"longest below the default of the shortest", ipc.SessionConfig{MaxBackoff: 50 * time.Millisecond}, 1, seconds(0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)},
		{"shortest above the default of the longest", ipc.SessionConfig{MinBackoff: 6 * time.Second}, 1, seconds(0, 6, 12, 18, 24, 30, 36, 42, 48, 54)},
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
