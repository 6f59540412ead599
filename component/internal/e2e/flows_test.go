package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// The device role of the document that this project began with (a replica of the
// device's state in a shadow, of the AWS IoT Atlas), behaviour by behaviour: D1 to
// D18, as they are over the core device's IPC. D4, D12 and D13 are about tokens of
// replies over MQTT; over IPC a reply is bound to its call.

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
	r := newRig(t, `
lines:
  lamp: {line: LAMP, direction: output}
  fan:  {line: FAN, direction: output}
shadows:
  main: {properties: {lights: {line: lamp}, fan: {line: fan}}}
`)
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

// D12: every update has a client token of its own.
func TestFlowD12ClientTokens(t *testing.T) {
	r, _ := house(t)
	for _, value := range []string{"on", "off", "on"} {
		r.answered("", r.desire("", `{"lights":"`+value+`"}`), `{"lights":"`+value+`"}`)
	}
	seen := map[string]bool{}
	r.events.count(func(e devcore.Event) bool {
		if e.Kind == devcore.ShadowUpdated && e.Component == componentName {
			if e.Token == "" || seen[e.Token] {
				t.Errorf("client token %q, want one of its own", e.Token)
			}
			seen[e.Token] = true
		}
		return false
	})
	if len(seen) < 4 {
		t.Errorf("%d updates, want at least 4", len(seen))
	}
}

// D13: a refused update is said, and does not end the device.
func TestFlowD13RefusedUpdate(t *testing.T) {
	r, p := house(t)
	rule, err := faults.ParseRule("UpdateThingShadow refuse UnauthorizedError times 1")
	if err != nil {
		t.Fatal(err)
	}
	r.core.Faults().Add(rule)
	r.chip.SetPull(chipName, doorOffset, true)
	p.says("level=WARN", "UnauthorizedError")
	if !p.running() {
		t.Error("the component ended")
	}
}

// D14: a change at the device is written as desired and reported in one update, and
// stands.
func TestFlowD14LocalChange(t *testing.T) {
	r := newRig(t, `
lines:
  lamp:   {line: LAMP, direction: output}
  button: {line: DOOR, direction: input}
shadows:
  main: {properties: {lights: {line: lamp}}}
controls:
  wall: {input: button, output: lamp, action: toggle, edge: rising}
`)
	r.simulate()
	r.serve()
	r.start()
	r.reported("", `{"lights":false}`)
	r.answered("", r.desire("", `{"lights":false}`), `{"ack":{"lights":{"code":200}}}`)
	r.chip.SetPull(chipName, doorOffset, true)
	r.happened("desired and reported in one update", func(e devcore.Event) bool {
		return strings.Contains(string(e.Sent), `"desired":{"lights":true}`) && strings.Contains(string(e.Sent), `"reported":{`)
	})
	e := r.reported("", `{"lights":true}`)
	if e.Delta != nil {
		t.Errorf("delta %s would undo the change", e.Delta)
	}
	if !r.level(lampOffset) {
		t.Error("the lamp is low, want high as the button made it")
	}
}

// D15: desired values, edges and configuration changes at the same time end right.
func TestFlowD15AllAtOnce(t *testing.T) {
	r, _ := house(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 41 {
			r.chip.SetPull(chipName, doorOffset, i%2 == 0)
			time.Sleep(time.Millisecond)
		}
	}()
	var last int64
	for i := range 20 {
		last = r.desire("", fmt.Sprintf(`{"lights":%q}`, []string{"off", "on"}[i%2]))
		r.desire("room", fmt.Sprintf(`{"fan":%v}`, i%2 == 1))
	}
	<-done
	r.answered("", last, `{"lights":"on","locked":true}`)
	r.reported("room", `{"fan":true}`)
	if !r.level(lampOffset) || !r.level(fanOffset) {
		t.Error("a line is low, want both high as desired last")
	}
}

// D16: words, booleans and numbers stand beside each other in one shadow.
func TestFlowD16MixedTypes(t *testing.T) {
	r := newRig(t, `
lines:
  lamp: {line: LAMP, direction: output}
  fan:  {line: FAN, direction: output}
  door: {line: DOOR, direction: input}
shadows:
  main:
    properties:
      welcome: {line: lamp, values: {aloha: on, adieu: off}}
      enabled: {line: fan}
      visits:  {line: door, count: rising}
`)
	r.simulate()
	r.serve()
	r.start()
	r.reported("", `{"welcome":"adieu","enabled":false,"visits":0}`)
	v := r.desire("", `{"welcome":"aloha","enabled":true,"visits":10}`)
	r.answered("", v, `{"welcome":"aloha","enabled":true,"visits":10}`)
}

// D17: asked to end, the device says so and is gone in order.
func TestFlowD17OrderlyEnd(t *testing.T) {
	r, p := house(t)
	r.answered("room", r.desire("room", `{"fan":true}`), `{"fan":true}`)
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	r.reported("room", `{"fan":false}`) // its stop state is off
	if _, ok := r.events.wait(func(e devcore.Event) bool { return e.Kind == devcore.Disconnected }); !ok {
		t.Error("the connection stayed")
	}
}

// D18: nothing is lost on the way, as with quality of service 1: a lost event and a
// lost reply both end in the state that is desired.
func TestFlowD18NothingIsLost(t *testing.T) {
	for _, text := range []string{"SubscribeToTopic lose times 1", "UpdateThingShadow dropReply times 1"} {
		t.Run(text, func(t *testing.T) {
			r, _ := house(t)
			rule, err := faults.ParseRule(text)
			if err != nil {
				t.Fatal(err)
			}
			r.core.Faults().Add(rule)
			r.desire("", `{"lights":"on"}`)
			awaitTrue(t, "the fault", func() bool { return r.core.Faults().List()[0].Hits > 0 })
			v := r.desire("", `{"lights":"on","last":1}`)
			r.answered("", v, `{"lights":"on","ack":{"lights":{"code":200},"last":{"code":404}}}`)
			if !r.level(lampOffset) {
				t.Error("the lamp is low, want high")
			}
		})
	}
}
