package engine

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// demandConfig is a pump that no property shows, so that no desired value brings a
// demand back, and what can ask for it.
const demandConfig = `
lines:
  press: {line: I1, direction: input}
  free:  {line: I2, direction: input}
  tank:  {line: I3, direction: input}
  pump:  {line: O1, direction: output, start: %s, %s}
  other: {line: O2, direction: output}
interlocks:
  both: {lines: [pump, other], deadTime: 10s}
controls:
  wall:  {input: press, action: toggle, output: pump}
  aside: {input: free, action: reset, output: other}
alarms:
  full: {line: tank, output: pump, set: %s}
shadows:
  main:
    properties:
      plan: {schedule: pump}
`

// demandCase is a pump that has to wait with what is asked of it.
type demandCase struct {
	by, rule, start string
	on, other       bool // what the pump is asked to be, and whether the other line was on
	text            string
}

func demandCases(start string) (all []demandCase) {
	for _, by := range []string{lines.BySchedule, lines.ByAlarm, lines.ByControl} {
		for _, c := range []demandCase{
			{rule: "minOn", text: "minOn: 30s", on: false},
			{rule: "minOff", text: "minOff: 30s", on: true},
			{rule: "dead time", text: "minOn: 0s", on: true, other: true},
		} {
			c.by, c.start = by, start
			c.text = fmt.Sprintf(demandConfig, start, c.text, map[bool]string{true: "on", false: "off"}[c.on])
			all = append(all, c)
		}
	}
	return all
}

func (c demandCase) String() string { return c.rule + ", " + c.by + ", start: " + c.start }

// The pump is asked at askedAt, the other line is let go of at freedAt, in a time that
// begins with the process.
const (
	freedAt = 18 * time.Second
	askedAt = 20 * time.Second
)

// demandRun is a history of such a pump, in which the process may be killed.
type demandRun struct {
	*rig
	demandCase
	t     *testing.T
	began time.Time
	moved []lines.Moved // by processes that were killed
}

func (c demandCase) run(t *testing.T) *demandRun {
	t.Helper()
	began := moment(t, "2026-11-23T06:30:00Z").Add(-askedAt)
	saved := state.State{Outputs: map[string]bool{"O1": !c.on, "O2": c.other}}
	if c.by == lines.BySchedule {
		saved.Properties = map[string]state.Property{"gw//plan#schedule": {Read: true, Schedule: &state.Schedule{Settled: began, Value: map[string]any{
			"entries": []any{map[string]any{"at": "06:30", "set": map[bool]string{true: "on", false: "off"}[c.on]}},
		}}}}
	}
	d := &demandRun{demandCase: c, t: t, began: began}
	d.rig = newRig(t, c.text, saved)
	d.now = began
	d.lines["pump"], d.lines["other"] = !c.on, c.other
	d.begin()
	return d
}

func (d *demandRun) begin() {
	d.step(Start{})
	d.step(Clock{Synchronised: true})
}

// until lets the time come, with what happens meanwhile.
func (d *demandRun) until(at time.Duration) {
	d.t.Helper()
	for d.now.Sub(d.began) < at {
		switch d.now.Sub(d.began) {
		case freedAt:
			press(d.rig, "free")
		case askedAt:
			switch d.by {
			case lines.ByAlarm:
				d.edge("tank", true)
			case lines.ByControl:
				press(d.rig, "press")
			}
		}
		d.pass(250 * time.Millisecond)
		if d.lines["pump"] && d.lines["other"] {
			d.t.Fatal("both lines of the interlock are on")
		}
	}
}

// kill begins anew with what the disk has. The lines go on as they were if held, else
// they fall.
func (d *demandRun) kill(held bool) {
	d.t.Helper()
	next := newRig(d.t, d.text, d.lastSaved())
	next.now, next.lines, next.held = d.now, d.lines, held
	if !held {
		next.lines["pump"], next.lines["other"] = false, false
	}
	d.moved = append(d.moved, d.rig.moved...)
	d.rig = next
	d.begin()
}

// TestKillAtAnyMomentLosesNoDemand holds each history, killed at each moment, to the
// one that is not: also while the demand waits, when it is met and that is not saved
// yet, and before it was made.
func TestKillAtAnyMomentLosesNoDemand(t *testing.T) {
	const end = 2 * time.Minute
	for _, c := range append(demandCases("restore"), demandCases("keep")...) {
		undisturbed := c.run(t)
		undisturbed.until(askedAt + time.Second)
		if undisturbed.lines["pump"] == c.on {
			t.Fatalf("%v: the pump does not wait", c)
		}
		undisturbed.until(end)
		if undisturbed.lines["pump"] != c.on || undisturbed.lines["other"] {
			t.Fatalf("%v: in the end the lines are %v", c, undisturbed.lines)
		}
		for at := 2 * time.Second; at < 45*time.Second; at += 250 * time.Millisecond {
			pressed := []time.Duration{freedAt}
			if c.by == lines.ByControl {
				pressed = append(pressed, askedAt)
			}
			if forgotten(at, pressed) {
				continue // nobody presses again for what was not saved
			}
			for _, held := range []bool{true, false} {
				if c.start == "keep" && !held {
					continue // it is to stay as the kernel left it
				}
				d := c.run(t)
				d.until(at)
				d.kill(held)
				d.until(end)
				if !maps.Equal(outputsOf(d), outputsOf(undisturbed)) {
					t.Errorf("%v: killed after %v, held %v: in the end %v, want %v", c, at, held, outputsOf(d), outputsOf(undisturbed))
				}
			}
		}
	}
}

func outputsOf(d *demandRun) map[string]bool {
	return map[string]bool{"pump": d.lines["pump"], "other": d.lines["other"]}
}

// forgotten reports whether a kill may take one of the presses.
func forgotten(at time.Duration, pressed []time.Duration) bool {
	for _, p := range pressed {
		if at > p && at <= p+saveDelay {
			return true
		}
	}
	return false
}

// TestDemandKeepsItsCauseOverAKill also if it is killed again and again, and its time
// begins anew with each.
func TestDemandKeepsItsCauseOverAKill(t *testing.T) {
	for _, c := range demandCases("restore") {
		d := c.run(t)
		for at := askedAt + 2*time.Second; at < askedAt+8*time.Second; at += 2 * time.Second {
			d.until(at)
			d.kill(true)
		}
		d.until(2 * time.Minute)
		want := lines.Cause{Kind: c.by, Name: map[string]string{
			lines.BySchedule: "main/plan", lines.ByAlarm: "full", lines.ByControl: "wall",
		}[c.by]}
		for _, m := range append(d.moved, d.rig.moved...) {
			if m.Line == "pump" && (m.Cause == want) != (m.On == c.on) {
				t.Errorf("%v: pump went %v by %v, want %v by %v only", c, m.On, m.Cause, c.on, want)
			}
		}
		if d.lines["pump"] != c.on {
			t.Errorf("%v: the pump is %v", c, d.lines["pump"])
		}
	}
}

// TestRestartInOrderLosesNoDemand: a stop takes the stop state, and the next start goes
// on with what waited.
func TestRestartInOrderLosesNoDemand(t *testing.T) {
	for _, c := range demandCases("restore") {
		d := c.run(t)
		d.until(askedAt + time.Second)
		d.step(Stop{})
		d.kill(false)
		d.until(2 * time.Minute)
		if d.lines["pump"] != c.on {
			t.Errorf("%v: the pump is %v", c, d.lines["pump"])
		}
	}
}

// TestStartStateComesAfterWhatWaited: start: on or off says what a line begins with,
// whatever was asked of it before.
func TestStartStateComesAfterWhatWaited(t *testing.T) {
	for _, c := range demandCases("off") {
		if c.by == lines.ByAlarm || !c.on {
			continue // an alarm that is raised drives its output at the start, too
		}
		d := c.run(t)
		d.until(askedAt + 2*time.Second)
		d.kill(false)
		d.until(2 * time.Minute)
		if d.lines["pump"] {
			t.Errorf("%v: the pump went on", c)
		}
	}
}

// TestNothingIsSavedBeforeItIsDone: a process that is killed between the save of a run
// and its switch would not do it again.
func TestNothingIsSavedBeforeItIsDone(t *testing.T) {
	r := planned(t, "2026-11-23T06:29:00Z", `{"entries":[{"at":"06:30","set":"on"}]}`)
	r.pass(30 * time.Second)
	r.pass(moment(t, "2026-11-23T06:30:00Z").Sub(r.wallNow()) - 1)
	saves, writes := len(r.saves), 0
	r.now = r.now.Add(1)
	for queue := []Input{Tick{}}; len(queue) > 0; queue = queue[1:] {
		for _, effect := range r.Step(r.now, queue[0]) {
			if _, written := effect.(lines.Write); written {
				writes++
				if len(r.saves) > saves {
					t.Error("the run was saved before the lamp was switched")
				}
			}
			if answer := r.carryOut(effect); answer != nil {
				queue = append(queue, answer)
			}
		}
	}
	if writes != 1 || len(r.saves) != saves+1 || !r.lastSaved().Outputs["O3"] || r.lastSaved().Properties["gw//evening#schedule"].Schedule.LastAt.IsZero() {
		t.Errorf("%d writes, %d saves, the last one %+v; want one each", writes, len(r.saves)-saves, r.lastSaved())
	}
}

// TestWaitingIsWrittenOnce spares the flash: one more write for what waits, none while
// it waits or a line does not follow.
func TestWaitingIsWrittenOnce(t *testing.T) {
	for _, c := range demandCases("restore") {
		d := c.run(t)
		d.stuck["pump"] = true
		d.until(askedAt + 3*time.Second)
		if n := len(d.lastSaved().Demands); n != 1 {
			t.Errorf("%v: %d demands are saved while one waits", c, n)
		}
		seen := len(d.saves)
		d.until(10 * time.Minute)
		if n := len(d.saves) - seen; n > 1 { // at most that the other line went off
			t.Errorf("%v: %d writes while the line does not follow", c, n)
		}
		d.stuck["pump"] = false
		d.until(12 * time.Minute)
		if n := len(d.lastSaved().Demands); n != 0 {
			t.Errorf("%v: %d demands are saved when all are met", c, n)
		}
		if n := len(d.saves) - seen; n > 2 {
			t.Errorf("%v: %d writes for one change", c, n)
		}
	}
}
