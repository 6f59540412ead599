package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// The lines of an injection.
const (
	injectBell = iota + 4
	injectPorch
	injectSiren
	injectHeater
	injectDoor
	injectGate
	injectButton
	injectTank
)

var injectBoard = sim.Chip{Label: "board", Lines: 12, Names: map[int]string{
	lampOffset: "LAMP", fanOffset: "FAN", injectBell: "BELL", injectPorch: "PORCH", injectSiren: "SIREN", injectHeater: "HEATER",
	injectDoor: "DOOR", injectGate: "GATE", injectButton: "BUTTON", injectTank: "TANK",
}}

const injectConfig = `
holdFor: 20s
lines:
  lamp:   {line: LAMP, direction: output}
  fan:    {line: FAN, direction: output, start: "on", stop: "off"}
  bell:   {line: BELL, direction: output}
  porch:  {line: PORCH, direction: output}
  siren:  {line: SIREN, direction: output}
  heater: {line: HEATER, direction: output}
  door:   {line: DOOR, direction: input}
  gate:   {line: GATE, direction: input}
  button: {line: BUTTON, direction: input}
  tank:   {line: TANK, direction: input}
controls:
  wall: {input: button, action: toggle, output: porch}
alarms:
  full: {line: tank, latched: true, output: siren}
shadows:
  main:
    status: true
    properties:
      lights:  {line: lamp}
      bell:    {line: bell, pulse: 300ms}
      porch:   {line: porch}
      siren:   {line: siren}
      tripped: {alarm: full}
      limit:   {setting: integer, min: 0, max: 100, default: 40}
      kept:    {setting: integer, min: 0, max: 100, default: 0}
      heat:    {line: heater}
      times:   {schedule: heater}
  room:
    name: room
    properties:
      fan:    {line: fan}
      locked: {line: door}
      visits: {line: gate, count: rising, interval: 100ms}
`

// What the state holds before the injection, and ever after.
const (
	keptSetting  = 61
	countedFirst = 5
)

// injected is a component whose system calls fail, and what it lives with.
type injected struct {
	t       *testing.T
	program string
	plan    injection
	rig     *rig
	watch   *stormWatch

	mu        sync.Mutex
	component *process
	began     time.Time // of the present run of the component
	traced    *process  // the run that strace has or had
	died      []string  // why runs ended that should not have

	desired  map[string]any // by "shadow/property", the latest
	version  map[string]int64
	pressed  int // edges of the gate
	floor    int // what was saved of them when the present run began
	rings    []string
	prepared bool   // the state has what it must keep
	once     string // when the schedule switches the heater

	planless []time.Time // starts that found no schedule in the state
}

// injecting plays one injection.
func injecting(t *testing.T, program string, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &injected{t: t, program: program, plan: drawInjection(seed, rng), desired: map[string]any{}, version: map[string]int64{}}
	t.Logf("go test ./component/internal/tools/e2e -run 'TestInjections$' -injection %d: %v", seed, s.plan)
	s.rig = newRig(t, injectConfig)
	s.rig.simulateChip(injectBoard)
	s.rig.serve()
	s.watch = watchStorm(t, s.rig.chip)
	s.prepare()

	var tr *tracer
	switch s.plan.entry {
	case "attach":
		tr = s.trace(s.component.cmd.Process.Pid, s.plan)
		s.traced = s.component
	case "kill":
		s.end(syscall.SIGKILL)
		tr = s.startTraced()
	default:
		s.end(syscall.SIGTERM)
		tr = s.startTraced()
	}
	s.once = time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339)
	supervised := make(chan struct{})
	over := make(chan struct{})
	go func() { defer close(supervised); s.supervise(over) }()
	s.live(rng)
	computed := processorTime(s.traced.cmd.Process.Pid)
	tr.detach()
	hits := tr.hits()
	if hits > 0 || !s.traced.running() {
		injectionsHit.Add(1)
	}
	t.Logf("%d calls failed; the component computed for %v", hits, computed)
	if s.traced.running() && (hits > 3000 || computed > s.plan.long/2+500*time.Millisecond) {
		t.Errorf("the component spins: %d calls failed, and it computed for %v within %v", hits, computed, s.plan.long)
	}
	s.judge(rng)
	close(over)
	<-supervised
	s.judgeEnd()
	if t.Failed() {
		s.tell()
	}
}

// launch starts the component without strace.
func (s *injected) launch() {
	found := s.saved()
	cmd := exec.Command(s.program, "run")
	cmd.Dir, cmd.Env = s.rig.work(), append(environ(), s.rig.environment()...)
	s.install(start(s.t, cmd), found)
}

// install makes a run the present one. found is the state before its start.
func (s *injected) install(p *process, found state.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.component, s.began, s.floor = p, time.Now(), visits(found)
	plan := found.Properties[thing+"//times#schedule"].Schedule
	if s.once != "" && (plan == nil || !strings.Contains(fmt.Sprint(plan.Value), s.once)) {
		s.planless = append(s.planless, s.began)
	}
}

// startTraced starts the component under strace, from its first system call on.
func (s *injected) startTraced() *tracer {
	cmd := exec.Command("/bin/sh", "-c", `read go; exec "$0" run`, s.program)
	cmd.Dir, cmd.Env = s.rig.work(), append(environ(), s.rig.environment()...)
	p := start(s.t, cmd)
	tr := s.trace(cmd.Process.Pid, s.plan)
	s.install(p, s.saved())
	s.traced = p
	p.types("go")
	return tr
}

// supervise starts the component again when it has died, as a nucleus does.
func (s *injected) supervise(over <-chan struct{}) {
	for {
		s.mu.Lock()
		p := s.component
		s.mu.Unlock()
		select {
		case <-p.done:
		case <-over:
			return
		}
		if reason := s.autopsy(p); reason != "" {
			s.mu.Lock()
			s.died = append(s.died, reason)
			s.mu.Unlock()
		}
		s.launch()
	}
}

// runtimeDeaths are what Go itself does not survive: a restart heals it.
var runtimeDeaths = []string{
	"netpoll failed", "netpollBreak write failed", "netpollinit", "failed to create new OS thread", "newosproc", "cannot open standard fds",
}

// memoryDeaths are the same for want of memory, by the words of package runtime.
var memoryDeaths = []string{"memory", "failed to reserve", "failed to allocate", "cannot map pages", "address space", "heap metadata"}

// autopsy is why a run that has ended should not have, "" for no reason.
func (s *injected) autopsy(p *process) string {
	text := p.log.String()
	if p == s.traced {
		calls, err := os.ReadFile(s.traceFile()) // has last words that could not be written
		if err != nil {
			s.t.Error(err)
		}
		text += string(calls)
	}
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case strings.Contains(text, "panic: "):
		return "it panicked"
	case !p.log.has("level=") && (p.code == 126 || p.code == 127):
		return "" // the shell could not start the component
	case p == s.traced && s.plan.kills() && status.Signaled() && status.Signal() == syscall.SIGKILL:
		return ""
	case strings.Contains(text, "fatal error: "), strings.Contains(text, "runtime: "):
		deaths := runtimeDeaths
		if s.plan.class.name == "memory" {
			deaths = slices.Concat(deaths, memoryDeaths)
		}
		if p == s.traced && slices.ContainsFunc(deaths, func(death string) bool { return strings.Contains(text, death) }) {
			return ""
		}
		return "a fatal error"
	}
	return fmt.Sprintf("it ended by itself: %v", p.cmd.ProcessState)
}

func (s *injected) end(sig syscall.Signal) {
	s.component.signal(sig)
	s.component.ends()
}

// prepare has a healthy component remember something.
func (s *injected) prepare() {
	s.rememberFormer()
	s.launch()
	s.rig.reported("", `{"lights":false,"kept":0,"tripped":false}`)
	s.rig.reported("room", `{"visits":0}`)
	s.rig.chip.SetPull(chipName, injectTank, true)
	s.rig.reported("", `{"tripped":true,"siren":true}`)
	s.rig.chip.SetPull(chipName, injectTank, false)
	s.rig.answered("", s.rig.desire("", fmt.Sprintf(`{"kept":%d}`, keptSetting)), fmt.Sprintf(`{"kept":%d}`, keptSetting))
	s.rig.desire("", `{"kept":null}`)
	s.enter(countedFirst)
	s.rig.reported("room", fmt.Sprintf(`{"visits":%d}`, countedFirst))
	s.desire("", "lights", true)
	s.rig.reported("", `{"lights":true,"kept":61}`)
	awaitTrue(s.t, "a state with everything", func() bool {
		memory, err := s.memory()
		return err == nil && remembersAll(memory) == nil && slices.Contains(slices.Collect(maps.Values(memory.Alarms)), true)
	})
	s.prepared = true
}

// memory is the state file.
func (s *injected) memory() (state.State, error) {
	text, err := os.ReadFile(s.rig.file(state.FileName))
	if err != nil {
		return state.State{}, err
	}
	memory, damages, err := state.Decode(text)
	if err == nil && damages.Count > 0 {
		err = fmt.Errorf("damaged entries: %v", damages.First)
	}
	return memory, err
}

// saved is the state that a start finds.
func (s *injected) saved() state.State {
	memory, err := s.memory()
	if s.prepared && err == nil {
		err = remembersAll(memory)
	}
	if err != nil {
		s.t.Errorf("state file before a start: %v", err)
	}
	return memory
}

func visits(memory state.State) int {
	if n := memory.Properties[thing+"/room/visits#count"].Count; n != nil {
		return int(*n)
	}
	return 0
}

// remembersAll wants what was there before the injection. The former setting is in no shadow,
// where the component could find it again.
func remembersAll(memory state.State) error {
	var faults []error
	if got := memory.Properties[thing+"//kept#setting"].Setting; fmt.Sprint(got) != fmt.Sprint(keptSetting) {
		faults = append(faults, fmt.Errorf("the setting is %v, want %d", got, keptSetting))
	}
	if n := visits(memory); n < countedFirst {
		faults = append(faults, fmt.Errorf("the count is %d, want %d at least", n, countedFirst))
	}
	if got := memory.Properties[formerID].Setting; fmt.Sprint(got) != "7" || memory.Aside[formerAside].IsZero() {
		faults = append(faults, fmt.Errorf("of the former setting %v is kept", got))
	}
	return errors.Join(faults...)
}

// formerID is a setting that an earlier configuration had, kept for a rollback.
const (
	formerID    = thing + "//former#setting"
	formerAside = "properties/" + formerID
)

// rememberFormer makes the state that the first run finds.
func (s *injected) rememberFormer() {
	text, err := state.Encode(state.State{
		Format: state.Format, Outputs: map[string]bool{},
		Properties: map[string]state.Property{formerID: {Read: true, Setting: 7}},
		Aside:      map[string]time.Time{formerAside: time.Now().UTC().Truncate(time.Second)},
	})
	if err == nil {
		err = os.WriteFile(s.rig.file(state.FileName), text, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// live is everyday life while calls fail.
func (s *injected) live(rng *rand.Rand) {
	over := time.Now().Add(s.plan.long)
	s.rig.desire("", `{"times":{"missed":"last","entries":[{"once":"`+s.once+`","set":"on"}]}}`)
	ringing := time.Now().Add(s.plan.long / time.Duration(2+rng.IntN(4)))
	for time.Now().Before(over) {
		time.Sleep(time.Duration(5+rng.IntN(80)) * time.Millisecond)
		switch rng.IntN(7) {
		case 0:
			s.desire("", "lights", rng.IntN(2) == 0)
		case 1:
			s.desire("room", "fan", rng.IntN(2) == 0)
		case 2:
			s.desire("", "limit", 41+rng.IntN(50))
		case 3:
			s.rig.chip.SetPull(chipName, injectDoor, rng.IntN(2) == 0)
		case 4:
			s.press(injectButton)
		case 5, 6:
			s.enter(1 + rng.IntN(3))
		}
		if len(s.rings) == 0 && time.Now().After(ringing) {
			s.ring()
		}
	}
	if len(s.rings) == 0 {
		s.ring()
	}
}

func (s *injected) desire(shadow, property string, value any) int64 {
	text, err := json.Marshal(map[string]any{property: value})
	if err != nil {
		panic(err)
	}
	version := s.rig.desire(shadow, string(text))
	s.desired[shadow+"/"+property], s.version[shadow+"/"+property] = value, version
	return version
}

func (s *injected) press(offset int) {
	s.rig.chip.SetPull(chipName, offset, true)
	s.rig.chip.SetPull(chipName, offset, false)
}

func (s *injected) enter(times int) {
	for range times {
		s.press(injectGate)
		s.pressed++
	}
}

// ring requests a pulse with an ID of its own.
func (s *injected) ring() string {
	id := fmt.Sprint("ring", len(s.rings)+1)
	s.rig.desire("", `{"bell":{"id":"`+id+`"}}`)
	s.rings = append(s.rings, id)
	return id
}

// tell prints what the component said and the core observed.
func (s *injected) tell() {
	var b strings.Builder
	s.rig.events.count(func(e devcore.Event) bool {
		fmt.Fprintf(&b, "%s %v %s shadow %q version %d %s %s\n", e.Time.Format(time.StampMicro), e.Kind, e.Component, e.Shadow, e.Version, e.Sent, e.Reason)
		return false
	})
	s.t.Logf("the core observed:\n%s", &b)
	if text, err := os.ReadFile(s.traceFile()); err == nil {
		s.t.Logf("strace wrote:\n%s", text[max(0, len(text)-20_000):])
	}
}
