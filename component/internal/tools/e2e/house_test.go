package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

func TestDesiredMovesALineAndReportedIsReadBack(t *testing.T) {
	r, _ := house(t)
	v := r.desire("", `{"lights":"on"}`)
	e := r.answered("", v, fmt.Sprintf(`{"lights":"on","ack":{"lights":{"code":200,"version":%d}}}`, v))
	if !r.level(lampOffset) {
		t.Error("the lamp is low, want high")
	}
	if e.Delta != nil {
		t.Errorf("a settled property leaves the delta %s", e.Delta)
	}
	v = r.desire("room", `{"fan":true}`)
	r.answered("room", v, fmt.Sprintf(`{"fan":true,"ack":{"fan":{"code":200,"version":%d}}}`, v))
	if !r.level(fanOffset) {
		t.Error("the fan is low, want high")
	}
}

func TestInputIsReported(t *testing.T) {
	r, _ := house(t)
	for _, high := range []bool{true, false, true} {
		if err := r.chip.SetPull(chipName, doorOffset, high); err != nil {
			t.Fatal(err)
		}
		r.reported("", fmt.Sprintf(`{"locked":%v}`, high))
	}
}

func TestDesiredWhileAwayIsAppliedOnReturn(t *testing.T) {
	r, p := house(t)
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Fatalf("exit code %d after SIGTERM, want 0", code)
	}
	v := r.desire("", `{"lights":"on"}`)
	if r.level(lampOffset) {
		t.Fatal("the lamp is high while nobody drives it")
	}
	r.start()
	r.answered("", v, fmt.Sprintf(`{"lights":"on","ack":{"lights":{"code":200,"version":%d}}}`, v))
	if !r.level(lampOffset) {
		t.Error("the lamp is low, want high as desired while away")
	}
}

func TestRefusedValuesAreAnsweredOnceAndKeepTheirDelta(t *testing.T) {
	r, p := house(t)
	v := r.desire("", `{"lights":"blue","locked":true,"horn":{"loud":1}}`)
	e := r.answered("", v, fmt.Sprintf(`{"lights":"off","locked":false,"ack":{
		"lights":{"code":400,"version":%[1]d,"reason":"want \"off\" or \"on\", got \"blue\""},
		"locked":{"code":400,"version":%[1]d,"reason":"line door is an input"},
		"horn":{"code":404,"version":%[1]d,"reason":"no such property"}}}`, v))
	for _, key := range []string{"lights", "locked", "horn"} {
		if !strings.Contains(string(e.Delta), key) {
			t.Errorf("delta %s has no %s; a refused value keeps its delta", e.Delta, key)
		}
	}
	// Each report repeats the delta; the answers are not repeated.
	for _, high := range []bool{true, false, true} {
		r.chip.SetPull(chipName, doorOffset, high)
		r.reported("", fmt.Sprintf(`{"locked":%v}`, high))
	}
	answers := r.events.count(func(e devcore.Event) bool { return strings.Contains(string(e.Sent), `"ack"`) })
	if answers != 1 {
		t.Errorf("%d updates with answers, want 1", answers)
	}
	if !p.running() {
		t.Error("the component ended")
	}
}

func TestShadowsOfOtherThings(t *testing.T) {
	r := newRig(t, `
lines:
  lamp: {line: LAMP, direction: output}
  fan:  {line: FAN, direction: output}
  door: {line: DOOR, direction: input}
shadows:
  own:   {properties: {light: {line: lamp}}}
  named: {name: a, properties: {door: {line: door}}}
  other: {thing: pump-3, properties: {fan: {line: fan}}}
  both:  {thing: pump-3, name: b, properties: {door: {line: door, values: {open: on, shut: off}}}}
`)
	r.simulate()
	r.serve()
	r.start()
	r.reported("", `{"light":false}`)
	r.reported("a", `{"door":false}`)
	r.reportedOf("pump-3", "", `{"fan":false}`, 0)
	r.reportedOf("pump-3", "b", `{"door":"shut"}`, 0)
	v := r.update("pump-3", "", `{"state":{"desired":{"fan":true}}}`)
	r.reportedOf("pump-3", "", fmt.Sprintf(`{"fan":true,"ack":{"fan":{"code":200,"version":%d}}}`, v), v)
	r.chip.SetPull(chipName, doorOffset, true)
	r.reported("a", `{"door":true}`)
	r.reportedOf("pump-3", "b", `{"door":"open"}`, 0)
}

func TestDeletedShadowIsCreatedAgain(t *testing.T) {
	r, _ := house(t)
	v := r.desire("", `{"lights":"on"}`)
	r.answered("", v, `{"lights":"on"}`)
	if err := r.core.Shadows().DeleteFromCloud(thing, ""); err != nil {
		t.Fatal(err)
	}
	_, ok := r.events.wait(func(e devcore.Event) bool {
		return e.Kind == devcore.ShadowUpdated && e.Shadow == "" && e.Version == 1 && strings.Contains(string(e.Document), `"lights":"on"`)
	})
	if !ok {
		t.Fatal("the shadow was not created again with the present state")
	}
	// Versions start again at 1; the next desired value is not taken for an old one.
	v = r.desire("", `{"lights":"off"}`)
	if v != 2 {
		t.Fatalf("version %d, want 2", v)
	}
	r.answered("", v, `{"lights":"off","ack":{"lights":{"code":200,"version":2}}}`)
	if r.level(lampOffset) {
		t.Error("the lamp is high, want low")
	}
}

func TestKilledComponentRestoresItsOutputs(t *testing.T) {
	r := newRig(t, "")
	r.simulate()
	r.serve()
	p := r.startWithFile("holdFor: 0s\n" + houseConfig)
	v := r.desire("", `{"lights":"on"}`)
	r.answered("", v, `{"lights":"on"}`)
	state := filepath.Join(r.work(), "state.json")
	awaitFile(t, state, `"LAMP":true`)
	r.stopCore() // the shadow cannot tell what was desired
	p.signal(syscall.SIGKILL)
	p.ends()
	// The chip takes a moment to see that nobody holds the line; gpio-sim, too,
	// lets it fall to the pull.
	awaitTrue(t, "fall of the released line", func() bool { return !r.level(lampOffset) })
	p = r.startWithFile("holdFor: 0s\n" + houseConfig)
	p.says(`msg=line line=lamp value=on`)
	if !r.level(lampOffset) {
		t.Error("the lamp is low, want high as it was")
	}
}

func TestSIGTERMSetsAndReportsTheStopState(t *testing.T) {
	r, p := house(t)
	r.answered("room", r.desire("room", `{"fan":true}`), `{"fan":true}`)
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	r.answered("room", 2, `{"fan":false}`)
	if r.level(fanOffset) {
		t.Error("the fan is high, want low as its stop state says")
	}
}

func TestCoreRestartIsSurvived(t *testing.T) {
	r, p := house(t)
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on"}`)
	r.stopCore()
	p.says("shadow is out of reach")
	r.chip.SetPull(chipName, doorOffset, true)
	if !r.level(lampOffset) {
		t.Error("the lamp went low when the core went away")
	}
	// The core comes back with its shadows, and with a value desired meanwhile.
	r.newCore(filepath.Join(r.dir, "config.yaml"))
	v := r.desire("", `{"lights":"off"}`)
	r.serve()
	r.answered("", v, fmt.Sprintf(`{"lights":"off","locked":true,"ack":{"lights":{"code":200,"version":%d}}}`, v))
	if r.level(lampOffset) {
		t.Error("the lamp is high, want low as desired meanwhile")
	}
	if !p.running() {
		t.Error("the component ended")
	}
}

func TestChipThatIsPulledAndComesBack(t *testing.T) {
	r, p := house(t)
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on"}`)
	if err := r.chip.Unplug(chipName); err != nil {
		t.Fatal(err)
	}
	p.says("line failed; it is retried", "line=lamp", "chip is gone")
	v := r.desire("", `{"lights":"off"}`)
	r.answered("", v, fmt.Sprintf(`{"ack":{"lights":{"code":500,"version":%d}}}`, v))
	v = r.desire("", `{"lights":"on"}`)
	if _, err := r.chip.Plug(board.Label); err != nil {
		t.Fatal(err)
	}
	r.answered("", v, `{"lights":"on","ack":{"lights":{"code":200}}}`)
	if !r.level(lampOffset) {
		t.Error("the lamp is low after its chip came back, want high as desired")
	}
}

func TestBurstOfEdgesEndsRightAndStaysWithinTheBudget(t *testing.T) {
	r, _ := house(t)
	before := r.requests()
	start := time.Now()
	for i := range 2001 {
		r.chip.SetPull(chipName, doorOffset, i%2 == 0)
	}
	r.reported("", `{"locked":true}`)
	v := r.desire("", `{"lights":"on"}`)
	r.answered("", v, `{"lights":"on","locked":true}`)
	seconds := time.Since(start).Seconds()
	if n := r.requests() - before; float64(n) > 6*seconds+6 {
		t.Errorf("%d requests in %.1f s for 2001 edges, want at most 5 a second", n, seconds)
	}
}

// requests counts what the component asked of the shadow manager.
func (r *rig) requests() int {
	return r.events.count(func(e devcore.Event) bool { return e.Component == componentName && e.Operation != "" })
}

// awaitFile waits until a file holds a text.
func awaitFile(t *testing.T, path, text string) {
	t.Helper()
	awaitTrue(t, path+" with "+text, func() bool {
		got, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(got), text)
	})
}

// awaitTrue waits for what can only be asked after.
func awaitTrue(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never saw: %s", what)
		}
	}
}
