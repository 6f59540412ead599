package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"log/slog"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// A synchronization after a lost link writes the whole shadow, with another time and
// version. The pulse that still stands there is the one that was carried out.
func TestPulseThatASynchronizationWritesAgain(t *testing.T) {
	const document = `{"version":%d,"state":{"desired":{"gate":true,"lamp":true},"reported":{"gate":true,"ack":{"gate":{"code":202,"reason":"pulse","version":3}}}},
		"metadata":{"desired":{"gate":{"timestamp":%[2]d},"lamp":{"timestamp":%[2]d}},"reported":{"gate":{"timestamp":%[2]d},"ack":{"gate":{"code":{"timestamp":%[2]d}}}}}}`
	for name, again := range map[string]func(r *rig){
		"as a message, in the pulse": func(r *rig) {
			r.message("main", `{"version":5,"clientToken":"","state":{"desired":{"gate":true,"lamp":true},"reported":{"gate":true,"ack":{"gate":{"code":202}}}}}`)
			r.fetched("main", fmt.Sprintf(document, 5, r.now.Unix()))
		},
		"unheard, in the pulse": func(r *rig) {
			r.step(shadowLost{"main", errors.New("the core ended")})
			r.step(shadowLive{"main"})
			r.fetched("main", fmt.Sprintf(document, 5, r.now.Unix()))
		},
		"unheard, with an older version": func(r *rig) { // the core lost its last writes in a power failure
			r.step(shadowLost{"main", errors.New("the core ended")})
			r.step(shadowLive{"main"})
			r.fetched("main", fmt.Sprintf(document, 2, r.now.Unix()))
		},
		"unheard, after the pulse": func(r *rig) {
			r.step(shadowLost{"main", errors.New("the core ended")})
			r.pass(time.Minute)
			r.step(shadowLive{"main"})
			r.fetched("main", fmt.Sprintf(document, 5, r.now.Unix()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := allKinds(t, state.State{})
			r.desired(3, `{"gate":true}`)
			r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":3}},"gate":true}`, 0), 4)
			r.pass(500 * time.Millisecond)
			again(r)
			r.pass(3 * time.Second)
			if n := r.writes("gate"); n != 1 {
				t.Errorf("%d pulses, want 1", n)
			}
			if r.lines["gate"] {
				t.Error("the gate is on after its pulse")
			}
		})
	}
}

// pulsesOf restarts the engine with its last saved state, and returns how often the gate
// goes on for a document.
func (r *rig) pulsesOf(document string) int {
	next := newRig(r.t, kindsConfig, r.saves[len(r.saves)-1].State)
	next.now = r.now
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", document)
	return next.writes("gate")
}

// A command with an ID is carried out once, whoever sends it again and however. Another
// ID is another command.
func TestCommandWithAnID(t *testing.T) {
	r := allKinds(t, state.State{})
	version := int64(2)
	press := func(id string, pulses int) {
		t.Helper()
		version++
		before := r.writes("gate")
		r.desired(version, fmt.Sprintf(`{"gate":{"id":%q}}`, id))
		cleared := false
		for end := r.now.Add(3 * time.Minute); r.now.Before(end); r.pass(time.Second) {
			if len(r.updates) == 0 {
				continue
			}
			u := r.updates[0]
			r.updates = nil
			version++
			r.accept(u, version)
			acks, _ := u.Reported[shadow.AckKey].(map[string]any)
			ack, answered := acks["gate"].(map[string]any)
			if _, had := u.Desired["gate"]; had && answered && !cleared {
				cleared = true
				if ack["id"] != id || ack["code"] != shadow.Done {
					t.Errorf("%s is answered with %v, want its ID and 200", id, ack)
				}
			}
		}
		if !cleared {
			t.Errorf("%s is not cleared", id)
		}
		if n := r.writes("gate") - before; n != pulses {
			t.Errorf("%s: %d pulses, want %d", id, n, pulses)
		}
	}
	press("a", 1)
	press("a", 0)
	press("b", 1)
	press("a", 0)
	press("b", 0)
	document := `{"version":99,"state":{"desired":{"gate":{"id":%q}}},"metadata":{"desired":{"gate":{"id":{"timestamp":1800000000}}}}}`
	for id, pulses := range map[string]int{"a": 0, "b": 0, "c": 1} {
		if n := r.pulsesOf(fmt.Sprintf(document, id)); n != pulses {
			t.Errorf("%s after a restart: %d pulses, want %d", id, n, pulses)
		}
	}
	for i := range 2 * maxEnded {
		press(fmt.Sprint("more ", i), 1)
	}
	if n := len(r.saves[len(r.saves)-1].State.Properties["gw//gate#pulse"].Command.Earlier); n != maxEnded {
		t.Errorf("%d commands are remembered, want %d", n, maxEnded)
	}
}

func TestCommandThatIsNone(t *testing.T) {
	for value, reason := range map[string]string{
		`{"gate":{"id":""}}`:                                `want an id, text of 1 to 64 bytes, got ""`,
		`{"gate":{"id":7}}`:                                 `want an id, text of 1 to 64 bytes, got 7`,
		`{"gate":{"value":true}}`:                           `want an id, text of 1 to 64 bytes, got null`,
		`{"gate":{"id":"a","on":true}}`:                     `want id, value and at, got "on"`,
		`{"gate":{"id":"a","at":"today"}}`:                  `want at as RFC 3339 or in seconds since 1970, got "today"`,
		`{"gate":{"id":"a","value":"x"}}`:                   `want true or false, got "x"`,
		`{"turns":{"id":"a"}}`:                              `want a value beside the id, got none`,
		`{"turns":{"id":"a","value":-1}}`:                   `want a number from 0 to`,
		`{"gate":{"id":"` + strings.Repeat("i", 65) + `"}}`: `want an id, text of 1 to 64 bytes, got "iiii`,
	} {
		r := allKinds(t, state.State{})
		r.desired(3, value)
		u, _ := r.update("main")
		for key, ack := range u.Reported[shadow.AckKey].(map[string]any) {
			ack := ack.(map[string]any)
			if got := fmt.Sprint(ack["reason"]); ack["code"] != shadow.Refused || !strings.HasPrefix(got, reason) {
				t.Errorf("%s: %s is answered with %v %q, want 400 %q", value, key, ack["code"], got, reason)
			}
		}
	}
}

func TestCountWithAnID(t *testing.T) {
	r := allKinds(t, counted(7))
	r.desired(3, `{"turns":{"id":"a","value":100}}`)
	u, _ := r.update("main")
	if got := asJSON(t, u.Reported); !strings.Contains(got, `"turns":100`) || !strings.Contains(got, `"id":"a"`) {
		t.Errorf("reported %s, want a count of 100 and the ID", got)
	}
}

// A command that comes later than it may is answered with 408, cleared, and not carried
// out, now or later.
func TestCommandThatExpires(t *testing.T) {
	const now = 1_700_000_000
	text := strings.Replace(kindsConfig, "gate:    {line: gate, pulse: 2s}", "gate: {line: gate, pulse: 2s, expires: 30s}", 1)
	if text == kindsConfig {
		t.Fatal("the configuration has no such property")
	}
	for _, c := range []struct {
		name, value string
		at          int64 // when it was written, by the service
		reported    int64 // when the oldest reported value was written
		direct, set bool
		pulses      int
		reason      string
	}{
		{"just written", `true`, now - 1, now - 900, false, false, 1, ""},
		{"written before", `true`, now - 31, now - 900, false, true, 0, "it is 31s old, want at most 30s"},
		{"by a synchronization", `true`, now, now, false, true, 0, "its age is not known: it came with a synchronization"},
		{"into a new shadow", `true`, now, 0, false, true, 0, "its age is not known: it came with a synchronization"},
		{"by a synchronization, with its time", fmt.Sprintf(`{"id":"a","at":%d}`, now-5), now, now, false, true, 1, ""},
		{"by a synchronization, with an old time", `{"id":"a","at":"2023-11-14T21:13:20Z"}`, now, now, false, true, 0, "it is 1h0m0s old, want at most 30s"},
		{"with its time, and the clock is not set", fmt.Sprintf(`{"id":"a","at":%d}`, now-5), now, now, false, false, 0, "its age is not known: the clock is not set"},
		{"by the clock of an earlier start", `true`, now + 3600, now - 900, false, false, 0, "its age is not known: the clock is not set"},
		{"in the cloud", `true`, now - 5, now, true, true, 1, ""},
		{"in the cloud, before", `true`, now - 31, now, true, true, 0, "it is 31s old, want at most 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, text, state.State{})
			r.step(Start{})
			r.step(Clock{Synchronised: c.set})
			r.step(ShadowLive{ID: shadow.ID{Thing: "gw"}, Direct: c.direct})
			reported := ""
			if c.reported != 0 {
				reported = fmt.Sprintf(`,"reported":{"lamp":{"timestamp":%d}}`, c.reported)
			}
			metadata := fmt.Sprintf(`{"timestamp":%d}`, c.at)
			if strings.HasPrefix(c.value, "{") {
				metadata = `{"id":` + metadata + `}`
			}
			r.fetched("main", fmt.Sprintf(`{"version":9,"state":{"desired":{"gate":%s}},"metadata":{"desired":{"gate":%s}%s}}`, c.value, metadata, reported))
			r.pass(3 * time.Second)
			if n := r.writes("gate"); n != c.pulses {
				t.Errorf("%d pulses, want %d", n, c.pulses)
			}
			if c.pulses > 0 {
				return
			}
			u := r.updates[0]
			ack, _ := u.Reported[shadow.AckKey].(map[string]any)["gate"].(map[string]any)
			if _, cleared := u.Desired["gate"]; ack["code"] != shadow.Expired || ack["reason"] != c.reason || !cleared {
				t.Errorf("answered with %v, cleared %v, want 408 %q, cleared", ack, cleared, c.reason)
			}
			if saved := r.saves[len(r.saves)-1].State.Properties["gw//gate#pulse"].Command; saved == nil || !saved.Done || saved.Code != shadow.Expired {
				t.Errorf("saved %+v, want the command as ended", saved)
			}
		})
	}
}

// A command that waits for the disk grows old, too.
func TestCommandThatExpiresWhileItWaits(t *testing.T) {
	r := newRig(t, strings.Replace(kindsConfig, "gate:    {line: gate, pulse: 2s}", "gate: {line: gate, pulse: 2s, expires: 30s}", 1), state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	u, _ := r.update("main")
	r.accept(u, 2)
	r.noDisk = errors.New("disk full")
	r.desired(3, `{"gate":true}`)
	for range 4 {
		r.pass(10 * time.Second)
		for _, u := range r.updates {
			r.accept(u, r.now.Unix()-1_700_000_000+3)
		}
		r.updates = nil
	}
	r.noDisk = nil
	r.pass(2 * time.Minute)
	if n := r.writes("gate"); n > 0 {
		t.Errorf("%d pulses, want none: the disk came back too late", n)
	}
	if ack := r.replicaAck("gate"); ack.Code != shadow.Expired {
		t.Errorf("answered with %+v, want 408", ack)
	}
}

func (r *rig) replicaAck(key string) shadow.Ack {
	ack, _ := r.shadows["main"].replica.Acknowledged(key)
	return ack
}

// The last reports of a run that was killed may not have reached the cloud, and no later
// one would differ from them.
func TestReportsOfAKilledRunAreRepeated(t *testing.T) {
	cfg, err := config.Parse([]byte(testConfig), "gw")
	if err != nil {
		t.Fatal(err)
	}
	for _, ended := range []bool{false, true} {
		r := newRig(t, testConfig, state.State{})
		remembered := state.State{Ended: ended, Shadows: map[string][]string{"gw/": {"lights", "locked"}}}
		r.Engine = New(cfg, "1.0.0", remembered, rand.New(rand.NewPCG(1, 2)), slog.New(slog.DiscardHandler))
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":5,"state":{"reported":{"lights":"off","locked":false}}}`)
		if ended {
			r.reportsNothing()
		} else {
			r.reports("main", `{"lights":"off","locked":false,"sync":{"sent":1}}`, 6)
		}
	}
}

// The component is killed after a pulse, and the pulse is desired again before it is back:
// that is another one, at once after the clear, too.
func TestCommandAfterAKill(t *testing.T) {
	r := allKinds(t, state.State{})
	r.desired(3, `{"gate":true}`)
	r.accept(r.wrote("{}", `{"ack":{"gate":{"code":202,"reason":"pulse","version":3}},"gate":true}`, 0), 4)
	r.pass(3 * time.Second)
	u, _ := r.update("main")
	r.accept(u, 5) // the clear
	next := newRig(t, kindsConfig, r.saves[len(r.saves)-1].State)
	next.now = r.now.Add(2 * time.Second)
	next.Engine = New(r.cfg, "1.0.0", r.saves[len(r.saves)-1].State, rand.New(rand.NewPCG(3, 4)), slog.New(slog.DiscardHandler))
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", fmt.Sprintf(`{"version":6,"state":{"desired":{"gate":true}},"metadata":{"desired":{"gate":{"timestamp":%d}}}}`, next.now.Unix()-1))
	if n := next.writes("gate"); n != 1 {
		t.Errorf("%d pulses, want 1", n)
	}
}

// A process that was stopped for a time hears late of what was desired meanwhile.
func TestCommandThatExpiresInAStoppedProcess(t *testing.T) {
	for age, pulses := range map[time.Duration]int{20 * time.Second: 1, 40 * time.Second: 0} {
		r := newRig(t, strings.Replace(kindsConfig, "gate:    {line: gate, pulse: 2s}", "gate: {line: gate, pulse: 2s, expires: 30s}", 1), state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":1,"state":{}}`)
		u, _ := r.update("main")
		r.accept(u, 2)
		at := r.now.Unix()
		r.pass(age)
		r.message("main", fmt.Sprintf(`{"version":3,"state":{"desired":{"gate":true}},"metadata":{"desired":{"gate":{"timestamp":%d}}}}`, at))
		if n := r.writes("gate"); n != pulses {
			t.Errorf("%v old: %d pulses, want %d", age, n, pulses)
		}
	}
}
