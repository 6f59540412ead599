package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// A scheduled pulse that waits for the disk is for the line of its time.
func TestScheduledPulseStaysWithItsLine(t *testing.T) {
	const text = `
lines: {cup: {line: A, direction: output}, gate: {line: B, direction: output}}
shadows:
  main:
    properties:
      cup:  {line: cup, pulse: 30s}
      cups: {schedule: cup}
`
	r := newRig(t, text, state.State{})
	r.now = moment(t, "2026-11-23T06:29:50Z")
	r.step(Start{})
	r.step(Clock{Synchronised: true})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{"desired":{"cups":{"entries":[{"at":"06:30","set":"on"}]}}},"metadata":{}}`)
	r.pass(5 * time.Second)
	r.hold = true
	r.pass(10 * time.Second)
	if r.lines["cup"] || len(r.memory.waiting) == 0 {
		t.Fatalf("the pulse does not wait for the disk: %v, %s", r.memory.waiting, r.shows("cups"))
	}
	r.configure(strings.Replace(text, "cup: {line: A, direction: output}, gate: {line: B, direction: output}", "cup: {line: B, direction: output}", 1))
	r.hold = false
	r.step(Saved{r.saves[len(r.saves)-1].Seq, nil})
	r.pass(5 * time.Second)
	if len(r.sets) > 0 {
		t.Error("the gate got the pulse of the coffee machine")
	}
	if len(r.memory.waiting) > 0 {
		t.Errorf("still waiting: %v", r.memory.waiting)
	}
	if shown := r.shows("cups"); strings.Contains(shown, "last") {
		t.Errorf("a pulse that was not made is shown as %s", shown)
	}
}

// One that has not begun when the component stops is left to the next run.
func TestScheduledPulseThatHasNotBegunIsLeftToTheNextRun(t *testing.T) {
	const text = `
lines: {cup: {line: A, direction: output}}
shadows:
  main:
    properties:
      cup:  {line: cup, pulse: 30s}
      cups: {schedule: cup}
`
	r := newRig(t, text, state.State{})
	r.now = moment(t, "2026-11-23T06:29:50Z")
	r.step(Start{})
	r.step(Clock{Synchronised: true})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{"desired":{"cups":{"entries":[{"once":"2026-11-23T06:30","set":"on"}]}}},"metadata":{}}`)
	r.pass(5 * time.Second)
	r.hold = true
	r.pass(10 * time.Second)
	r.step(Stop{})
	for range 3 {
		r.step(Saved{r.saves[len(r.saves)-1].Seq, nil})
	}
	if len(r.memory.waiting) > 0 || !r.memory.idle(r.stopped) {
		t.Errorf("the end is held up: %v", r.memory.waiting)
	}
	next := newRig(t, text, r.lastSaved())
	next.now = r.now.Add(5 * time.Second)
	next.step(Start{})
	next.step(Clock{Synchronised: true})
	next.pass(2 * time.Second)
	if n := r.pulses("cup") + next.pulses("cup"); n != 1 {
		t.Errorf("%d cups, want 1; the memory is %v", n, asJSON(t, r.lastSaved().Properties))
	}
	if text := next.shows("cups"); !strings.Contains(text, "done") {
		t.Errorf("shown as %s", text)
	}
}
