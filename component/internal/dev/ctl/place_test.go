package ctl

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// TestACoreThatWasKilled leaves its contact behind, which leads nobody astray.
func TestACoreThatWasKilled(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	p := place{t.TempDir()}
	for pid, want := range map[int]error{os.Getpid(): nil, gone.Process.Pid: errNotRunning} {
		if err := p.write(contact{ThingName: "T", PID: pid}); err != nil {
			t.Fatal(err)
		}
		if c, err := p.read(); !errors.Is(err, want) || c.ThingName != "T" {
			t.Errorf("process %d: %+v, %v; want %v", pid, c, err, want)
		}
	}
}
