package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// A local change follows the override setting in force, also if it was made under another
// one.
func TestLocalChangeUnderAnotherOverride(t *testing.T) {
	t.Parallel()
	const text = `
lines: {lamp: {line: L, direction: output}, button: {line: B, direction: input}}
controls: {wall: {input: button, action: toggle, output: lamp}}
shadows: {main: {properties: {lamp: {line: lamp, override: holdsUntilNextDesired}}}}
`
	const document = `{"version":3,"state":{"desired":{"lamp":true},"reported":{"lamp":false,"ack":{"lamp":{"code":200,"version":1}}}},"metadata":{"desired":{"lamp":{"timestamp":1600000000}},"reported":{"ack":{"lamp":{"code":{"timestamp":1600000000}}}}}}`
	for override, want := range map[string]struct{ lamp, writes bool }{
		"cloudWins":             {lamp: true},
		"updatesDesired":        {writes: true},
		"holdsUntilNextDesired": {},
	} {
		r := newRig(t, text, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":1,"state":{"desired":{"lamp":true}},"metadata":{"desired":{"lamp":{"timestamp":1600000000}}}}`)
		r.edge("button", true)
		r.pass(5 * time.Second)
		if ack := r.shadows["main"].ack("lamp"); r.lines["lamp"] || ack.Code != shadow.Done {
			t.Fatalf("%s: the lamp is %v, answered with %+v", override, r.lines["lamp"], ack)
		}
		other := strings.Replace(text, "holdsUntilNextDesired", override, 1)
		next := newRig(t, other, r.lastSaved())
		next.now = r.now
		next.step(Start{})
		next.step(shadowLive{"main"})
		r.acceptAll()
		r.configure(other)
		if override != "holdsUntilNextDesired" {
			r.fetched("main", document)
		}
		next.fetched("main", document)
		for name, r := range map[string]*rig{"live": r, "after a restart": next} {
			r.pass(5 * time.Second)
			writes := len(r.updates) > 0 && r.updates[len(r.updates)-1].Desired["lamp"] == false
			if r.lines["lamp"] != want.lamp || writes != want.writes {
				t.Errorf("%s, %s: the lamp is %v, its change is written as desired: %v, want %+v; updates %v", override, name, r.lines["lamp"], writes, want, r.updates)
			}
		}
	}
}

// No override setting brings an output back that maxOn turned off.
func TestMaxOnUnderAnotherOverride(t *testing.T) {
	t.Parallel()
	const text = `
lines: {lamp: {line: L, direction: output, maxOn: 10s}}
shadows: {main: {properties: {lamp: {line: lamp, override: holdsUntilNextDesired}}}}
`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	const document = `{"version":3,"state":{"desired":{"lamp":true},"reported":{"lamp":false,"ack":{"lamp":{"code":200,"version":1}}}},"metadata":{"desired":{"lamp":{"timestamp":1600000000}},"reported":{"ack":{"lamp":{"code":{"timestamp":1600000000}}}}}}`
	r.fetched("main", `{"version":1,"state":{"desired":{"lamp":true}},"metadata":{"desired":{"lamp":{"timestamp":1600000000}}}}`)
	r.pass(20 * time.Second)
	r.acceptAll()
	r.sets = nil
	r.configure(strings.Replace(text, "holdsUntilNextDesired", "cloudWins", 1))
	r.fetched("main", document)
	r.pass(5 * time.Second)
	if r.lines["lamp"] || len(r.sets) > 0 {
		t.Errorf("the lamp is %v, set %v, want off", r.lines["lamp"], r.sets)
	}
}
