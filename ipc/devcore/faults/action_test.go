package faults_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestRefuse(t *testing.T) {
	r := newRig(t, `UpdateThingShadow refuse ConflictError message "Version conflict" component a match gw/room skip 1 times 1`,
		"UpdateThingShadow refuse InvalidTokenError match gw", "GetThingShadow throttle")
	a, b := r.client("a"), r.client("b")
	for i, want := range []string{"", "ConflictError Version conflict", ""} {
		if got := code(t, a, model.UpdateThingShadow, update("1")); got != want {
			t.Errorf("update %d: %q, want %q", i, got, want)
		}
		if got := code(t, b, model.UpdateThingShadow, update("1")); got != "" {
			t.Errorf("update %d of b: %q", i, got)
		}
	}
	if got := r.version(); got != 5 {
		t.Errorf("version %d, want 5: a refused update changes nothing", got)
	}
	classic := model.UpdateThingShadowRequest{ThingName: "gw", Payload: []byte(`{"state":{}}`)}
	if got := code(t, a, model.UpdateThingShadow, classic); got != "InvalidTokenError " {
		t.Errorf("got %q", got)
	}
	if got := code(t, a, model.GetThingShadow, get); got != "ServiceError Too Many Requests" {
		t.Errorf("got %q", got)
	}
	r.did(faults.Hit{Rule: 1, Did: "refused with ConflictError", Component: "a", Operation: "UpdateThingShadow", Subject: "gw/room"},
		faults.Hit{Rule: 2, Did: "refused with InvalidTokenError", Component: "a", Operation: "UpdateThingShadow", Subject: "gw"},
		faults.Hit{Rule: 3, Did: "throttled", Component: "a", Operation: "GetThingShadow", Subject: "gw/room"})
	var counts []int
	for _, s := range r.core.Faults().List() {
		counts = append(counts, s.Matched, s.Hits)
	}
	if got, want := counts, []int{3, 1, 1, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("matched and hits: %v, want %v", got, want)
	}
}

func TestDropBeforeAndAfter(t *testing.T) {
	r := newRig(t, "UpdateThingShadow drop times 1", "UpdateThingShadow dropReply times 1")
	bystander := r.client("b")
	for i, want := range []int64{0, 1} {
		c := r.client("a")
		c.Send(c.Request(model.UpdateThingShadow, update("1")))
		c.WantClosed()
		if got := r.version(); got != want {
			t.Errorf("drop %d: version %d, want %d", i, got, want)
		}
	}
	if got := code(t, bystander, model.UpdateThingShadow, update("1")); got != "" {
		t.Errorf("rules that are spent: %q", got)
	}
}

func TestSilence(t *testing.T) {
	r := newRig(t, "UpdateThingShadow silence times 1")
	c := r.client("a")
	silent := c.Request(model.UpdateThingShadow, update("1"))
	c.Send(silent)
	if got := code(t, c, model.UpdateThingShadow, update("2")); got != "" { // is the next message
		t.Error(got)
	}
	if got := r.version(); got != 2 {
		t.Errorf("version %d, want 2: a silent update is executed", got)
	}
	c.Send(&eventstream.Message{StreamID: silent.StreamID, Flags: eventstream.TerminateStream})
	if got := code(t, c, model.GetThingShadow, get); got != "" {
		t.Error(got)
	}
}

func TestDelays(t *testing.T) {
	for text, executed := range map[string]bool{"UpdateThingShadow delay 2s times 1": false, "UpdateThingShadow delayReply 2s times 1": true} {
		t.Run(text, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				c := r.client("a")
				start := time.Now()
				delayed := c.Request(model.UpdateThingShadow, update("1"))
				c.Send(delayed)
				if e, err := c.Answer(model.GetThingShadow, get, &json.RawMessage{}); err != nil || (e == nil) != executed {
					t.Errorf("before the delay is over: %v, %v; want it executed: %v", e, err, executed)
				}
				if d := time.Since(start); d != 0 {
					t.Errorf("another request was held up for %v", d)
				}
				if m := c.Read(); m.StreamID != delayed.StreamID || m.Type != eventstream.ApplicationMessage {
					t.Errorf("got %v", m)
				}
				if d := time.Since(start); d != 2*time.Second {
					t.Errorf("answered after %v", d)
				}
				if got := r.version(); got != 1 {
					t.Errorf("version %d", got)
				}
			}, text)
		})
	}
}

func TestReorder(t *testing.T) {
	r := newRig(t, "UpdateThingShadow reorder 1h times 2")
	c := r.client("a")
	for range 2 {
		first, second := c.Request(model.UpdateThingShadow, update("1")), c.Request(model.UpdateThingShadow, update("2"))
		c.Send(first, second)
		for _, want := range []int32{second.StreamID, first.StreamID} {
			if m := c.Read(); m.StreamID != want || m.Type != eventstream.ApplicationMessage {
				t.Errorf("got %v, want stream %d", m, want)
			}
		}
	}
	if got := code(t, c, model.GetThingShadow, get); got != "" {
		t.Error(got)
	}
}

func TestReorderWithoutANextReply(t *testing.T) {
	inBubble(t, func(r *rig) {
		start := time.Now()
		if got := code(r.T, r.client("a"), model.UpdateThingShadow, update("1")); got != "" {
			t.Error(got)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("answered after %v", d)
		}
	}, "UpdateThingShadow reorder")
}

func TestRedeliver(t *testing.T) {
	r := newRig(t, "UpdateThingShadow redeliver times 1")
	c := r.client("a")
	if got := code(t, c, model.UpdateThingShadow, update("1")); got != "" {
		t.Error(got)
	}
	if got := r.version(); got != 2 {
		t.Errorf("version %d, want 2", got)
	}
	if got := code(t, c, model.GetThingShadow, get); got != "" {
		t.Error(got)
	}
}

// TestEvents publishes five numbered messages, one a second.
func TestEvents(t *testing.T) {
	for text, want := range map[string]string{
		"":                                               "1@0 2@1 3@2 4@3 5@4",
		"SubscribeToTopic lose skip 1 times 2":           "1@0 4@3 5@4",
		"SubscribeToTopic duplicate skip 3":              "1@0 2@1 3@2 4@3 4@3 5@4 5@4",
		"SubscribeToTopic reorder 10s on event":          "2@1 1@1 4@3 3@3 5@14", // nothing comes after the last one
		"SubscribeToTopic reorder on event skip 4":       "1@0 2@1 3@2 4@3 5@5",
		"SubscribeToTopic delay 2500ms on event times 1": "1@2.5 2@2.5 3@2.5 4@3 5@4",
		"SubscribeToTopic lose match b":                  "1@0 2@1 3@2 4@3 5@4",
		"SubscribeToTopic lose component b":              "1@0 2@1 3@2 4@3 5@4",
		"* lose match a* times 1":                        "2@1 3@2 4@3 5@4",
	} {
		t.Run(text, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				if text != "" {
					r.rules(text)
				}
				subscriber, publisher := r.client("a"), r.client("p")
				subscriber.Call(model.SubscribeToTopic, subscribeTo("a"))
				start := time.Now()
				var publishing sync.WaitGroup
				publishing.Go(func() {
					for i := range 5 {
						time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second)))
						request := model.PublishToTopicRequest{Topic: "a", PublishMessage: model.PublishMessage{
							BinaryMessage: &model.BinaryMessage{Message: []byte{byte('1' + i)}}}}
						if got := code(t, publisher, model.PublishToTopic, request); got != "" {
							t.Error(got)
						}
					}
				})
				var got []string
				for range strings.Fields(want) {
					event := subscriber.Event()
					got = append(got, fmt.Sprintf("%s@%g", event.BinaryMessage.Message, time.Since(start).Seconds()))
				}
				if got := strings.Join(got, " "); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				publishing.Wait()
				if e, err := subscriber.Answer(model.GetThingShadow, get, &json.RawMessage{}); err != nil || e == nil {
					t.Errorf("more than that came: %v, %v", e, err)
				}
			})
		})
	}
}

func TestRestart(t *testing.T) {
	r := newRig(t, "GetThingShadow restart 1ms times 1")
	a, b := r.client("a"), r.client("b")
	a.Call(model.SubscribeToTopic, subscribeTo("a"))
	if got := code(t, b, model.UpdateThingShadow, update("1")); got != "" {
		t.Fatal(got)
	}
	b.Send(b.Request(model.GetThingShadow, get))
	a.WantClosed()
	b.WantClosed()
	<-r.back
	b = r.client("b")
	if got := code(t, b, model.PublishToTopic, publishA); got != "" {
		t.Errorf("publish to nobody: %q", got)
	}
	if got := code(t, b, model.GetThingShadow, get); got != "" {
		t.Errorf("what was stored: %q", got)
	}
	r.did(faults.Hit{Rule: 1, Did: "lost, the core is away for 1ms", Component: "b", Operation: "GetThingShadow", Subject: "gw/room"})
}

func TestNotReady(t *testing.T) {
	const text = "ServiceError Database pool not initialized. Shadow manager most likely isn't running yet. Wait for Shadow manager to be running."
	r := newRig(t, "UpdateThingShadow notReady 1h times 1")
	c := r.client("a")
	c.Call(model.SubscribeToTopic, subscribeTo("$aws/things/gw/shadow/name/room/+/rejected"))
	c.Send(c.Request(model.UpdateThingShadow, update("1")))
	rejected := c.Event() // is published before the reply
	if got := string(rejected.BinaryMessage.Message); !strings.Contains(got, `"code":500`) || !strings.Contains(got, "Internal service failure") {
		t.Errorf("published %s", got)
	}
	if m := c.Read(); m.ModelType != model.ServiceFailure.ErrorType() {
		t.Errorf("got %v", m)
	}
	list := model.ListNamedShadowsForThingRequest{ThingName: "gw"}
	if got := code(t, c, model.ListNamedShadowsForThing, list); got != text {
		t.Errorf("got %q", got)
	}
	r.core.Shadows().NotReady(0)
	if got := code(t, c, model.ListNamedShadowsForThing, list); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestRulesWhileItRuns(t *testing.T) {
	r := newRig(t)
	c := r.client("a")
	set := r.core.Faults()
	r.rules("UpdateThingShadow refuse ServiceError", "UpdateThingShadow refuse ConflictError")
	for _, want := range []struct {
		clear []int
		n     int
		code  string
	}{{[]int{7}, 0, "ServiceError "}, {[]int{1}, 1, "ConflictError "}, {nil, 1, ""}, {nil, 0, ""}} {
		if n := set.Clear(want.clear...); n != want.n {
			t.Errorf("cleared %d, want %d", n, want.n)
		}
		if got := code(t, c, model.UpdateThingShadow, update("1")); got != want.code {
			t.Errorf("got %q, want %q", got, want.code)
		}
	}
	// From several goroutines, for the race detector.
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 20 {
				rule, _ := faults.ParseRule("GetThingShadow refuse ServiceError times 1")
				ids := set.Add(rule)
				set.List()
				set.Clear(ids...)
			}
		})
	}
	for range 20 {
		code(t, c, model.GetThingShadow, get)
	}
	workers.Wait()
	if left := set.List(); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
