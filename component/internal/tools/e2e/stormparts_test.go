package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// wanted is what the application last desired of a property.
type wanted struct {
	value   any
	version int64
	known   bool   // the core has said that it is stored
	again   bool   // the same was desired within the same second: times in documents cannot tell them apart
	before  []wish // the same, desired earlier
}

// wish is a value that was desired, or may have been.
type wish struct {
	at    time.Time
	value any
	run   int64 // of the component
}

// stormApp is the application: what it wants of each "shadow/property".
type stormApp struct {
	s      *stormProcess
	wanted map[string]*wanted
	wishes map[string][]wish
	wiped  map[string]bool // shadows of which somebody has deleted what is reported
	rings  int             // of the bell, desired with an ID each
}

func (a *stormApp) step(rng *rand.Rand) {
	names := []string{"/lights", "/lights", "/forward", "/reverse", "/bell", "room/fan"}
	shadow, property, _ := strings.Cut(names[rng.IntN(len(names))], "/")
	on := property == "bell" || rng.IntN(2) == 0
	switch rng.IntN(24) {
	case 0:
		a.remove("delete", shadow)
	case 1:
		a.remove("forget", shadow)
	case 2:
		a.rewrite(rng, shadow)
	default:
		a.desire(shadow, property, on)
	}
}

func (a *stormApp) desire(shadow, property string, value any) {
	key := shadow + "/" + property
	if a.wishes == nil {
		a.wishes = map[string][]wish{}
	}
	defer a.s.clock.steady()()
	now := time.Now()
	before := slices.DeleteFunc(slices.Clone(a.wishes[key]), func(w wish) bool { return w.value != value })
	again := slices.ContainsFunc(before, func(w wish) bool { return now.Round(0).Sub(w.at.Round(0)).Abs() < 1100*time.Millisecond })
	a.wishes[key] = append(a.wishes[key], wish{now, value, a.s.run()})
	desired := value
	if property == "bell" { // else what comes back could be taken for another command, and the other way round
		a.rings++
		desired = map[string]any{"id": fmt.Sprint("ring ", a.rings)}
	}
	body, err := json.Marshal(map[string]any{"state": map[string]any{"desired": map[string]any{property: desired}}})
	if err != nil {
		panic(err)
	}
	reply, err := a.s.order(order{Do: "update", Shadow: shadow, Body: body})
	var accepted struct{ Version int64 }
	switch {
	case err == nil && json.Unmarshal(reply, &accepted) == nil:
		a.wanted[key] = &wanted{value, accepted.Version, true, again, before}
	case errors.Is(err, errCoreGone):
		a.wanted[key] = &wanted{}
	}
}

// remove deletes a shadow, and with it all that is desired in it.
func (a *stormApp) remove(how, shadow string) {
	_, err := a.s.order(order{Do: how, Shadow: shadow})
	a.unwant(shadow, err)
}

// unwant takes note that nothing is desired in a shadow any more, or may be.
func (a *stormApp) unwant(shadow string, err error) {
	for key, w := range a.wanted {
		if in, _, _ := strings.Cut(key, "/"); in != shadow {
			continue
		}
		if err == nil {
			delete(a.wanted, key)
		} else if errors.Is(err, errCoreGone) {
			w.known = false
		}
	}
}

// rewrite has somebody write over what the component reports, or clear what is desired.
func (a *stormApp) rewrite(rng *rand.Rand, shadow string) {
	bodies := []string{`{"state":{"reported":{"lights":"rewritten","locked":"rewritten"}}}`, `{"state":{"reported":{"ack":null}}}`,
		`{"state":{"reported":null}}`, `{"state":{"desired":null}}`}
	body := bodies[rng.IntN(len(bodies))]
	_, err := a.s.order(order{Do: "update", Shadow: shadow, Body: json.RawMessage(body)})
	switch {
	case strings.Contains(body, "desired"):
		a.unwant(shadow, err)
	case strings.Contains(body, "null"):
		a.wiped[shadow] = true
	}
}

// stormInputs moves the inputs, and knows how many edges must have been counted.
type stormInputs struct {
	s *stormProcess

	mu       sync.Mutex
	process  *process
	pressed  int // edges at all
	saved    int // of them what no kill can lose
	counting int // of them what this run of the component must have seen
}

func (in *stormInputs) step(rng *rand.Rand) {
	chip := in.s.rig.chip
	if rng.IntN(3) == 0 {
		chip.SetPull(chipName, stormDoor, rng.IntN(2) == 0)
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	sure := in.process != nil && strings.Contains(in.process.log.String(), "shadow read")
	for range 1 + rng.IntN(3) {
		chip.SetPull(chipName, stormGate, true)
		chip.SetPull(chipName, stormGate, false)
		in.pressed++
		if sure {
			in.counting++
		}
	}
}

func (in *stormInputs) begins(p *process) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.process = p
}

// ends is told before the component is ended: in order, which saves its counts, or
// not, which may lose the last ten seconds of them.
func (in *stormInputs) ends(inOrder bool) {
	in.mu.Lock()
	in.process = nil
	if inOrder {
		in.saved += in.counting
	}
	in.counting = 0
	in.mu.Unlock()
	if inOrder {
		time.Sleep(50 * time.Millisecond) // for edges on their way
	}
}

// bounds are the least and the most that can have been counted.
func (in *stormInputs) bounds() (least, most int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.saved + in.counting, in.pressed
}

// stormWatch sees every change of the lines from the far side.
type stormWatch struct {
	mu      sync.Mutex
	changes []sim.Change
}

func watchStorm(t *testing.T, chip *sim.Sim) *stormWatch {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w := new(stormWatch)
	changes := chip.Watch(ctx)
	go func() {
		for c := range changes {
			w.mu.Lock()
			w.changes = append(w.changes, c)
			w.mu.Unlock()
		}
	}()
	return w
}

// of are the changes of some lines, in order.
func (w *stormWatch) of(offsets ...int) (changes []sim.Change, lost int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.changes {
		lost += c.Lost
		for _, offset := range offsets {
			if c.Offset == offset {
				changes = append(changes, c)
			}
		}
	}
	return changes, lost
}
