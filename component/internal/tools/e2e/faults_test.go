package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
)

// Faults of the surroundings at the start: each is said clearly, and none ends the
// component but a configuration that cannot start anything.

func TestWrongTokenAtStart(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	p := r.start("SVCUID=ZZZZZZZZZZZZZZZZ")
	line := p.says("the nucleus refuses this component", "retry=30s")
	if strings.Contains(p.log.String(), "ZZZZ") {
		t.Errorf("the token is in the log: %s", line)
	}
	staysUntilAsked(t, p)
}

func TestWrongTokenLeavesLinesToWork(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	p := r.startWithFile("lines: {lamp: {line: LAMP, direction: output, start: on}}", "SVCUID=ZZZZZZZZZZZZZZZZ")
	p.says("the nucleus refuses this component; lines work, shadows do not")
	p.says("msg=line line=lamp value=on")
	if !r.level(lampOffset) {
		t.Error("the lamp is low, want high as its start state says")
	}
	staysUntilAsked(t, p)
}

func TestTokenOfANucleusThatIsGoneEndsTheComponent(t *testing.T) {
	// A second copy of the component is started by the new nucleus and needs the lines.
	r, p := house(t)
	r.stopCore()
	p.says("shadow is out of reach")
	r.newCore(r.dir + "/config.yaml")
	r.core.SetToken(componentName, "NEWTOKENNEWTOKEN")
	r.serve()
	p.says("the nucleus no longer knows this component")
	if code := p.ends(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	r.token = "NEWTOKENNEWTOKEN"
	second := r.start()
	second.says("shadow read")
}

func TestSocketMissingAtStart(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	p := r.start()
	p.says("level=WARN", r.coreAt)
	r.serve()
	r.reported("", `{"lights":"off","locked":false}`)
	if !p.running() {
		t.Error("the component ended")
	}
}

func TestWrongSocketPath(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	path := r.dir + "/no/such.socket"
	p := r.start("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT=" + path)
	p.says("level=WARN", path)
	staysUntilAsked(t, p)
}

func TestEnvironmentMissing(t *testing.T) {
	r := newRig(t, houseConfig)
	p := r.start("SVCUID=")
	p.says("SVCUID")
	if code := p.ends(); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
}

func TestInvalidConfigurationNamesEveryFault(t *testing.T) {
	r := newRig(t, `
lines:
  lamp: {line: LAMP, direction: output, debonce: 20ms}
  door: {line: DOOR, direction: inptu}
shadows:
  main: {properties: {lights: {line: lmap}}}
`)
	r.simulate()
	r.serve()
	p := r.start()
	p.says(`lines.lamp.debonce: want one of the keys`, `unknown key`, `did you mean \"debounce\"?`)
	p.says(`lines.door.direction: want one of`)
	p.says(`shadows.main.properties.lights.line: want the label of a line`, `did you mean \"lamp\"?`)
	for _, offset := range []int{lampOffset, doorOffset} {
		infos, err := r.chip.LineInfos(chipName)
		if err != nil || infos[offset].Used {
			t.Errorf("line %d: used %v, %v; want it untouched", offset, infos[offset].Used, err)
		}
	}
	// Ended, it would be broken after the third start; so it waits for a better one.
	if err := r.deploy(houseConfig); err != nil {
		t.Fatal(err)
	}
	r.reported("", `{"lights":"off","locked":false}`)
	if !p.running() {
		t.Error("the component ended")
	}
}

// Faults of lines: the line is retried, its desired value answered, the others
// go on.
func TestLineFaults(t *testing.T) {
	for _, c := range []struct {
		name, line string
		log        []string
		reason     string
	}{
		{"unknown name", "{line: LAMPP, direction: output}", []string{"line=bad", "LAMPP", "no such line"}, "no such line"},
		{"unknown chip", "{line: 3, chip: nochip, direction: output}", []string{"line=bad", "nochip", "no such chip", "gpiochip0 (board)"}, "no such chip"},
		{"busy", "{line: HOGGED, direction: output}", []string{"line=bad", "HOGGED", "busy", "power-button"}, "power-button"},
		{"twice under two names", "{line: 1, chip: board, direction: output}", []string{"line=", "busy", "shadowgpio"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, `
lines:
  bad:  `+c.line+`
  lamp: {line: LAMP, direction: output}
  door: {line: DOOR, direction: input}
shadows:
  main: {properties: {lights: {line: lamp}, bad: {line: bad}, locked: {line: door}}}
`)
			r.simulate()
			r.serve()
			p := r.start()
			p.says(append(c.log, "line failed; it is retried")...)
			r.reported("", `{"locked":false}`)
			v := r.desire("", `{"lights":true,"bad":true}`)
			e := r.answered("", v, fmt.Sprintf(`{"ack":{"lights":{"version":%[1]d},"bad":{"version":%[1]d}}}`, v))
			if c.reason == "" {
				return
			}
			if doc := string(e.Document); !strings.Contains(doc, `"code":500`) || !strings.Contains(doc, c.reason) {
				t.Errorf("document %s, want a 500 with %q", doc, c.reason)
			}
			if !r.level(lampOffset) {
				t.Error("the good lamp is low, want high")
			}
			if !p.running() {
				t.Error("the component ended")
			}
		})
	}
}

func TestLineThatIsFreedLaterIsTaken(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	if err := r.chip.Unplug(chipName); err != nil {
		t.Fatal(err)
	}
	v := r.desire("", `{"lights":"on"}`)
	p := r.start()
	p.says("line failed; it is retried", "line=lamp", "no such line")
	r.answered("", v, fmt.Sprintf(`{"ack":{"lights":{"code":500,"version":%d}}}`, v))
	if _, err := r.chip.Plug(board.Label); err != nil {
		t.Fatal(err)
	}
	r.answered("", v, fmt.Sprintf(`{"lights":"on","locked":false,"ack":{"lights":{"code":200,"version":%d}}}`, v))
}

func TestThrottledShadowManager(t *testing.T) {
	r, p := house(t)
	r.core.Shadows().HoldRate(thing, 20, time.Second)
	r.chip.SetPull(chipName, doorOffset, true)
	_, ok := r.events.wait(func(e devcore.Event) bool {
		return e.Kind == devcore.ShadowRefused && e.Component == componentName && e.Reason == "Too Many Requests"
	})
	if !ok {
		t.Fatal("no request was throttled")
	}
	r.reported("", `{"locked":true}`)
	if !p.running() {
		t.Error("the component ended")
	}
}

// staysUntilAsked proves that a component in trouble neither ends by itself nor
// refuses to end.
func staysUntilAsked(t *testing.T, p *process) {
	t.Helper()
	select {
	case <-p.done:
		t.Fatalf("ended with code %d", p.code)
	case <-time.After(500 * time.Millisecond):
	}
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// The shadow manager's database opens later than its nucleus listens; lines do not
// wait for it.
func TestShadowManagerThatComesLater(t *testing.T) {
	r := newRig(t, strings.Replace(houseConfig, "{line: LAMP, direction: output}", "{line: LAMP, direction: output, start: on}", 1))
	r.simulate()
	r.core.Shadows().NotReady(time.Hour)
	r.serve()
	p := r.start()
	p.says("msg=line line=lamp value=on")
	p.says("shadow cannot be read; retrying")
	r.core.Shadows().NotReady(0)
	r.reported("", `{"lights":"on","locked":false}`)
	if !p.running() {
		t.Error("the component ended")
	}
}

// TestStopThoughTheNucleusDoesNotAnswer plays the nucleus at its worst: it answers
// nothing, and kills 5 s after SIGTERM (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/lifecyclemanager/GenericExternalService.java).
func TestStopThoughTheNucleusDoesNotAnswer(t *testing.T) {
	r, p := house(t)
	r.answered("room", r.desire("room", `{"fan":true}`), `{"fan":true}`)
	rule, err := faults.ParseRule("* delay 1h")
	if err != nil {
		t.Fatal(err)
	}
	r.core.Faults().Add(rule)
	p.signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0 before the nucleus kills", code)
	}
	if r.level(fanOffset) {
		t.Error("the fan is high, want low as its stop state says")
	}
}

// A full disk is said, and stops nothing: values are obeyed, and when there is
// room the state is saved.
func TestFullDisk(t *testing.T) {
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"lights":"off"}`)
	awaitFile(t, filepath.Join(r.work(), "state.json"), `"LAMP":false`)
	if err := fillDisk(p.cmd.Process.Pid, true); err != nil {
		t.Skip("no limit of the size of files can be set: ", err)
	}
	v := r.desire("", `{"lights":"on"}`)
	r.answered("", v, fmt.Sprintf(`{"lights":"on","ack":{"lights":{"code":200,"version":%d}}}`, v))
	p.says("level=ERROR", "state not saved; retrying", "retry=30s")
	if err := fillDisk(p.cmd.Process.Pid, false); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM) // what could not be saved is saved at the end
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	awaitFile(t, filepath.Join(r.work(), "state.json"), `"LAMP":true`)
}

// TestShadowManagerThatStoresAndFails: after an application has withdrawn what nobody had
// desired, the real shadow manager stores each update, answers it with an error and
// publishes nothing
// (aws-greengrass/aws-greengrass-shadow-manager issue 212). Each report is made once all
// the same, and what is desired next is done.
func TestShadowManagerThatStoresAndFails(t *testing.T) {
	r, p := house(t)
	if _, err := r.core.Shadows().Update(thing, "", []byte(`{"state":{"desired":{"lights":null}}}`)); err == nil {
		t.Fatal("the shadow manager did not fail")
	}
	r.setInput(true)
	p.says("report with unknown outcome")
	awaitTrue(t, "the input in the shadow", func() bool {
		document, err := r.core.Shadows().Get(thing, "")
		return err == nil && strings.Contains(string(document), `"locked":true`)
	})
	v := r.desire("", `{"lights":"on"}`)
	r.answered("", v, `{"lights":"on","locked":true,"ack":{"lights":{"code":200}}}`)
	if !r.level(lampOffset) {
		t.Error("the lamp is low, want high")
	}
	reports := r.events.count(func(e devcore.Event) bool {
		return e.Component == componentName && strings.Contains(string(e.Sent), `"locked":true`)
	})
	// Once more where it may not have reached the cloud.
	if reports < 1 || reports > 2 {
		t.Errorf("the input was reported %d times, want once or twice", reports)
	}
}

// TestDocumentThatIsNearlyFull, by what others desire: answers are left out, lines are
// reported all the same, and nothing is sent again and again to be refused.
func TestDocumentThatIsNearlyFull(t *testing.T) {
	r, p := house(t)
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on","locked":false,"ack":{"lights":{"code":200}}}`)
	row, _ := r.core.Shadows().Row(thing, "")
	var state struct{ Desired, Reported json.RawMessage }
	if err := json.Unmarshal(row.State, &state); err != nil {
		t.Fatal(err)
	}
	room := 8192 - len(state.Desired) - len(state.Reported) - len(`,"horn":""`) - 10 // bytes are left
	r.desire("", fmt.Sprintf(`{"horn":%q}`, strings.Repeat("x", room)))
	p.says("report is too large; leaving out the reasons of answers")
	p.says("report is too large; leaving out answers about unknown properties")
	r.setInput(true)
	r.reported("", `{"lights":"on","locked":true}`)
	// There is room again.
	v := r.desire("", `{"lights":"off","horn":null}`)
	r.answered("", v, `{"lights":"off","locked":true,"ack":{"lights":{"code":200}}}`)
	refused := r.events.count(func(e devcore.Event) bool { return e.Kind == devcore.ShadowRefused && e.Code == 413 })
	if refused > 3 {
		t.Errorf("%d reports were refused, want one for each thing that was left out", refused)
	}
}
