package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// What lines promise, with real processes: the component, the holder, the core.

// moves collects the changes of one line from now on.
func (r *rig) moves(offset int) *waiter[bool] {
	ctx, cancel := context.WithCancel(context.Background())
	r.t.Cleanup(cancel)
	w := new(waiter[bool])
	changes := r.chip.Watch(ctx)
	go func() {
		for c := range changes {
			if c.Offset == offset {
				w.append(c.High)
			}
		}
	}()
	return w
}

func (w *waiter[T]) all() []T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]T(nil), w.items...)
}

// await waits until the line has moved that often.
func await(t *testing.T, w *waiter[bool], n int) {
	t.Helper()
	awaitTrue(t, fmt.Sprintf("%d changes of the line", n), func() bool { return len(w.all()) >= n })
}

// held waits until the holder has all outputs.
func (r *rig) held(labels ...string) {
	r.t.Helper()
	awaitTrue(r.t, "a holder of "+strings.Join(labels, " and "), func() bool {
		c, err := control.Dial(filepath.Join(r.work(), control.SocketName))
		if err != nil {
			return false
		}
		defer c.Close()
		status, err := c.Status()
		return err == nil && slices.Equal(status.Held, labels)
	})
}

func TestOutputsDoNotMoveOverAKill(t *testing.T) {
	r, p := house(t)
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on"}`)
	r.held("fan", "lamp")
	moves := r.moves(lampOffset)
	for range 3 {
		p.signal(syscall.SIGKILL)
		p.ends()
		p = r.start()
		p.says("line goes on as it was held", "line=lamp")
		p.says("shadow read", "(classic)")
	}
	p.signal(syscall.SIGTERM) // an update stops it and starts another
	p.ends()
	p = r.start()
	p.says("shadow read", "(classic)")
	if got := moves.all(); len(got) > 0 {
		t.Errorf("the lamp moved: %v", got)
	}
	// It is the component's own again.
	r.answered("", r.desire("", `{"lights":"off"}`), `{"lights":"off"}`)
	await(t, moves, 1)
}

const bellConfig = `
lines:
  bell: {line: LAMP, direction: output}
shadows:
  main:
    properties:
      bell: {line: bell, pulse: %v}
`

func TestPulse(t *testing.T) {
	r := newRig(t, fmt.Sprintf(bellConfig, 300*time.Millisecond))
	r.simulate()
	r.serve()
	r.start()
	r.reported("", `{"bell":false}`)
	moves := r.moves(lampOffset)
	began := time.Now()
	v := r.desire("", `{"bell":true}`)
	r.answered("", v, fmt.Sprintf(`{"bell":true,"ack":{"bell":{"code":202,"version":%d,"reason":"pulse"}}}`, v))
	e := r.answered("", v, fmt.Sprintf(`{"bell":false,"ack":{"bell":{"code":200,"version":%d}}}`, v))
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("the pulse took %v", took)
	}
	if desired(t, e)["bell"] != nil {
		t.Errorf("it is still desired: %s", e.Document)
	}
	if got := moves.all(); len(got) != 2 {
		t.Errorf("the bell moved %v, want on and off", got)
	}
}

func TestPulseEndsThoughTheComponentIsKilled(t *testing.T) {
	r := newRig(t, fmt.Sprintf(bellConfig, time.Second))
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"bell":false}`)
	r.held("bell")
	moves := r.moves(lampOffset)
	v := r.desire("", `{"bell":true}`)
	await(t, moves, 1)
	p.signal(syscall.SIGKILL)
	p.ends()
	await(t, moves, 2) // the holder ends it
	r.start()
	e := r.answered("", v, `{"ack":{"bell":{"code":500,"reason":"the pulse was interrupted by a restart"}}}`)
	if desired(t, e)["bell"] != nil {
		t.Errorf("it is still desired: %s", e.Document)
	}
	v = r.desire("", `{"bell":true}`)
	r.answered("", v, fmt.Sprintf(`{"ack":{"bell":{"code":200,"version":%d}}}`, v))
	if got := moves.all(); len(got) != 4 {
		t.Errorf("the bell moved %v, want two pulses", got)
	}
}

const motorConfig = `
lines:
  forward: {line: LAMP, direction: output}
  reverse: {line: FAN, direction: output}
interlocks:
  motor: {lines: [forward, reverse], deadTime: 200ms}
shadows:
  main:
    properties:
      forward: {line: forward}
      reverse: {line: reverse}
`

func TestInterlock(t *testing.T) {
	r := newRig(t, motorConfig)
	r.simulate()
	r.serve()
	r.start()
	v := r.desire("", `{"forward":true}`)
	r.answered("", v, fmt.Sprintf(`{"forward":true,"ack":{"forward":{"code":200,"version":%d}}}`, v))
	v = r.desire("", `{"reverse":true}`)
	r.answered("", v, fmt.Sprintf(`{"reverse":false,"ack":{"reverse":{"code":409,"version":%d,"reason":"forward is on, which interlock motor does not allow beside reverse"}}}`, v))
	if r.level(fanOffset) {
		t.Fatal("both are on")
	}
	forward, reverse := r.moves(lampOffset), r.moves(fanOffset)
	v = r.desire("", `{"forward":false,"reverse":true}`)
	await(t, forward, 1)
	off := time.Now()
	r.answered("", v, fmt.Sprintf(`{"forward":false,"reverse":true,"ack":{"reverse":{"code":200,"version":%d}}}`, v))
	if d := time.Since(off); d < 150*time.Millisecond || len(reverse.all()) != 1 {
		t.Errorf("reverse moved %v, %v after forward was seen off", reverse.all(), d)
	}
}

const buttonConfig = `
lines:
  lamp:   {line: LAMP, direction: output}
  button: {line: DOOR, direction: input}
controls:
  wall: {input: button, action: toggle, output: lamp}
shadows:
  main:
    properties:
      lights: {line: lamp}
`

// TestButtonWorksWithoutTheNucleus and is not undone when that comes back.
func TestButtonWorksWithoutTheNucleus(t *testing.T) {
	r := newRig(t, "")
	r.simulate()
	r.serve()
	p := r.startWithFile(buttonConfig)
	r.answered("", r.desire("", `{"lights":false}`), `{"lights":false}`)
	r.stopCore()
	p.says("shadow is out of reach")
	moves := r.moves(lampOffset)
	r.press(doorOffset)
	await(t, moves, 1)
	if !r.level(lampOffset) {
		t.Fatal("the button did not turn the lamp on")
	}
	r.serve()
	e := r.reported("", `{"lights":true}`)
	if got := desired(t, e)["lights"]; got != true {
		t.Errorf("desired is %v, want true as reported", got)
	}
	if got := moves.all(); len(got) != 1 {
		t.Errorf("the lamp moved %v, want on only", got)
	}
}

func TestFailsafe(t *testing.T) {
	r := newRig(t, "")
	r.simulate()
	r.serve()
	p := r.startWithFile(`
lines:
  heater: {line: LAMP, direction: output, failsafe: {after: 1s, set: off}}
shadows:
  main: {properties: {heater: {line: heater}}}
`)
	r.answered("", r.desire("", `{"heater":true}`), `{"heater":true}`)
	moves := r.moves(lampOffset)
	r.stopCore()
	p.says("nucleus is away; outputs take their failsafe state", "heater")
	await(t, moves, 1)
	r.serve()
	await(t, moves, 2) // it is still desired
	if !r.level(lampOffset) {
		t.Error("the heater is off, want on as desired")
	}
}

// TestChipWithoutInterrupts is polled, and debounced by the component.
func TestChipWithoutInterrupts(t *testing.T) {
	r := newRig(t, `
lines:
  lamp: {line: LAMP, direction: output}
  door: {line: DOOR, direction: input, poll: 2ms, debounce: 30ms}
shadows:
  main: {properties: {locked: {line: door}, opened: {line: door, count: both}}}
`)
	plain := board
	plain.NoInterrupts = true
	r.simulateChip(plain)
	r.serve()
	p := r.start()
	p.says("chip reports no edges; the line is polled and debounced here", "line=door", "poll=2ms")
	r.reported("", `{"locked":false,"opened":0}`)
	if err := r.chip.Bounce(t.Context(), chipName, doorOffset, 9, 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	r.reported("", `{"locked":true,"opened":1}`)
}

// press closes the contact of an input and lets go of it.
func (r *rig) press(offset int) {
	r.t.Helper()
	if err := r.chip.Press(chipName, offset); err != nil {
		r.t.Fatal(err)
	}
	if err := r.chip.Release(chipName, offset); err != nil {
		r.t.Fatal(err)
	}
}

// desired is the desired section of an event's document.
func desired(t *testing.T, e devcore.Event) map[string]any {
	t.Helper()
	return section(t, e, "desired")
}

func section(t *testing.T, e devcore.Event, name string) map[string]any {
	t.Helper()
	var doc struct {
		State map[string]map[string]any `json:"state"`
	}
	if err := json.Unmarshal(e.Document, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.State[name]
}

// TestHeldOutputIsNewerThanTheState: a lamp that was turned on a moment before the
// kill, when its state was not saved yet, does not go off at the restart.
func TestHeldOutputIsNewerThanTheState(t *testing.T) {
	r, p := house(t)
	awaitFile(t, filepath.Join(r.work(), "state.json"), `"LAMP":false`)
	r.held("fan", "lamp")
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on"}`)
	moves := r.moves(lampOffset)
	p.signal(syscall.SIGKILL)
	p.ends()
	p = r.start()
	p.says("shadow read", "(classic)")
	r.answered("", r.desire("", `{"lights":"off"}`), `{"lights":"off"}`)
	if got := moves.all(); len(got) != 1 {
		t.Errorf("the lamp moved %v, want off only as it was desired", got)
	}
}
