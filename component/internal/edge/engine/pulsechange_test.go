package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// twoGates has two pulse outputs. For 10 s after the start, minOff keeps them off.
const twoGates = `
lines:
  a: {line: A, direction: output, minOff: 10s}
  b: {line: B, direction: output, minOff: 10s}
shadows:
  main:
    properties:
      x: {line: a, pulse: 1m}
      y: {line: b, pulse: 1m}
`

// waitingPulse has a pulse of x that waits for minOff.
func waitingPulse(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, twoGates, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	r.pass(time.Second)
	r.desired(r.shadows["main"].replica.View().Version+1, `{"x":true}`)
	r.pass(2 * time.Second)
	if ack := r.shadows["main"].ack("x"); ack.Code != shadow.InProgress || r.pulses("a") > 0 {
		t.Fatalf("%d pulses, answered with %+v, want a pulse that waits", r.pulses("a"), ack)
	}
	return r
}

// A pulse belongs to its property. If a change takes the output away, the pulse ends: the
// next property of the output never requested it.
func TestPulseEndsWithItsProperty(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]string{
		"another shadow": {"  main:\n", "  main:\n    name: other\n"},
		"another key":    {"      x:", "      z:"},
		"swapped lines":  {"x: {line: a", "x: {line: b", "y: {line: b", "y: {line: a"},
	} {
		for _, begun := range []bool{false, true} {
			r := waitingPulse(t)
			if begun {
				r.pass(8 * time.Second)
			}
			if r.lines["a"] != begun {
				t.Fatalf("%s: the output is %v, want %v", name, r.lines["a"], begun)
			}
			before := r.pulses("a")
			r.configure(strings.NewReplacer(change...).Replace(twoGates))
			r.pass(30 * time.Second)
			if n := r.pulses("a") - before; n > 0 || r.pulses("b") > 0 || r.lines["a"] {
				t.Errorf("%s, begun %v: %d pulses after the change, the output is %v, want off", name, begun, n, r.lines["a"])
			}
		}
	}
}

// A broken output whose pulse ends with its property is still retried.
func TestBrokenOutputOfAnEndedPulseIsRetried(t *testing.T) {
	t.Parallel()
	r := waitingPulse(t)
	r.broken["a"] = errors.New("broken")
	r.step(r.failed("a", r.broken["a"]))
	r.configure(strings.Replace(twoGates, "      x:", "      z:", 1))
	delete(r.broken, "a")
	r.pass(time.Minute)
	if faults := r.bank.Faults(); len(faults) > 0 {
		t.Errorf("faults %v a minute after the line is mended", faults)
	}
}

// A pulse goes on if the change leaves its property and its output as they are.
func TestPulseOutlivesARelabeling(t *testing.T) {
	t.Parallel()
	r := waitingPulse(t)
	r.configure(strings.NewReplacer("  a: ", "  b: ", "  b: ", "  a: ", "line: a,", "line: b,", "line: b,", "line: a,").Replace(twoGates))
	r.pass(10 * time.Second)
	if r.pulses("a") != 1 || r.pulses("b") > 0 { // by their labels when they were requested
		t.Errorf("sets %v, want one pulse of x", r.sets)
	}
}

// A request that replaces a waiting pulse makes one pulse, not two.
func TestRequestReplacesAWaitingPulse(t *testing.T) {
	t.Parallel()
	r := waitingPulse(t)
	r.hold = true // minOff ends while the second request waits for the disk
	r.desired(r.shadows["main"].replica.View().Version+1, `{"x":true}`)
	r.pass(20 * time.Second)
	if n := r.pulses("a"); n > 0 {
		t.Errorf("%d pulses before the second request is saved", n)
	}
	r.hold = false
	r.step(Saved{Seq: r.saves[len(r.saves)-1].Seq})
	r.pass(5 * time.Second)
	if n := r.pulses("a"); n != 1 {
		t.Errorf("%d pulses, want 1", n)
	}
	r.pass(2 * time.Minute)
	if ack := r.shadows["main"].ack("x"); ack.Code != shadow.Done || r.pulses("a") != 1 {
		t.Errorf("%d pulses, answered with %+v, want one that is done", r.pulses("a"), ack)
	}
}

// A pulse that waits for the disk does not begin if a change takes the meaning of its
// value: the request was answered otherwise by then.
func TestWaitingPulseLosesItsMeaning(t *testing.T) {
	t.Parallel()
	const text = `
lines: {gate: {line: G, direction: output}}
shadows: {main: {properties: {gate: {line: gate, values: {open: on, closed: off}, pulse: 1s}}}}
`
	for values, want := range map[string]shadow.Code{
		"{go: on, stay: off}":     shadow.Refused,
		"{closed: on, open: off}": shadow.Done,
	} {
		r := newRig(t, text, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":1,"state":{}}`)
		r.pass(time.Second)
		r.noDisk = errors.New("disk is full")
		next := r.shadows["main"].replica.View().Version + 1
		r.desired(next, `{"gate":"open"}`)
		at := r.now.Unix()
		document := fmt.Sprintf(`{"version":%d,"state":{"desired":{"gate":"open"}},"metadata":{"desired":{"gate":{"timestamp":%d}}}}`, next, at)
		r.configure(strings.Replace(text, "{open: on, closed: off}", values, 1))
		r.fetched("main", document)
		r.noDisk = nil
		r.pass(time.Minute)
		if ack := r.shadows["main"].ack("gate"); ack.Code != want || r.pulses("gate") > 0 {
			t.Errorf("%s: %d pulses, answered with %+v, want %d", values, r.pulses("gate"), ack, want)
		}

		if want != shadow.Refused {
			continue
		}
		// The request still stands, so the words as they were give it its meaning again.
		r.configure(text)
		r.fetched("main", document)
		r.pass(time.Minute)
		if ack := r.shadows["main"].ack("gate"); ack.Code != shadow.Done || r.pulses("gate") != 1 {
			t.Errorf("%s, rolled back: %d pulses, answered with %+v, want one that is done", values, r.pulses("gate"), ack)
		}
	}
}

// Nor does a reset that waits for the disk end an alarm that is not latched any more.
func TestWaitingResetLosesItsMeaning(t *testing.T) {
	t.Parallel()
	const text = `
lines: {tank: {line: T, direction: input}}
alarms: {full: {line: tank, latched: true}}
shadows: {main: {properties: {full: {alarm: full}}}}
`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	r.edge("tank", true)
	r.pass(time.Second)
	r.noDisk = errors.New("disk is full")
	next := r.shadows["main"].replica.View().Version + 1
	r.desired(next, `{"full":false}`)
	at := r.now.Unix()
	r.configure(strings.Replace(text, ", latched: true", "", 1))
	r.fetched("main", fmt.Sprintf(`{"version":%d,"state":{"desired":{"full":false}},"metadata":{"desired":{"full":{"timestamp":%d}}}}`, next, at))
	r.noDisk = nil
	r.pass(time.Minute)
	if ack := r.shadows["main"].ack("full"); ack.Code != shadow.Refused {
		t.Errorf("answered with %+v, want %d", ack, shadow.Refused)
	}
}
