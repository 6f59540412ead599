package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const before = `
lines:
  lamp:  {line: A, direction: output}
  fan:   {line: B, direction: output, stop: "off"}
  bell:  {line: C, direction: output}
  horn:  {line: D, direction: output}
  meter: {line: M, direction: input}
shadows:
  main:
    properties:
      lights: {line: lamp}
      fan:    {line: fan}
      bell:   {line: bell, pulse: 5s}
      horn:   {line: horn, blink: {on: 1s, off: 1s}}
      turns:  {line: meter, count: rising}
  room:
    name: room
`

func configured(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, before, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.step(shadowLive{"room"})
	r.fetched("room", `{"version":1,"state":{}}`)
	r.fetched("main", `{"version":3,"state":{"reported":{"lights":false,"fan":false,"bell":false,"horn":false,"turns":0}}}`)
	r.accepted("main", 4, `{"lights":true,"fan":true,"bell":true,"horn":true}`,
		`{"lights":{"timestamp":5},"fan":{"timestamp":5},"bell":{"timestamp":5},"horn":{"timestamp":5}}`)
	for range 4 {
		r.edge("meter", true)
		r.edge("meter", false)
	}
	r.pass(200 * time.Millisecond)
	if !r.lines["lamp"] || !r.lines["fan"] || !r.lines["bell"] || !r.lines["horn"] {
		t.Fatalf("lines are %v, want all on", r.lines)
	}
	for version := int64(5); len(r.updates) > 0; version++ {
		u, _ := r.update("main")
		r.accept(u, version)
		r.pass(time.Second)
	}
	r.asked, r.sets, r.released = nil, nil, nil
	return r
}

func (r *rig) configure(text string) {
	r.t.Helper()
	cfg, err := config.Parse([]byte(text), "gw")
	if err != nil {
		r.t.Fatal(err)
	}
	r.step(Configure{cfg})
}

func TestConfigureTouchesNothingThatIsTheSame(t *testing.T) {
	r := configured(t)
	r.configure(before)
	if len(r.asked)+len(r.sets)+len(r.released) > 0 {
		t.Errorf("requested %v, set %v, released %v", r.asked, r.sets, r.released)
	}
	r.pass(5 * time.Second)
	if r.lines["bell"] || !r.lines["lamp"] {
		t.Errorf("lines are %v, want the bell off after its time and the lamp on", r.lines)
	}
}

func TestConfigureChangesRulesOfLinesThatStay(t *testing.T) {
	r := configured(t)
	r.configure(replace(before, "{line: A, direction: output}", "{line: A, direction: output, maxOn: 3s}"))
	if len(r.asked)+len(r.released) > 0 {
		t.Errorf("requested %v, released %v", r.asked, r.released)
	}
	r.pass(4 * time.Second)
	if r.lines["lamp"] {
		t.Error("the lamp is on, longer than its new maxOn")
	}
}

func TestConfigureRequestsAnewWhatIsRequestedOtherwise(t *testing.T) {
	r := configured(t)
	r.configure(replace(before, "{line: A, direction: output}", "{line: A, direction: output, activeLow: true}"))
	if len(r.released) != 1 || r.released[0].Claim != "lamp" || r.released[0].Values != nil || len(r.asked) != 1 || r.asked[0].Label != "lamp" {
		t.Errorf("released %v, requested %v; want the lamp only, as it is", r.released, r.asked)
	}
}

func TestConfigureGivesUpWhatIsGone(t *testing.T) {
	r := configured(t)
	text := replace(before, `  fan:   {line: B, direction: output, stop: "off"}`+"\n", "")
	text = replace(text, "      fan:    {line: fan}\n", "")
	r.configure(text)
	if len(r.released) != 1 || r.released[0].Claim != "fan" || len(r.released[0].Values) != 1 || r.released[0].Values[0] {
		t.Fatalf("released %+v, want the fan, off", r.released)
	}
	r.updates = nil
	r.fetched("main", `{"version":9,"state":{"desired":{"fan":true},"reported":{"lights":true,"fan":true,"bell":true,"horn":true,"turns":4}},
		"metadata":{"desired":{"fan":{"timestamp":5}}}}`)
	r.pass(time.Second)
	_, got := r.update("main")
	// Others wrote meanwhile: what was reported before may not have reached the cloud.
	if want := `{"ack":{"fan":{"code":404,"reason":"no such property","version":9}},"bell":true,"fan":null,"horn":true,"lights":true,"turns":4}`; got != want {
		t.Errorf("reported\n got %s\nwant %s", got, want)
	}
}

// TestConfigureDeletesWhatIsGoneAfterAKill: the run that took the configuration may
// end before it has reported.
func TestConfigureDeletesWhatIsGoneAfterAKill(t *testing.T) {
	r := configured(t)
	saved := r.saves[len(r.saves)-1].State
	after := newRig(t, replace(before, "      turns:  {line: meter, count: rising}\n", ""), saved)
	after.step(Start{})
	after.step(shadowLive{"main"})
	after.fetched("main", `{"version":9,"state":{"reported":{"lights":true,"fan":true,"bell":true,"horn":true,"turns":4,"foreign":1}}}`)
	after.pass(time.Second)
	u, got := after.update("main")
	if turns, written := u.Reported["turns"]; !written || turns != nil || strings.Contains(got, "foreign") {
		t.Errorf("reported %s, want turns deleted and what is not ours left alone", got)
	}
	after.accept(u, 10)
	after.pass(time.Minute)
	if left := after.saves[len(after.saves)-1].State.Shadows["gw/"]; slices.Contains(left, "turns") {
		t.Errorf("still remembered: %v", left)
	}
}

func TestConfigureLetsAPulseEnd(t *testing.T) {
	for _, c := range []struct {
		change, with string
		code         shadow.Code
	}{
		{"{line: A, direction: output}", "{line: A, direction: output, maxOn: 3s}", shadow.Done},
		{"lights: {line: lamp}", "lights: {line: lamp, override: cloudWins}", shadow.Done}, // the shadow is read again
		{"{line: C, direction: output}", "{line: C, direction: output, activeLow: true}", shadow.LineFailed},
	} {
		r := newRig(t, before, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":3,"state":{}}`)
		r.accepted("main", 4, `{"bell":true}`, `{"bell":{"timestamp":5}}`)
		r.pass(time.Second)
		r.configure(replace(before, c.change, c.with))
		if r.reading("main") {
			r.fetched("main", `{"version":4,"state":{"desired":{"bell":true}},"metadata":{"desired":{"bell":{"timestamp":5}}}}`)
		}
		r.pass(10 * time.Second)
		if got := r.shadows["main"].ack("bell").Code; got != c.code || r.lines["bell"] {
			t.Errorf("%s: answered %d, want %d; the bell is %v", c.with, got, c.code, r.lines["bell"])
		}
	}
}

func TestConfigureKeepsCounts(t *testing.T) {
	r := configured(t)
	r.configure(replace(before, "{line: M, direction: input}", "{line: M, direction: input, debounce: 1ms}"))
	r.edge("meter", true)
	r.pass(2 * time.Second)
	if got := r.shadows["main"].replica.Wanted("turns"); got != int64(5) {
		t.Errorf("turns is %v, want 5", got)
	}
}

func TestConfigureEndsWhatAnotherKindWouldNotDo(t *testing.T) {
	r := configured(t)
	r.configure(replace(before, "{line: horn, blink: {on: 1s, off: 1s}}", "{line: horn}"))
	sets := len(r.sets)
	r.pass(10 * time.Second)
	for _, set := range r.sets[sets:] {
		if set.Claim == "horn" && set.Values[0] {
			t.Errorf("the horn blinks on")
		}
	}
}

func TestRefusedConfigurationIsTold(t *testing.T) {
	r := newRig(t, `shadows: {health: {name: health, status: true}}`, state.State{})
	r.step(Start{})
	r.step(shadowLive{"health"})
	r.fetched("health", "")
	r.reports("health", `{"status":{"running":true,"since":"2023-11-14T22:13:20Z","version":"1.0.0"}}`, 1)
	r.step(Refused{"no good"})
	r.pass(time.Second)
	r.reports("health", `{"status":{"faults":{"configuration":"no good"}}}`, 2)
	r.configure(`shadows: {health: {name: health, status: true}}`)
	r.pass(time.Second)
	r.reports("health", `{"status":{"faults":null}}`, 3)
	r.step(Stop{})
	r.reports("health", `{"status":{"faults":null,"running":false,"since":"2023-11-14T22:13:22Z"}}`, 4)
}

// replace puts a text in the place of another, which must be there.
func replace(text, old, with string) string {
	before, after, ok := strings.Cut(text, old)
	if !ok {
		panic("no " + old)
	}
	return before + with + after
}
