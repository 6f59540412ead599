package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/procfs"

	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// The component's part of the shadow manager's limits (package engine).
const (
	soakBudget      = 160 // requests a second over all things
	soakThingBudget = 16  // and for one thing
	soakLines       = 40  // inputs, which the shadows share
)

// soak is one component with many shadows of many things.
type soak struct {
	*bench
	things, each int

	core *devcore.Core
	stop func() // ends the serving of the core

	mu       sync.Mutex
	requests []time.Time            // of the component, answered or refused
	byThing  map[string][]time.Time // likewise
	refused  int                    // for too many requests
	reads    map[string]bool        // shadows read since the last reset
	updates  map[string]bool        // shadows reported to since the last reset
}

func (s *soak) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s.dir, s.byThing = dir, map[string][]time.Time{}
	s.ready.Socket, s.ready.Chips = filepath.Join(dir, "ipc.socket"), filepath.Join(dir, "chips.socket")
	board, err := sim.New(sim.Chip{Lines: soakLines})
	if err != nil {
		return err
	}
	serving, end := context.WithCancel(ctx)
	defer end()
	chips, err := server.Listen(s.ready.Chips)
	if err != nil {
		return err
	}
	go sim.Serve(serving, chips, board)
	// The real limits: what is over them is refused, and counted.
	if s.core, err = devcore.New(devcore.Config{ThingName: thing, Observe: s.observe}); err != nil {
		return err
	}
	if err := s.core.SetConfiguration(componentName, s.configuration()); err != nil {
		return err
	}
	s.ready.ComponentToken = s.core.IssueToken(componentName)
	if err := s.serve(ctx); err != nil {
		return err
	}
	defer func() { s.stop() }()

	total := s.things * s.each
	fmt.Printf("%d things with %d shadows each on one component\n", s.things, s.each)
	fmt.Printf("   %-44s %9s %9s %7s %9s\n", "", "took", "minimum", "ratio", "CPU")
	s.reset()
	began := time.Now()
	component, err := s.start(ctx, "component", s.environment()...)
	if err != nil {
		return err
	}
	defer component.Process.Kill()
	process, err := procfs.NewProc(component.Process.Pid)
	if err != nil {
		return err
	}
	used := 0.0
	row := func(what string, requests int, done func() bool) error {
		if err := s.until(ctx, done); err != nil {
			return fmt.Errorf("%s: %w\n%s", what, err, s.log.String())
		}
		took := time.Since(began)
		stat, err := process.Stat()
		if err != nil {
			return err
		}
		cpu := stat.CPUTime() - used
		used += cpu
		// The first of the budget go at once, the rest one after the other.
		least := max(0, float64(requests-soakBudget)/soakBudget)
		ratio := "-"
		if least > 0 {
			ratio = fmt.Sprintf("%.2f", took.Seconds()/least)
		}
		fmt.Printf("   %-44s %7.2f s %7.2f s %7s %7.2f s\n", what, took.Seconds(), least, ratio, cpu)
		return nil
	}
	if err := row("from start to all created (get and update)", 2*total, func() bool { return len(s.updates) == total }); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // the budget is whole again
	stat, err := process.Stat()
	if err != nil {
		return err
	}
	used = stat.CPUTime()
	time.Sleep(s.idle)
	if stat, err = process.Stat(); err != nil {
		return err
	}
	resident, idle := float64(stat.ResidentMemory())/1e6, stat.CPUTime()-used
	used = stat.CPUTime()

	s.reset()
	began = time.Now()
	for offset := range soakLines {
		if err := board.SetPull(chipName, offset, true); err != nil {
			return err
		}
	}
	if err := row("an edge on every shadow reported (update)", total, func() bool { return len(s.updates) == total }); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	s.reset()
	s.stop()
	if err := s.serve(ctx); err != nil {
		return err
	}
	began = time.Now()
	if err := row("after a nucleus restart all reconciled (get)", total, func() bool { return len(s.reads) == total }); err != nil {
		return err
	}
	s.report(resident, idle)
	return nil
}

// report prints what the component took, and what it asked of the shadow manager.
func (s *soak) report(resident, idle float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := 0
	for _, times := range s.byThing {
		most = max(most, busiest(times))
	}
	fmt.Printf("\n%.1f MB resident, %.0f ms of CPU time idle in %v\n", resident, idle*1000, s.idle)
	fmt.Printf("busiest second: %d requests over all things (limit 200, ours at most %d), %d for one thing (limit 20, ours at most %d); %d refused\n",
		busiest(s.requests), soakBudget, most, soakThingBudget, s.refused)
}

// busiest is the most requests in any second. Times are those of the answers,
// which may crowd a little where requests did not.
func busiest(times []time.Time) int {
	most, first := 0, 0
	for last := range times {
		for times[last].Sub(times[first]) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

func (s *soak) configuration() json.RawMessage {
	lines, shadows := map[string]any{}, map[string]any{}
	for i := range soakLines {
		lines[fmt.Sprintf("in%d", i)] = map[string]any{"chip": chipName, "line": fmt.Sprint(i), "direction": "input"}
	}
	for i := range s.things * s.each {
		shadows[fmt.Sprintf("s%d", i)] = map[string]any{
			"thing": fmt.Sprintf("thing%d", i/s.each), "name": fmt.Sprintf("shadow%d", i%s.each),
			"properties": map[string]any{"value": map[string]any{"line": fmt.Sprintf("in%d", i%soakLines)}},
		}
	}
	text, err := json.Marshal(map[string]any{"lines": lines, "shadows": shadows})
	if err != nil {
		panic(err) // these are maps of texts
	}
	return text
}

func (s *soak) serve(ctx context.Context) error {
	l, err := server.Listen(s.ready.Socket)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.core.Serve(ctx, l)
	}()
	s.stop = func() { cancel(); <-done }
	return nil
}

func (s *soak) observe(e devcore.Event) {
	if e.Component != componentName {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := e.Thing + "/" + e.Shadow
	switch e.Kind {
	case devcore.ShadowRead:
		s.reads[id] = true
	case devcore.ShadowUpdated:
		s.updates[id] = true
	case devcore.ShadowRefused:
		if e.Code == 0 {
			s.refused++
		}
	default:
		return
	}
	s.requests = append(s.requests, e.Time)
	s.byThing[e.Thing] = append(s.byThing[e.Thing], e.Time)
}

func (s *soak) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads, s.updates = map[string]bool{}, map[string]bool{}
}

// until waits until done, which is called under the lock.
func (s *soak) until(ctx context.Context, done func() bool) error {
	for deadline := time.Now().Add(5 * time.Minute); ; {
		s.mu.Lock()
		ok, reads, updates := done(), len(s.reads), len(s.updates)
		s.mu.Unlock()
		switch {
		case ok:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return errors.Join(errors.New("not done in five minutes"), fmt.Errorf("%d shadows read, %d updated", reads, updates))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
