package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// What a change of configuration, or the loss of the memory, leaves as it was, over
// real processes.

// stored is a shadow's reported section as the core has it.
func (r *rig) stored(shadow string) map[string]any {
	r.t.Helper()
	text, err := r.core.Shadows().Get(thing, shadow)
	if err != nil {
		r.t.Fatal(err)
	}
	var document struct {
		State struct{ Reported map[string]any }
	}
	if err := json.Unmarshal(text, &document); err != nil {
		r.t.Fatal(err)
	}
	return document.State.Reported
}

// remains checks that the totals are what they were made to be.
func (r *rig) remains(when string) {
	r.t.Helper()
	if got := r.stored(""); got["limit"] != 1.0 || got["opened"] != 3.0 || got["worn"] != true {
		r.t.Errorf("%s: limit %v, opened %v, worn %v; want 1, 3 and true", when, got["limit"], got["opened"], got["worn"])
	}
}

// withTotals is a component with a setting, a total and a latched alarm of its own.
func withTotals(t *testing.T) (*rig, *process) {
	t.Helper()
	r, p := controls(t)
	version := r.desire("", `{"limit":1}`)
	r.answered("", version, `{"limit":1}`)
	r.open(3, 0)
	r.reported("", `{"worn":true,"opened":3}`)
	r.answered("", r.desire("", `{"limit":null}`), `{"opened":3}`)
	r.remains("before anything changed")
	return r, p
}

// TestTotalsOutliveLabelsAndRollbacks deploys other labels, then takes the totals out
// and rolls back.
func TestTotalsOutliveLabelsAndRollbacks(t *testing.T) {
	r, p := withTotals(t)
	relabeled := strings.NewReplacer("  main:", "  meters:", "main/", "meters/", "  worn:   {alarm: worn}", "  worn:   {alarm: alert}",
		"  worn: {property", "  alert: {property", "fan:  {line: FAN", "air:  {line: FAN", "{line: fan}", "{line: air}", "output: fan", "output: air").Replace(controlsConfig)
	const without = "holdFor: 0s\nlines: {lamp: {line: LAMP, direction: output}}\nshadows: {main: {status: true, properties: {lamp: {line: lamp}}}}\n"
	fan := r.moves(fanOffset)
	for _, step := range []struct{ name, text string }{{"relabeled", relabeled}, {"and back", controlsConfig}} {
		if err := r.deploy(step.text); err != nil {
			t.Fatal(err)
		}
		p.says("configuration changes")
		r.answered("", r.desire("", `{"lamp":true}`), `{"lamp":true}`)
		r.remains(step.name)
	}
	if moved := fan.all(); len(moved) > 0 {
		t.Errorf("the fan moved %v for a label", moved)
	}
	if err := r.deploy(without); err != nil {
		t.Fatal(err)
	}
	awaitTrue(t, "the totals to be withdrawn", func() bool {
		keys := slices.DeleteFunc(slices.Sorted(maps.Keys(r.stored(""))), func(key string) bool { return key == "sync" })
		return slices.Equal(keys, []string{"ack", "lamp", "status"})
	})
	if err := r.deploy(controlsConfig); err != nil {
		t.Fatal(err)
	}
	awaitTrue(t, "the totals to be back", func() bool { return r.stored("")["opened"] == 3.0 })
	r.remains("after the rollback")
}

// TestTotalsAreTakenFromTheShadow loses the state file, as with a new SD card.
func TestTotalsAreTakenFromTheShadow(t *testing.T) {
	for _, text := range []string{"", "missing"} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			r, p := withTotals(t)
			p.signal(syscall.SIGKILL)
			p.ends()
			file := filepath.Join(r.work(), "state.json")
			err := os.WriteFile(file, []byte(text), 0o600)
			if text == "missing" {
				err = os.Remove(file)
			}
			if err != nil {
				t.Fatal(err)
			}
			p = r.start()
			p.says("count taken from the shadow", "count=3")
			p.says("setting taken from the shadow", "value=1")
			p.says("latched alarm taken from the shadow", "alarm=worn")
			r.answered("", r.desire("", `{"lamp":true}`), `{"lamp":true}`)
			r.remains("after the state was lost")
		})
	}
}

// TestRemovedShadowIsWithdrawn moves a lamp to another shadow, once while the shadow
// manager answers and once over a restart.
func TestRemovedShadowIsWithdrawn(t *testing.T) {
	moved := strings.Replace(controlsConfig, "  main:\n", "  main:\n    name: other\n", 1)
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			r, p := controls(t)
			r.answered("", r.desire("", `{"lamp":true}`), `{"lamp":true}`)
			r.update(thing, "", `{"state":{"reported":{"foreign":1}}}`)
			if restart {
				r.remembers("the lamp", func(s state.State) bool { return s.Outputs["LAMP"] })
				p.signal(syscall.SIGKILL)
				p.ends()
				if _, ok := r.events.wait(func(e devcore.Event) bool { return e.Kind == devcore.Disconnected }); !ok {
					t.Fatal("the core did not notice the end of the process")
				}
				err := r.core.Deploy(t.Context(), devcore.Deployment{
					Configurations: map[string]devcore.ConfigurationChange{componentName: {Full: asJSON(t, moved)}},
				})
				if err != nil {
					t.Fatal(err)
				}
				r.start()
			} else if err := r.deploy(moved); err != nil {
				t.Fatal(err)
			}
			r.reported("other", `{"lamp":true}`)
			awaitTrue(t, "the values to be withdrawn", func() bool {
				return slices.Equal(slices.Sorted(maps.Keys(r.stored(""))), []string{"foreign"})
			})
		})
	}
}
