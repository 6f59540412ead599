package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const controlConfig = `
lines:
  tank:  {line: I1, direction: input}
  meter: {line: I2, direction: input}
  siren: {line: O1, direction: output}
  valve: {line: O2, direction: output}
  lamp:  {line: O3, direction: output}
  cup:   {line: O4, direction: output}
shadows:
  main:
    status: true
    properties:
      limit:   {setting: number, min: 0, max: 120, default: 10}
      mode:    {setting: string, enum: [eco, boost]}
      band:    {setting: object, members: {low: {type: integer, default: 5}, high: {type: integer, min: 0, max: 100, default: 90}}}
      turns:   {line: meter, count: rising}
      siren:   {line: siren}
      valve:   {line: valve, override: cloudWins}
      full:    {alarm: full}
      worn:    {alarm: worn}
      eco:     {alarm: eco}
      cup:     {line: cup, pulse: 30s}
      cups:    {schedule: cup}
      evening: {schedule: lamp}
alarms:
  full: {line: tank, for: 5s, output: siren}
  worn: {property: main/turns, above: main/limit, hysteresis: 2, latched: true, output: valve}
  eco:  {property: main/mode, equal: eco}
`

// control is a rig whose shadow was read as empty and whose first report was
// accepted as version 2.
func control(t *testing.T, saved state.State) *rig {
	t.Helper()
	r := newRig(t, controlConfig, saved)
	r.step(Start{})
	r.step(Clock{Synchronised: true, Boot: "b1"})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	u, _ := r.update("main")
	r.accept(u, 2)
	r.pass(time.Second)
	r.updates = nil
	return r
}

// shows is what the shadow is to report of a property, as JSON.
func (r *rig) shows(key string) string {
	r.t.Helper()
	return asJSON(r.t, r.shadows["main"].replica.Wanted(key))
}

// answers is the answer to a desired value, its code and its reason.
func (r *rig) answers(key string) (shadow.Code, string) {
	a := r.shadows["main"].ack(key)
	return a.Code, a.Reason
}

// lastSaved is the state as the disk has it, read back.
func (r *rig) lastSaved() state.State {
	r.t.Helper()
	last := r.memory.last // what it began with
	if len(r.saves) > 0 {
		last = r.saves[len(r.saves)-1].State
	}
	last.Format = state.Format
	saved, _, err := state.Decode([]byte(asJSON(r.t, last)))
	if err != nil {
		r.t.Fatal(err)
	}
	return saved
}

func TestSettingIsCheckedAndAdopted(t *testing.T) {
	r := control(t, state.State{})
	for _, c := range []struct {
		desired, key, shows string
		code                shadow.Code
		reason              string
	}{
		{`{"limit":90}`, "limit", `90`, 200, ""},
		{`{"limit":90.5}`, "limit", `90.5`, 200, ""},
		{`{"limit":121}`, "limit", `90.5`, 400, "want a number from 0 to 120, got 121"},
		{`{"limit":"80"}`, "limit", `90.5`, 400, `want a number from 0 to 120, got "80"`},
		{`{"limit":80.0}`, "limit", `80`, 200, ""},
		{`{"mode":"boost"}`, "mode", `"boost"`, 200, ""},
		{`{"mode":"turbo"}`, "mode", `"boost"`, 400, `want one of "eco", "boost", got "turbo"`},
		{`{"band":{"low":7}}`, "band", `{"high":90,"low":7}`, 200, ""},
		{`{"band":{"high":101}}`, "band", `{"high":90,"low":7}`, 400, "high: want a whole number from 0 to 100, got 101"},
		{`{"band":{"high":null}}`, "band", `{"high":90,"low":7}`, 200, ""},
		{`{"band":{"hihg":50}}`, "band", `{"high":90,"low":7}`, 400, `want one of the members high, low, got "hihg"; did you mean "high"?`},
		{`{"band":{"hihg":null,"low":1.5}}`, "band", `{"high":90,"low":7}`, 400, "low: want a whole number, got 1.5"},
		{`{"band":7}`, "band", `{"high":90,"low":7}`, 400, "want an object of high, low, got 7"},
	} {
		r.desired(r.shadows["main"].replica.View().Version+1, c.desired)
		code, reason := r.answers(c.key)
		if got := r.shows(c.key); got != c.shows || code != c.code || reason != c.reason {
			t.Errorf("%s: shows %s, answered %d %q; want %s, %d %q", c.desired, got, code, reason, c.shows, c.code, c.reason)
		}
	}
}

// TestSettingOutlivesDesired deletes the desired value and the whole shadow, and
// restarts in between.
func TestSettingOutlivesDesired(t *testing.T) {
	r := control(t, state.State{})
	r.desired(3, `{"limit":90,"band":{"low":7}}`)
	u, got := r.update("main")
	if want := `{"ack":{"band":{"code":200,"version":3},"limit":{"code":200,"version":3}},"band":{"low":7},"limit":90}`; got != want {
		t.Errorf("reported\n got %s\nwant %s", got, want)
	}
	r.accept(u, 4)
	r.pass(2 * time.Second)
	r.message("main", `{"version":5,"state":{"desired":{"limit":null}},"metadata":{}}`)
	r.pass(2 * time.Second)
	if got := r.shows("limit"); got != "90" {
		t.Errorf("a setting that is no longer desired is %s, want it to stay 90", got)
	}

	r = newRig(t, controlConfig, r.lastSaved())
	r.step(Start{})
	if limit, band := r.shows("limit"), r.shows("band"); limit != "90" || band != `{"high":90,"low":7}` {
		t.Errorf("after a restart limit is %s and band %s, before the shadow is read", limit, band)
	}
	r.step(shadowLive{"main"})
	r.fetched("main", "") // deleted meanwhile
	if _, got := r.update("main"); !strings.Contains(got, `"limit":90`) {
		t.Errorf("the shadow is created with %s", got)
	}

	narrow := strings.Replace(controlConfig, "max: 120, default: 10", "max: 50, default: 10", 1)
	r = newRig(t, narrow, r.Engine.memory.last)
	r.step(Start{})
	if got := r.shows("limit"); got != "10" {
		t.Errorf("a remembered setting that is out of the new range is %s, want the default", got)
	}
}

// A default that changes counts for what was never desired: the whole setting, or
// members of one.
func TestDefaultCountsForWhatWasNeverDesired(t *testing.T) {
	other := strings.NewReplacer("default: 10}", "default: 20}", "default: 90}", "default: 80}", "default: 5}", "default: 6}").Replace(controlConfig)
	for _, restart := range []bool{true, false} {
		r := control(t, state.State{})
		r.desired(3, `{"band":{"low":7}}`)
		r.pass(2 * time.Second)
		if restart {
			r = newRig(t, other, r.lastSaved())
			r.step(Start{})
		} else {
			r.configure(other)
		}
		if limit, band := r.shows("limit"), r.shows("band"); limit != "20" || band != `{"high":80,"low":7}` {
			t.Errorf("with other defaults, restart %v: limit %s, band %s", restart, limit, band)
		}
	}
	// What does not fit any more gives way, and comes back with the range.
	r := control(t, state.State{})
	r.desired(3, `{"band":{"low":7,"high":100}}`)
	r.configure(strings.Replace(controlConfig, "max: 100, default: 90", "max: 50, default: 40", 1))
	if got := r.shows("band"); got != `{"high":40,"low":7}` {
		t.Errorf("in a narrower range it is %s", got)
	}
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,"state":{"desired":{"band":{"low":8,"high":100}}},"metadata":{}}`)
	if code, reason := r.answers("band"); code != 400 || r.shows("band") != `{"high":40,"low":7}` {
		t.Errorf("desired before the range was narrower it is answered with %d %s, and is %s", code, reason, r.shows("band"))
	}
	r.configure(controlConfig)
	if got := r.shows("band"); got != `{"high":100,"low":7}` {
		t.Errorf("in the wider range again it is %s", got)
	}
}

// What was desired while the device was away and makes no sense is refused when it is
// back.
func TestSettingIsRefusedAfterTheLinkWasCut(t *testing.T) {
	r := control(t, state.State{})
	r.desired(3, `{"limit":90}`)
	r.step(shadowLost{"main", errors.New("gone")})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"desired":{"limit":900,"mode":null,"band":{"low":null}}},"metadata":{}}`)
	if code, _ := r.answers("limit"); code != 400 || r.shows("limit") != "90" {
		t.Errorf("answered with %d, limit is %s", code, r.shows("limit"))
	}
	if _, answered := r.shadows["main"].replica.Acknowledged("mode"); answered || r.shows("mode") != "null" {
		t.Errorf("a null is answered: %v; mode is %s", answered, r.shows("mode"))
	}
	if got := r.shows("band"); got != `{"high":90,"low":5}` {
		t.Errorf("after a null in it band is %s", got)
	}
}

func TestSettingAfterRestartIsNotAnsweredAgain(t *testing.T) {
	r := control(t, state.State{})
	r.desired(3, `{"limit":90}`)
	u, _ := r.update("main")
	r.accept(u, 4)
	r.pass(2 * time.Second)
	r = newRig(t, controlConfig, r.lastSaved())
	r.step(Start{})
	r.step(Clock{Synchronised: true})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":4,"state":{"desired":{"limit":90},"reported":{"limit":90,"ack":{"limit":{"code":200,"version":3}}}},
		"metadata":{"desired":{"limit":{"timestamp":1700000000}},"reported":{"ack":{"limit":{"code":{"timestamp":1700000001},"version":{"timestamp":1700000001}}}}}}`)
	if _, got := r.update("main"); strings.Contains(got, "limit") {
		t.Errorf("reported again: %s", got)
	}
}
