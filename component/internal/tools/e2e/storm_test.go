package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/internal/yamltree"
)

// A storm is one to two seconds in which the component and the core, as processes
// of their own, are killed, cut off, slowed down, lied to and configured anew, while
// desired values and edges keep coming. What happens follows from the seed; when
// exactly, and in which order of processes, does not.
//
// The clock jumps in TestKernelStorms only.
var (
	stormCount    = flag.Int("storms", 200, "how many storms; a tenth with -short")
	stormSeed     = flag.Uint64("storm", 0, "play the storm of this `seed` only")
	stormParallel = flag.Int("storm.parallel", 4, "storms at the same time")
)

func TestStorms(t *testing.T) {
	first, n := uint64(time.Now().UnixNano())>>10, *stormCount
	switch {
	case *stormSeed != 0:
		first, n = *stormSeed, 1
	case testing.Short():
		n /= 10
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range *stormParallel {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				seed := first + uint64(i) - 1
				t.Run(fmt.Sprint(seed), func(t *testing.T) { storming(t, seed, nil) })
			}
		})
	}
	workers.Wait()
}

// The lines of a storm.
const (
	stormSpare   = 0
	stormBell    = 3
	stormForward = 4
	stormReverse = 5
	stormDoor    = 6
	stormGate    = 7
)

var stormBoard = sim.Chip{Label: "board", Lines: 8, Names: map[int]string{
	stormSpare: "SPARE", lampOffset: "LAMP", fanOffset: "FAN", stormBell: "BELL",
	stormForward: "FORWARD", stormReverse: "REVERSE", stormDoor: "DOOR", stormGate: "GATE",
}}

const (
	leastDeadTime = 20 * time.Millisecond
	stormConfig   = `
holdFor: %s
lines:
  lamp:    {line: LAMP, direction: output%s}
  fan:     {line: FAN, direction: output}
  bell:    {line: BELL, direction: output}
  forward: {line: FORWARD, direction: output}
  reverse: {line: REVERSE, direction: output}
  door:    {line: DOOR, direction: input}
  gate:    {line: GATE, direction: input}
%s
interlocks:
  motor: {lines: [forward, reverse], deadTime: %s}
shadows:
  main:
    properties:
      lights:  {line: lamp}
      bell:    {line: bell, pulse: %s}
      forward: {line: forward}
      reverse: {line: reverse}
%s
  room:
    name: room
    properties:
      fan:    {line: fan}
      locked: {line: door}
      visits: {line: gate, count: rising}
`
)

// stormProcess is a storm and all that it rages on.
type stormProcess struct {
	t      *testing.T
	seed   uint64
	rig    *rig
	proxy  *proxy
	setup  coreSetup
	clock  *stormClock // nil where it stays as it is
	watch  *stormWatch
	app    *stormApp
	inputs *stormInputs

	held   bool // the holder keeps outputs
	pulse  time.Duration
	fills  bool // the disk fills up
	losing bool // an event was lost for good: only the next one shows that
	full   bool
	forgot bool // the component ended while the disk was full: it may not know what it reported

	mu        sync.Mutex
	core      *coreProcess
	component *process
	runs      int64
}

func storming(t *testing.T, seed uint64, clock *stormClock) {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &stormProcess{t: t, seed: seed, clock: clock, held: rng.IntN(3) > 0, fills: rng.IntN(8) == 0,
		pulse: time.Duration(50+rng.IntN(150)) * time.Millisecond}
	t.Cleanup(func() {
		if t.Failed() {
			s.tell()
			if clock == nil {
				t.Logf("again with: go test ./component/internal/tools/e2e -run TestStorms -storm %d", seed)
			}
		}
	})
	s.begin()
	s.rage(rng, time.Duration(1000+rng.IntN(800))*time.Millisecond)
	s.heal()
	s.judge()
}

func (s *stormProcess) begin() {
	t := s.t
	t.Helper()
	r := &rig{t: t, dir: shortDir(t), events: newJournal(), token: "STORMSTORMSTORM1"}
	r.coreAt, r.chipsAt = filepath.Join(r.dir, "proxy.socket"), filepath.Join(r.dir, "chips.socket")
	s.rig = r
	if err := os.MkdirAll(r.work(), 0o700); err != nil {
		t.Fatal(err)
	}
	s.setup = coreSetup{filepath.Join(r.dir, "core"), filepath.Join(r.dir, "ipc.socket"), filepath.Join(r.dir, "config.yaml"), r.token}
	if err := os.WriteFile(s.setup.Config, []byte(s.config("", "", "", leastDeadTime)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.simulateChip(stormBoard)
	s.watch = watchStorm(t, r.chip)
	s.proxy = newProxy(s.setup.Socket)
	serve(t, r.coreAt, s.proxy.serve)
	s.app = &stormApp{s: s, wanted: map[string]*wanted{}, wiped: map[string]bool{}}
	s.inputs = &stormInputs{s: s}
	s.startCore()
	s.startComponent()
	r.reported("", `{"lights":false,"bell":false,"forward":false,"reverse":false}`)
	r.reported("room", `{"fan":false,"locked":false,"visits":0}`)
	for s.held && !strings.Contains(s.component.log.String(), "line goes on as it was held") {
		s.endComponent(syscall.SIGTERM) // the holder takes a moment to come up
		s.startComponent()
		s.component.says("shadow read", "(classic)")
		s.component.says("shadow read", "room")
	}
}

func (s *stormProcess) config(lamp, lines, properties string, dead time.Duration) string {
	hold := "0s"
	if s.held {
		hold = "20s"
	}
	return fmt.Sprintf(stormConfig, hold, lamp, lines, dead, s.pulse, properties)
}

// rage plays three parts at once: what breaks, the application, and the inputs.
func (s *stormProcess) rage(rng *rand.Rand, d time.Duration) {
	over := time.Now().Add(d)
	var parts sync.WaitGroup
	part := func(stream uint64, most int, step func(*rand.Rand)) {
		rng := rand.New(rand.NewPCG(s.seed, stream))
		parts.Go(func() {
			for time.Now().Before(over) {
				time.Sleep(time.Duration(1+rng.IntN(most)) * time.Millisecond)
				step(rng)
			}
		})
	}
	part(2, 120, s.app.step)
	part(3, 40, s.inputs.step)
	part(4, 300, s.breakSomething)
	parts.Wait()
}

func (s *stormProcess) breakSomething(rng *rand.Rand) {
	wait := func(most int) { time.Sleep(time.Duration(rng.IntN(most)) * time.Millisecond) }
	kinds := 11
	if s.clock != nil {
		kinds = 14
	}
	switch rng.IntN(kinds) {
	case 0, 1:
		s.endComponent(syscall.SIGKILL)
		wait(200)
		s.startComponent()
	case 2:
		s.endComponent(syscall.SIGTERM)
		wait(200)
		s.startComponent()
	case 3:
		s.core.kill()
		wait(300)
		s.startCore()
	case 4:
		s.proxy.refuse.Store(rng.IntN(2) == 0)
		s.proxy.cut()
		wait(300)
		s.proxy.refuse.Store(false)
	case 5:
		s.proxy.delay.Store(int64(rng.IntN(60)) * int64(time.Millisecond))
		s.proxy.piece.Store(int64(rng.IntN(3) * 100))
		wait(400)
		s.proxy.heal()
	case 6:
		s.proxy.corrupt.Store(1)
	case 7, 8:
		s.order(order{Do: "fault", Text: s.fault(rng)})
	case 9:
		if s.fills && !s.full {
			s.full = true
			s.fill()
			return
		}
		s.order(order{Do: "notReady", Text: fmt.Sprintf("%dms", rng.IntN(300))})
	case 10:
		s.deploy(s.anotherConfig(rng)) // which the storm may hinder
	case 11:
		s.clock.jump(s.t, rng)
	case 12:
		s.endComponent(syscall.SIGKILL)
		s.clock.jump(s.t, rng)
		s.startComponent()
	case 13:
		s.core.kill()
		s.clock.jump(s.t, rng)
		s.startCore()
	}
}

// fault is a rule that ends by itself.
func (s *stormProcess) fault(rng *rand.Rand) string {
	rules := []string{
		"UpdateThingShadow delay %dms", "GetThingShadow delay %dms", "UpdateThingShadow delayReply %dms", "GetThingShadow delayReply %dms",
		"SubscribeToTopic delay %dms", "SubscribeToTopic delay %dms on event", "SubscribeToTopic reorder %dms on event",
		"UpdateThingShadow throttle", "GetThingShadow throttle", "* drop", "* dropReply", "UpdateThingShadow drop", "UpdateThingShadow dropReply",
		"UpdateThingShadow redeliver", "SubscribeToTopic duplicate", "SubscribeToTopic lose", "GetThingShadow silence", "UpdateThingShadow silence",
	}
	rule := rules[rng.IntN(len(rules))]
	if strings.Contains(rule, "%d") {
		rule = fmt.Sprintf(rule, rng.IntN(300))
	}
	s.losing = s.losing || strings.Contains(rule, "lose")
	return rule + fmt.Sprintf(" times %d skip %d", 1+rng.IntN(3), rng.IntN(3))
}

func (s *stormProcess) anotherConfig(rng *rand.Rand) string {
	var lamp, lines, properties string
	if rng.IntN(2) == 0 {
		lamp = ", maxOn: 1h"
	}
	if rng.IntN(2) == 0 {
		lines, properties = "  spare: {line: SPARE, direction: output}", "      spare: {line: spare}"
	}
	if rng.IntN(5) == 0 {
		lines = "  spare: {line: SPARE, direction: wrong}"
	}
	return s.config(lamp, lines, properties, leastDeadTime+time.Duration(rng.IntN(30))*time.Millisecond)
}

func (s *stormProcess) deploy(config string) error {
	tree, err := yamltree.ReadObject([]byte(config))
	if err != nil {
		return err
	}
	full, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	_, err = s.order(order{Do: "deploy", Body: full})
	return err
}

// order has the core do something, unless that is away.
func (s *stormProcess) order(o order) (json.RawMessage, error) {
	s.mu.Lock()
	core := s.core
	s.mu.Unlock()
	return core.call(o)
}

func (s *stormProcess) startCore() {
	core := startCore(s.t, s.setup, s.rig.events.add)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core = core
}

// run is which run of the component it is.
func (s *stormProcess) run() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs
}

func (s *stormProcess) startComponent() {
	s.mu.Lock()
	s.runs++
	s.proxy.owner.Store(s.runs)
	s.mu.Unlock()
	p := s.rig.start()
	s.mu.Lock()
	s.component = p
	s.mu.Unlock()
	if s.full {
		s.fill()
	}
	s.inputs.begins(p)
}

func (s *stormProcess) endComponent(sig syscall.Signal) {
	s.inputs.ends(sig == syscall.SIGTERM && !s.full)
	s.forgot = s.forgot || s.full
	s.component.cmd.Process.Signal(sig)
	s.component.ends()
}

func (s *stormProcess) fill() {
	if err := fillDisk(s.component.cmd.Process.Pid, s.full); err != nil && s.component.running() {
		s.t.Errorf("limit of the size of files: %v", err)
	}
}

// heal takes back all that was done, but what the application wants.
func (s *stormProcess) heal() {
	s.t.Helper()
	s.proxy.heal()
	if s.full {
		s.full = false
		s.fill()
	}
	if !s.component.running() {
		s.t.Errorf("the component has ended by itself with code %d", s.component.code)
		s.startComponent()
	}
	s.order(order{Do: "heal"})
	s.clock.catchUp(s.t)
	awaitTrue(s.t, "deployment of the first configuration", func() bool {
		err := s.deploy(s.config("", "", "", leastDeadTime))
		if err != nil {
			s.t.Logf("deployment: %v", err)
		}
		return err == nil
	})
	if s.losing {
		s.app.desire("", "lights", true)
		s.app.desire("room", "fan", true)
	}
}
