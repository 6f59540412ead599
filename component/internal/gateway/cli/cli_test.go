package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// cmd runs a command on a simulated chip.
func cmd(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	board, err := sim.New(sim.Chip{Label: "board", Lines: 3, Names: map[int]string{1: "LAMP"}, Hogs: map[int]sim.Hog{2: {Consumer: "power-button"}}})
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code = Run(t.Context(), Env{
		Args: args, Stdout: &out, Stderr: &errs,
		Getenv:  func(name string) string { return env[name] },
		Backend: func() gpio.Backend { return board },
	})
	return code, out.String(), errs.String()
}

func TestLinesAsJSON(t *testing.T) {
	code, stdout, _ := cmd(t, nil, "lines", "--json")
	var chips []struct {
		Name, Label string
		Lines       []struct {
			Offset         int
			Name, Consumer string
			Direction      string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &chips); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v in\n%s", code, err, stdout)
	}
	if len(chips) != 1 || chips[0].Label != "board" || chips[0].Lines[1].Name != "LAMP" || chips[0].Lines[1].Direction != "input" {
		t.Errorf("got %+v", chips)
	}
}

func TestLoggerSplitsByLevel(t *testing.T) {
	var out, errs bytes.Buffer
	log := newLogger(&out, &errs, slog.LevelInfo).With("line", "lamp")
	log.Debug("unheard")
	log.Info("on")
	log.Warn("late")
	log.Error("broken")
	if got, want := out.String(), "level=INFO msg=on line=lamp\n"; got != want {
		t.Errorf("standard output %q, want %q", got, want)
	}
	if got, want := errs.String(), "level=WARN msg=late line=lamp\nlevel=ERROR msg=broken line=lamp\n"; got != want {
		t.Errorf("standard error %q, want %q", got, want)
	}
}
