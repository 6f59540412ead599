package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"

	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// TestKernelLoop is the main job on the real kernel: our client, through the
// development core and the component's process, moves a line of a character
// device, and an edge on another arrives in reported.
func TestKernelLoop(t *testing.T) {
	gpiotest.RequireKernel(t)
	chip, err := gpiosim.NewSim(
		gpiosim.WithName("shadowgpio-e2e"),
		gpiosim.WithBank(gpiosim.NewBank("board", 8,
			gpiosim.WithNamedLine(lampOffset, "LAMP"),
			gpiosim.WithNamedLine(fanOffset, "FAN"),
			gpiosim.WithNamedLine(doorOffset, "DOOR"),
			gpiosim.WithHoggedLine(4, "power-button", gpiosim.HogDirectionInput),
		)))
	if err != nil {
		t.Fatal(err)
	}
	defer chip.Close()
	level := func(offset int) bool {
		t.Helper()
		v, err := chip.Chips[0].Level(offset)
		if err != nil {
			t.Fatal(err)
		}
		return v != 0
	}

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
		if level(c.offset) != c.high {
			t.Errorf("after %s line %d is high: %v, want %v", c.desired, c.offset, level(c.offset), c.high)
		}
	}

	for _, pull := range []int{1, 0, 1} {
		if err := chip.Chips[0].SetPull(doorOffset, pull); err != nil {
			t.Fatal(err)
		}
		r.reported("", fmt.Sprintf(`{"locked":%v}`, pull != 0))
	}

	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// TestKernelBusyLine names the holder of a line that the kernel itself keeps.
func TestKernelBusyLine(t *testing.T) {
	gpiotest.RequireKernel(t)
	chip, err := gpiosim.NewSim(
		gpiosim.WithName("shadowgpio-e2e"),
		gpiosim.WithBank(gpiosim.NewBank("board", 8,
			gpiosim.WithNamedLine(lampOffset, "LAMP"),
			gpiosim.WithNamedLine(4, "HOGGED"),
			gpiosim.WithHoggedLine(4, "power-button", gpiosim.HogDirectionInput),
		)))
	if err != nil {
		t.Fatal(err)
	}
	defer chip.Close()
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
	v := r.desire("", `{"bad":true,"lights":true}`)
	r.answered("", v, fmt.Sprintf(`{"lights":true,"ack":{"bad":{"code":500,"version":%[1]d},"lights":{"code":200,"version":%[1]d}}}`, v))
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
