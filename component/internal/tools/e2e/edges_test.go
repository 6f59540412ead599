package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
)

// edgeSecondsVariable is how long TestKernelEdges sends edges.
const edgeSecondsVariable = "SHADOWGPIO_EDGE_SECONDS"

// TestKernelEdges lets 16 inputs have 500 edges a second each, and one output be
// set meanwhile. Every edge must be counted or declared lost, the final values must
// be right, and the output must not be held up for good.
func TestKernelEdges(t *testing.T) {
	gpiotest.RequireKernel(t)
	const inputs, rate, lamp = 16, 500, 16
	seconds := 3
	if text := os.Getenv(edgeSecondsVariable); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	sim, err := gpiosim.NewSim(gpiosim.WithName("shadowgpio-edges"), gpiosim.WithBank(gpiosim.NewBank("edges", inputs+1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	var lines, properties strings.Builder
	for i := range inputs {
		fmt.Fprintf(&lines, "  in%d: {line: %d, chip: edges, direction: input}\n", i, i)
		fmt.Fprintf(&properties, "      n%d: {line: in%d, count: both}\n      v%d: {line: in%d}\n", i, i, i, i)
	}
	r := newRig(t, fmt.Sprintf("lines:\n%s  lamp: {line: %d, chip: edges, direction: output}\n"+
		"shadows:\n  main:\n    properties:\n%s      lamp: {line: lamp}\n", lines.String(), lamp, properties.String()))
	r.serve()
	p := r.start()
	r.reported("", `{"n15":0,"v15":false,"lamp":false}`)

	before := cpuTime(t, p.cmd.Process.Pid)
	began := time.Now()
	sent := storm(t, sim.Chips[0].ChipName(), inputs, rate, time.Duration(seconds)*time.Second)
	took := time.Since(began)
	r.answered("", r.desire("", `{"lamp":true}`), `{"lamp":true}`)

	var total, counted, lost int
	want := map[string]any{}
	for i, n := range sent {
		total += n
		want[fmt.Sprintf("v%d", i)] = n%2 == 1
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	r.reported("", string(text))
	p.signal(syscall.SIGTERM) // the last counts are reported and saved
	used := cpuTime(t, p.cmd.Process.Pid) - before
	if code := p.ends(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, match := range regexp.MustCompile(`msg="edges were lost.*lost=(\d+)`).FindAllStringSubmatch(p.log.String(), -1) {
		n, _ := strconv.Atoi(match[1])
		lost += n
	}
	var state struct {
		Properties map[string]struct{ Count int }
	}
	saved, err := os.ReadFile(filepath.Join(r.work(), "state.json"))
	if err == nil {
		err = json.Unmarshal(saved, &state)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range state.Properties {
		counted += p.Count
	}
	if counted+lost != total {
		t.Errorf("%d edges: %d counted, %d declared lost", total, counted, lost)
	}
	t.Logf("%d edges in %v (%.0f/s): %d counted, %d declared lost; CPU %v (%.0f %%)",
		total, took.Round(time.Millisecond), float64(total)/took.Seconds(), counted, lost,
		used.Round(time.Millisecond), 100*used.Seconds()/took.Seconds())
}

// storm lets each input change rate times a second, as far as the machine keeps
// up, and returns how often each did.
func storm(t *testing.T, chip string, inputs, rate int, d time.Duration) []int {
	t.Helper()
	pulls := make([]*os.File, inputs)
	for i := range pulls {
		paths, err := filepath.Glob(fmt.Sprintf("/sys/devices/platform/gpio-sim.*/%s/sim_gpio%d/pull", chip, i))
		if err != nil || len(paths) != 1 {
			t.Fatalf("pull of line %d: %v, %v", i, paths, err)
		}
		if pulls[i], err = os.OpenFile(paths[0], os.O_WRONLY, 0); err != nil {
			t.Fatal(err)
		}
		defer pulls[i].Close()
	}
	sent := make([]int, inputs)
	// A sleep and no ticker, whose late ticks come close together: gpio-sim raises
	// interrupts from the timer, and makes one of two changes within a tick.
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(time.Second / time.Duration(rate)) {
		for i, pull := range pulls {
			sent[i]++
			level := []byte("pull-down")
			if sent[i]%2 == 1 {
				level = []byte("pull-up")
			}
			if _, err := pull.WriteAt(level, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	return sent
}

// cpuTime is the processor time that a process has used.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	process, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := process.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(stat.CPUTime() * float64(time.Second))
}

// TestNumbersOfAnInput reports all that is measured of one, each by itself.
func TestNumbersOfAnInput(t *testing.T) {
	r := newRig(t, `
lines:
  door: {line: DOOR, direction: input}
shadows:
  main:
    properties:
      opened:   {line: door, count: rising, interval: 100ms}
      often:    {line: door, rate: rising, interval: 100ms}
      every:    {line: door, period: rising, interval: 100ms}
      open:     {line: door, duty: 10s, interval: 100ms, decimals: 9}
      lastOpen: {line: door, lastPulse: on, interval: 100ms, decimals: 9}
      lastShut: {line: door, lastPulse: "off", interval: 100ms, decimals: 9}
`)
	r.simulate()
	r.serve()
	r.start()
	var d struct {
		State struct{ Reported map[string]float64 }
	}
	awaitTrue(t, "all numbers", func() bool {
		for _, high := range []bool{true, false} {
			if err := r.chip.SetPull(chipName, doorOffset, high); err != nil {
				t.Fatal(err)
			}
		}
		text, err := r.core.Shadows().Get(thing, "")
		if err != nil {
			return false
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		n := d.State.Reported
		return n["opened"] > 2 && n["often"] > 0 && n["every"] > 0 && n["open"] > 0 && n["open"] < 100 && n["lastOpen"] > 0 && n["lastShut"] > n["lastOpen"]
	})
}
