package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

const controlsConfig = `
holdFor: 0s
lines:
  lamp: {line: LAMP, direction: output}
  fan:  {line: FAN, direction: output}
  door: {line: DOOR, direction: input}
shadows:
  main:
    status: true
    properties:
      limit:  {setting: integer, max: 10, default: 2}
      opened: {line: door, count: rising, interval: 100ms}
      worn:   {alarm: worn}
      fan:    {line: fan}
      lamp:   {line: lamp}
      times:  {schedule: lamp}
alarms:
  worn: {property: main/opened, above: main/limit, latched: true, output: fan}
`

// controls is a running component of that configuration.
func controls(t *testing.T) (*rig, *process) {
	t.Helper()
	r := newRig(t, controlsConfig)
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"limit":2,"worn":false,"opened":0}`)
	return r, p
}

// remembers waits until the state file is as it has to be.
func (r *rig) remembers(what string, is func(state.State) bool) {
	r.t.Helper()
	awaitTrue(r.t, what, func() bool {
		text, err := os.ReadFile(filepath.Join(r.work(), "state.json"))
		if err != nil {
			return false
		}
		s, _, err := state.Decode(text)
		return err == nil && is(s)
	})
}

// runs are what became of the entries of the schedule for one moment.
func runs(s state.State) map[string]string {
	if plan := s.Properties[thing+"//times#schedule"].Schedule; plan != nil {
		return plan.Over
	}
	return nil
}

// open opens the door that often, each time seen.
func (r *rig) open(times, before int) {
	r.t.Helper()
	for i := range times {
		for _, high := range []bool{true, false} {
			if err := r.chip.SetPull(chipName, doorOffset, high); err != nil {
				r.t.Fatal(err)
			}
		}
		r.reported("", fmt.Sprintf(`{"opened":%d}`, before+i+1))
	}
}

// TestKilledComponentKeepsItsControls kills the component with a setting adopted and
// an alarm latched, and takes the whole shadow away meanwhile.
func TestKilledComponentKeepsItsControls(t *testing.T) {
	r, p := controls(t)
	version := r.desire("", `{"limit":1}`)
	r.answered("", version, fmt.Sprintf(`{"limit":1,"ack":{"limit":{"code":200,"version":%d}}}`, version))
	r.open(2, 0)
	e := r.reported("", `{"worn":true,"fan":true}`)
	r.remembers("setting and alarm", func(s state.State) bool {
		worn := false
		for id, raised := range s.Alarms {
			worn = worn || raised && strings.HasSuffix(id, " worn")
		}
		count := s.Properties[thing+"//opened#count"].Count
		return fmt.Sprint(s.Properties[thing+"//limit#setting"].Setting) == "1" && worn && s.Outputs["FAN"] && count != nil && *count == 2
	})
	p.signal(syscall.SIGKILL)
	p.ends()
	if err := r.core.Shadows().Delete(thing, ""); err != nil {
		t.Fatal(err)
	}
	p = r.start()
	// Versions begin anew, so documents are told from earlier ones by the status.
	p.says("shadow does not exist; it is created with the present state")
	created, ok := r.events.wait(func(next devcore.Event) bool {
		return next.Kind == devcore.ShadowUpdated && next.Time.After(e.Time) && strings.Contains(string(next.Document), `"worn":true`)
	})
	if text := string(created.Document); !ok || !strings.Contains(text, `"limit":1`) || !r.level(fanOffset) {
		t.Errorf("after the kill the fan is %v, the shadow %s", r.level(fanOffset), text)
	}
	version = r.desire("", `{"limit":9}`)
	r.answered("", version, `{"limit":9,"worn":true}`)
	version = r.desire("", `{"worn":false}`)
	r.answered("", version, fmt.Sprintf(`{"worn":false,"fan":false,"ack":{"worn":{"code":200,"version":%d}}}`, version))
}

// TestKilledComponentRunsOneShotOnce kills the component right after an entry for
// one moment was carried out.
func TestKilledComponentRunsOneShotOnce(t *testing.T) {
	r, p := controls(t)
	at := time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339)
	version := r.desire("", `{"times":{"missed":"last","entries":[{"once":"`+at+`","set":"on"}]}}`)
	r.answered("", version, fmt.Sprintf(`{"ack":{"times":{"code":200,"version":%d}}}`, version))
	r.reported("", `{"lamp":true,"times":{"over":{"`+at+`":"done"}}}`)
	r.remembers("the run", func(s state.State) bool { return runs(s)[at] == "done" && s.Outputs["LAMP"] })
	version = r.desire("", `{"lamp":false}`)
	r.answered("", version, fmt.Sprintf(`{"lamp":false,"ack":{"lamp":{"code":200,"version":%d}}}`, version))
	r.remembers("the lamp", func(s state.State) bool { return !s.Outputs["LAMP"] })
	p.signal(syscall.SIGKILL)
	p.ends()
	p = r.start()
	p.says("shadow read")
	version = r.desire("", `{"limit":3}`)
	r.answered("", version, `{"limit":3,"lamp":false}`)
	if r.level(lampOffset) {
		t.Error("an entry for one moment was carried out a second time")
	}
}

// TestScheduleWaitsForTheClockOfTheMachine boots without a clock; then it is set.
func TestScheduleWaitsForTheClockOfTheMachine(t *testing.T) {
	r := newRig(t, controlsConfig)
	r.simulate()
	r.serve()
	p := r.start(clockVariable + "=unset")
	version := r.desire("", `{"times":{"entries":[{"at":"06:30","set":"on"}]}}`)
	r.answered("", version, `{"times":{"waits":"the clock is not set"},"status":{"faults":{"clock":"not set since the machine started; schedules wait"}}}`)
	p.says("schedules wait: the clock is not set")
	p.signal(syscall.SIGTERM)
	p.ends()
	p = r.start()
	e := r.reported("", `{"times":{"next":{"set":"on"}},"status":{"running":true}}`)
	if strings.Contains(string(e.Document), "waits") {
		t.Errorf("the clock is set, the shadow says %s", e.Document)
	}
	if log := p.log.String(); strings.Contains(log, "schedules wait") {
		t.Errorf("the clock is set, and the log says\n%s", log)
	}
}

// TestSwitchThatWaitsOverAKill: nobody asks again for what a button asked of a lamp that
// no shadow shows, so it is done by a later process if this one is killed while it waits.
func TestSwitchThatWaitsOverAKill(t *testing.T) {
	for _, c := range []struct {
		name, holdFor, rule string
		on                  bool // what waits
	}{
		{"held, to go off", "10m", "minOn", false},
		{"let go of, to go on", "0s", "minOff", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := func(least string) string {
				return fmt.Sprintf(`
holdFor: %s
lines:
  lamp:   {line: LAMP, direction: output, %s: %s}
  button: {line: DOOR, direction: input}
controls:
  wall: {input: button, action: toggle, output: lamp}
shadows:
  main: {properties: {pressed: {line: button}}}
`, c.holdFor, c.rule, least)
			}
			r := newRig(t, "")
			r.simulate()
			r.serve()
			p := r.startWithFile(config("1h"))
			r.reported("", `{"pressed":false}`)
			moves := r.moves(lampOffset)
			if !c.on {
				r.press(doorOffset)
				await(t, moves, 1)
				r.held("lamp")
			}
			moves = r.moves(lampOffset)
			r.press(doorOffset)
			waits := func(s state.State) bool { d := s.Demands["LAMP"]; return len(d.Levels) == 1 && d.Levels[0] == c.on }
			r.remembers("a switch that waits", waits)
			for range 2 { // the second process has nothing but what the first has saved
				p.signal(syscall.SIGKILL)
				p.ends()
				p = r.startWithFile(config("1h"))
				p.says("shadow read", "(classic)")
				r.remembers("a switch that waits still", waits)
			}
			if got := moves.all(); len(got) > 0 {
				t.Fatalf("the lamp moved %v before its time", got)
			}
			p.signal(syscall.SIGKILL)
			p.ends()
			p = r.startWithFile(config("10ms"))
			p.says("line", "line=lamp", "value="+onOff(c.on), "wall")
			await(t, moves, 1)
			r.remembers("no switch that waits", func(s state.State) bool { return len(s.Demands) == 0 && s.Outputs["LAMP"] == c.on })
			if got := moves.all(); len(got) != 1 || r.level(lampOffset) != c.on {
				t.Errorf("the lamp moved %v and is on: %v, want once, to %v", got, r.level(lampOffset), c.on)
			}
		})
	}
}
