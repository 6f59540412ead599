package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// TestEachChangeHasItsCause has the lines changed by everything that can.
func TestEachChangeHasItsCause(t *testing.T) {
	r := newRig(t, `
lines:
  button: {line: I1, direction: input}
  tank:   {line: I2, direction: input}
  lamp:   {line: O1, direction: output}
  pump:   {line: O2, direction: output, failsafe: {after: 1m, set: off}, stop: "on"}
  siren:  {line: O3, direction: output, maxOn: 10s}
  bell:   {line: O4, direction: output}
  heater: {line: O5, direction: output, start: "on"}
controls:
  wall: {input: button, action: toggle, output: lamp}
alarms:
  full: {line: tank, output: siren}
shadows:
  main:
    properties:
      lamp:    {line: lamp}
      pump:    {line: pump}
      bell:    {line: bell, pulse: 2s}
      morning: {schedule: lamp}
`, state.State{Outputs: map[string]bool{"O1": true}})
	r.now = moment(t, "2026-11-23T06:29:00Z")
	seen := 0
	came := func(want ...string) {
		t.Helper()
		var got []string
		for ; seen < len(r.moved); seen++ {
			m := r.moved[seen]
			got = append(got, fmt.Sprintf("%s %v by %v", m.Line, m.On, m.Cause))
			if m.At.IsZero() || m.At.After(r.now) {
				t.Errorf("%s at %v", got[len(got)-1], m.At)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	r.step(Start{})
	r.step(Clock{Synchronised: true})
	came("bell false by start", "heater true by start", "lamp true by start", "pump false by as found", "siren false by as found")
	r.step(Link{Up: true})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":4,"state":{"desired":{"pump":true,"morning":{"entries":[{"at":"06:30","set":"on"}]}}},"metadata":{}}`)
	came("pump true by desired main@4")
	press(r, "button")
	came("lamp false by control wall")
	r.desired(5, `{"bell":true}`)
	r.pass(5 * time.Second)
	came("bell false by pulse end", "bell true by desired main@5")
	r.edge("tank", true)
	came("siren true by alarm full")
	r.pass(15 * time.Second)
	came("siren false by maxOn")
	r.pass(time.Minute)
	came("lamp true by schedule main/morning")
	r.step(Link{Up: false})
	r.pass(2 * time.Minute)
	came("pump false by failsafe")
	r.step(Stop{})
	came("pump true by stop")
}
