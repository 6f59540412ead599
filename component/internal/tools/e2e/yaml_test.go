package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// shadowgpio runs one command of the gateway to its end.
func shadowgpio(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(environ(), roleVariable+"=shadowgpio")
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestOneMeaningOfYAML has check, dev and deploy take the same files, and refuse the
// same files in the same words.
func TestOneMeaningOfYAML(t *testing.T) {
	dir := shortDir(t)
	file := func(text string) string {
		t.Helper()
		name := filepath.Join(dir, "c.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, c := range []struct{ name, text, reported, set string }{
		{"numbers as words", `
lines: {lamp: {line: GPIO17, direction: output}}
shadows: {main: {properties: {led: {line: lamp, values: {1: on, 0: off}}}}}
`, `led="0"`, `led="1"`},
		{"booleans as words", `
lines: {lamp: {line: GPIO17, direction: output}}
shadows: {main: {properties: {led: {line: lamp, values: {true: on, false: off}}}}}
`, `led="false"`, `led="true"`},
		{"labels and properties that are no text", `
lines: {1: {line: GPIO17, direction: output}, on: {line: GPIO22, direction: output}}
shadows: {1.50: {properties: {7: {line: 1}, yes: {line: on}}}}
`, "7=false yes=false", "7=true"},
		{"anchors and merges", `
lines:
  lamp: &output {line: GPIO17, direction: output, minOn: 0s}
  1: {<<: *output, line: GPIO22}
shadows: {main: {properties: {led: {line: lamp}, 2: {line: 1}}}}
`, "2=false led=false", "2=true"},
		{"JSON that is not YAML", "{\n\t\"lines\": {\"lamp\": {\"line\": \"GPIO17\", \"direction\": \"output\"}},\n\t\"shadows\": {\"main\": {\"properties\": {\"led\": {\"line\": \"lamp\", \"values\": {\"\\ud83d\\ude00\": \"on\", \"off\": \"off\"}}}}}}",
			"led=off", "led=😀"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := file(c.text)
			if out, code := shadowgpio(t, "check", name); code != 0 {
				t.Errorf("check: exit code %d, %s", code, out)
			}
			dev := startDev(t, shortDir(t), "--config", name)
			dev.says("MyGateway (classic) version 1: reported " + c.reported)
			if out, code := shadowctl(t, dev.cmd.Dir, "deploy", name); code != 0 {
				t.Errorf("deploy: exit code %d, %s", code, out)
			}
			if out, code := shadowctl(t, dev.cmd.Dir, "set", c.set, "--wait", "30s"); code != 0 {
				t.Errorf("set: exit code %d, %s", code, out)
			}
			dev.signal(syscall.SIGINT)
			dev.ends()
		})
	}
	dev := startDev(t, shortDir(t))
	dev.says("MyGateway (classic) version 1")
	for _, c := range []struct{ name, text, want string }{
		{"a key twice", `
lines:
  lamp: {line: GPIO17, direction: output}
  1: {line: GPIO22, direction: output}
  "1": {line: GPIO23, direction: output}
`, "lines.1: want each key once, got it in line 4 and in line 5"},
		{"a key that is a list", "lines: {[a]: {line: GPIO17, direction: output}}", "lines: want text as a key, got a map or a list in line 1"},
		{"an alias of itself", "lines: &x {lamp: *x}", "lines.lamp: want an alias of another value"},
		{"a number without a form in JSON", "lines: {a: {line: GPIO17, direction: output, minOn: .nan}}", `lines.a.minOn: want a duration from 0s to 168h, such as 20ms, got ".nan"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := file(c.text)
			for command, run := range map[string]func() (string, int){
				"check":        func() (string, int) { return shadowgpio(t, "check", name) },
				"dev --config": func() (string, int) { return shadowctl(t, shortDir(t), "dev", "--config", name) },
				"deploy":       func() (string, int) { return shadowctl(t, dev.cmd.Dir, "deploy", name) },
			} {
				if out, code := run(); code == 0 || !strings.Contains(out, c.want) {
					t.Errorf("%s: exit code %d, want %q in\n%s", command, code, c.want, out)
				}
			}
		})
	}
	dev.signal(syscall.SIGINT)
	dev.ends()
}
