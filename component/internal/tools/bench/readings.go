package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/prometheus/procfs"

	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

const (
	readingsEach    = 20 // readings of one shadow
	readingsFor     = 20 * time.Second
	readingsStep    = 100 // a walk of a tenth of a degree a second, in thousandths
	sensorsVariable = "BENCH_SENSORS"
)

// readings is one component with many readings of a second each.
type readings struct {
	*soak
	count int
	files []string
}

func (r *readings) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "readings")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r.dir, r.byThing = dir, map[string][]time.Time{}
	r.ready.Socket, r.ready.Chips = filepath.Join(dir, "ipc.socket"), filepath.Join(dir, "chips.socket")
	if err := r.makeSensors(filepath.Join(dir, "machine")); err != nil {
		return err
	}
	board, err := sim.New(sim.Chip{Lines: 1})
	if err != nil {
		return err
	}
	serving, end := context.WithCancel(ctx)
	defer end()
	chips, err := server.Listen(r.ready.Chips)
	if err != nil {
		return err
	}
	go sim.Serve(serving, chips, board)
	go r.walk(serving)
	fmt.Printf("%d readings of a second each on one component, %v\n", r.count, readingsFor)
	fmt.Printf("   %-34s %11s %13s %16s\n", "", "requests/s", "CPU", "allocations/s")
	for _, c := range []struct{ what, rules string }{
		{"no readings (floor)", ""},
		{"every change", `"interval":"1s"`},
		{"a deadband of half a degree", `"interval":"1s","deadband":0.5`},
		{"and a median of 5, an average of 4", `"interval":"1s","deadband":0.5,"median":5,"average":4`},
	} {
		if err := r.measure(ctx, c.what, c.rules); err != nil {
			return err
		}
	}
	return nil
}

// makeSensors lays out chips as hwmon shows them.
func (r *readings) makeSensors(root string) error {
	for i := range r.count {
		chip := filepath.Join(root, "sys/class/hwmon", fmt.Sprintf("hwmon%d", i))
		if err := os.MkdirAll(chip, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(chip, "name"), fmt.Appendf(nil, "chip%d\n", i), 0o644); err != nil {
			return err
		}
		r.files = append(r.files, filepath.Join(chip, "temp1_input"))
		if err := os.WriteFile(r.files[i], []byte("40000\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// walk moves each temperature a little, each second.
func (r *readings) walk(ctx context.Context) {
	values := make([]int, len(r.files))
	for range time.Tick(time.Second) {
		for i, file := range r.files {
			values[i] += rand.IntN(2*readingsStep+1) - readingsStep
			// Nobody reads half of it: a sensor that fails is looked for among all.
			os.WriteFile(file+".next", fmt.Appendf(nil, "%d\n", 40000+values[i]), 0o644)
			os.Rename(file+".next", file)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (r *readings) measure(ctx context.Context, what, rules string) (err error) {
	if r.core, err = devcore.New(devcore.Config{ThingName: thing, Observe: r.observe}); err != nil {
		return err
	}
	defer r.core.Close()
	if err := r.core.SetConfiguration(componentName, r.configuration(rules)); err != nil {
		return err
	}
	r.ready.ComponentToken = r.core.IssueToken(componentName)
	if err := r.serve(ctx); err != nil {
		return err
	}
	defer func() { r.stop() }()
	r.reset()
	component, err := r.start(ctx, "component", append(r.environment(), sensorsVariable+"="+filepath.Join(r.dir, "machine"))...)
	if err != nil {
		return err
	}
	defer end(component)
	shadows := max(1, r.count/readingsEach)
	if err := r.until(ctx, func() bool { return len(r.updates) == shadows }); err != nil {
		return fmt.Errorf("%s: %w\n%s", what, err, r.log.String())
	}
	time.Sleep(3 * time.Second) // all have their first value
	process, err := procfs.NewProc(component.Process.Pid)
	if err != nil {
		return err
	}
	before, err := process.Stat()
	if err != nil {
		return err
	}
	requests, allocated := r.soFar(), r.allocations(component.Process.Pid)
	time.Sleep(readingsFor)
	after, err := process.Stat()
	if err != nil {
		return err
	}
	seconds := readingsFor.Seconds()
	fmt.Printf("   %-34s %11.1f %11.2f %% %16.0f\n", what, float64(r.soFar()-requests)/seconds,
		100*(after.CPUTime()-before.CPUTime())/seconds, float64(r.allocations(component.Process.Pid)-allocated)/seconds)
	return nil
}

func (r *readings) soFar() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

var allocationsLine = regexp.MustCompile(`allocations=([0-9]+)`)

// allocations asks the component how many it has made.
func (r *readings) allocations(pid int) int {
	before := len(allocationsLine.FindAllString(r.log.String(), -1))
	process, err := os.FindProcess(pid)
	if err != nil {
		return 0
	}
	process.Signal(askAllocations)
	for range 200 {
		if found := allocationsLine.FindAllStringSubmatch(r.log.String(), -1); len(found) > before {
			n, _ := strconv.Atoi(found[len(found)-1][1])
			return n
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0
}

// configuration has a shadow for each few readings; without rules one with none.
func (r *readings) configuration(rules string) json.RawMessage {
	lines := map[string]any{"in": map[string]any{"chip": chipName, "line": "0", "direction": "input"}}
	shadows := map[string]any{}
	for i := range r.count {
		label := fmt.Sprintf("s%d", i/readingsEach)
		s, ok := shadows[label].(map[string]any)
		if !ok {
			// A thing each, since what is allowed for one would be the limit.
			s = map[string]any{"thing": "thing" + label, "properties": map[string]any{"door": map[string]any{"line": "in"}}}
			shadows[label] = s
		}
		if rules != "" {
			s["properties"].(map[string]any)[fmt.Sprintf("r%d", i)] = json.RawMessage(fmt.Sprintf(`{"reading":"hwmon.chip%d.temp1",%s}`, i, rules))
		}
	}
	text, err := json.Marshal(map[string]any{"lines": lines, "shadows": shadows})
	if err != nil {
		panic(err) // these are maps of texts
	}
	return text
}
