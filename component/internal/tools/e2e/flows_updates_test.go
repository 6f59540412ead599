package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// The device role, continued: D12 to D18, what it writes, and how it ends.

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
