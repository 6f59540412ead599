package devenv

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// TestContactOfAKilledEnvironment ignores the contact that a killed process left behind.
func TestContactOfAKilledEnvironment(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dir := Dir(t.TempDir())
	for pid, want := range map[int]error{os.Getpid(): nil, gone.Process.Pid: ErrNotRunning} {
		if err := dir.Write(Contact{ThingName: "T", PID: pid}); err != nil {
			t.Fatal(err)
		}
		if c, err := dir.Contact(); !errors.Is(err, want) || c.ThingName != "T" {
			t.Errorf("process %d: %+v, %v; want %v", pid, c, err, want)
		}
	}
}
