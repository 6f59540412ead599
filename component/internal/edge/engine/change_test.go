package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// What a change of configuration, at any time, must not do.

const withButton = `
lines:
  lamp:   {line: A, direction: output}
  pump:   {line: D, direction: output}
  button: {line: B, direction: input}
  door:   {line: C, direction: input}
controls:
  wall: {input: button, action: toggle, output: lamp}
shadows:
  main:
    properties:
      lights: {line: lamp}
`

// pressedWithoutLink is a lamp that its button turned on while the link was down.
func pressedWithoutLink(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, withButton, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{},"metadata":{}}`)
	r.pass(time.Second)
	r.updates = nil
	r.step(shadowLost{"main", errors.New("away")})
	press(r, "button")
	r.pass(3 * time.Second)
	if !r.lines["lamp"] {
		t.Fatal("the button did not turn the lamp on")
	}
	return r
}

// A local change that waits for the link is for the output that it was made on: not
// for another one under the same key, nor for an input.
func TestLocalChangeStaysWithItsOutput(t *testing.T) {
	for name, property := range map[string]string{"an input": "door", "another output": "pump"} {
		after := strings.Replace(withButton, "lights: {line: lamp}", "lights: {line: "+property+"}", 1)
		back := func(r *rig) {
			r.step(shadowLive{"main"})
			r.fetched("main", `{"version":7,"state":{"reported":{"lights":false}},"metadata":{}}`)
			r.pass(time.Second)
			if r.lines["pump"] {
				t.Errorf("%s: the pump runs, and nobody turned it on", name)
			}
			for _, u := range r.updates {
				if len(u.Desired) > 0 {
					t.Errorf("%s: the change of the lamp is written as desired: %v", name, u.Desired)
				}
			}
		}
		r := pressedWithoutLink(t)
		saved := r.saves[len(r.saves)-1].State
		r.configure(after)
		r.pass(time.Second)
		back(r)
		again := newRig(t, after, saved)
		again.step(Start{})
		back(again)
	}
}

// The reply to the update that clears a command may come when the property is gone
// and the shadow was read.
func TestReplyAboutAPropertyThatIsGone(t *testing.T) {
	const bell = "bell: {line: bell, pulse: 1s}"
	const text = `
lines: {bell: {line: A, direction: output}, lamp: {line: B, direction: output}}
shadows: {main: {properties: {lights: {line: lamp}, ` + bell + `}}}
`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"desired":{"bell":true}},"metadata":{"desired":{"bell":{"timestamp":100}}}}`)
	version := int64(8)
	clearing := func() bool {
		return slices.ContainsFunc(r.updates, func(u sentUpdate) bool { _, clears := u.Desired["bell"]; return clears })
	}
	for range 20 {
		if r.pass(100 * time.Millisecond); clearing() {
			break
		}
		for _, u := range r.updates {
			r.accept(u, version)
			version++
		}
		r.updates = nil
	}
	if !clearing() {
		t.Fatal("the pulse is not cleared")
	}
	seq := r.updates[0].Seq
	r.updates = nil
	r.configure(strings.Replace(text, ", "+bell, "", 1))
	r.pass(time.Second)
	r.fetched("main", fmt.Sprintf(`{"version":%d,"state":{"desired":{"bell":true},"reported":{"bell":false,"lights":false}},"metadata":{"desired":{"bell":{"timestamp":100}}}}`, version))
	r.step(updateAnswered{Shadow: "main", Seq: seq, Version: version + 1})
	r.pass(time.Second)
	if ack := r.shadows["main"].ack("bell"); ack.Code != shadow.NoProperty {
		t.Errorf("answered with %+v, want no such property", ack)
	}
}

// What a watcher tells of a line that is gone, or was requested anew since, is void.
func TestReportsOfEarlierRequestsAreVoid(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.step(Start{})
	r.pass(time.Second)
	edge := r.seen("door", lines.Burst{Value: true, Rising: 1})
	for _, in := range []Input{edge, r.failed("door", errors.New("gone")), r.failed("pump", errors.New("gone"))} {
		gone := newRig(t, testConfig, state.State{})
		gone.step(Start{})
		gone.configure("lines: {lamp: {line: GPIO17, direction: output}}")
		gone.step(in)
	}
	// The line went high, which is on; then a deployment turns its polarity.
	r.configure(strings.Replace(testConfig, "{line: GPIO27, direction: input}", "{line: GPIO27, direction: input, activeLow: true}", 1))
	before := r.shadows["main"].replica.Wanted("locked")
	r.step(edge)
	r.pass(time.Minute)
	if got := r.shadows["main"].replica.Wanted("locked"); got != before {
		t.Errorf("an edge of the other polarity made %v of %v", got, before)
	}
}

// Controls of one input act together, whatever their labels are: the pump gives way.
func TestControlsOfOneInputActTogether(t *testing.T) {
	for _, labels := range [][2]string{{"a", "b"}, {"b", "a"}} {
		text := fmt.Sprintf(`
lines:
  pump:   {line: A, direction: output}
  valve:  {line: B, direction: output}
  button: {line: C, direction: input}
  start:  {line: D, direction: input}
interlocks: {one: {lines: [pump, valve], deadTime: 300ms}}
controls:
  start: {input: start, action: set, output: pump}
  %s: {input: button, action: reset, output: pump}
  %s: {input: button, action: set, output: valve}
`, labels[0], labels[1])
		r := newRig(t, text, state.State{})
		r.step(Start{})
		r.edge("start", true)
		r.pass(time.Second)
		r.edge("button", true)
		if r.lines["pump"] || r.lines["valve"] {
			t.Errorf("in the dead time pump is %v, valve %v", r.lines["pump"], r.lines["valve"])
		}
		r.pass(time.Second)
		if r.lines["pump"] || !r.lines["valve"] {
			t.Errorf("labels %v: pump is %v, valve %v", labels, r.lines["pump"], r.lines["valve"])
		}
	}
}

// Of demands that exclude each other over two interlocks the same ones are taken
// each time.
func TestDemandsThatExcludeEachOther(t *testing.T) {
	const text = `
lines:
  a:  {line: A, direction: output}
  p1: {line: B, direction: output}
  p2: {line: C, direction: output}
  z:  {line: D, direction: output}
interlocks: {one: {lines: [a, p1]}, two: {lines: [p2, z]}}
shadows:
  main:
    properties:
      a: {line: a}
      z: {line: z}
      m: {patterns: {none: {p1: off, p2: off}, both: {p1: on, p2: on}}}
`
	got := map[string]int{}
	for range 100 {
		r := newRig(t, text, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":7,"state":{"desired":{"a":true,"m":"both","z":true}},"metadata":{"desired":{"a":{"timestamp":100},"m":{"timestamp":100},"z":{"timestamp":100}}}}`)
		r.pass(time.Second)
		got[asJSON(t, r.lines)]++
	}
	if len(got) > 1 {
		t.Errorf("same inputs, different outcomes: %v", got)
	}
}

// A percentage that an interlock rejected leaves no trace: the button turns the fan
// on as it was last.
func TestRejectedDutyLeavesNoTrace(t *testing.T) {
	const text = `
lines:
  fan:    {line: A, direction: output}
  heater: {line: B, direction: output}
  button: {line: C, direction: input}
interlocks: {one: {lines: [fan, heater]}}
controls: {wall: {input: button, action: toggle, output: fan}}
shadows:
  main:
    properties:
      fan: {line: fan, pwm: {period: 10s}, override: holdsUntilNextDesired}
      heater: {line: heater}
`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"desired":{"fan":30}},"metadata":{"desired":{"fan":{"timestamp":100}}}}`)
	r.pass(3500 * time.Millisecond)
	version := int64(8)
	desire := func(value string) {
		for _, u := range r.updates {
			r.accept(u, version)
			version++
		}
		r.updates = nil
		r.accepted("main", version, value, `{"fan":{"timestamp":200},"heater":{"timestamp":200}}`)
		version++
		r.pass(500 * time.Millisecond)
	}
	desire(`{"heater":true,"fan":0}`)
	desire(`{"fan":80}`)
	if ack := r.shadows["main"].ack("fan"); ack.Code != shadow.Conflict {
		t.Fatalf("80 %% beside the heater was answered with %+v", ack)
	}
	desire(`{"heater":false}`)
	press(r, "button")
	r.pass(200 * time.Millisecond)
	if got := r.shadows["main"].replica.Wanted("fan"); !shadow.Equal(got, 100.0) {
		t.Errorf("the button turned the fan on at %v %%, want 100: 0 was requested last", got)
	}
}

// A rejected value of any alphabet is answered once, in text that the shadow keeps as
// it is.
func TestReasonsAreWholeCharacters(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	desired := `"desired":{"lights":"` + strings.Repeat("é", 40) + `"}`
	r.fetched("main", `{"version":7,"state":{`+desired+`},"metadata":{"desired":{"lights":{"timestamp":100}}}}`)
	u, _ := r.update("main")
	if ack := r.shadows["main"].ack("lights"); !utf8.ValidString(ack.Reason) {
		t.Errorf("the reason is cut within a character: %q", ack.Reason)
	}
	r.accept(u, 8)
	wire, err := json.Marshal(u.Reported)
	if err != nil {
		t.Fatal(err)
	}
	r.step(shadowLost{"main", errors.New("away")})
	r.step(shadowLive{"main"})
	r.fetched("main", fmt.Sprintf(`{"version":8,"state":{%s,"reported":%s},"metadata":{"desired":{"lights":{"timestamp":100}},"reported":{"ack":{"lights":{"code":{"timestamp":101}}}}}}`, desired, wire))
	r.pass(time.Minute)
	r.reportsNothing()
}

// A key that was a lamp becomes a gate: the "on" that stands there does not open it,
// in this run or the next. One that is requested afterwards does.
func TestStandingRequestDoesNotBecomeACommand(t *testing.T) {
	const text = "lines: {lamp: {line: A, direction: output}}\nshadows: {main: {properties: {it: {line: lamp}}}}\n"
	gate := strings.Replace(text, "{line: lamp}", "{line: lamp, pulse: 1s}", 1)
	for _, restart := range []bool{false, true} {
		r := newRig(t, text, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		at := r.now.Unix() - 100
		r.fetched("main", fmt.Sprintf(`{"version":7,"state":{"desired":{"it":true}},"metadata":{"desired":{"it":{"timestamp":%d}}}}`, at))
		r.pass(2 * time.Second)
		r.updates = nil
		if restart {
			next := newRig(t, gate, r.lastSaved())
			next.now = r.now
			r = next
			r.step(Start{})
			r.step(shadowLive{"main"})
		} else {
			r.configure(gate)
		}
		r.sets = nil
		r.fetched("main", fmt.Sprintf(`{"version":8,"state":{"desired":{"it":true},"reported":{"it":true}},"metadata":{"desired":{"it":{"timestamp":%d}}}}`, at))
		r.pass(3 * time.Second)
		if n := r.pulses("lamp"); n > 0 {
			t.Errorf("restart %v: the gate opened for the on of a lamp", restart)
		}
		ack := r.shadows["main"].ack("it")
		if ack.Code != shadow.Refused || !r.shadows["main"].replica.Clearing("it") {
			t.Errorf("restart %v: answered with %+v, and cleared %v", restart, ack, r.shadows["main"].replica.Clearing("it"))
		}
		// Killed before it is cleared, the next run does not open it either.
		saved := r.lastSaved()
		next := newRig(t, gate, saved)
		next.now = r.now.Add(time.Minute)
		next.step(Start{})
		next.step(shadowLive{"main"})
		next.fetched("main", fmt.Sprintf(`{"version":9,"state":{"desired":{"it":true}},"metadata":{"desired":{"it":{"timestamp":%d}}}}`, at))
		next.pass(3 * time.Second)
		if n := next.pulses("lamp"); n > 0 {
			t.Errorf("restart %v: the gate opened after a kill", restart)
		}
		next.updates = nil
		next.accepted("main", 10, `{"it":true}`, `{"it":{"timestamp":1800000000}}`)
		next.pass(3 * time.Second)
		if n := next.pulses("lamp"); n != 1 {
			t.Errorf("restart %v: a request of the new kind made %d pulses", restart, n)
		}
	}
}

// pulses is how often an output was set on.
func (r *rig) pulses(label string) (n int) {
	for _, w := range r.sets {
		if w.Claim == label && w.Values[0] {
			n++
		}
	}
	return n
}

const totals = `
lines:
  meter: {line: M, direction: input}
  tank:  {line: T, direction: input}
shadows:
  main:
    properties:
      n:     {line: meter, count: rising}
      limit: {setting: number, default: 1}
      full:  {alarm: full}
alarms:
  full: {line: tank, latched: true}
`

// withTotals is a run with a total, a setting and a latched alarm.
func withTotals(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, totals, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	r.accepted("main", 2, `{"n":500,"limit":9}`, `{"n":{"timestamp":5},"limit":{"timestamp":5}}`)
	r.edge("tank", true)
	r.edge("tank", false)
	r.edge("meter", true)
	r.pass(20 * time.Second)
	r.updates = nil
	return r
}

func checkTotals(t *testing.T, r *rig, label, when string) {
	t.Helper()
	got := map[string]any{}
	for _, key := range []string{"n", "limit", "full"} {
		got[key] = r.shadows[label].replica.Wanted(key)
	}
	if text := asJSON(t, got); text != `{"full":true,"limit":9,"n":501}` {
		t.Errorf("%s: %s", when, text)
	}
}

// Totals, settings and latched alarms belong to the thing, shadow, key and kind.
func TestTotalsOutliveLabelsAndRollbacks(t *testing.T) {
	relabeled := strings.NewReplacer("  main:", "  meters:", "meter:", "water:", "line: meter", "line: water", "full:", "alert:", "alarm: full", "alarm: alert").Replace(totals)
	relabeled = strings.Replace(relabeled, "      alert:  {alarm", "      full:  {alarm", 1)
	const without = "lines: {meter: {line: M, direction: input}}\nshadows: {main: {properties: {}}}\n"
	const elsewhere = "shadows: {main: {name: other}}\n"
	for name, texts := range map[string][]string{
		"relabeled":                  {relabeled},
		"relabeled and back":         {relabeled, totals},
		"taken out and back":         {without, totals},
		"whole shadow gone and back": {elsewhere, totals},
		"empty and back":             {"lines: {}\n", totals},
	} {
		label := "main"
		if len(texts) == 1 {
			label = "meters"
		}
		live := withTotals(t)
		saved := live.lastSaved()
		now := live.now
		for _, text := range texts {
			live.configure(text)
			live.pass(2 * time.Second)
			next := newRig(t, text, saved)
			next.now = now
			next.step(Start{})
			next.pass(2 * time.Second)
			saved, now = next.lastSaved(), next.now
			if len(texts) == 1 || text == totals {
				checkTotals(t, next, label, name+", with restarts")
			}
		}
		checkTotals(t, live, label, name)
	}
}

// Where the memory is lost, as with a new SD card, the shadow still knows. What was
// counted before it was read is added.
func TestTotalsAreTakenFromTheShadow(t *testing.T) {
	r := newRig(t, totals, state.State{})
	r.step(Start{})
	r.edge("meter", true)
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,"state":{"reported":{"n":500,"limit":9,"full":true}}}`)
	r.pass(2 * time.Second)
	checkTotals(t, r, "main", "after the state was lost")
	r.reports("main", `{"n":501}`, 10)
	// It is taken once: later the memory is right.
	next := newRig(t, totals, r.lastSaved())
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", `{"version":11,"state":{"reported":{"n":7,"limit":3,"full":false}}}`)
	checkTotals(t, next, "main", "against a shadow that somebody else wrote")
	// So it is if the run that lost it was killed before it read the shadow.
	r = newRig(t, totals, state.State{})
	r.step(Start{})
	r.edge("meter", true)
	r.pass(20 * time.Second)
	next = newRig(t, totals, r.lastSaved())
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", `{"version":9,"state":{"reported":{"n":500,"limit":9,"full":true}}}`)
	checkTotals(t, next, "main", "in the second run")
}

// What was reported in a shadow that the configuration no longer has is deleted there,
// now or when it can be reached, also by a later run.
func TestRemovedShadowIsWithdrawn(t *testing.T) {
	const reported = `{"version":9,"state":{"desired":{"lights":"on"},"reported":{"lights":"off","locked":false,"foreign":1,"ack":{"lights":{"code":200,"version":4}}}}}`
	moved := strings.Replace(testConfig, "  main:\n", "  main:\n    name: other\n", 1)
	old := shadow.ID{Thing: "gw"}
	check := func(r *rig, when, want string, version int64) {
		t.Helper()
		u, got := r.update("gw (classic)")
		if got != want || len(u.Desired) > 0 {
			t.Errorf("%s: wrote %s and desired %v, want %s", when, got, u.Desired, want)
		}
		r.step(Accepted{old, shadow.Accepted{Version: version, ClientToken: u.Token, Reported: u.Reported}})
		r.step(replicaUpdated(old, u.Seq, version))
		r.pass(time.Second)
		if !slices.Contains(r.unfollowed, old) || len(r.Snapshot(r.now).Withdrawing) > 0 {
			t.Errorf("%s: still followed: %v", when, r.Snapshot(r.now).Withdrawing)
		}
		if left, kept := r.lastSaved().Shadows["gw/"]; kept {
			t.Errorf("%s: still remembered: %v", when, left)
		}
	}
	r := settled(t)
	r.configure(moved)
	check(r, "while it is in reach", `{"lights":null,"locked":null}`, 4)

	r = settled(t)
	r.step(shadowLost{"main", errors.New("away")})
	r.configure(moved)
	r.pass(time.Minute)
	next := newRig(t, moved, r.lastSaved())
	next.step(Start{})
	if !slices.Contains(next.followed, old) {
		t.Fatalf("the shadow that is gone is not followed: %v", next.followed)
	}
	next.step(ShadowLive{ID: old})
	next.step(replicaFetched(t, old, next.lastFetch("gw (classic)").Seq, reported))
	check(next, "by a later run", `{"ack":null,"lights":null,"locked":null}`, 10)
}

// A shadow that comes back, by a rollback, before it was withdrawn goes on.
func TestWithdrawnShadowComesBack(t *testing.T) {
	r := settled(t)
	r.step(shadowLost{"main", errors.New("away")})
	r.configure(strings.Replace(testConfig, "  main:\n", "  main:\n    name: other\n", 1))
	r.pass(time.Second)
	r.configure(testConfig)
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,"state":{"desired":{"lights":"on"},"reported":{"lights":"off","locked":false}},"metadata":{"desired":{"lights":{"timestamp":5}}}}`)
	r.reports("main", `{"ack":{"lights":{"code":200,"version":9}},"lights":"on"}`, 10)
	if !r.lines["lamp"] {
		t.Error("the lamp does not follow")
	}
}

// A pulse that could not be saved has not begun: a restart carries it out, and does
// not call it interrupted.
func TestPulseThatWasNotSavedIsCarriedOutByTheNextRun(t *testing.T) {
	const text = "lines: {gate: {line: G, direction: output}}\nshadows: {main: {properties: {open: {line: gate, pulse: 1s}}}}\n"
	for _, kill := range []bool{false, true} {
		r := newRig(t, text, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":1,"state":{}}`)
		r.pass(2 * time.Second)
		saved := r.lastSaved()
		r.noDisk = errors.New("no space left on device")
		r.accepted("main", 2, `{"open":true}`, `{"open":{"timestamp":5}}`)
		r.pass(time.Second)
		if ack := r.shadows["main"].ack("open"); ack.Code != shadow.LineFailed || r.lines["gate"] {
			t.Fatalf("without a disk the gate is %v, answered with %+v", r.lines["gate"], ack)
		}
		r.noDisk = nil
		if !kill {
			r.step(Stop{})
			saved = r.lastSaved()
		}
		next := newRig(t, text, saved)
		next.step(Start{})
		next.step(shadowLive{"main"})
		next.fetched("main", `{"version":3,"state":{"desired":{"open":true},"reported":{"ack":{"open":{"code":500,"version":2,"reason":"not remembered yet: no space left on device"}}}},
			"metadata":{"desired":{"open":{"timestamp":5}},"reported":{"ack":{"open":{"code":{"timestamp":6}}}}}}`)
		next.pass(2 * time.Second)
		if ack := next.shadows["main"].ack("open"); next.pulses("gate") != 1 || ack.Code != shadow.Done {
			t.Errorf("kill %v: %d pulses, answered with %+v", kill, next.pulses("gate"), ack)
		}
	}
}
