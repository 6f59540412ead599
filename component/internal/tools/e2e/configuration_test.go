package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// Deployments while the component runs: what is different changes, the rest does
// not notice.

// deploy puts another configuration in the place of the component's.
func (r *rig) deploy(config string) error {
	r.t.Helper()
	return r.core.Deploy(r.t.Context(), devcore.Deployment{
		Configurations: map[string]devcore.ConfigurationChange{componentName: {Full: asJSON(r.t, config)}},
		Notify:         true,
	})
}

// asJSON is a configuration as a deployment has it.
func asJSON(t *testing.T, config string) []byte {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(config), &tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDeploymentChangesOnlyWhatIsDifferent(t *testing.T) {
	r, p := house(t)
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on"}`)
	r.answered("room", r.desire("room", `{"fan":true}`), `{"fan":true}`)
	lamp, fan := r.moves(lampOffset), r.moves(fanOffset)
	err := r.deploy(`
lines:
  lamp: {line: LAMP, direction: output, maxOn: 1h}
  door: {line: DOOR, direction: input, activeLow: true}
  new:  {line: 5, chip: board, direction: output, start: on}
shadows:
  main:
    properties:
      light: {line: lamp}
      locked: {line: door}
  garden:
    name: garden
    properties:
      pump: {line: new}
`)
	if err != nil {
		t.Fatal(err)
	}
	r.reported("", `{"light":true,"locked":true}`)
	r.reported("garden", `{"pump":true}`)
	// What is no longer configured is taken back, and given up in its stop state.
	e := r.answered("", 3, `{"ack":{"lights":{"code":404}},"light":true}`)
	if got, still := section(t, e, "reported")["lights"]; still {
		t.Errorf("lights is still reported as %v", got)
	}
	await(t, fan, 1)
	if got := lamp.all(); len(got) > 0 {
		t.Errorf("the lamp moved %v though only its rules are others", got)
	}
	if !p.running() {
		t.Fatal("the component ended")
	}
	// And back again, with the fan in the state that is desired.
	if err := r.deploy(houseConfig); err != nil {
		t.Fatal(err)
	}
	await(t, fan, 2)
	v := r.desire("", `{"lights":"off"}`)
	r.answered("", v, fmt.Sprintf(`{"lights":"off","locked":false,"ack":{"lights":{"code":200,"version":%d}}}`, v))
}

func TestDeploymentOfABadConfigurationFails(t *testing.T) {
	r, p := house(t)
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on"}`)
	err := r.deploy(`lines: {lamp: {line: LAMP, direction: outptu}}`)
	if !isA[*devcore.InvalidConfigurationError](err) || !strings.Contains(err.Error(), "lines.lamp.direction") {
		t.Errorf("got %v, want a refusal that names the fault", err)
	}
	p.says("deployment refused", "lines.lamp.direction")
	v := r.desire("", `{"lights":"off"}`)
	r.answered("", v, `{"lights":"off"}`)
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestDeploymentWaitsForAPulse(t *testing.T) {
	r := newRig(t, fmt.Sprintf(bellConfig, 1500*time.Millisecond))
	r.simulate()
	r.serve()
	r.start()
	r.reported("", `{"bell":false}`)
	moves := r.moves(lampOffset)
	r.desire("", `{"bell":true}`)
	await(t, moves, 1)
	err := r.core.Deploy(t.Context(), devcore.Deployment{Notify: true, Run: func() error {
		if got := moves.all(); len(got) != 2 {
			t.Errorf("the bell has moved %v when the deployment is carried out", got)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeploymentWaitsForADeadTime: a restart in it would count it anew.
func TestDeploymentWaitsForADeadTime(t *testing.T) {
	r := newRig(t, `
lines:
  forward: {line: LAMP, direction: output}
  reverse: {line: FAN, direction: output}
interlocks:
  motor: {lines: [forward, reverse], deadTime: 1500ms}
shadows:
  main: {properties: {forward: {line: forward}, reverse: {line: reverse}}}
`)
	r.simulate()
	r.serve()
	p := r.start()
	v := r.desire("", `{"forward":true}`)
	r.answered("", v, `{"forward":true}`)
	stops := r.moves(lampOffset)
	r.desire("", `{"forward":false,"reverse":true}`)
	await(t, stops, 1)
	err := r.core.Deploy(t.Context(), devcore.Deployment{Notify: true, Run: func() error {
		if !r.level(fanOffset) {
			t.Error("the deployment is carried out before the dead time is over")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.says("deployment is asked to wait", "reverse waits", "dead time")
}

// TestLinesStartWithoutTheNucleus with the configuration of an earlier run.
func TestLinesStartWithoutTheNucleus(t *testing.T) {
	r := newRig(t, "holdFor: 0s\n"+strings.Replace(houseConfig, "{line: LAMP, direction: output}", "{line: LAMP, direction: output, start: on}", 1))
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"lights":"on"}`)
	r.stopCore()
	p.signal(syscall.SIGKILL)
	p.ends()
	awaitTrue(t, "fall of the released line", func() bool { return !r.level(lampOffset) })
	r.start()
	awaitTrue(t, "start state of the lamp", func() bool { return r.level(lampOffset) })
	r.serve()
	v := r.desire("", `{"lights":"off"}`)
	r.answered("", v, `{"lights":"off"}`)
}

func TestStatus(t *testing.T) {
	r := newRig(t, `
lines:
  lamp: {line: LAMP, direction: output}
  bad:  {line: HOGGED, direction: output}
shadows:
  main: {properties: {lights: {line: lamp}}}
  health: {name: health, status: true}
`)
	r.simulate()
	r.serve()
	p := r.start()
	e := r.reported("health", `{"status":{"running":true,"version":"dev"}}`)
	if !strings.Contains(string(e.Document), `"faults":{"bad":"request line HOGGED of chip gpiochip0: `) || !strings.Contains(string(e.Document), "power-button") {
		t.Errorf("the fault is not in %s", e.Document)
	}
	if err := r.deploy(`{lines: {lamp: {line: LAMP, direction: output}}, shadows: {health: {name: health, status: true}}}`); err != nil {
		t.Fatal(err)
	}
	_, ok := r.events.wait(func(e devcore.Event) bool {
		return e.Kind == devcore.ShadowUpdated && e.Shadow == "health" && !strings.Contains(string(e.Document), "faults")
	})
	if !ok {
		t.Error("the fault stays though its line is gone")
	}
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.reported("health", `{"status":{"running":false}}`)
}

func TestLastConfigurationThatIsNoneIsSaid(t *testing.T) {
	for _, text := range []string{"{not json", `{"lines": {"lamp": {"line": "LAMP", "direction": "sideways"}}}`} {
		r := newRig(t, houseConfig)
		r.simulate()
		r.serve()
		file := filepath.Join(r.work(), "configuration.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := r.start()
		p.says("last good configuration is none for this version")
		r.reported("", `{"lights":"off","locked":false}`)
		awaitFile(t, file, `"lights"`) // the present one is kept in its place
	}
}
