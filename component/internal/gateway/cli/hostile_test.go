package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable/printabletest"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// hostileComponent tells hostile text wherever a component tells text.
type hostileComponent struct {
	status  control.Status
	journal []journal.Entry
	changed chan struct{}
}

func newHostileComponent() *hostileComponent {
	c := &hostileComponent{changed: make(chan struct{})}
	printabletest.Fill(&c.status)
	c.status.At, c.status.Stopped, c.status.LogDropped = time.Now(), true, 3
	shadow := c.status.Shadows[printabletest.Hostile]
	shadow.Properties["main"] = shadow.Properties[printabletest.Hostile]
	shadow.Properties["silent"] = engine.PropertyView{Kind: printabletest.Hostile, Value: printabletest.Hostile}
	printabletest.Fill(&c.journal)
	return c
}

func (c *hostileComponent) Status(context.Context) (control.Status, error) { return c.status, nil }
func (c *hostileComponent) Changed() (<-chan struct{}, func())             { return c.changed, func() {} }
func (c *hostileComponent) Journal(int64) ([]journal.Entry, int64)         { return c.journal, 1 }
func (c *hostileComponent) Desire(context.Context, string, string, json.RawMessage) (int64, error) {
	return 0, errors.New(printabletest.Hostile)
}

// hostileBoard is a backend whose chips, lines, consumers and errors are hostile.
type hostileBoard struct{ gpio.Backend }

func (hostileBoard) Chips() ([]gpio.ChipInfo, error) {
	var chips [1]gpio.ChipInfo
	printabletest.Fill(&chips[0])
	return chips[:], errors.New(printabletest.Hostile)
}

func (hostileBoard) LineInfos(string) ([]gpio.LineInfo, error) {
	lines := make([]gpio.LineInfo, 2)
	printabletest.Fill(&lines[0])
	lines[0].Used = true
	return lines, nil
}

func (hostileBoard) Request(string, string, []gpio.LineConfig) (gpio.Lines, error) {
	return nil, errors.New(printabletest.Hostile)
}

// TestHostileText types every command where everything that others name is hostile.
func TestHostileText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "c.socket")
	component := newHostileComponent()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() {
		defer close(served)
		control.Serve(ctx, socket, component, slog.New(slog.DiscardHandler))
	}()
	defer func() { cancel(); <-served }()
	for { // until it listens
		c, err := control.Dial(socket)
		if err == nil {
			c.Close()
			break
		}
		if !errors.Is(err, control.ErrNotRunning) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}

	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	faulty := file("faulty.yaml", "lines: {"+jsonText(printabletest.Hostile)+": {line: "+jsonText(printabletest.Hostile)+", direction: "+jsonText(printabletest.Hostile)+"}}\n"+jsonText(printabletest.Hostile)+": 1\n")
	valid := file("valid.yaml", "lines: {"+jsonText(printabletest.Hostile)+": {line: "+jsonText(printabletest.Hostile)+", direction: output}}\nshadows: {main: {properties: {lamp: {line: "+jsonText(printabletest.Hostile)+"}}}}\n")
	broken := file("broken.yaml", "lines: [\x1b[2J\n\x9b")
	machine := filepath.Join(dir, "machine")
	zone := filepath.Join(machine, "sys/class/thermal/thermal_zone0")
	if err := os.MkdirAll(zone, 0o700); err != nil {
		t.Fatal(err)
	}
	file("machine/sys/class/thermal/thermal_zone0/type", printabletest.Hostile+"\n")
	file("machine/sys/class/thermal/thermal_zone0/temp", printabletest.Hostile+"\n")

	typed := map[string]bool{}
	for _, args := range [][]string{
		{"status", "--socket", socket, "--journal", "5"},
		{"status", "--socket", socket, "--journal", "5", "--json"},
		{"status", "--socket", filepath.Join(dir, printabletest.Hostile)},
		{"watch", "--socket", socket, "--once"},
		{"watch", "--socket", socket, "--once", "--json"},
		{"get", "--socket", socket}, {"get", "--socket", socket, "--json"},
		{"get", "--socket", socket, "main"}, {"get", "--socket", socket, "silent", "--json"}, {"get", "--socket", socket, printabletest.Hostile + "?"},
		{"set", "--socket", socket, "main=" + printabletest.Hostile}, {"set", "--socket", socket, printabletest.Hostile},
		{"set", "--socket", socket, printabletest.Hostile + "!=1"},
		{"lines", "--socket", socket, "--levels"}, {"lines", "--socket", socket, "--levels", "--json"}, {"lines", "--config", faulty},
		{"lines", "--config", filepath.Join(dir, printabletest.Hostile)},
		{"sensors"}, {"sensors", "--json"},
		{"check", faulty}, {"check", faulty, "--json"}, {"check", valid, "--chips"}, {"check", valid, "--chips", "--json"}, {"check", broken},
		{"check", filepath.Join(dir, printabletest.Hostile)}, {"check", valid, "--as", printabletest.Hostile},
		{"doctor", "--config", valid, "--dir", dir, "--root", filepath.Join(dir, printabletest.Hostile), "--user", printabletest.Hostile},
		{"doctor", "--config", faulty, "--dir", dir, "--json"}, {"doctor", "--config", broken, "--dir", filepath.Join(dir, printabletest.Hostile)},
		{"hold"}, {"hold", "--socket", filepath.Join(dir, printabletest.Hostile, "x")},
		{"run", "--if-busy", printabletest.Hostile}, {"run", "--state-dir", filepath.Join(dir, printabletest.Hostile)},
		{"run", "--state-dir", dir, "--config", faulty},
		{"version"}, {"version", "--json"}, {"version", printabletest.Hostile}, {"version", "--" + printabletest.Hostile},
		{printabletest.Hostile}, {"help"}, {"help", "status"}, {"help", printabletest.Hostile},
		{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"completion", "powershell"},
		{"__complete", "get", "--socket", socket, ""}, {"__complete", "set", "--socket", socket, ""},
	} {
		typed[args[0]] = true
		var out, errs bytes.Buffer
		limited, stop := context.WithCancel(ctx)
		watched := io.Writer(&out)
		if args[0] == "watch" {
			watched = &stopAfter{to: &out, lines: 4, stop: stop}
		}
		code := Run(limited, Env{
			Args: args, Stdout: watched, Stderr: &errs, Backend: func() gpio.Backend { return hostileBoard{board(t)} },
			Sensors: sensor.Machine{Root: machine},
			Getenv: func(name string) string {
				return map[string]string{
					"AWS_IOT_THING_NAME": printabletest.Hostile, socketVariable: filepath.Join(dir, printabletest.Hostile),
					"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": filepath.Join(dir, "none"), "SVCUID": "x",
				}[name]
			},
		})
		stop()
		if out.Len()+errs.Len() == 0 {
			t.Errorf("%q printed nothing, exit code %d", args, code)
		}
		if raw := printabletest.Raw(out.String()); raw != "" && args[0] != "completion" {
			t.Errorf("%q printed %s:\n%q", args, raw, out.String())
		}
		if raw := printabletest.Raw(errs.String()); raw != "" {
			t.Errorf("%q printed %s on standard error:\n%q", args, raw, errs.String())
		}
		if args[len(args)-1] == "--json" && args[0] != "watch" && !json.Valid(out.Bytes()) {
			t.Errorf("%q printed no JSON:\n%s", args, out.String())
		}
	}
	if _, status, _ := typedHere(t, socket, "status", "--json"); !strings.Contains(status, `"x\u001b[2J`) {
		t.Errorf("JSON lacks the real name:\n%s", status)
	}
	_, help, _ := typedHere(t, socket, "--help")
	for _, c := range regexp.MustCompile(`(?m)^  ([a-z]+) {2,}[a-z]`).FindAllStringSubmatch(help, -1) {
		if !typed[c[1]] {
			t.Errorf("no command of this test is %s", c[1])
		}
	}
}

func typedHere(t *testing.T, socket string, args ...string) (int, string, string) {
	return cmd(t, map[string]string{socketVariable: socket}, args...)
}

func board(t *testing.T) gpio.Backend {
	t.Helper()
	s, err := sim.New(sim.Chip{Label: "board", Lines: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func jsonText(s string) string {
	var text strings.Builder
	printable.JSON(&text, s, "") // YAML takes no raw control characters
	return strings.TrimSpace(text.String())
}

// stopAfter ends a command that goes on for ever, after it printed some lines.
type stopAfter struct {
	to    io.Writer
	lines int
	stop  func()
}

func (w *stopAfter) Write(p []byte) (int, error) {
	if w.lines -= bytes.Count(p, []byte("\n")); w.lines <= 0 {
		w.stop()
	}
	return w.to.Write(p)
}

func TestLogIsPrintable(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	log := newLogger(&out, &errs, slog.LevelInfo)
	log.Info(printabletest.Hostile, printabletest.Hostile, printabletest.Hostile)
	log.Warn("w", "error", errors.New(printabletest.Hostile+"\xff"))
	for _, text := range []string{out.String(), errs.String()} {
		if raw := printabletest.Raw(text); raw != "" || strings.Count(text, "\n") != 1 {
			t.Errorf("logged %s: %q", raw, text)
		}
	}
}
