package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
)

// TestWatch follows a component over its end, as a person and as a program.
func TestWatch(t *testing.T) {
	r, p := house(t)
	socket := filepath.Join(r.work(), control.SocketName)
	watch := run(t, r.work(), r.environment(), "watch", "--socket", socket)
	program := run(t, r.work(), r.environment(), "watch", "--socket", socket, "--json")
	watch.says("component", "3 lines, 2 shadows")
	program.says(`"kind":"component"`)

	r.desire("", `{"lights":"on"}`)
	watch.says("line       lamp", "on  desired main@2")
	watch.says("property   main/lights", "is on, desired on, answered 200@2")
	program.says(`"kind":"line","name":"lamp","value":"on","cause":{"kind":"desired","name":"main","version":2}`)
	r.chip.SetPull(chipName, doorOffset, true)
	watch.says("line       door", "on")
	watch.says("property   main/locked", "is true")
	r.desire("", `{"lights":"blue"}`)
	watch.says("main/lights", `answered 400@`, `got "blue"`)
	r.chip.Unplug(chipName)
	watch.says("line       lamp", "chip is gone")
	if _, err := r.chip.Plug(board.Label); err != nil {
		t.Fatal(err)
	}
	watch.says("line       lamp", "well again")
	r.stopCore()
	watch.says("nucleus", "disconnected")
	watch.says("shadow     main", "out of reach")
	r.serve()
	watch.says("shadow     main", "in step")

	p.signal(syscall.SIGKILL)
	p.ends()
	watch.says("no component is running here")
	r.start()
	second, _ := watch.log.wait(func(line string) bool {
		return strings.Contains(line, "3 lines") && !strings.Contains(line, fmt.Sprint("process ", p.cmd.Process.Pid))
	})
	if second == "" {
		t.Error("the second component was not seen")
	}
	for _, w := range []*process{watch, program} {
		w.signal(syscall.SIGINT)
		if code := w.ends(); code != 0 {
			t.Errorf("exit code %d after Ctrl-C, want 0", code)
		}
	}
	if out := watch.log.String(); strings.Contains(out, "\x1b") {
		t.Errorf("colour without a terminal:\n%s", out)
	}
}
