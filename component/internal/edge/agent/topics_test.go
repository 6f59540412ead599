package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// topicsRig is an agent without an engine, and the other ends of its topics.
type topicsRig struct {
	*agent
	topics *topics
	core   *devcore.Core
	broker *devcore.InProcessBroker
	asked  chan devcore.Message // requests that reached AWS IoT Core
}

var room = shadow.ID{Thing: "gw", Name: "room"}

func newTopicsRig(t *testing.T, settings devcore.Config) *topicsRig {
	t.Helper()
	r := &topicsRig{broker: devcore.NewBroker(), asked: make(chan devcore.Message, 100)}
	for _, verb := range []string{"/get", "/update"} {
		if _, err := r.broker.Subscribe(room.Topic(verb), func(m devcore.Message) { r.asked <- m }); err != nil {
			t.Fatal(err)
		}
	}
	settings.ThingName, settings.Broker = "gw", r.broker
	var err error
	if r.core, err = devcore.New(settings); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "ipc.socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	session, err := ipc.NewSession(ipc.SessionConfig{
		Config:           ipc.Config{Socket: socket, Token: ipc.Token(r.core.IssueToken("c"))},
		ResubscribeDelay: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.core.Serve(ctx, l) })
	running.Go(func() { session.Run(ctx) })
	r.agent = &agent{
		Parts: Parts{Session: session, Logger: slog.New(slog.DiscardHandler)}, ctx: ctx,
		inputs: make(chan engine.Input, 64), weighed: semaphore.NewWeighted(maxWaiting),
	}
	r.topics = r.newTransports()[config.IoTCore].(*topics)
	t.Cleanup(func() { cancel(); r.work.Wait(); running.Wait(); r.core.Close() })
	return r
}

// follow starts the feed of a shadow, and waits until it is live.
func (r *topicsRig) follow(t *testing.T) {
	t.Helper()
	f := &feed{agent: r.agent, id: room, via: r.topics, ctx: r.ctx}
	r.work.Go(func() { r.topics.follow(f) })
	r.hears(t, engine.ShadowLive{ID: room, Direct: true})
}

// hears waits for the next input of the engine.
func (r *topicsRig) hears(t *testing.T, want engine.Input) {
	t.Helper()
	if got := <-r.inputs; got != want {
		t.Fatalf("got %#v, want %#v", got, want)
	}
}

func (r *topicsRig) publish(t *testing.T, suffix, payload string) {
	t.Helper()
	err := r.broker.Publish(devcore.Message{QOS: model.AtLeastOnce, MQTTMessage: model.MQTTMessage{TopicName: room.Topic(suffix), Payload: []byte(payload)}})
	if err != nil {
		t.Error(err)
	}
}

// answer waits for a request and answers it, after an answer to somebody else.
func (r *topicsRig) answer(t *testing.T, suffix, members string) {
	m := <-r.asked
	var request struct{ ClientToken string }
	if err := json.Unmarshal(m.Payload, &request); err != nil || request.ClientToken == "" || len(request.ClientToken) > 64 {
		t.Errorf("request %s: want a client token, %v", m.Payload, err)
	}
	if m.QOS == model.AtLeastOnce {
		t.Error("a request that may wait in a spool")
	}
	r.publish(t, suffix, `{"clientToken":"another",`+members+`}`)
	r.publish(t, suffix, fmt.Sprintf(`{"clientToken":%q,%s}`, request.ClientToken, members))
}

// TestTopicsOutcomes: what AWS IoT answers on its topics means to the engine what the
// answers of the shadow manager mean.
func TestTopicsOutcomes(t *testing.T) {
	r := newTopicsRig(t, devcore.Config{})
	r.follow(t)
	for _, c := range []struct {
		suffix, members string
		want            replica.Outcome
	}{
		{"/get/accepted", `"version":7,"state":{"desired":{"fan":true}}`, replica.OK},
		{"/get/rejected", `"code":404,"message":"No shadow exists with name: 'room'"`, replica.Missing},
		{"/get/rejected", `"code":401,"message":"Unauthorized"`, replica.Unauthorized},
		{"/get/rejected", `"code":403,"message":"Forbidden"`, replica.Unauthorized},
		{"/get/rejected", `"code":429,"message":"Too Many Requests"`, replica.Throttled},
		{"/get/rejected", `"code":500,"message":"Internal service failure"`, replica.Unknown},
	} {
		go r.answer(t, c.suffix, c.members)
		got := r.fetch(r.topics, replica.Fetch{ID: room, Seq: 1}).(replica.Fetched)
		if got.Outcome != c.want || (got.Err == nil) != (c.want == replica.OK) {
			t.Errorf("get, %s: got %d, %v, want %d", c.members, got.Outcome, got.Err, c.want)
		}
		if c.want == replica.OK && (got.Document.Version != 7 || got.Document.Desired["fan"] != true) {
			t.Errorf("got %+v", got.Document)
		}
	}
	for _, c := range []struct {
		suffix, members string
		want            replica.Outcome
	}{
		{"/update/accepted", `"version":8,"state":{"reported":{"fan":true}}`, replica.OK},
		{"/update/rejected", `"code":400,"message":"Invalid JSON"`, replica.Invalid},
		{"/update/rejected", `"code":400,"message":"Invalid version"`, replica.Conflict},
		{"/update/rejected", `"code":404,"message":"Thing not found"`, replica.Invalid},
		{"/update/rejected", `"code":409,"message":"Version conflict"`, replica.Conflict},
		{"/update/rejected", `"code":413,"message":"The payload exceeds the maximum size allowed"`, replica.TooLarge},
		{"/update/rejected", `"code":422,"message":"Failed to process request"`, replica.Invalid},
		{"/update/rejected", `"code":429,"message":"Too Many Requests"`, replica.Throttled},
		{"/update/rejected", `"code":503`, replica.Unknown},
	} {
		go r.answer(t, c.suffix, c.members)
		e := replica.Update{ID: room, Seq: 2, Token: "shadowgpio-1", Reported: map[string]any{"fan": true}}
		got := r.update(r.topics, e).(replica.Updated)
		if got.Outcome != c.want || (got.Err == nil) != (c.want == replica.OK) || (got.Version == 8) != (c.want == replica.OK) {
			t.Errorf("update, %s: got %+v, want %d", c.members, got, c.want)
		}
	}
	// Both messages of update/accepted, the answer and that to somebody else, are followed.
	for _, token := range []string{"another", "shadowgpio-1"} {
		if got := (<-r.inputs).(engine.Accepted); got.Version != 8 || got.ClientToken != token {
			t.Errorf("got %+v", got)
		}
	}
	r.publish(t, "/delete/accepted", `{"version":8}`)
	r.hears(t, engine.Deleted{ID: room})
}

// TestTopicsWithoutAnAnswer: it may have been carried out, or be yet.
func TestTopicsWithoutAnAnswer(t *testing.T) {
	r := newTopicsRig(t, devcore.Config{})
	r.topics.patience = time.Millisecond
	r.follow(t)
	got := r.update(r.topics, replica.Update{ID: room, Token: "shadowgpio-1"}).(replica.Updated)
	if got.Outcome != replica.Unknown || !errors.Is(got.Err, ipc.ErrOutcomeUnknown) {
		t.Errorf("got %+v, want an unknown outcome", got)
	}
	if len(r.asked) != 1 {
		t.Errorf("%d requests, want 1", len(r.asked))
	}
	// The link was away, perhaps. When it is there again, other shadows are read.
	f := &feed{agent: r.agent, id: shadow.ID{Thing: "gw"}, via: r.topics, ctx: r.ctx}
	r.work.Go(func() { r.topics.follow(f) })
	r.hears(t, engine.ShadowLive{ID: f.id, Direct: true})
	<-r.asked
	r.topics.patience = time.Hour
	go r.answer(t, "/get/accepted", `"version":1`)
	if got := r.fetch(r.topics, replica.Fetch{ID: room}).(replica.Fetched); got.Outcome != replica.OK {
		t.Fatalf("got %+v", got)
	}
	r.hears(t, engine.ShadowLive{ID: f.id, Direct: true})
}

// TestTopicsNoticeTheLink: a shadow is read again when the nucleus tells that the link
// is back, and where it does not tell, from time to time.
func TestTopicsNoticeTheLink(t *testing.T) {
	t.Run("told", func(t *testing.T) {
		r := newTopicsRig(t, devcore.Config{})
		r.follow(t)
		// Until the transport hears of the link, it does not know of what was before.
		for heard := false; !heard; {
			r.core.SetLink(false)
			r.core.SetLink(true)
			select {
			case in := <-r.inputs:
				heard = in == engine.ShadowLive{ID: room, Direct: true}
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	t.Run("not told", func(t *testing.T) {
		r := newTopicsRig(t, devcore.Config{Lite: true})
		r.topics.verify = time.Millisecond
		r.follow(t)
		r.hears(t, engine.ShadowLive{ID: room, Direct: true})
		r.hears(t, engine.ShadowLive{ID: room, Direct: true})
	})
}

// TestTopicsWhileTheLinkIsDown: a request is refused at once, and waits nowhere.
func TestTopicsWhileTheLinkIsDown(t *testing.T) {
	for _, lite := range []bool{false, true} {
		r := newTopicsRig(t, devcore.Config{Lite: lite})
		r.follow(t)
		r.core.SetLink(false)
		got := r.update(r.topics, replica.Update{ID: room, Token: "shadowgpio-1"}).(replica.Updated)
		if got.Outcome != replica.Unknown || got.Err == nil {
			t.Errorf("lite %v: got %+v, want an error that leads to a read", lite, got)
		}
		r.core.SetLink(true)
		if len(r.asked) > 0 {
			t.Errorf("lite %v: a request came when the link was back: %v", lite, <-r.asked)
		}
	}
}

// TestAutomaticTransport takes the topics on nucleus lite alone.
func TestAutomaticTransport(t *testing.T) {
	for _, lite := range []bool{false, true} {
		r := newTopicsRig(t, devcore.Config{Lite: lite})
		auto := r.newTransports()[config.Auto].(*automatic)
		if _, manager := auto.way().(*shadowManager); !manager {
			t.Errorf("lite %v: before it is known: got %T", lite, auto.way())
		}
		f := &feed{agent: r.agent, id: room, ctx: r.ctx}
		r.work.Go(func() { auto.follow(f) })
		r.hears(t, engine.ShadowLive{ID: room, Direct: lite})
		if _, topics := auto.way().(*topics); topics != lite {
			t.Errorf("lite %v: got %T", lite, auto.way())
		}
	}
}

// TestUpdateThatLiteCannotTake is not sent.
func TestUpdateThatLiteCannotTake(t *testing.T) {
	r := newTopicsRig(t, devcore.Config{Lite: true})
	r.follow(t)
	e := replica.Update{ID: room, Token: "shadowgpio-1", Reported: map[string]any{"a": string(make([]byte, liteMessage))}}
	if got := r.update(r.topics, e).(replica.Updated); got.Outcome != replica.TooLarge {
		t.Errorf("got %+v, want too large", got)
	}
	if len(r.asked) > 0 {
		t.Error("it was sent")
	}
}

// TestRequestWithoutANucleus fails at once, whatever the way.
func TestRequestWithoutANucleus(t *testing.T) {
	session, err := ipc.NewSession(ipc.SessionConfig{Config: ipc.Config{Socket: "/nowhere"}})
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{Parts: Parts{Session: session}, ctx: t.Context()}
	for way, via := range a.newTransports() {
		if _, err := via.update(t.Context(), room, "shadowgpio-1", []byte(`{}`)); !errors.Is(err, ipc.ErrNotSent) {
			t.Errorf("%v: got %v, want an error that says it was not sent", way, err)
		}
	}
}
