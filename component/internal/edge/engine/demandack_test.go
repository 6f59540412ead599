package engine

import (
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// A request is answered by its own demand. While a button pulses the gate, the standing
// "off" stays done.
func TestPulseOfAButtonDoesNotAnswerARequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, `
lines: {gate: {line: G, direction: output}, button: {line: B, direction: input}}
controls: {open: {input: button, action: set, output: gate}}
shadows: {main: {properties: {gate: {line: gate, pulse: 5s}}}}
`, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{"desired":{"gate":false}},"metadata":{"desired":{"gate":{"timestamp":1600000000}}}}`)
	r.pass(time.Second)
	if ack := r.shadows["main"].ack("gate"); ack.Code != shadow.Done {
		t.Fatalf("answered with %+v, want done", ack)
	}
	r.edge("button", true)
	r.pass(time.Second)
	if ack := r.shadows["main"].ack("gate"); ack.Code != shadow.Done || !r.lines["gate"] {
		t.Errorf("the gate is %v, its off is answered with %+v, want a pulse and done", r.lines["gate"], ack)
	}
	r.pass(10 * time.Second)
	if ack := r.shadows["main"].ack("gate"); ack.Code != shadow.Done || r.lines["gate"] {
		t.Errorf("after the pulse the gate is %v, answered with %+v", r.lines["gate"], ack)
	}
}
