package engine

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/schedule"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// planned is a rig at that time whose shadow desires a schedule of the lamp.
func planned(t *testing.T, at, schedule string) *rig {
	t.Helper()
	r := newRig(t, controlConfig, state.State{})
	r.now = moment(t, at)
	r.step(Start{})
	r.step(Clock{Synchronised: true})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":1,"state":{"desired":{"evening":`+schedule+`}},"metadata":{}}`)
	if code, reason := r.answers("evening"); code != 200 {
		t.Fatalf("answered with %d %s", code, reason)
	}
	return r
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// switches is when the lamp was switched up to a moment, as "time on".
func (r *rig) switches(claim, until string) (when []string) {
	r.t.Helper()
	end := moment(r.t, until)
	seen := len(r.sets)
	for r.wallNow().Before(end) {
		r.pass(min(30*time.Second, end.Sub(r.wallNow())))
		for ; seen < len(r.sets); seen++ {
			if w := r.sets[seen]; w.Claim == claim {
				when = append(when, r.wallNow().UTC().Format(time.RFC3339)+map[bool]string{true: " on", false: " off"}[w.Values[0]])
			}
		}
	}
	return when
}

func (r *rig) wallNow() time.Time { return r.now.Round(0).Add(r.clock.skew).UTC() }

// again restarts the component from what it saved last, after that time.
func (r *rig) again(after time.Duration) *rig {
	r.t.Helper()
	next := newRig(r.t, controlConfig, r.lastSaved())
	next.now = r.now.Add(after)
	next.lines = r.lines
	next.clock.skew = r.clock.skew
	next.step(Start{})
	return next
}

func TestScheduleOverTheYear(t *testing.T) {
	for _, c := range []struct{ name, from, schedule, until, want string }{
		{"days of the week", "2026-11-20T12:00:00Z", `{"zone":"Europe/Berlin","entries":[{"at":"06:30","days":["mon-fri"],"set":"on"},{"at":"07:00","set":"off"}]}`,
			"2026-11-24T05:40:00Z", "2026-11-23T05:30:00Z on, 2026-11-23T06:00:00Z off, 2026-11-24T05:30:00Z on"},
		{"skipped in Berlin", "2026-03-28T20:00:00Z", `{"zone":"Europe/Berlin","entries":[{"at":"02:30","set":"on"},{"at":"03:30","set":"off"}]}`,
			"2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z on, 2026-03-29T01:30:00Z off"},
		{"doubled in New York", "2026-11-01T00:00:00Z", `{"zone":"America/New_York","entries":[{"at":"01:30","set":"on"},{"at":"02:30","set":"off"}]}`,
			"2026-11-01T20:00:00Z", "2026-11-01T05:30:00Z on, 2026-11-01T07:30:00Z off"},
		{"doubled in Auckland", "2026-04-04T00:00:00Z", `{"zone":"Pacific/Auckland","entries":[{"at":"02:30","set":"on"},{"at":"03:30","set":"off"}]}`,
			"2026-04-05T00:00:00Z", "2026-04-04T13:30:00Z on, 2026-04-04T15:30:00Z off"},
		{"every hour over the doubled one in Auckland", "2026-04-04T12:45:00Z", `{"zone":"Pacific/Auckland","entries":[{"cron":"15 * * * *","set":"on"},{"cron":"45 * * * *","set":"off"}]}`,
			"2026-04-04T15:00:00Z", "2026-04-04T13:15:00Z on, 2026-04-04T13:45:00Z off, 2026-04-04T14:15:00Z on, 2026-04-04T14:45:00Z off"},
		{"half an hour skipped on Lord Howe", "2026-10-03T12:00:00Z", `{"zone":"Australia/Lord_Howe","entries":[{"at":"02:15","set":"on"},{"cron":"45 2 * * *","set":"off"}]}`,
			"2026-10-03T20:00:00Z", "2026-10-03T15:30:00Z on, 2026-10-03T15:45:00Z off"},
		{"leap day", "2028-02-28T12:00:00Z", `{"entries":[{"cron":"0 6 29 2 *","set":"on"},{"once":"2028-02-29T07:00:00","set":"off"}]}`,
			"2028-03-01T12:00:00Z", "2028-02-29T06:00:00Z on, 2028-02-29T07:00:00Z off"},
	} {
		r := planned(t, c.from, c.schedule)
		if got := strings.Join(r.switches("lamp", c.until), ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestScheduleIsRefusedWithReason(t *testing.T) {
	r := control(t, state.State{})
	r.desired(3, `{"evening":{"entries":[{"at":"06:30","set":"on"}]}}`)
	shown := r.shows("evening")
	for _, c := range []struct{ desired, reason string }{
		{`{"entries":[{"at":"6:30","set":"on"}]}`, `entries[0].at: want a time of day from "00:00" to "23:59:59", got "6:30"`},
		{`{"entries":[{"at":"06:30","days":["mo"],"set":"on"}]}`, `entries[0].days[0]: want one of sun, mon, tue, wed, thu, fri, sat, got "mo"; did you mean "mon"?`},
		{`{"zone":"Berlin"}`, `zone: want a time zone such as "Europe/Berlin", got "Berlin"`},
		{`{"zone":null,"zones":"UTC"}`, `want one of zone, missed, grace, entries, got "zones"; did you mean "zone"?`},
		{`{"zones":null,"missed":"all"}`, `missed: want "skip" or "last", got "all"`},
		{`{"missed":null,"grace":"1h"}`, `grace: want it only beside "missed": "last", got "1h"`},
		{`{"grace":null,"entries":[{"set":"on"}]}`, `entries[0]: want one of at, once, cron, got {"set":"on"}`},
		{`{"entries":[{"cron":"61 * * * *","set":"on"}]}`, `entries[0].cron: want a cron expression`},
		{`{"entries":[{"once":"tomorrow","set":"on"}]}`, `entries[0].once: want a moment such as "2026-11-24T06:30:00", got "tomorrow"`},
		{`{"entries":[{"at":"06:30","set":1}]}`, `entries[0].set: want "on" or "off", got 1`},
		{`{"entries":[{"at":"06:30","set":"` + strings.Repeat("x", 1024) + `"}]}`, "want at most 1024 bytes of JSON, got 10"},
	} {
		r.desired(r.shadows["main"].replica.View().Version+1, `{"evening":`+c.desired+`}`)
		if code, reason := r.answers("evening"); code != 400 || !strings.HasPrefix(reason, c.reason) {
			t.Errorf("%s: answered with %d %q, want %q", c.desired, code, reason, c.reason)
		}
	}
	if got := r.shows("evening"); got != shown {
		t.Errorf("after refusals the schedule is %s, want %s", got, shown)
	}
}

// TestScheduleRunsMissedWhileOff is off for some time over a run.
func TestScheduleRunsMissedWhileOff(t *testing.T) {
	const from = "2026-11-23T06:29:00Z"
	entries := `"entries":[{"at":"06:00","set":"off"},{"at":"06:30","set":"on"}]`
	for _, c := range []struct {
		name, schedule string
		off            time.Duration
		want           bool
	}{
		{"a restart over the run", `{` + entries + `}`, 90 * time.Second, true},
		{"skipped", `{` + entries + `}`, time.Hour, false},
		{"made up for", `{"missed":"last",` + entries + `}`, 50 * time.Minute, true},
		{"longer than the grace", `{"missed":"last","grace":"30m",` + entries + `}`, 50 * time.Minute, false},
		{"the latest only", `{"missed":"last","grace":"24h",` + entries + `}`, 23*time.Hour + 45*time.Minute, false},
	} {
		r := planned(t, from, c.schedule)
		r.pass(10 * time.Second)
		r = r.again(c.off)
		r.pass(time.Second)
		if len(r.sets) > 0 {
			t.Errorf("%s: switched before the clock was known", c.name)
		}
		r.step(Clock{Synchronised: true})
		if r.lines["lamp"] != c.want {
			t.Errorf("%s: the lamp is %v, want %v", c.name, r.lines["lamp"], c.want)
		}
	}
}

// TestOneShotIsDoneOnce restarts again and again around its moment.
func TestOneShotIsDoneOnce(t *testing.T) {
	r := planned(t, "2026-11-23T06:29:00Z", `{"zone":"Europe/Berlin","missed":"last","entries":[{"once":"2026-11-23T07:30:00","set":"on"},{"once":"2026-11-23T05:00","set":"on"}]}`)
	if got := r.shows("evening"); !strings.Contains(got, `"next":{"at":"2026-11-23T06:30:00Z","set":"on"},"over":{"2026-11-23T05:00":"missed"}`) {
		t.Errorf("before: %s", got)
	}
	on := 0
	for i := range 20 {
		r.pass(10 * time.Second)
		on += r.writes("lamp")
		r = r.again(time.Second)
		r.step(Clock{Synchronised: true})
		if i > 10 {
			r.lines["lamp"] = false
		}
	}
	if on += r.writes("lamp"); on != 1 {
		t.Errorf("switched on %d times, want once", on)
	}
	if got := r.shows("evening"); !strings.Contains(got, `"last":{"at":"2026-11-23T06:30:00Z","set":"on"}`) ||
		!strings.Contains(got, `"over":{"2026-11-23T05:00":"missed","2026-11-23T07:30:00":"done"}`) || strings.Contains(got, "next") {
		t.Errorf("after: %s", got)
	}
}

// TestScheduledPulseIsNeverDoubled kills the process before and after the run was
// saved.
func TestScheduledPulseIsNeverDoubled(t *testing.T) {
	const cups = `{"missed":"last","entries":[{"at":"06:30","set":"on"}]}`
	begin := func() *rig {
		r := control(t, state.State{})
		r.now = moment(t, "2026-11-23T06:29:00Z")
		r.desired(3, `{"cups":`+cups+`}`)
		r.pass(5 * time.Second)
		r.hold = true
		return r
	}
	r := begin()
	r.pass(time.Minute)
	if r.lines["cup"] {
		t.Fatal("the pulse began before it was remembered")
	}
	before := r.again(time.Second) // the save under way never ended, but the disk has it
	before.step(Clock{Synchronised: true})
	before.pass(5 * time.Minute)
	if n := before.writes("cup"); n != 0 {
		t.Errorf("a pulse that may have begun began %d times more", n)
	}
	r.step(Saved{r.saves[len(r.saves)-1].Seq, nil})
	if !r.lines["cup"] {
		t.Fatal("the pulse did not begin when it was remembered")
	}
	r.pass(time.Minute)
	if r.lines["cup"] {
		t.Error("the pulse does not end")
	}
	r = begin()
	r.saves = r.saves[:len(r.saves):len(r.saves)]
	known := len(r.saves)
	r.pass(time.Minute)
	r.saves = r.saves[:known] // the disk does not have it
	r = r.again(time.Second)
	r.step(Clock{Synchronised: true})
	if n := r.writes("cup"); n != 1 {
		t.Errorf("a pulse that cannot have begun began %d times, want once", n)
	}
}

func TestClockSteps(t *testing.T) {
	entries := `"entries":[{"at":"06:30","set":"on"},{"at":"06:40","set":"off"}]`
	for _, c := range []struct {
		name, schedule string
		step           time.Duration // at 06:35, when the lamp is on
		until, want    string
	}{
		{"back an hour: nothing twice", `{` + entries + `}`, -time.Hour, "2026-11-23T06:50:00Z", "2026-11-23T06:40:00Z off"},
		{"back two days: it begins anew", `{` + entries + `}`, -48 * time.Hour, "2026-11-21T06:50:00Z", "2026-11-21T06:40:00Z off"},
		{"back two days and a bit", `{` + entries + `}`, -48*time.Hour - 10*time.Minute, "2026-11-22T06:31:00Z", "2026-11-21T06:40:00Z off, 2026-11-22T06:30:00Z on"},
		{"forward a little", `{` + entries + `}`, 5 * time.Minute, "2026-11-23T06:50:00Z", "2026-11-23T06:41:00Z off"},
		{"forward over a run", `{` + entries + `}`, 20 * time.Minute, "2026-11-24T06:45:00Z", "2026-11-24T06:40:00Z off"},
		{"forward over a run that is made up for", `{"missed":"last",` + entries + `}`, 20 * time.Minute, "2026-11-23T07:30:00Z", "2026-11-23T06:56:00Z off"},
		{"forward ten years", `{"missed":"last",` + entries + `}`, 10 * 365 * 24 * time.Hour, "2036-11-20T06:50:00Z", "2036-11-20T06:40:00Z off"},
	} {
		r := planned(t, "2026-11-23T06:20:00Z", c.schedule)
		if got := strings.Join(r.switches("lamp", "2026-11-23T06:35:00Z"), ""); got != "2026-11-23T06:30:00Z on" {
			t.Fatalf("%s: before the step: %s", c.name, got)
		}
		r.clock.skew += c.step
		if got := strings.Join(r.switches("lamp", c.until), ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestClockFarAheadForAWhile has runs carried out by a clock that was wrong.
func TestClockFarAheadForAWhile(t *testing.T) {
	r := planned(t, "2026-11-23T06:20:00Z", `{"entries":[{"at":"06:30","set":"on"},{"at":"06:40","set":"off"}]}`)
	r.clock.skew = 10 * 365 * 24 * time.Hour
	if got := r.switches("lamp", "2036-11-20T06:50:00Z"); len(got) != 2 {
		t.Fatalf("ahead: switched %v", got)
	}
	r.clock.skew = 0
	if got := strings.Join(r.switches("lamp", "2026-11-24T06:35:00Z"), ", "); got != "2026-11-24T06:30:00Z on" {
		t.Errorf("set right: switched %v", got)
	}
}

// TestScheduleWaitsForTheClock boots without a hardware clock.
func TestScheduleWaitsForTheClock(t *testing.T) {
	r := planned(t, "2026-11-23T05:00:00Z", `{"missed":"last","entries":[{"at":"06:30","set":"on"}]}`)
	r.pass(5 * time.Second)
	for _, c := range []struct {
		name  string
		clock Clock
		skew  time.Duration
		set   bool
	}{
		{"nothing is known", Clock{}, 0, false},
		{"a hardware clock", Clock{Kept: true}, 0, true},
		{"a hardware clock that lost its time", Clock{Kept: true}, -56 * 365 * 24 * time.Hour, false},
		{"a hardware clock behind what was seen", Clock{Kept: true}, -24 * time.Hour, false},
		{"synchronised, whatever was seen before", Clock{Synchronised: true}, -24 * time.Hour, true},
		{"another run of the kernel", Clock{Boot: "b2"}, 0, false},
		{"set by hand", Clock{Set: true}, 0, true},
		{"set by hand to the past", Clock{Set: true}, -24 * time.Hour, false},
	} {
		next := r.again(time.Hour)
		next.clock.skew = c.skew
		next.step(c.clock)
		next.pass(45 * time.Minute)
		waits := strings.Contains(next.shows("evening"), `"waits":"the clock is not set"`)
		said := strings.Contains(next.shows("status"), `"clock":"not set`)
		if waits == c.set || said == c.set {
			t.Errorf("%s: shows %s and %s, want the clock set: %v", c.name, next.shows("evening"), next.shows("status"), c.set)
		}
		if next.lines["lamp"] != c.set {
			t.Errorf("%s: the lamp is %v, want %v", c.name, next.lines["lamp"], c.set)
		}
		r.lines["lamp"] = false
		if c.set {
			continue
		}
		next.clock.skew = 0
		next.step(Clock{Synchronised: true})
		if !next.lines["lamp"] || strings.Contains(next.shows("status"), "clock") {
			t.Errorf("%s: when the clock is set the lamp is %v, the status %s", c.name, next.lines["lamp"], next.shows("status"))
		}
		r.lines["lamp"] = false
	}
	next := newRig(t, controlConfig, state.State{Clock: state.Clock{Boot: "b3"}})
	next.step(Start{})
	if next.step(Clock{Boot: "b3"}); !next.clock.set {
		t.Error("a clock that was set in this run of the kernel is not believed")
	}
}

func TestScheduleWithoutDiskStillSwitches(t *testing.T) {
	r := planned(t, "2026-11-23T06:29:30Z", `{"entries":[{"at":"06:30","set":"on"}]}`)
	r.noDisk = errors.New("no space left on device")
	r.pass(time.Minute)
	if !r.lines["lamp"] {
		t.Error("a schedule does not switch while the disk is full")
	}
}

// TestClockAheadAtBootIsSetBack boots an hour ahead, so that a run seems over.
func TestClockAheadAtBootIsSetBack(t *testing.T) {
	r := planned(t, "2026-11-22T12:00:00Z", `{"entries":[{"at":"06:30","set":"on"},{"at":"23:00","set":"off"}]}`)
	r.switches("lamp", "2026-11-23T05:00:00Z")
	r = r.again(0)
	r.clock.skew = 2 * time.Hour
	r.step(Clock{Kept: true})
	r.pass(time.Minute)
	r.clock.skew = 0
	if got := strings.Join(r.switches("lamp", "2026-11-23T07:00:00Z"), ""); got != "2026-11-23T06:30:00Z on" {
		t.Errorf("switched %q", got)
	}
	// Back over a run that was carried out: the next one is the one after it.
	r.clock.skew = -time.Hour
	r.pass(time.Minute)
	if got := r.shows("evening"); !strings.Contains(got, `"next":{"at":"2026-11-23T23:00:00Z","set":"off"}`) {
		t.Errorf("set back by an hour it shows %s", got)
	}
}

// TestScheduleAdoptedByAClockThatIsAhead has a hardware clock in local time, until the
// time server is reached.
func TestScheduleAdoptedByAClockThatIsAhead(t *testing.T) {
	const morning = `{"entries":[{"at":"06:30","set":"on"},{"at":"06:40","set":"off"}]}`
	r := planned(t, "2026-11-23T12:00:00Z", morning)
	r.pass(time.Minute)
	r.clock.skew = -7 * time.Hour
	if got := strings.Join(r.switches("lamp", "2026-11-23T07:00:00Z"), ", "); got != "2026-11-23T06:30:00Z on, 2026-11-23T06:40:00Z off" {
		t.Errorf("adopted by a clock that was ahead: %s", got)
	}
	// What a schedule before it did is not done again.
	r = planned(t, "2026-11-23T06:20:00Z", morning)
	r.switches("lamp", "2026-11-23T06:35:00Z")
	r.desired(r.shadows["main"].replica.View().Version+1, `{"evening":{"entries":[{"at":"06:30","set":"on"},{"at":"06:45","set":"off"}]}}`)
	r.clock.skew = -10 * time.Minute
	if got := strings.Join(r.switches("lamp", "2026-11-23T06:50:00Z"), ", "); got != "2026-11-23T06:45:00Z off" {
		t.Errorf("adopted after a run, and set back before it: %s", got)
	}
}

// TestStartDoesNotSayThatTheClockIsAwaited is told of the clock a moment after its
// start, as each run is.
func TestStartDoesNotSayThatTheClockIsAwaited(t *testing.T) {
	r := planned(t, "2026-11-23T06:20:00Z", `{"entries":[{"at":"06:30","set":"on"}]}`)
	r.pass(5 * time.Second)
	r = r.again(time.Minute)
	if r.waiting || strings.Contains(r.shows("evening")+r.shows("status"), "clock") {
		t.Errorf("shows %s, status %s", r.shows("evening"), r.shows("status"))
	}
	r.step(Clock{})
	if !r.waiting || !strings.Contains(r.shows("evening"), "the clock is not set") {
		t.Errorf("the clock is not set, and it shows %s", r.shows("evening"))
	}
}

// TestScheduledPulseIsMissedWhileTheDiskIsFull frees it hours later.
func TestScheduledPulseIsMissedWhileTheDiskIsFull(t *testing.T) {
	r := control(t, state.State{})
	r.now = moment(t, "2026-11-23T06:20:00Z")
	r.desired(3, `{"cups":{"entries":[{"at":"06:25","set":"on"},{"once":"2026-11-23T06:30","set":"on"}]}}`)
	r.pass(6 * time.Minute)
	if n := r.writes("cup"); n != 1 {
		t.Fatalf("the pulse began %d times, want once", n)
	}
	r.sets, r.noDisk = nil, errors.New("no space left on device")
	r.pass(3 * time.Hour)
	r.noDisk = nil
	r.pass(5 * time.Minute)
	if n := r.writes("cup"); n != 0 {
		t.Errorf("a pulse of three hours ago began %d times", n)
	}
	if got := r.shows("cups"); !strings.Contains(got, `"last":{"at":"2026-11-23T06:25:00Z","set":"on"}`) || !strings.Contains(got, `"over":{"2026-11-23T06:30":"missed"}`) {
		t.Errorf("it shows %s", got)
	}
	// A disk that is back in time only delays it.
	r.desired(r.shadows["main"].replica.View().Version+1, `{"cups":{"entries":[{"at":"10:30","set":"on"}]}}`)
	r.noDisk = errors.New("no space left on device")
	r.pass(moment(t, "2026-11-23T10:30:10Z").Sub(r.now))
	r.noDisk = nil
	r.pass(time.Minute)
	if n := r.writes("cup"); n == 0 {
		t.Error("a pulse was missed by a disk that was full for a moment")
	}
}

// TestOneShotInAnotherZone desires the same text again, which is another moment.
func TestOneShotInAnotherZone(t *testing.T) {
	r := planned(t, "2026-11-23T06:20:00Z", `{"entries":[{"once":"2026-11-23T06:30","set":"on"}]}`)
	r.switches("lamp", "2026-11-23T06:35:00Z")
	r.desired(r.shadows["main"].replica.View().Version+1, `{"evening":{"zone":"America/New_York","entries":[{"once":"2026-11-23T06:30","set":"off"}]}}`)
	if got := r.shows("evening"); strings.Contains(got, "over") || !strings.Contains(got, `"next":{"at":"2026-11-23T11:30:00Z","set":"off"}`) {
		t.Errorf("before it comes it shows %s", got)
	}
	if got := strings.Join(r.switches("lamp", "2026-11-23T12:00:00Z"), ""); got != "2026-11-23T11:30:00Z off" {
		t.Errorf("switched %s", got)
	}
}

// TestSameScheduleAgainGoesOn reads the shadow before the clock is set, with the
// schedule that is in force already.
func TestSameScheduleAgainGoesOn(t *testing.T) {
	const schedule = `{"missed":"last","entries":[{"at":"06:30","set":"on"},{"once":"2026-11-23T06:10","set":"off"}]}`
	r := planned(t, "2026-11-23T06:00:00Z", schedule)
	r.switches("lamp", "2026-11-23T06:20:00Z")
	r = r.again(20 * time.Minute)
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":4,"state":{"desired":{"evening":`+schedule+`}},"metadata":{}}`)
	r.step(Clock{Synchronised: true})
	if !r.lines["lamp"] {
		t.Error("a missed run is not made up for after the same schedule was read again")
	}
	r.desired(5, `{"evening":{"entries":[{"at":"08:00","set":"off"},{"once":"2026-11-23T06:10","set":"off"}]}}`)
	if got := r.shows("evening"); !strings.Contains(got, `"last":{"at":"2026-11-23T06:30:00Z","set":"on"}`) || !strings.Contains(got, `"over":{"2026-11-23T06:10":"done"}`) {
		t.Errorf("a changed schedule forgets what was done: %s", got)
	}
	if !r.lines["lamp"] {
		t.Error("a changed schedule switched at once")
	}
	r.desired(6, `{"evening":{"entries":[]}}`)
	if got := r.shows("evening"); strings.Contains(got, "over") || strings.Contains(got, "next") {
		t.Errorf("without entries it shows %s", got)
	}
}

// TestNoRunIsLostOrDoubled restarts the component, kills it, and sets the clock forward
// and back, again and again. The lamp is what the last run set by the latest time that
// the clock ever showed, and each run of the cup is carried out once.
func TestNoRunIsLostOrDoubled(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 9))
		zone := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}[random.IntN(4)]
		lamp := `{"zone":"` + zone + `","entries":[{"cron":"*/7 * * * *","set":"on"},{"cron":"3-59/9 * * * *","set":"off"},{"at":"02:30","set":"on"}]}`
		cup := `{"zone":"` + zone + `","entries":[{"cron":"*/11 * * * *","set":"on"}]}`
		var value any
		if err := json.Unmarshal([]byte(lamp), &value); err != nil {
			t.Fatal(err)
		}
		runs, err := schedule.Parse(value)
		if err != nil {
			t.Fatal(err)
		}
		begin := []string{"2026-03-29T00:00:00Z", "2026-10-24T23:30:00Z", "2026-03-08T05:00:00Z", "2026-04-04T13:00:00Z", "2028-02-28T22:00:00Z"}[random.IntN(5)]
		r := planned(t, begin, lamp)
		r.desired(r.shadows["main"].replica.View().Version+1, `{"cups":`+cup+`}`)
		r.pass(2 * time.Second)
		latest, settled, on, pulses, last := r.wallNow(), moment(t, begin), false, 0, time.Time{}
		note := func() {
			t.Helper()
			if latest.Before(r.wallNow()) {
				latest = r.wallNow()
			}
			for {
				run, ok := runs.Next(settled)
				if !ok || run.At.After(latest) {
					break
				}
				on, settled = run.On, run.At
			}
			if r.lines["lamp"] != on {
				t.Fatalf("seed %d: at %s the lamp is %v, want %v since %s; it shows %s", seed, r.wallNow(), r.lines["lamp"], on, settled, r.shows("evening"))
			}
			if at := r.shadows["main"].props["cups"].(*scheduled).plan.state.LastAt; !at.Equal(last) {
				if at.Before(last) {
					t.Fatalf("seed %d: the cup's run of %s came after that of %s", seed, at, last)
				}
				last, pulses = at, pulses+1
			}
			if n := r.writes("cup"); n > pulses {
				t.Fatalf("seed %d: %d pulses of %d runs", seed, n, pulses)
			} else {
				pulses -= n
				r.sets = nil
			}
		}
		for range 15 { // until there was one of each
			r.pass(time.Minute)
			note()
		}
		for range 150 {
			switch random.IntN(6) {
			case 0: // a restart, or a kill
				r.pass(time.Duration(random.IntN(1200)) * time.Millisecond)
				note()
				r = r.again(time.Duration(random.IntN(50)) * time.Second)
				r.step(Clock{Synchronised: true})
			case 1: // forward, so far that nothing is missed
				r.clock.skew += time.Duration(random.IntN(50)) * time.Second
			case 2:
				if random.IntN(4) == 0 {
					r.clock.skew -= time.Duration(random.IntN(3600)) * time.Second
				}
			}
			r.pass(time.Duration(random.IntN(60)) * time.Second)
			r.pass(clockCheck) // a step is noticed by then
			note()
		}
	}
}
