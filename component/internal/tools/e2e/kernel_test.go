package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// kernelChip is a gpio-sim chip with the lines of board, seen from the far side.
type kernelChip struct {
	t *testing.T
	*gpiosim.Chip
}

func newKernelChip(t *testing.T) kernelChip {
	t.Helper()
	gpiotest.RequireKernel(t)
	s, err := gpiosim.NewSim(
		gpiosim.WithName("shadowgpio-e2e"),
		gpiosim.WithBank(gpiosim.NewBank(board.Label, board.Lines,
			gpiosim.WithNamedLine(lampOffset, "LAMP"),
			gpiosim.WithNamedLine(fanOffset, "FAN"),
			gpiosim.WithNamedLine(doorOffset, "DOOR"),
			gpiosim.WithNamedLine(4, "HOGGED"),
			gpiosim.WithHoggedLine(4, "power-button", gpiosim.HogDirectionInput),
		)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return kernelChip{t, &s.Chips[0]}
}

func (c kernelChip) high(offset int) bool {
	c.t.Helper()
	v, err := c.Level(offset)
	if err != nil {
		c.t.Fatal(err)
	}
	return v != 0
}

func (c kernelChip) pull(offset, level int) {
	c.t.Helper()
	if err := c.SetPull(offset, level); err != nil {
		c.t.Fatal(err)
	}
}

// TestKernelLoop is the main job on the real kernel: our client, through the
// development core and the component's process, moves a line of a character
// device, and an edge on another arrives in reported.
func TestKernelLoop(t *testing.T) {
	chip := newKernelChip(t)
	r := newRig(t, houseConfig)
	r.serve()
	p := r.start()
	r.reported("", `{"lights":"off","locked":false}`)
	r.reported("room", `{"fan":false}`)

	application, err := ipc.Dial(t.Context(), ipc.Config{Socket: r.coreAt, Token: ipc.Token(r.core.IssueToken("com.example.Application"))})
	if err != nil {
		t.Fatal(err)
	}
	defer application.Close()
	for _, c := range []struct {
		shadow, desired, reported string
		offset                    int
		high                      bool
	}{
		{"", `{"lights":"on"}`, `{"lights":"on","ack":{"lights":{"code":200,"version":%d}}}`, lampOffset, true},
		{"room", `{"fan":true}`, `{"fan":true,"ack":{"fan":{"code":200,"version":%d}}}`, fanOffset, true},
		{"", `{"lights":"off"}`, `{"lights":"off","ack":{"lights":{"code":200,"version":%d}}}`, lampOffset, false},
	} {
		v := desireOverIPC(t, application, c.shadow, c.desired)
		r.answered(c.shadow, v, fmt.Sprintf(c.reported, v))
		if got := chip.high(c.offset); got != c.high {
			t.Errorf("after %s line %d is high: %v, want %v", c.desired, c.offset, got, c.high)
		}
	}

	for _, pull := range []int{1, 0, 1} {
		chip.pull(doorOffset, pull)
		r.reported("", fmt.Sprintf(`{"locked":%v}`, pull != 0))
	}

	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// TestKernelBusyLine names the holder of a line that the kernel itself keeps.
func TestKernelBusyLine(t *testing.T) {
	newKernelChip(t)
	r := newRig(t, `
lines:
  bad:  {line: HOGGED, direction: output}
  lamp: {line: LAMP, direction: output}
shadows:
  main: {properties: {bad: {line: bad}, lights: {line: lamp}}}
`)
	r.serve()
	p := r.start()
	p.says("line failed; it is retried", "HOGGED", "busy", "power-button")
	r.reported("", `{"lights":false}`) // else both create the shadow, and the answer has either version
	v := r.desire("", `{"bad":true,"lights":true}`)
	r.answered("", v, fmt.Sprintf(`{"lights":true,"ack":{"bad":{"code":500,"version":%[1]d},"lights":{"code":200,"version":%[1]d}}}`, v))
}

// divergence cuts the link while the application and the device change the same shadow,
// and heals it: what the application desires counts, and what the device reports.
func divergence(t *testing.T, dir string, chip kernelChip) {
	t.Helper()
	shadowctl(t, dir, "link", "down")
	if out, code := shadowctl(t, dir, "set", "lights=off", "--wait", "300ms"); code != 3 || !strings.Contains(out, "lights: unanswered") {
		t.Errorf("with the link cut: exit code %d, %s", code, out)
	}
	if out, code := shadowctl(t, dir, "set", "lights=blue", "--core", "--wait", "30s"); code != 4 {
		t.Errorf("desired on the device: exit code %d, %s", code, out)
	}
	chip.pull(doorOffset, 0)
	awaitTrue(t, "the door is reported on the device", func() bool {
		out, _ := shadowctl(t, dir, "get", "--core")
		return regexp.MustCompile(`locked +- +false`).MatchString(out)
	})
	if out, _ := shadowctl(t, dir, "get"); !regexp.MustCompile(`locked +- +true`).MatchString(out) || !chip.high(lampOffset) {
		t.Errorf("the cut link let something through: lamp high %v\n%s", chip.high(lampOffset), out)
	}
	shadowctl(t, dir, "link", "up")
	awaitTrue(t, "both sides are the same", func() bool { _, code := shadowctl(t, dir, "compare"); return code == 0 })
	if out, code := shadowctl(t, dir, "set", "lights=off", "--wait", "30s"); code != 0 || chip.high(lampOffset) {
		t.Errorf("the application's lights=off: exit code %d, lamp high %v\n%s", code, chip.high(lampOffset), out)
	}
	if out, _ := shadowctl(t, dir, "get"); !regexp.MustCompile(`(?s)lights +off +off.*locked +- +false`).MatchString(out) {
		t.Errorf("in the end:\n%s", out)
	}
}

// TestKernelDev is the README's first command on a real chip.
func TestKernelDev(t *testing.T) {
	chip := newKernelChip(t)
	dir := shortDir(t)
	dev := startDev(t, dir, "--chip", board.Label, "--lamp", "LAMP", "--door", fmt.Sprint(doorOffset))
	dev.says("reported lights=off locked=false")
	out, code := shadowctl(t, dir, "set", "lights=on", "--wait", "30s")
	if code != 0 || !chip.high(lampOffset) {
		t.Errorf("exit code %d, lamp high %v, want 0 and true; it printed\n%s", code, chip.high(lampOffset), out)
	}
	chip.pull(doorOffset, 1)
	dev.says("reported", "locked=true")
	divergence(t, dir, chip)
	if out, code := shadowctl(t, dir, "press", "door"); code != 1 || !strings.Contains(out, "real chip") {
		t.Errorf("press on a real chip: exit code %d, %s", code, out)
	}
	dev.signal(syscall.SIGINT)
	if code := dev.ends(); code != 0 {
		t.Errorf("exit code %d after ^C, want 0", code)
	}
}

func desireOverIPC(t *testing.T, c *ipc.Conn, shadow, desired string) int64 {
	t.Helper()
	response, err := c.UpdateThingShadow(context.Background(), model.UpdateThingShadowRequest{
		ThingName: thing, ShadowName: shadow, Payload: []byte(`{"state":{"desired":` + desired + `}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		Version int64 `json:"version"`
	}
	if err := json.Unmarshal(response.Payload, &reply); err != nil {
		t.Fatal(err)
	}
	return reply.Version
}
