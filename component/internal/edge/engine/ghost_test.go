package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Acknowledgements alone are a reason to withdraw a shadow, too.
func TestShadowOfAcknowledgementsIsWithdrawn(t *testing.T) {
	const text = "lines: {lamp: {line: A, direction: output}}\nshadows: {main: {properties: {it: {line: lamp}}}, room: {name: room}}\n"
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"room"})
	r.fetched("room", `{"version":1,"state":{"desired":{"x":1}},"metadata":{"desired":{"x":{"timestamp":5}}}}`)
	r.reports("room", `{"ack":{"x":{"code":404,"reason":"no such property","version":1}}}`, 2)
	r.pass(2 * time.Second)
	next := newRig(t, strings.Replace(text, ", room: {name: room}", "", 1), r.lastSaved())
	next.step(Start{})
	id := shadow.ID{Thing: "gw", Name: "room"}
	if !slices.Contains(next.followed, id) {
		t.Fatal("not followed")
	}
	next.step(ShadowLive{ID: id})
	next.step(replicaFetched(t, id, next.lastFetch(id.String()).Seq, `{"version":2,"state":{"desired":{"x":1},"reported":{"ack":{"x":{"code":404,"reason":"no such property","version":1}}}}}`))
	if u, got := next.update(id.String()); got != `{"ack":null}` {
		t.Errorf("wrote %v %v", got, u)
	}
}

// A value that this run has not reported yet is of an earlier run, and is withdrawn as
// well: the key alone, or with its shadow.
func TestValueOfAnEarlierRunIsWithdrawn(t *testing.T) {
	const text = "lines: {door: {line: D, direction: input}}\nshadows: {main: {properties: {at: {line: door, changed: both}, door: {line: door}}}}\n"
	const document = `{"version":9,"state":{"reported":{"at":"2026-02-02T02:56:29.466Z","door":false}}}`
	for _, read := range []bool{false, true} {
		for after, want := range map[string]string{
			strings.Replace(text, "at: {line: door, changed: both}, ", "", 1): `{"at":null}`,
			"lines: {}\n": `{"at":null,"door":null}`,
		} {
			r := newRig(t, text, state.State{})
			r.step(Start{})
			r.step(shadowLive{"main"})
			if read {
				r.fetched("main", document)
				r.pass(time.Second)
			}
			id := shadow.ID{Thing: "gw"}
			r.configure(after)
			if len(r.updates) == 0 {
				r.step(replicaFetched(t, id, r.fetches[len(r.fetches)-1].Seq, document))
			}
			if len(r.updates) != 1 {
				t.Fatalf("%d updates", len(r.updates))
			}
			if got := asJSON(t, r.updates[0].Reported); got != want {
				t.Errorf("read %v, then %q: wrote %s, want %s", read, after, got, want)
			}
		}
	}
}

// A shadow that is gone and cannot be read does not hold up the end.
func TestGhostThatCannotBeReadDoesNotHoldUpTheEnd(t *testing.T) {
	r := settled(t)
	r.configure(strings.Replace(testConfig, "  main:\n", "  main:\n    name: other\n", 1))
	id := shadow.ID{Thing: "gw"}
	for range 3 {
		for _, f := range r.fetches {
			if f.ID == id {
				in := replicaFetched(t, id, f.Seq, `{"version":1,"state":{}}`)
				in.Outcome, in.Err = Unauthorized, errors.New("not allowed")
				r.step(in)
			}
		}
		for _, u := range r.updates {
			if u.ID == id {
				in := replicaUpdated(id, u.Seq, 0)
				in.Outcome, in.Err = Unauthorized, errors.New("not allowed")
				r.step(in)
			}
		}
		r.pass(time.Minute)
	}
	for _, name := range []string{"plant"} {
		r.step(shadowLost{name, errors.New("away")})
	}
	r.updates = nil
	r.step(Stop{})
	for n := 0; len(r.updates) > 0; n++ {
		if n > 5 {
			t.Fatal("tried again and again")
		}
		u := r.updates[0]
		r.updates = r.updates[1:]
		in := replicaUpdated(u.ID, u.Seq, 0)
		in.Outcome, in.Err = Unauthorized, errors.New("not allowed")
		r.step(in)
		r.pass(100 * time.Millisecond)
	}
	if !r.Idle() {
		t.Error("the end waits for what nobody may write")
	}
}
