package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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

func TestCommands(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.yaml")
	bad := filepath.Join(t.TempDir(), "bad.json")
	write(t, good, "lines: {lamp: {line: LAMP, direction: output}}\nshadows: {main: {properties: {lights: {line: lamp}}}}")
	write(t, bad, `{"lines": {"lamp": {"line": "LAMP", "direction": "output", "debonce": "1s"}, "door": {}}}`)
	for _, c := range []struct {
		args           string
		code           int
		stdout, stderr string // parts
	}{
		{"", 2, "", "shadowgpio run"},
		{"help", 0, "shadowgpio check", ""},
		{"jump", 2, "", `unknown command "jump"`},
		{"version", 0, "shadowgpio dev\n", ""},
		{"check", 2, "", "want one FILE, got 0"},
		{"check --config " + good, 0, "good.yaml is valid: 1 lines, 1 shadows", ""},
		{"check --config " + bad, 2, "", `did you mean "debounce"?`},
		{"check --config " + bad, 2, "", `lines.door.direction: want input or output, got nothing`},
		{"check --config /no/such/file", 2, "", "no such file"},
		{"check -h", 0, "", "names every fault"},
		{"check --bogus", 2, "", "bogus"},
		{"check /no/such/file", 2, "", "no such file"},
		{"check more files", 2, "", "want one FILE, got 2"},
		{"lines", 0, "gpiochip0  board  1       LAMP  input      -", ""},
		{"lines", 0, "power-button", ""},
		{"run", 2, "", "SVCUID"},
		{"doctor -h", 0, "", "Exit codes: 0 no fault, 1 faults, 2 wrong usage."},
		{"doctor --bogus", 2, "", "bogus"},
		{"doctor now", 2, "", `unexpected argument "now"`},
		{"doctor --root /no/such/root", 1, "/no/such/root/ipc.socket does not exist [socket-missing]", ""},
		{"doctor --root /no/such/root --config " + good, 1, "that of " + good + " has 1 lines and 1 shadows", ""},
		{"doctor --json --root /no/such/root", 1, `"kind": "socket-missing"`, ""},
		{"hold", 2, "", "want --socket PATH"},
		{"hold --socket /no/such/socket", 1, "", "handing lines over: not supported"},
	} {
		code, stdout, stderr := cmd(t, nil, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("shadowgpio %s: exit code %d, want %d with %q and %q in\n%s\n%s", c.args, code, c.code, c.stdout, c.stderr, stdout, stderr)
		}
		if (stdout != "") == (stderr != "") {
			t.Errorf("shadowgpio %s: want either an answer or an error, got\n%s\n%s", c.args, stdout, stderr)
		}
	}
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

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
