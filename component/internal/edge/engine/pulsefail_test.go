package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// A pulse whose line fails may have been on, whatever the call has said. It is not begun
// again when the line is well: that could make two pulses of one command.
func TestPulseOfALineThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	for name, fails := range map[string]func(*rig){
		"when it is set on": func(r *rig) {
			r.broken["gate"] = broken
			r.desired(3, `{"gate":{"id":"a"}}`)
		},
		"while it is on": func(r *rig) {
			r.desired(3, `{"gate":{"id":"a"}}`)
			r.pass(time.Second)
			r.broken["gate"] = broken
			r.step(r.failed("gate", broken))
		},
	} {
		r := allKinds(t, state.State{})
		fails(r)
		if n := r.setsOn("gate"); n != 1 {
			t.Fatalf("%s: %d pulses, want 1", name, n)
		}
		delete(r.broken, "gate")
		r.pass(time.Minute)
		if n := r.setsOn("gate"); n != 1 || r.lines["gate"] {
			t.Errorf("%s: set on %d times, the line is on: %v; want once, and off", name, n, r.lines["gate"])
		}
		answer := r.core.memory.last.Properties["gw//gate#pulse"].Command
		if answer == nil || !answer.Done || answer.Failure != "the pulse was cut short by a failure of the line" {
			t.Errorf("%s: the command is %+v, want it over for the failure", name, answer)
		}
		// The next command is carried out.
		r.desired(4, `{"gate":{"id":"b"}}`)
		if n := r.setsOn("gate"); n != 2 {
			t.Errorf("%s: %d pulses after the next command, want 2", name, n)
		}
	}
}

// setsOn is how often an output of one line was set on, by a write or with its request.
func (r *rig) setsOn(label string) int {
	n := r.pulses(label)
	for _, e := range r.asked {
		if e.Label == label && e.Values[0] != nil && *e.Values[0] {
			n++
		}
	}
	return n
}

// A line that is not there when the pulse is requested has done nothing: the pulse comes
// when the line does.
func TestPulseOfALineThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := allKinds(t, state.State{})
	r.broken["gate"] = errors.New("no such device")
	r.step(r.failed("gate", r.broken["gate"]))
	r.desired(3, `{"gate":{"id":"a"}}`)
	if n := r.setsOn("gate"); n != 0 {
		t.Fatalf("%d pulses of a line that is gone", n)
	}
	r.pass(10 * time.Second)
	delete(r.broken, "gate")
	r.pass(time.Minute)
	if n := r.setsOn("gate"); n != 1 || r.lines["gate"] {
		t.Errorf("set on %d times, the line is on: %v; want once, and off", n, r.lines["gate"])
	}
}
