package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// labelsConfig has two single outputs and one of two lines. The labels are given; the
// properties are of the same lines whatever these are called.
func labelsConfig(lamp, fan, low, high string) string {
	return fmt.Sprintf(`
lines:
  %[1]s: {line: LAMP, direction: output}
  %[2]s: {line: FAN, direction: output, minOn: 1h}
  %[3]s: {line: 6, chip: board, direction: output}
  %[4]s: {line: 5, chip: board, direction: output}
shadows:
  main:
    properties:
      lights: {line: %[1]s}
      air:    {line: %[2]s}
      heat:
        patterns:
          none: {%[3]s: "off", %[4]s: "off"}
          half: {%[3]s: "on", %[4]s: "off"}
`, lamp, fan, low, high)
}

// TestOtherLabelsMoveNoLine: labels change while the component runs, and while it is
// away and the holder has its outputs. The chip lets a line that is released fall, so a
// release would be seen.
func TestOtherLabelsMoveNoLine(t *testing.T) {
	r := newRig(t, labelsConfig("lamp", "fan", "a", "b"))
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"lights":false,"air":false,"heat":"none"}`)
	r.answered("", r.desire("", `{"lights":true,"air":true,"heat":"half"}`), `{"lights":true,"air":true,"heat":"half"}`)
	r.held("a+b", "fan", "lamp")
	moved := []*waiter[bool]{r.moves(lampOffset), r.moves(fanOffset), r.moves(5), r.moves(6)}
	still := func(when string) {
		t.Helper()
		for i, m := range moved {
			if got := m.all(); len(got) > 0 {
				t.Fatalf("line %d moved %v %s", i, got, when)
			}
		}
	}

	// Lamp and fan change places; those of the pattern change their order.
	if err := r.deploy(labelsConfig("fan", "lamp", "z", "y")); err != nil {
		t.Fatal(err)
	}
	r.held("fan", "lamp", "y+z")
	still("as their labels changed")
	// The lines are still held under the labels that they were requested with.
	for offset, want := range map[int]string{lampOffset: "fan", fanOffset: "lamp", 5: "y", 6: "z"} {
		if got := r.labelOf(offset); got != want {
			t.Errorf("line %d is listed as %q, want %q", offset, got, want)
		}
	}
	r.answered("", r.desire("", `{"heat":"none"}`), `{"heat":"none"}`)
	await(t, moved[3], 1)
	moved[3] = r.moves(6)
	r.answered("", r.desire("", `{"heat":"half"}`), `{"heat":"half"}`)
	await(t, moved[3], 1)
	moved[3] = r.moves(6)

	// Killed, and started with other labels again.
	p = r.startsWith(p, labelsConfig("one", "two", "three", "four"))
	for _, label := range []string{"one", "two", "four+three"} {
		p.says("line goes on as it was held", "line="+label)
	}
	p.says("shadow read", "(classic)")
	r.held("four+three", "one", "two")
	still("over a restart with other labels")
	r.answered("", r.desire("", `{"lights":false}`), `{"lights":false}`)
	await(t, moved[0], 1)
}

// TestRegroupedOverARestart: what the holder has in another arrangement is released
// first, so that the lines can be had at once.
func TestRegroupedOverARestart(t *testing.T) {
	r := newRig(t, labelsConfig("lamp", "fan", "a", "b"))
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"lights":false,"air":false,"heat":"none"}`)
	r.answered("", r.desire("", `{"heat":"half"}`), `{"heat":"half"}`)
	r.held("a+b", "fan", "lamp")
	r.remembers("the heat", func(s state.State) bool { return s.Outputs["board/6"] })
	p = r.startsWith(p, `
lines:
  a: {line: 6, chip: board, direction: output}
  b: {line: 5, chip: board, direction: output}
shadows: {main: {properties: {a: {line: a}, b: {line: b}}}}
`)
	r.reported("", `{"a":true,"b":false}`)
	p.says("shadow read", "(classic)")
	if log := p.log.String(); strings.Contains(log, "it is retried") {
		t.Errorf("a line could not be had at once:\n%s", log)
	}
}

// startsWith kills a component and starts it with another configuration. Its copy of the
// one before is gone, so that it begins with the other one.
func (r *rig) startsWith(p *process, config string) *process {
	r.t.Helper()
	p.signal(syscall.SIGKILL)
	p.ends()
	file := filepath.Join(r.dir, "next.yaml")
	err := os.WriteFile(file, []byte(config), 0o600)
	if err == nil {
		err = r.core.LoadConfiguration(componentName, file)
	}
	if err == nil {
		err = os.Remove(filepath.Join(r.work(), "configuration.json"))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return r.start()
}

// labelOf is the label of a line in the list of shadowgpio lines.
func (r *rig) labelOf(offset int) string {
	r.t.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(r.t.Context(), cli.Env{
		Args: []string{"lines", "--json", "--socket", filepath.Join(r.work(), control.SocketName)}, Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" }, Backend: func() gpio.Backend { return r.chip },
	})
	var chips []struct {
		Lines []struct {
			Offset int
			Label  string
		}
	}
	if err := json.Unmarshal(out.Bytes(), &chips); err != nil {
		r.t.Fatalf("exit code %d, %v in\n%s%s", code, err, out.String(), errs.String())
	}
	for _, chip := range chips {
		for _, line := range chip.Lines {
			if line.Offset == offset {
				return line.Label
			}
		}
	}
	return ""
}
