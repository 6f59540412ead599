package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// What one configuration hands over to the next.

// An input and an output of one key are both levels, and have nothing in common.
func TestInputBecomesOutput(t *testing.T) {
	const text = "lines: {lamp: {line: A, direction: output}, door: {line: B, direction: input}}\nshadows: {main: {properties: {it: {line: door}}}}\n"
	other := strings.Replace(text, "it: {line: door}", "it: {line: lamp}", 1)
	for _, c := range [][2]string{{text, other}, {other, text}} {
		r := newRig(t, c[0], state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":7,"state":{"desired":{"it":true}},"metadata":{"desired":{"it":{"timestamp":100}}}}`)
		r.pass(2 * time.Second)
		was := r.lines["lamp"]
		r.updates = nil
		r.configure(c[1])
		r.fetched("main", `{"version":8,"state":{"desired":{"it":true},"reported":{"it":false}},"metadata":{"desired":{"it":{"timestamp":100}}}}`)
		r.pass(2 * time.Second)
		want := shadow.Done
		if c[1] == text {
			want = shadow.Refused
		}
		if ack := r.shadows["main"].ack("it"); ack.Code != want || !r.lines["lamp"] {
			t.Errorf("lamp was %v, is %v; answered with %+v, want %v", was, r.lines["lamp"], ack, want)
		}
	}
}

// The "on" of a lamp does not open the gate that the key became, either, if the process
// is killed before it reads the shadow.
func TestStandingRequestDoesNotBecomeACommandAfterAKill(t *testing.T) {
	const text = "lines: {lamp: {line: A, direction: output}}\nshadows: {main: {properties: {it: {line: lamp}}}}\n"
	gate := strings.Replace(text, "{line: lamp}", "{line: lamp, pulse: 1s}", 1)
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	at := r.now.Unix() - 100
	r.fetched("main", fmt.Sprintf(`{"version":7,"state":{"desired":{"it":true}},"metadata":{"desired":{"it":{"timestamp":%d}}}}`, at))
	r.pass(2 * time.Second)
	r.step(shadowLost{"main", errors.New("away")})
	r.configure(gate)
	r.pass(time.Minute)
	next := newRig(t, gate, r.lastSaved())
	next.now = r.now.Add(time.Minute)
	next.step(Start{})
	next.pass(time.Minute)
	again := newRig(t, gate, next.lastSaved())
	again.now = next.now.Add(time.Minute)
	again.step(Start{})
	again.step(shadowLive{"main"})
	again.fetched("main", fmt.Sprintf(`{"version":8,"state":{"desired":{"it":true},"reported":{"it":true}},"metadata":{"desired":{"it":{"timestamp":%d}}}}`, at))
	again.pass(3 * time.Second)
	if n := again.pulses("lamp"); n > 0 {
		t.Error("the gate opened for the on of a lamp")
	}
}

// Nor is a reported value of the lamp taken for a total or setting of the new kind.
func TestReportOfAnotherKindIsNotTakenUpAfterAKill(t *testing.T) {
	const text = "lines: {meter: {line: A, direction: input}}\nshadows: {main: {properties: {it: {setting: number, default: 0}}}}\n"
	count := strings.Replace(text, "{setting: number, default: 0}", "{line: meter, count: rising}", 1)
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"reported":{"it":500}}}`)
	r.step(shadowLost{"main", errors.New("away")})
	r.configure(count)
	r.pass(time.Minute)
	next := newRig(t, count, r.lastSaved())
	next.now = r.now.Add(time.Minute)
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", `{"version":8,"state":{"reported":{"it":500}}}`)
	next.pass(3 * time.Second)
	if got := next.shadows["main"].replica.Wanted("it"); !shadow.Equal(got, int64(0)) {
		t.Errorf("a limit of 500 became a total of %v", got)
	}
}

// What is saved while a configuration is put in force lacks nothing.
func TestSaveDuringAConfigurationKeepsAll(t *testing.T) {
	const text = `
lines: {bell: {line: A, direction: output}, meter: {line: M, direction: input}}
shadows:
  main:
    properties:
      bell: {line: bell, pulse: 5s}
      n:    {line: meter, count: rising}
`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	r.edge("meter", true)
	r.pass(20 * time.Second)
	r.noDisk = errors.New("disk is full") // the pulse waits, and no save is under way
	r.desired(r.shadows["main"].replica.View().Version+1, `{"bell":true}`)
	if len(r.memory.waiting) == 0 || r.memory.saving {
		t.Fatal("the pulse does not wait for the disk")
	}
	r.noDisk = nil
	known := len(r.saves)
	r.configure(strings.Replace(text, "      n:    {line: meter, count: rising}\n", "", 1))
	for _, save := range r.saves[known:] {
		if p, kept := save.State.Properties["gw//n#count"]; !kept || p.Count == nil || *p.Count != 1 {
			t.Errorf("save %d lacks the total: %v", save.Seq, asJSON(t, save.State.Properties))
		}
	}
	if len(r.saves) == known {
		r.pass(time.Second)
	}
	if len(r.saves) == known {
		t.Error("nothing was saved")
	}
}

// A relabeled input goes on being measured.
func TestRelabelingKeepsMeasurements(t *testing.T) {
	const text = `
lines: {meter: {line: M, direction: input}}
shadows:
  main:
    properties:
      flow: {line: meter, rate: rising}
`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{}}`)
	for range 4 {
		r.edge("meter", true)
		r.edge("meter", false)
		r.pass(2 * time.Second)
	}
	value := func() any { v, _ := r.shadows["main"].props["flow"].value(); return v }
	before := value()
	if before == nil || before == 0.0 {
		t.Fatalf("measured %v", before)
	}
	r.configure(strings.NewReplacer("meter:", "water:", "line: meter", "line: water").Replace(text))
	if got := value(); got != before {
		t.Errorf("measures %v after a relabeling, want %v", got, before)
	}
}

// A local change that waits for the link is told in the words of the configuration.
func TestLocalChangeIsToldInTheWordsOfTheConfiguration(t *testing.T) {
	text := strings.Replace(withButton, "lights: {line: lamp}", `lights: {line: lamp, values: {"on": on, "off": off}}`, 1)
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{},"metadata":{}}`)
	r.pass(time.Second)
	r.updates = nil
	r.step(shadowLost{"main", errors.New("away")})
	press(r, "button")
	r.pass(3 * time.Second)
	saved := r.lastSaved()
	check := func(r *rig, when string) {
		t.Helper()
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":7,"state":{"reported":{"lights":"off"}},"metadata":{}}`)
		r.pass(time.Second)
		if !r.lines["lamp"] {
			t.Errorf("%s: the lamp is off", when)
		}
		for _, u := range r.updates {
			if d, wrote := u.Desired["lights"]; wrote && d != "bright" {
				t.Errorf("%s: desired %v, which is no value any more", when, d)
			}
			if u.Reported["lights"] != "bright" {
				t.Errorf("%s: reported %v", when, u.Reported)
			}
		}
	}
	text = strings.Replace(text, `{"on": on, "off": off}`, `{bright: on, dark: off}`, 1)
	next := newRig(t, text, saved)
	next.lines["lamp"] = true
	next.step(Start{})
	check(next, "after a restart")
	r.configure(text)
	check(r, "in one run")
}

// A total is remembered as read before it is reported: else a run that is killed
// between the two would be followed by one that adds it to itself.
func TestTotalIsRememberedAsReadBeforeItIsReported(t *testing.T) {
	r := newRig(t, totals, state.State{})
	r.step(Start{})
	r.edge("meter", true)
	r.pass(20 * time.Second)
	r.step(shadowLive{"main"})
	r.fetched("main", "")
	u, _ := r.update("main")
	next := newRig(t, totals, r.lastSaved()) // killed here
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", fmt.Sprintf(`{"version":1,"state":{"reported":%s}}`, asJSON(t, u.Reported)))
	if got := next.shadows["main"].replica.Wanted("n"); !shadow.Equal(got, int64(1)) {
		t.Errorf("one turn was counted as %v", got)
	}
}

// A clock that was not set yet does not let what is kept for a rollback expire.
func TestClockThatIsNotSetDoesNotExpireWhatIsKept(t *testing.T) {
	live := withTotals(t)
	live.step(Clock{Synchronised: true, Boot: "b1"})
	live.edge("meter", false)
	live.pass(20 * time.Second)
	const without = "lines: {meter: {line: M, direction: input}}\nshadows: {main: {properties: {}}}\n"
	boot := newRig(t, without, live.lastSaved())
	boot.now = time.Unix(1000, 0)
	boot.step(Start{})
	boot.step(Clock{})
	boot.pass(5 * time.Second)
	later := newRig(t, without, boot.lastSaved())
	later.now = live.now.Add(time.Hour)
	later.step(Start{})
	later.pass(5 * time.Second)
	back := newRig(t, totals, later.lastSaved())
	back.now = later.now.Add(time.Hour)
	back.step(Start{})
	back.pass(5 * time.Second)
	checkTotals(t, back, "main", "after a rollback")
}

// A rejection by an interlock is about an output: it does not stand against the output
// or the kind that the key has become. That of a pulse does: it would come too late.
func TestRejectionStaysWithItsOutput(t *testing.T) {
	const text = `
lines: {a: {line: A, direction: output}, b: {line: B, direction: output, start: "on"}, c: {line: C, direction: output}}
interlocks: {one: {lines: [a, b]}}
shadows: {main: {properties: {it: {line: a}}}}
`
	for after, line := range map[string]string{
		strings.Replace(text, "{line: a}", "{line: c}", 1):                                                                                "c",
		strings.Replace(text, "{line: a}", "{line: c, blink: {on: 1m, off: 1m}}", 1):                                                      "c",
		strings.NewReplacer("interlocks: {one: {lines: [a, b]}}\n", "", "{line: a}", "{line: a, blink: {on: 1m, off: 1m}}").Replace(text): "a",
	} {
		for _, restart := range []bool{false, true} {
			r := newRig(t, text, state.State{})
			r.step(Start{})
			r.step(shadowLive{"main"})
			at := r.now.Unix() - 100
			r.fetched("main", fmt.Sprintf(`{"version":7,"state":{"desired":{"it":true}},"metadata":{"desired":{"it":{"timestamp":%d}}}}`, at))
			r.pass(2 * time.Second)
			u, reported := r.update("main")
			if ack := r.shadows["main"].ack("it"); ack.Code != shadow.Conflict {
				t.Fatalf("answered with %+v", ack)
			}
			r.accept(u, 8)
			if restart && !strings.Contains(after, "blink") {
				continue // what the key drove is not remembered
			}
			if restart {
				next := newRig(t, after, r.lastSaved())
				next.now = r.now
				r = next
				r.step(Start{})
				r.step(shadowLive{"main"})
			} else {
				r.configure(after)
			}
			r.fetched("main", fmt.Sprintf(`{"version":8,"state":{"desired":{"it":true},"reported":%s},"metadata":{"desired":{"it":{"timestamp":%d}},"reported":{"ack":{"it":{"code":{"timestamp":%d}}}}}}`, reported, at, at+50))
			r.pass(2 * time.Second)
			if ack := r.shadows["main"].ack("it"); ack.Code != shadow.Done || !r.lines[line] {
				t.Errorf("restart %v: answered with %+v, and %s is %v: %s", restart, ack, line, r.lines[line], after)
			}
		}
	}
	bell := strings.Replace(text, "{line: a}", "{line: a, pulse: 1s}", 1)
	document := `{"version":7,"state":{"desired":{"it":true}},"metadata":{"desired":{"it":{"timestamp":100}}}}`
	r := newRig(t, bell, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", document)
	r.pass(2 * time.Second)
	if ack := r.shadows["main"].ack("it"); ack.Code != shadow.Conflict {
		t.Fatalf("the pulse was answered with %+v", ack)
	}
	r.configure(strings.Replace(bell, "line: a,", "line: c,", 1))
	r.fetched("main", `{"version":8,"state":{"desired":{"it":true},"reported":{"it":false,"ack":{"it":{"code":409,"version":7,"reason":"b is on","value":true}}}},
		"metadata":{"desired":{"it":{"timestamp":100}},"reported":{"ack":{"it":{"code":{"timestamp":150}}}}}}`)
	r.pass(2 * time.Second)
	if n := r.pulses("c"); n > 0 {
		t.Error("a pulse that was rejected was made on another line")
	}
}

// A rejected pulse stays rejected though the process was killed before the shadow had the
// answer, and the conflict is over: the end of a conflict sets nothing in motion.
func TestRejectedPulseIsRemembered(t *testing.T) {
	const text = `
lines: {a: {line: A, direction: output}, b: {line: B, direction: output, start: "on"}}
interlocks: {one: {lines: [a, b]}}
shadows: {main: {properties: {it: {line: a, pulse: 1s}}}}
`
	const document = `{"version":%d,"state":{"desired":{"it":true}},"metadata":{"desired":{"it":{"timestamp":%d}}}}`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", fmt.Sprintf(document, 7, 100))
	r.pass(time.Minute)
	if ack := r.shadows["main"].ack("it"); ack.Code != shadow.Conflict {
		t.Fatalf("the pulse was answered with %+v", ack)
	}
	again := newRig(t, strings.Replace(text, `"on"`, `"off"`, 1), r.lastSaved())
	again.step(Start{})
	again.step(shadowLive{"main"})
	again.fetched("main", fmt.Sprintf(document, 7, 100))
	again.pass(time.Minute)
	if ack := again.shadows["main"].ack("it"); ack.Code != shadow.Conflict || again.pulses("a") > 0 {
		t.Errorf("after a restart: %d pulses, answered with %+v", again.pulses("a"), ack)
	}
	u, _ := again.update("main")
	again.accept(u, 8)
	again.desired(9, `{"it":true}`)
	again.pass(time.Minute)
	if again.pulses("a") != 1 {
		t.Errorf("%d pulses after the pulse was desired anew", again.pulses("a"))
	}
}

// A value that the configuration no longer has a meaning for stays rejected, whatever
// the lines do.
func TestValueWithoutMeaningStaysRejected(t *testing.T) {
	const text = "lines: {lamp: {line: A, direction: output}}\nshadows: {main: {properties: {it: {line: lamp, values: {open: on, closed: off}}}}}\n"
	for _, kind := range []string{"{line: lamp, %s}", "{line: lamp, pulse: 1s, %s}", "{line: lamp, blink: {on: 1m, off: 1m}, %s}"} {
		text := strings.Replace(text, "{line: lamp, values: {open: on, closed: off}}", fmt.Sprintf(kind, "values: {open: on, closed: off}"), 1)
		r := newRig(t, text, state.State{})
		r.step(Start{})
		r.step(shadowLive{"main"})
		document := `{"version":7,"state":{"desired":{"it":"closed"}},"metadata":{"desired":{"it":{"timestamp":100}}}}`
		r.fetched("main", document)
		r.pass(2 * time.Second)
		if ack := r.shadows["main"].ack("it"); ack.Code != shadow.Done {
			t.Fatalf("answered with %+v", ack)
		}
		changed := strings.Replace(text, "values: {open: on, closed: off}", "values: {up: on, down: off}", 1)
		r.configure(changed)
		r.fetched("main", document)
		r.step(r.failed("lamp", errors.New("gone")))
		r.pass(time.Minute)
		r.configure(changed)
		if ack := r.shadows["main"].ack("it"); ack.Code != shadow.Refused {
			t.Errorf("%s: answered with %+v", kind, ack)
		}
	}
}

// An output that a new interlock turns off is not as requested.
func TestOutputThatANewInterlockTurnsOffIsNotDone(t *testing.T) {
	const text = `
lines: {a: {line: A, direction: output}, b: {line: B, direction: output}}
shadows: {main: {properties: {a: {line: a}, b: {line: b}}}}
`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"desired":{"a":true,"b":true}},"metadata":{"desired":{"a":{"timestamp":100},"b":{"timestamp":100}}}}`)
	r.pass(2 * time.Second)
	r.configure("interlocks: {one: {lines: [a, b]}}\n" + text)
	r.pass(2 * time.Second)
	if !r.lines["a"] || r.lines["b"] {
		t.Fatalf("lines are %v", r.lines)
	}
	codes := func() string { return fmt.Sprint(r.shadows["main"].ack("a").Code, r.shadows["main"].ack("b").Code) }
	if got := codes(); got != "200 409" {
		t.Errorf("answered with %s", got)
	}
	version := r.shadows["main"].replica.View().Version
	r.accepted("main", version+1, `{"b":false}`, `{"b":{"timestamp":200}}`)
	r.pass(2 * time.Second)
	if got := codes(); got != "200 200" {
		t.Errorf("off was answered with %s", got)
	}
}

// Nor does a local change hide that a value has no meaning.
func TestValueWithoutMeaningIsRejectedUnderALocalChange(t *testing.T) {
	text := strings.Replace(withButton, "{line: lamp}", "{line: lamp, override: holdsUntilNextDesired, values: {open: on, closed: off}}", 1)
	const document = `{"version":7,"state":{"desired":{"lights":"closed"}},"metadata":{"desired":{"lights":{"timestamp":100}}}}`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", document)
	r.pass(time.Second)
	press(r, "button")
	r.pass(time.Second)
	r.configure(strings.Replace(text, "closed: off", "shut: off", 1))
	r.fetched("main", document)
	r.pass(time.Second)
	if ack := r.shadows["main"].ack("lights"); ack.Code != shadow.Refused || !r.lines["lamp"] {
		t.Errorf("answered with %+v, and the lamp is %v", ack, r.lines["lamp"])
	}
}

// What the old kind of a key reported is deleted, also if the run that read the shadow
// under the new kind ends before it could.
func TestReportOfTheOldKindIsDeletedAfterAKill(t *testing.T) {
	t.Parallel()
	const text = "lines: {door: {line: B, direction: input}}\nshadows: {main: {properties: {it: {line: door}}}}\n"
	other := strings.Replace(text, "it: {line: door}", "it: {line: door, lastPulse: on}", 1)
	const old = `{"version":8,"state":{"reported":{"it":false}}}`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"reported":{"it":false}}}`)
	r.pass(2 * time.Second)
	r.configure(other)
	r.fetched("main", old)
	r.pass(2 * time.Second)
	r.fails("main", NotSent)
	r.step(shadowLost{"main", errors.New("away")})
	r.pass(20 * time.Second)

	next := newRig(t, other, r.lastSaved())
	next.now = r.now
	next.step(Start{})
	next.pass(20 * time.Second)
	next.configure(other + "logLevel: debug\n")
	next.step(shadowLive{"main"})
	next.fetched("main", old)
	next.reports("main", `{"it":null}`, 9)
	next.pass(20 * time.Second)

	// From then on, what the new kind reports is kept.
	last := newRig(t, other, next.lastSaved())
	last.now = next.now
	last.step(Start{})
	last.step(shadowLive{"main"})
	last.fetched("main", `{"version":10,"state":{"reported":{"it":5}}}`)
	last.pass(2 * time.Second)
	last.reportsNothing()
}

// The new kind has its first value, and the run ends before the shadow has it.
func TestReportOfTheOldKindIsDeletedThoughTheNewKindHasAValue(t *testing.T) {
	t.Parallel()
	const text = "lines: {door: {line: B, direction: input}}\nshadows: {main: {properties: {it: {line: door}}}}\n"
	other := strings.Replace(text, "it: {line: door}", "it: {line: door, lastPulse: on}", 1)
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"reported":{"it":false}}}`)
	r.configure(other)
	r.fetched("main", `{"version":8,"state":{"reported":{"it":false}}}`)
	r.fails("main", NotSent)
	r.step(shadowLost{"main", errors.New("away")})
	r.edge("door", true)
	r.pass(time.Second)
	r.edge("door", false)
	r.pass(20 * time.Second)
	if got := r.shadows["main"].replica.Wanted("it"); got == nil {
		t.Fatal("the new kind has no value")
	}
	next := newRig(t, other, r.lastSaved())
	next.now = r.now
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", `{"version":8,"state":{"reported":{"it":false}}}`)
	next.reports("main", `{"it":null}`, 9)
}

// An update of the old kind that is stored late brings its value back. The next run still
// deletes it.
func TestReportOfTheOldKindThatIsStoredLate(t *testing.T) {
	t.Parallel()
	const text = "lines: {door: {line: B, direction: input}}\nshadows: {main: {properties: {it: {line: door}}}}\n"
	other := strings.Replace(text, "it: {line: door}", "it: {line: door, lastPulse: on}", 1)
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"reported":{"it":true}}}`)
	late, _ := r.update("main")
	r.step(updateAnswered{Shadow: "main", Seq: late.Seq, Outcome: Unknown, Err: errors.New("no answer")})
	r.configure(other)
	r.pass(5 * time.Second)
	r.fetched("main", `{"version":7,"state":{"reported":{"it":true}}}`)
	r.reports("main", `{"it":null}`, 8)
	r.pass(20 * time.Second)
	r.message("main", fmt.Sprintf(`{"version":9,"clientToken":%q,"state":{"reported":{"it":false}}}`, late.Token))
	r.fetched("main", `{"version":9,"state":{"reported":{"it":false}}}`)
	r.fails("main", NotSent)
	r.step(shadowLost{"main", errors.New("away")})
	r.pass(20 * time.Second)

	next := newRig(t, other, r.lastSaved())
	next.now = r.now
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", `{"version":9,"state":{"reported":{"it":false}}}`)
	next.reports("main", `{"it":null}`, 10)
}

// The time of an answer does not tell that it is newer than the value if the clock of the
// device is behind that of the writer. The memory does.
func TestRejectionStandsThoughTheClockIsBehind(t *testing.T) {
	t.Parallel()
	const text = `
lines: {a: {line: A, direction: output}, b: {line: B, direction: output}}
interlocks: {either: {lines: [a, b]}}
shadows: {main: {properties: {a: {line: a%s}, b: {line: b%s}}}}
`
	for _, wave := range []string{"", ", blink: {on: 1m, off: 1m}", ", pwm: {period: 1m}"} {
		text := fmt.Sprintf(text, wave, wave)
		on := "true"
		if strings.Contains(wave, "pwm") {
			on = "50"
		}
		r := newRig(t, text, state.State{})
		at := r.now.Unix() + 1000
		r.step(Start{})
		r.step(shadowLive{"main"})
		r.fetched("main", `{"version":1,"state":{}}`)
		r.message("main", fmt.Sprintf(`{"version":2,"state":{"desired":{"a":%s}},"metadata":{"desired":{"a":{"timestamp":%d}}}}`, on, at))
		r.pass(time.Second)
		r.message("main", fmt.Sprintf(`{"version":3,"state":{"desired":{"b":%s}},"metadata":{"desired":{"b":{"timestamp":%d}}}}`, on, at+1))
		r.pass(5 * time.Second)
		ack := r.shadows["main"].ack("b")
		if ack.Code != shadow.Conflict || r.lines["b"] {
			t.Fatalf("%s: b is %v, answered with %+v, want a rejection", wave, r.lines["b"], ack)
		}
		document := func(at int64) string {
			return fmt.Sprintf(`{"version":9,"state":{"desired":{"b":%s},"reported":{"ack":{"b":%s}}},"metadata":{"desired":{"b":{"timestamp":%d}},"reported":{"ack":{"b":{"code":{"timestamp":%d}}}}}}`,
				on, asJSON(t, ack), at, r.now.Unix())
		}
		for again, want := range map[bool]bool{false: false, true: true} {
			written := at + 1
			if again {
				written += 60
			}
			free := strings.Replace(text, "interlocks: {either: {lines: [a, b]}}\n", "", 1)
			next := newRig(t, free, r.lastSaved())
			next.now = r.now
			next.step(Start{})
			next.step(shadowLive{"main"})
			next.fetched("main", document(written))
			next.pass(5 * time.Second)
			if next.lines["b"] != want {
				t.Errorf("%s, desired again %v: after a restart b is %v, answered with %+v", wave, again, next.lines["b"], next.shadows["main"].ack("b"))
			}
		}
	}
}

// A remembered rejection applies to its output alone.
func TestRememberedRejectionIsOfItsOutput(t *testing.T) {
	t.Parallel()
	const text = `
lines: {a: {line: A, direction: output}, b: {line: B, direction: output}, c: {line: C, direction: output}}
interlocks: {either: {lines: [a, b]}}
shadows: {main: {properties: {a: {line: a}, b: {line: b}}}}
`
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	const desired = `"desired":{"a":true,"b":true}},"metadata":{"desired":{"a":{"timestamp":1600000000},"b":{"timestamp":1600000001}}}}`
	r.fetched("main", `{"version":1,"state":{`+desired)
	r.pass(5 * time.Second)
	if ack := r.shadows["main"].ack("b"); ack.Code != shadow.Conflict {
		t.Fatalf("answered with %+v, want a rejection", ack)
	}
	next := newRig(t, strings.Replace(text, "b: {line: b}", "b: {line: c}", 1), r.lastSaved())
	next.now = r.now
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", `{"version":1,"state":{`+desired)
	next.pass(5 * time.Second)
	if ack := next.shadows["main"].ack("b"); ack.Code != shadow.Done || !next.lines["c"] {
		t.Errorf("c is %v, answered with %+v, want on", next.lines["c"], ack)
	}
}

// The first value of a new kind outlives a change of the configuration that comes before
// the shadow is read.
func TestFirstValueOfANewKindOutlivesAChange(t *testing.T) {
	t.Parallel()
	const text = "lines: {door: {line: B, direction: input}}\nshadows: {main: {properties: {it: {line: door}}}}\n"
	other := strings.Replace(text, "it: {line: door}", "it: {line: door, rate: rising, timeout: 2s}", 1)
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.configure(other)
	r.pass(time.Minute)
	r.configure(other + "logLevel: debug\n")
	r.pass(time.Minute)
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{"reported":{"it":false}}}`)
	r.reports("main", `{"it":0}`, 8)
}

// A key that an update in flight may still report is to be deleted by the next run, too.
func TestReportInFlightIsDeletedAfterAKill(t *testing.T) {
	t.Parallel()
	const text = "lines: {door: {line: B, direction: input}}\nshadows: {main: {properties: {it: {line: door}}}}\n"
	elsewhere := strings.Replace(text, "main: {", "main: {name: other, ", 1)
	r := newRig(t, text, state.State{})
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":7,"state":{}}`)
	sent, _ := r.update("main") // it reports the door
	r.configure(elsewhere)
	r.pass(20 * time.Second)

	next := newRig(t, elsewhere, r.lastSaved())
	next.now = r.now
	next.step(Start{})
	next.Step(next.now, ShadowLive{ID: sent.ID})
	doc, err := shadow.ParseDocument([]byte(`{"version":8,"state":{"reported":{"it":false}}}`))
	if err != nil {
		t.Fatal(err)
	}
	written := false
	for _, effect := range next.Step(next.now, replica.Fetched{ID: sent.ID, Seq: 1, Document: doc}) {
		if u, ok := effect.(replica.Update); ok && u.ID == sent.ID {
			value, has := u.Reported["it"]
			written = has && value == nil
		}
	}
	if !written {
		t.Error("the report of a shadow that is no longer configured stays")
	}
}
