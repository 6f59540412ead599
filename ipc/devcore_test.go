package ipc_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// core is a development core on a real socket.
type core struct {
	*devcore.Core
	socket string
	stop   func()
}

func startCore(t testing.TB, dir, socket string) *core {
	t.Helper()
	c, err := devcore.New(devcore.Config{Dir: dir, ThingName: "MyThing", RateLimits: devcore.RateLimits{Total: 1 << 30, PerThing: 1 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = c.Serve(ctx, l) })
	stop := sync.OnceFunc(func() {
		cancel()
		_ = l.Close()
		serving.Wait()
		_ = c.Close()
	})
	t.Cleanup(stop)
	return &core{Core: c, socket: socket, stop: stop}
}

func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func (c *core) config() ipc.Config {
	return ipc.Config{Socket: c.socket, Token: ipc.Token(c.IssueToken("com.example.Test"))}
}

// take returns the next of a channel's values, or fails the test after a while.
func take[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-ch:
		if ok {
			return v
		}
		t.Fatal("channel closed")
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	panic("not reached")
}

func TestCoreShadows(t *testing.T) {
	c := startCore(t, "", socketPath(t))
	conn, err := ipc.Dial(t.Context(), c.config())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, thing := t.Context(), "MyThing"

	_, err = conn.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: thing})
	var refused *ipc.ServiceError
	if !errors.As(err, &refused) || refused.Code != model.ResourceNotFound || refused.ResourceType != "shadow" {
		t.Errorf("get of no shadow: %v", err)
	}
	deltas, err := conn.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{
		Topic: model.ShadowTopic(thing, "gpio") + "/update/delta", ReceiveMode: model.ReceiveAll,
	})
	if err != nil {
		t.Fatal(err)
	}
	update := model.UpdateThingShadowRequest{ThingName: thing, ShadowName: "gpio", Payload: []byte(`{"state":{"desired":{"lamp":true}}}`)}
	resp, err := conn.UpdateThingShadow(ctx, update)
	var document struct{ Version int }
	if err != nil || json.Unmarshal(resp.Payload, &document) != nil || document.Version != 1 {
		t.Errorf("update: %s, %v", resp.Payload, err)
	}
	delta := take(t, deltas.Events())
	var state struct{ State struct{ Lamp bool } }
	if err := json.Unmarshal(delta.Payload(), &state); err != nil || !state.State.Lamp || delta.Topic() != model.ShadowTopic(thing, "gpio")+"/update/delta" {
		t.Errorf("delta %s on %s: %v", delta.Payload(), delta.Topic(), err)
	}
	update.Payload = []byte(`{"state":{},"version":7}`)
	if _, err = conn.UpdateThingShadow(ctx, update); !errors.As(err, &refused) || refused.Code != model.Conflict {
		t.Errorf("update of another version: %v", err)
	}
	if names, err := conn.ListNamedShadowsForThing(ctx, model.ListNamedShadowsForThingRequest{ThingName: thing}); err != nil || len(names.Results) != 1 || names.Results[0] != "gpio" {
		t.Errorf("list: %+v, %v", names, err)
	}
	if _, err := conn.DeleteThingShadow(ctx, model.DeleteThingShadowRequest{ThingName: thing, ShadowName: "gpio"}); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := conn.UpdateState(ctx, model.UpdateStateRequest{State: model.StateRunning}); err != nil {
		t.Errorf("update state: %v", err)
	}
	if err := deltas.Close(); err != nil || deltas.Err() != nil {
		t.Errorf("close: %v, %v", err, deltas.Err())
	}
}

func TestCoreWrongToken(t *testing.T) {
	c := startCore(t, "", socketPath(t))
	for _, token := range []ipc.Token{"", "wrong"} {
		cfg := ipc.SessionConfig{Config: ipc.Config{Socket: c.socket, Token: token}}
		session, err := ipc.NewSession(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Run(t.Context()); !errors.Is(err, ipc.ErrRefused) {
			t.Errorf("got %v, want refused", err)
		}
	}
}

// TestCoreRestart: a session outlives its core, and a subscription with it.
func TestCoreRestart(t *testing.T) {
	dir, socket := t.TempDir(), socketPath(t)
	first := startCore(t, dir, socket)
	cfg := first.config()
	session, err := ipc.NewSession(ipc.SessionConfig{Config: cfg, MinBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = session.Run(ctx) })
	sub := session.Topic(model.SubscribeToTopicRequest{Topic: "a/+"})
	defer func() { _ = sub.Close() }()

	publish := func(text string) {
		t.Helper()
		_, err := session.PublishToTopic(ctx, model.PublishToTopicRequest{Topic: "a/b", PublishMessage: model.PublishMessage{
			BinaryMessage: &model.BinaryMessage{Message: []byte(text)},
		}})
		if err != nil {
			t.Errorf("publish: %v", err)
		}
		m, ok := take(t, sub.Updates()).(ipc.Message)
		if !ok || m.Topic != "a/b" || string(m.Payload) != text || !m.Binary {
			t.Errorf("got %+v, want %s", m, text)
		}
	}
	if _, ok := take(t, sub.Updates()).(ipc.Live); !ok {
		t.Fatal("want live")
	}
	publish("one")
	first.stop()
	if u, ok := take(t, sub.Updates()).(ipc.Lost); !ok || !errors.Is(u.Err, ipc.ErrDisconnected) {
		t.Fatalf("got %+v, want lost", u)
	}
	if _, err := session.UpdateState(ctx, model.UpdateStateRequest{State: model.StateRunning}); !errors.Is(err, ipc.ErrNotSent) {
		t.Errorf("a call in the outage: %v", err)
	}
	second := startCore(t, dir, socket)
	second.SetToken("com.example.Test", string(cfg.Token))
	_, _ = take(t, sub.Updates()).(ipc.Live)
	publish("two")
}

// TestLite tells nucleus lite from a classic nucleus without a shadow manager, which may
// get one.
func TestLite(t *testing.T) {
	const token = "TOKENTOKENTOKEN1"
	devcoreOf := func(settings devcore.Config) func(context.Context, net.Listener) error {
		c, err := devcore.New(settings)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		c.SetToken("c", token)
		return c.Serve
	}
	bare, err := server.New(server.Config{Authenticate: func(string) (string, bool) { return "c", true }})
	if err != nil {
		t.Fatal(err)
	}
	bare.HandleAbsent(model.ListNamedShadowsForThing.Name)
	for name, c := range map[string]struct {
		serve func(context.Context, net.Listener) error
		want  bool
	}{
		"classic":                          {devcoreOf(devcore.Config{}), false},
		"classic, nothing is allowed":      {devcoreOf(devcore.Config{EnforceAccessControl: true}), false},
		"classic without a shadow manager": {bare.Serve, false},
		"lite":                             {devcoreOf(devcore.Config{Lite: true}), true},
	} {
		t.Run(name, func(t *testing.T) {
			socket := socketPath(t)
			l, err := server.Listen(socket)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var serving sync.WaitGroup
			serving.Go(func() { _ = c.serve(ctx, l) })
			defer serving.Wait()
			defer cancel()
			conn, err := ipc.Dial(t.Context(), ipc.Config{Socket: socket, Token: token})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if lite, err := conn.Lite(t.Context()); err != nil || lite != c.want {
				t.Errorf("got %v, %v, want %v", lite, err, c.want)
			}
		})
	}
}
