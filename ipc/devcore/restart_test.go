package devcore_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// TestRestartIsSeen restarts twice; tokens and shadows stay, subscriptions do not.
func TestRestartIsSeen(t *testing.T) {
	kinds := make(chan devcore.Event, 100)
	core, socket := serve(t, devcore.Config{Observe: func(e devcore.Event) { kinds <- e }})
	token := core.IssueToken("a")
	await := func(kind devcore.EventKind) devcore.Event {
		t.Helper()
		for e := range kinds {
			if e.Kind == kind {
				return e
			}
		}
		panic("unreachable")
	}
	for range 2 {
		c := servertest.Dial(t, socket).Login(token)
		answer(t, c, model.UpdateThingShadow, model.UpdateThingShadowRequest{ThingName: "gw", Payload: []byte(`{"state":{"desired":{"x":1}}}`)},
			&model.UpdateThingShadowResponse{})
		answer(t, c, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: "t"}, &model.SubscribeToTopicResponse{})
		core.Restart(time.Millisecond)
		c.WantClosed()
		if e := await(devcore.CoreAway); e.Reason != "1ms" {
			t.Errorf("away for %s", e.Reason)
		}
		if e := await(devcore.Disconnected); !strings.Contains(e.Reason, "the core restarts") {
			t.Errorf("disconnected: %s", e.Reason)
		}
		await(devcore.CoreBack)
		if n := devcore.Subscriptions(core); n != 0 {
			t.Errorf("%d subscriptions", n)
		}
	}
	c := servertest.Dial(t, socket).Login(token)
	answer(t, c, model.GetThingShadow, model.GetThingShadowRequest{ThingName: "gw"}, &model.GetThingShadowResponse{})
}

func TestRestartThatDoesNotComeBack(t *testing.T) {
	run := func(l net.Listener, end func(core *devcore.Core, cancel func())) error {
		away := make(chan struct{}, 1)
		core, err := devcore.New(devcore.Config{Observe: func(e devcore.Event) {
			if e.Kind == devcore.CoreAway {
				away <- struct{}{}
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer core.Close()
		core.Restart(time.Hour) // of nothing that is served
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		served := make(chan error, 1)
		go func() { served <- core.Serve(ctx, l) }()
		if p, ok := l.(*servertest.Pipes); ok {
			p.Dial()
		} else {
			servertest.Dial(t, l.Addr().String()).Login(core.IssueToken("a"))
		}
		end(core, cancel)
		<-away
		return <-served
	}
	socket, err := server.Listen(filepath.Join(shortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run(socket, func(core *devcore.Core, cancel func()) { core.Restart(time.Hour); cancel() }); err != nil {
		t.Errorf("ended while it is away: %v", err)
	}
	err = run(servertest.NewPipes(), func(core *devcore.Core, _ func()) { core.Restart(0) })
	if err == nil || !strings.Contains(err.Error(), "want a Unix socket to listen on again, got pipe") {
		t.Errorf("a listener that cannot be made again: %v", err)
	}
}

func TestServerLimitsAreChecked(t *testing.T) {
	dir := shortDir(t)
	cfg := devcore.Config{Dir: dir, Server: server.Config{WriteTimeout: -time.Second}}
	if _, err := devcore.New(cfg); err == nil || !strings.Contains(err.Error(), "WriteTimeout: want above 0, or 0 for the default, got -1s") {
		t.Errorf("got %v", err)
	}
	core, err := devcore.New(devcore.Config{Dir: dir}) // the directory is free again
	if err != nil {
		t.Fatal(err)
	}
	core.Close()
}
