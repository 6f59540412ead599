package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

func TestAlarmIsRaisedAfterItsTimeAndClearedAtOnce(t *testing.T) {
	r := control(t, state.State{})
	if got := r.shows("full"); got != "false" {
		t.Errorf("tested and not raised it shows %s", got)
	}
	r.edge("tank", true)
	r.pass(4 * time.Second)
	r.edge("tank", false)
	r.edge("tank", true)
	r.pass(4900 * time.Millisecond)
	if r.lines["siren"] {
		t.Error("raised before it held for 5 s")
	}
	r.pass(200 * time.Millisecond)
	if !r.lines["siren"] || r.shows("full") != "true" {
		t.Errorf("siren is %v, the alarm shows %s", r.lines["siren"], r.shows("full"))
	}
	// updatesDesired: desired and reported go together, with the cause of the device.
	u, _ := r.update("main")
	if got := asJSON(t, u.Desired); got != `{"siren":true}` {
		t.Errorf("desired %s", got)
	}
	r.accept(u, 3)
	r.edge("tank", false)
	r.pass(0)
	if r.lines["siren"] || r.shows("full") != "false" {
		t.Errorf("over: siren is %v, the alarm shows %s", r.lines["siren"], r.shows("full"))
	}
}

func (r *rig) turn(times int) {
	for range times {
		r.edge("meter", true)
		r.edge("meter", false)
	}
}

func TestLatchedAlarmWithHysteresisAndSetting(t *testing.T) {
	r := control(t, state.State{})
	r.turn(10)
	if r.lines["valve"] || r.shows("worn") != "false" {
		t.Fatal("raised at the limit, want above it")
	}
	r.turn(1)
	if !r.lines["valve"] || r.shows("worn") != "true" {
		t.Fatal("not raised above the limit")
	}
	reset := func(version int64, code int) {
		t.Helper()
		r.desired(version, `{"worn":false}`)
		if got, reason := r.answers("worn"); int(got) != code {
			t.Errorf("reset was answered with %d %q, want %d", got, reason, code)
		}
		if !r.shadows["main"].replica.Clearing("worn") {
			t.Error("the reset stays desired")
		}
	}
	v := r.shadows["main"].replica.View().Version
	reset(v+1, 409)
	r.desired(v+2, `{"limit":12.5}`) // 11 is above 12.5-2
	reset(v+3, 409)
	r.desired(v+4, `{"limit":13}`)
	if r.shows("worn") != "true" {
		t.Error("a latched alarm is over by itself")
	}
	reset(v+5, 200)
	if r.lines["valve"] || r.shows("worn") != "false" {
		t.Errorf("after the reset the valve is %v, the alarm shows %s", r.lines["valve"], r.shows("worn"))
	}
	r.desired(v+6, `{"worn":true}`)
	if code, reason := r.answers("worn"); code != 400 || reason != "want false, to reset the alarm, got true" {
		t.Errorf("raising by hand was answered with %d %q", code, reason)
	}
	r.desired(v+7, `{"full":false}`)
	if code, _ := r.answers("full"); code != 400 {
		t.Errorf("the reset of what is not latched was answered with %d", code)
	}
}

// TestAlarmsOverRestart kills the process with an alarm raised, lets the cause go
// on, end, or end for a latched one, and finds no glitch on the outputs.
func TestAlarmsOverRestart(t *testing.T) {
	for _, c := range []struct {
		name         string
		tank         bool
		siren, valve bool
	}{
		{"the cause goes on", true, true, true},
		{"the cause is over", false, false, true},
	} {
		r := control(t, state.State{})
		r.edge("tank", true)
		r.turn(11)
		r.pass(7 * time.Second)
		saved := r.lastSaved()
		if !r.lines["siren"] || !r.lines["valve"] || !saved.Alarms["line I1 is true for 5s drives O1 full"] || !saved.Alarms["gw//turns#count above gw//limit#setting latched drives O2 worn"] {
			t.Fatalf("%s: before the restart lines are %v, saved is %v", c.name, r.lines, saved.Alarms)
		}
		was := r.lines
		r = newRig(t, controlConfig, saved)
		r.lines = was
		r.lines["tank"] = c.tank
		r.step(Start{})
		if got := r.shows("worn"); got != "true" {
			t.Errorf("%s: before anything is known worn shows %s", c.name, got)
		}
		r.pass(time.Minute)
		if r.lines["siren"] != c.siren || r.lines["valve"] != c.valve {
			t.Errorf("%s: siren is %v, valve %v; want %v, %v", c.name, r.lines["siren"], r.lines["valve"], c.siren, c.valve)
		}
		for _, w := range r.sets {
			if c.siren || w.Claim != "siren" {
				t.Errorf("%s: %v was written", c.name, w)
			}
		}
	}
}

// TestRaisedAlarmDrivesOutputThatStartsOff is without a link; a person who turned
// it off in the shadow wins once that is read.
func TestRaisedAlarmDrivesOutputThatStartsOff(t *testing.T) {
	text := strings.Replace(controlConfig, "siren: {line: O1, direction: output}", `siren: {line: O1, direction: output, start: "off"}`, 1)
	r := newRig(t, text, state.State{Alarms: map[string]bool{"line I1 is full": true}})
	r.lines["tank"] = true
	r.step(Start{})
	if !r.lines["siren"] {
		t.Fatal("the siren of a raised alarm is off after the start")
	}
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,"state":{"desired":{"siren":false}},"metadata":{"desired":{"siren":{"timestamp":1700000000}}}}`)
	if r.lines["siren"] {
		t.Error("what was desired of the siren after the alarm is not obeyed")
	}
}

func TestAlarmWithoutValueStays(t *testing.T) {
	r := control(t, state.State{})
	r.edge("tank", true)
	r.pass(6 * time.Second)
	r.broken["tank"] = errors.New("no such line")
	r.lines["tank"] = false
	r.step(r.failed("tank", errors.New("chip is gone")))
	r.pass(time.Minute)
	if !r.lines["siren"] || r.shows("full") != "true" {
		t.Error("the alarm is over without a value")
	}
	if status := r.shows("status"); !strings.Contains(status, `"alarm full":"nothing to compare; it stays as it is"`) {
		t.Errorf("status is %s", status)
	}
	if got := r.Snapshot(r.now).Shadows["main"].Properties["full"].Fault; got != silence {
		t.Errorf("the status of the gateway has %q of the alarm", got)
	}
	delete(r.broken, "tank")
	r.pass(time.Minute)
	if r.lines["siren"] || strings.Contains(r.shows("status"), "alarm full") {
		t.Errorf("with a value again the siren is %v, status %s", r.lines["siren"], r.shows("status"))
	}
	// mode has no default: eco has nothing to compare until it is desired.
	if got := r.shows("eco"); got != "null" {
		t.Errorf("an alarm that was never tested shows %s", got)
	}
	r.desired(r.shadows["main"].replica.View().Version+1, `{"mode":"eco"}`)
	if got := r.shows("eco"); got != "true" {
		t.Errorf("mode is eco, the alarm shows %s", got)
	}
}

// TestAlarmYieldsWhereTheCloudWins has the shadow in reach, and out of it.
func TestAlarmYieldsWhereTheCloudWins(t *testing.T) {
	r := control(t, state.State{})
	r.desired(3, `{"valve":false}`)
	r.turn(11)
	if r.lines["valve"] {
		t.Error("the alarm drives what the cloud wins")
	}
	r = control(t, state.State{})
	r.desired(3, `{"valve":false}`)
	r.step(shadowLost{"main", errors.New("gone")})
	r.turn(11)
	if !r.lines["valve"] {
		t.Error("the alarm does not drive while the cloud is away")
	}
}

// TestResetIsCarriedOutOnce kills the process after the reset was carried out and
// before its desired value was cleared; meanwhile the alarm was raised again.
func TestResetIsCarriedOutOnce(t *testing.T) {
	r := control(t, state.State{})
	r.turn(11)
	v := r.shadows["main"].replica.View().Version
	r.desired(v+1, `{"limit":20}`)
	r.desired(v+2, `{"worn":false}`)
	if r.shows("worn") != "false" {
		t.Fatal("not reset")
	}
	r.turn(10)
	r.desired(v+3, `{"limit":30}`) // what raised it is over, so a reset would clear it
	if r.shows("worn") != "true" {
		t.Fatal("not raised again")
	}
	r.pass(2 * time.Second)
	saved := r.lastSaved()
	reset := *saved.Properties["gw//worn#alarm"].Command
	r = newRig(t, controlConfig, saved)
	r.now = time.Unix(reset.At, 0).Add(time.Minute)
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", fmt.Sprintf(`{"version":%d,"state":{"desired":{"limit":30,"worn":false}},
		"metadata":{"desired":{"limit":{"timestamp":%[2]d},"worn":{"timestamp":%[2]d}}}}`, reset.Version+1, reset.At))
	r.pass(time.Second)
	if r.shows("worn") != "true" {
		t.Error("the reset was carried out a second time")
	}
	if !r.shadows["main"].replica.Clearing("worn") {
		t.Error("the reset stays desired")
	}
}

// TestConfigurationChangesUnderRaisedAlarms changes limits, outputs and alarms while
// two are raised, a setting is adopted and a schedule is in force.
func TestConfigurationChangesUnderRaisedAlarms(t *testing.T) {
	begin := func() *rig {
		r := control(t, state.State{})
		r.edge("tank", true)
		r.desired(3, `{"limit":9,"evening":{"entries":[{"at":"06:30","set":"on"}]}}`)
		r.turn(11)
		r.pass(6 * time.Second)
		r.sets, r.updates = nil, nil
		return r
	}
	change := func(r *rig, old, text string) {
		t.Helper()
		changed := strings.Replace(controlConfig, old, text, 1)
		if changed == controlConfig {
			t.Fatalf("nothing to change: %s", old)
		}
		r.configure(changed)
		r.pass(time.Second)
	}
	r := begin()
	change(r, "cup:     {line: cup, pulse: 30s}", "cup:     {line: cup, pulse: 40s}")
	if len(r.sets) > 0 || r.shows("full") != "true" || r.shows("worn") != "true" || r.shows("limit") != "9" || !strings.Contains(r.shows("evening"), "next") {
		t.Errorf("something else changed: written %v, full %s, worn %s, limit %s, evening %s", r.sets, r.shows("full"), r.shows("worn"), r.shows("limit"), r.shows("evening"))
	}
	change(r, "output: siren}", "output: lamp}")
	if !r.lines["lamp"] {
		t.Error("a raised alarm does not drive its new output")
	}
	r = begin()
	change(r, "  full: {line: tank, for: 5s, output: siren}\n", "  full: {line: tank, is: off, for: 5s, output: siren}\n")
	if r.lines["siren"] {
		t.Error("an alarm that would not be raised by its new test is not over")
	}
	r = begin()
	change(r, "max: 120, default: 10", "max: 8, default: 8")
	if got := r.shows("limit"); got != "8" {
		t.Errorf("a setting that is out of its new range is %s, want its default", got)
	}
	r = begin()
	change(r, "      evening: {schedule: lamp}\n", "")
	if saved := r.lastSaved(); saved.Aside["properties/gw//evening#schedule"].IsZero() {
		t.Errorf("a schedule that is no longer configured is not kept for a rollback: %v", saved)
	}
	r.configure(controlConfig)
	if got := r.shows("evening"); !strings.Contains(got, "entries") {
		t.Errorf("after the rollback the schedule is %s", got)
	}
}

// TestHoldTimeIsOfOneTest changes what raises an alarm while it holds.
func TestHoldTimeIsOfOneTest(t *testing.T) {
	const before = "full: {line: tank, for: 5s, output: siren}"
	for _, c := range []struct {
		after  string
		raised bool // 5 s after the old test began to hold
	}{
		{"full: {line: tank, for: 4s, output: siren}", true},
		{"full: {property: main/turns, below: 5, for: 5s, output: siren}", false},
	} {
		r := control(t, state.State{})
		r.edge("tank", true)
		r.pass(3 * time.Second)
		r.configure(strings.Replace(controlConfig, before, c.after, 1))
		r.pass(2500 * time.Millisecond)
		if r.lines["siren"] != c.raised {
			t.Errorf("%s: raised %v after 5 s, want %v", c.after, r.lines["siren"], c.raised)
		}
		if r.pass(3 * time.Second); !r.lines["siren"] {
			t.Errorf("%s: not raised in the end", c.after)
		}
	}
}

// TestRaisedAlarmOverRestartWithoutValue finds its sensor gone, and then back.
func TestRaisedAlarmOverRestartWithoutValue(t *testing.T) {
	r := readings(t)
	r.sample(61)
	r.pass(2 * time.Second)
	saved := r.memory.last
	if len(r.saves) > 0 {
		saved = r.saves[len(r.saves)-1].State
	}
	kept := r.lines
	r = newRig(t, readingConfig, saved)
	r.lines = kept
	r.step(Start{})
	r.step(sensorSampled{Shadow: "main", Property: "temperature", Sensor: "thermal.cpu", Err: errors.New("gone")})
	r.pass(time.Minute)
	if !r.lines["fan"] || !strings.Contains(asJSON(t, r.status()), "alarm hot") {
		t.Errorf("without a value the fan is %v, status %s", r.lines["fan"], asJSON(t, r.status()))
	}
	r.sample(56) // within the hysteresis of what was raised before the restart
	if !r.lines["fan"] {
		t.Error("the hysteresis is forgotten over a restart")
	}
	r.sample(54)
	if r.lines["fan"] {
		t.Error("it is over, and the fan runs")
	}
}

func TestAlarmIsTheCause(t *testing.T) {
	r := control(t, state.State{})
	r.edge("tank", true)
	r.pass(6 * time.Second)
	if cause := r.Snapshot(r.now).Lines["siren"].Cause; cause == nil || cause.String() != "alarm full" {
		t.Errorf("the siren is on by %v, want alarm full", cause)
	}
	r.now = moment(t, "2026-11-23T06:29:00Z")
	r.desired(r.shadows["main"].replica.View().Version+1, `{"evening":{"entries":[{"at":"06:30","set":"on"}]}}`)
	r.pass(2 * time.Minute)
	if cause := r.Snapshot(r.now).Lines["lamp"].Cause; cause == nil || cause.String() != "schedule main/evening" {
		t.Errorf("the lamp is on by %v, want schedule main/evening", cause)
	}
}
