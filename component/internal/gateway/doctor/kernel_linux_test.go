package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
)

// TestKernelBusyLines has the kernel hold lines for a process, for itself and for the
// component, and the doctor say which is which.
func TestKernelBusyLines(t *testing.T) {
	gpiotest.RequireKernel(t)
	s, err := gpiosim.NewSim(
		gpiosim.WithName("shadowgpio-doctor"),
		gpiosim.WithBank(gpiosim.NewBank("board", 4,
			gpiosim.WithNamedLine(0, "FREE"),
			gpiosim.WithNamedLine(1, "TAKEN"),
			gpiosim.WithNamedLine(2, "HOGGED"),
			gpiosim.WithNamedLine(3, "OURS"),
			gpiosim.WithHoggedLine(2, "led", gpiosim.HogDirectionInput),
		)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	backend := cdev.New()
	for offset, consumer := range map[int]string{1: "LED reader", 3: "shadowgpio ours"} {
		held, err := backend.Request("board", consumer, []gpio.LineConfig{{Offset: offset, Direction: gpio.Input}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { held.Close() })
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	var text strings.Builder
	text.WriteString("lines:\n")
	for label, line := range map[string]string{"free": "FREE", "taken": "TAKEN", "hogged": "HOGGED", "ours": "OURS"} {
		fmt.Fprintf(&text, "  %s: {line: %s, chip: board, direction: input}\n", label, line)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	report := Examine(t.Context(), ThisMachine(backend, os.Getenv), Options{Config: file, Dir: dir})
	for check, want := range map[string]string{
		"line free":   "FREE is offset 0 of",
		"line taken":  fmt.Sprintf(`held by "LED reader", by process %d`, os.Getpid()),
		"line hogged": `held by "led"; no process has it`,
		"line ours":   `held by "shadowgpio ours"`,
		"permission":  "is open to root",
	} {
		found := ""
		for _, f := range report.Findings {
			if f.Check == check {
				found += f.Found
			}
		}
		if !strings.Contains(found, want) {
			t.Errorf("%s: want %q, got %q", check, want, found)
		}
	}
	if t.Failed() {
		fds, _ := filepath.Glob("/proc/self/fd/*")
		for _, fd := range fds {
			target, _ := os.Readlink(fd)
			info, _ := os.ReadFile("/proc/self/fdinfo/" + filepath.Base(fd))
			t.Logf("%s: %s\n%s", fd, target, info)
		}
		t.Logf("\n%v", report)
	}
}
