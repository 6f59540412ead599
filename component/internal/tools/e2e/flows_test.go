package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// The device role of the document that this project began with (a replica of the
// device's state in a shadow, of the AWS IoT Atlas), behaviour by behaviour: D1 to
// D18, as they are over the core device's IPC. D4, D12 and D13 are about tokens that
// tie replies to requests over MQTT; over IPC a reply is bound to its call.

// pairConfig is two outputs in one shadow.
const pairConfig = `
lines:
  lamp: {line: LAMP, direction: output}
  fan:  {line: FAN, direction: output}
shadows:
  main: {properties: {lights: {line: lamp}, fan: {line: fan}}}
`

// flowRig makes a core that holds a document of the classic shadow, and a chip.
func flowRig(t *testing.T, document string) *rig {
	t.Helper()
	r := newRig(t, houseConfig)
	r.simulate()
	if document != "" {
		r.update(thing, "", document)
	}
	return r
}

// sent are the updates that the component sent to the classic shadow.
func (r *rig) sent() []string {
	var updates []string
	r.events.count(func(e devcore.Event) bool {
		if e.Kind == devcore.ShadowUpdated && e.Component == componentName && e.Shadow == "" {
			updates = append(updates, string(e.Sent))
		}
		return false
	})
	return updates
}

// happened waits for an event of the classic shadow.
func (r *rig) happened(what string, match func(devcore.Event) bool) devcore.Event {
	r.t.Helper()
	e, ok := r.events.wait(func(e devcore.Event) bool { return e.Shadow == "" && match(e) })
	if !ok {
		r.t.Fatalf("never happened: %s", what)
	}
	return e
}

func isFirstRead(e devcore.Event) bool {
	return e.Component == componentName && e.Operation == "GetThingShadow"
}

// D1: one connection, which is up before anything else is asked.
func TestFlowD01Connection(t *testing.T) {
	r, _ := house(t)
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on"}`)
	connections := map[uint64]bool{}
	r.events.count(func(e devcore.Event) bool {
		if e.Component == componentName && e.Connection != 0 {
			connections[e.Connection] = true
		}
		return false
	})
	if len(connections) != 1 {
		t.Errorf("%d connections for two shadows, want 1", len(connections))
	}
}

// D2 and D3: the shadow is read only when each subscription is confirmed. The core
// holds the confirmations back, so a read before them would come too early.
func TestFlowD02SubscribeBeforeGet(t *testing.T) {
	const held = 400 * time.Millisecond
	r := flowRig(t, "")
	rule, err := faults.ParseRule(fmt.Sprintf("SubscribeToTopic delayReply %v", held))
	if err != nil {
		t.Fatal(err)
	}
	r.core.Faults().Add(rule)
	r.serve()
	r.start()
	read := r.happened("a read", isFirstRead)
	for _, suffix := range []string{"/update/accepted", "/delete/accepted"} {
		topic := shadow.ID{Thing: thing}.Topic(suffix)
		e, ok := r.events.wait(func(e devcore.Event) bool {
			return e.Kind == devcore.FaultMade && strings.Contains(fmt.Sprint(e.Fault), topic)
		})
		if !ok {
			t.Fatalf("%s was not subscribed to", topic)
		}
		if early := held - read.Time.Sub(e.Time); early > 0 {
			t.Errorf("the shadow was read %v before the subscription to %s was confirmed", early, topic)
		}
	}
}

// D3: the shadow is asked for by itself, without anybody writing first.
func TestFlowD03GetAfterConnecting(t *testing.T) {
	r := flowRig(t, `{"state":{"desired":{"lights":"on"}}}`)
	r.serve()
	r.start()
	if e := r.happened("a read", isFirstRead); e.Kind != devcore.ShadowRead {
		t.Errorf("got %v, want the shadow to be read", e.Kind)
	}
}

// D4: the reply to a read counts only on the connection on which it was asked for: one
// that is under way when the nucleus ends is forgotten, and the next is of the shadow
// as it is then.
func TestFlowD04ReplyOfALostConnection(t *testing.T) {
	r := flowRig(t, `{"state":{"desired":{"lights":"on"}}}`)
	rule, err := faults.ParseRule("GetThingShadow silence times 1 match gw")
	if err != nil {
		t.Fatal(err)
	}
	r.core.Faults().Add(rule)
	r.serve()
	moves := r.moves(lampOffset)
	p := r.start()
	r.happened("a read", isFirstRead)
	r.stopCore()
	p.says("shadow is out of reach")
	r.newCore(filepath.Join(r.dir, "config.yaml"))
	v := r.desire("", `{"lights":"off"}`)
	r.serve()
	r.answered("", v, fmt.Sprintf(`{"lights":"off","ack":{"lights":{"code":200,"version":%d}}}`, v))
	if all := moves.all(); slices.Contains(all, true) {
		t.Errorf("the lamp moved %v, want it never on", all)
	}
}

// D5: what was desired between the subscription and the reply to the read counts,
// be the reply older or newer.
func TestFlowD05ChangeDuringTheRead(t *testing.T) {
	r := flowRig(t, `{"state":{"desired":{"lights":"on"}}}`)
	rule, err := faults.ParseRule("GetThingShadow delayReply 500ms times 2")
	if err != nil {
		t.Fatal(err)
	}
	r.core.Faults().Add(rule)
	r.serve()
	r.start()
	r.happened("a read", isFirstRead) // its reply, with lights on, is under way
	v := r.desire("", `{"lights":"off"}`)
	r.answered("", v, fmt.Sprintf(`{"lights":"off","ack":{"lights":{"code":200,"version":%d}}}`, v))
	if r.level(lampOffset) {
		t.Error("the lamp is high, want low as desired last")
	}
}

// D6: an open delta is applied, and answered with reported only.
func TestFlowD06DeltaIsAppliedAtStart(t *testing.T) {
	r := flowRig(t, `{"state":{"desired":{"lights":"on"},"reported":{"lights":"off"}}}`)
	r.serve()
	r.start()
	r.reported("", `{"lights":"on"}`)
	if !r.level(lampOffset) {
		t.Error("the lamp is low, want high")
	}
	for _, update := range r.sent() {
		if strings.Contains(update, `"desired"`) {
			t.Errorf("the device wrote desired: %s", update)
		}
	}
}

// D7: without a delta nothing moves; what is reported and no longer so is reported
// anew, all else is not.
func TestFlowD07ReportedIsVerified(t *testing.T) {
	r := flowRig(t, `{"state":{"reported":{"lights":"off","locked":true}}}`)
	r.serve()
	r.start()
	r.reported("", `{"lights":"off","locked":false}`)
	for _, update := range r.sent() {
		if strings.Contains(update, "lights") {
			t.Errorf("lights is reported again though it is so: %s", update)
		}
	}
}

// D8: a document that is empty gets the present state.
func TestFlowD08EmptyDocument(t *testing.T) {
	r := flowRig(t, `{"state":{"desired":{"lights":"on"}}}`)
	r.update(thing, "", `{"state":{"desired":null}}`)
	r.serve()
	r.start()
	r.reported("", `{"lights":"off","locked":false}`)
}

// D9: a shadow that does not exist is created; another error does not end the
// device but is tried again.
func TestFlowD09MissingShadowIsCreated(t *testing.T) {
	r := flowRig(t, "")
	rule, err := faults.ParseRule("GetThingShadow refuse ServiceError times 2")
	if err != nil {
		t.Fatal(err)
	}
	r.core.Faults().Add(rule)
	r.serve()
	p := r.start()
	if e := r.reported("", `{"lights":"off","locked":false}`); e.Version != 1 {
		t.Errorf("version %d, want 1 of a created shadow", e.Version)
	}
	p.says("shadow cannot be read; retrying")
	if !p.running() {
		t.Error("the component ended")
	}
}

// D10: every key of a delta is applied, and reported as it then is.
func TestFlowD10EveryKeyOfADelta(t *testing.T) {
	r := newRig(t, pairConfig)
	r.simulate()
	r.serve()
	r.start()
	r.reported("", `{"lights":false,"fan":false}`)
	v := r.desire("", `{"lights":true,"fan":true}`)
	e := r.answered("", v, `{"lights":true,"fan":true,"ack":{"lights":{"code":200},"fan":{"code":200}}}`)
	if !r.level(lampOffset) || !r.level(fanOffset) {
		t.Error("a line is low, want both high")
	}
	if e.Delta != nil {
		t.Errorf("the delta %s stays", e.Delta)
	}
}

// D11: false and 0 are values; only null takes a key away, and moves nothing.
func TestFlowD11FalsyValues(t *testing.T) {
	r := newRig(t, `
lines:
  lamp: {line: LAMP, direction: output}
  fan:  {line: FAN, direction: output}
shadows:
  main: {properties: {lights: {line: lamp}, level: {line: fan, pwm: {period: 10s}}}}
`)
	r.simulate()
	r.serve()
	r.start()
	r.reported("", `{"lights":false,"level":0}`)
	for _, c := range []struct {
		desired string
		high    bool
	}{{`{"lights":true,"level":100}`, true}, {`{"lights":false,"level":0}`, false}, {`{"lights":true,"level":100}`, true}} {
		v := r.desire("", c.desired)
		r.answered("", v, c.desired)
		if r.level(lampOffset) != c.high || r.level(fanOffset) != c.high {
			t.Errorf("%s: the lines are %v and %v", c.desired, r.level(lampOffset), r.level(fanOffset))
		}
	}
	v := r.desire("", `{"lights":null,"level":null}`)
	r.happened("answers withdrawn", func(e devcore.Event) bool {
		return e.Kind == devcore.ShadowUpdated && e.Version > v && !strings.Contains(string(e.Document), `"ack"`)
	})
	if !r.level(lampOffset) || !r.level(fanOffset) {
		t.Error("a line moved with the end of its desired value, want it to stay")
	}
}
