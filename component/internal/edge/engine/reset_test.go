package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const withLatch = `
lines:
  tank: {line: T, direction: input}
  door: {line: D, direction: input}
  siren: {line: S, direction: output}
alarms:
  full: {line: tank, latched: true, output: siren}
  open: {line: door, latched: true}
shadows:
  main:
    properties:
      full: {alarm: full}
`

// latched is a run with both alarms raised and over, and a reset that waits for the
// disk.
func latched(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, withLatch, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	for _, input := range []string{"tank", "door"} {
		r.edge(input, true)
		r.edge(input, false)
	}
	r.pass(2 * time.Second)
	for len(r.updates) > 0 {
		u, _ := r.update("main")
		r.accept(u, r.shadows["main"].replica.View().Version+1)
		r.pass(time.Second)
	}
	r.hold = true
	r.desired(r.shadows["main"].replica.View().Version+1, `{"full":false}`)
	if r.shows("full") != "true" || len(r.memory.waiting) == 0 {
		t.Fatal("the reset does not wait for the disk")
	}
	return r
}

// The reset of an alarm is answered though its flag shows another alarm by then.
func TestResetIsAnsweredThoughItsFlagMoves(t *testing.T) {
	r := latched(t)
	r.configure(strings.Replace(withLatch, "full: {alarm: full}", "full: {alarm: open}", 1))
	if r.reading("main") {
		r.fetched("main", fmt.Sprintf(`{"version":%d,"state":{"desired":{"full":false},"reported":{"full":true}},"metadata":{"desired":{"full":{"timestamp":%d}}}}`, r.shadows["main"].replica.View().Version+1, r.now.Unix()))
	}
	r.hold = false
	r.step(Saved{r.saves[len(r.saves)-1].Seq, nil})
	r.pass(2 * time.Second)
	if ack := r.shadows["main"].ack("full"); ack.Code != shadow.Conflict || !r.shadows["main"].replica.Clearing("full") {
		t.Errorf("answered with %+v, cleared %v", ack, r.shadows["main"].replica.Clearing("full"))
	}
	if r.shows("full") != "true" {
		t.Error("a reset of another alarm was carried out")
	}
}

// A reset of which nothing is known but that it was requested is carried out by the
// next run: it is not answered as done while the alarm stays raised.
func TestResetOfAKilledRunIsCarriedOut(t *testing.T) {
	r := latched(t)
	saved := r.lastSaved() // the process is killed when this is on the disk
	if c := saved.Properties["gw//full#alarm"].Command; c == nil || c.Done {
		t.Fatalf("remembered: %+v", c)
	}
	document := fmt.Sprintf(`{"version":%d,"state":{"desired":{"full":false},"reported":{"full":true}},"metadata":{"desired":{"full":{"timestamp":%d}}}}`,
		r.shadows["main"].replica.View().Version, r.now.Unix())
	check := func(name string, next *rig) {
		t.Helper()
		next.pass(2 * time.Second)
		if ack := next.shadows["main"].ack("full"); ack.Code != shadow.Done || next.shows("full") != "false" || next.lines["siren"] {
			t.Errorf("%s: answered with %+v, and the alarm shows %s, the siren is %v", name, ack, next.shows("full"), next.lines["siren"])
		}
	}
	next := newRig(t, withLatch, saved)
	next.now = r.now.Add(time.Second)
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", document)
	check("killed", next)

	r.configure(strings.Replace(withLatch, "      full: {alarm: full}", "      other: {alarm: full}", 1))
	r.hold = false
	r.step(Saved{r.saves[len(r.saves)-1].Seq, nil})
	r.pass(2 * time.Second)
	r.configure(withLatch)
	r.fetched("main", document)
	check("taken out and back", r)
}
