package lines_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

var (
	lineStorms    = flag.Int("lineStorms", 300, "how many random histories TestLineStorms plays")
	lineStormSeed = flag.Uint64("lineStorm", 0, "the one history to play, as TestLineStorms named it")
)

// TestLineStorms plays random histories: demands of all kinds, edges, lost links,
// failing and stuck lines, stops, restarts with and without what was remembered. The
// levels are held against the rules of [law] after every effect. At the end, when all
// is well and quiet, each output is what was demanded last; over a restart with what was
// remembered, also what could not be done before it.
func TestLineStorms(t *testing.T) {
	if *lineStormSeed != 0 {
		playLineStorm(t, *lineStormSeed)
		return
	}
	for range *lineStorms {
		seed := rand.Uint64()
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { playLineStorm(t, seed) }) {
			t.Logf("play it again with -run TestLineStorms -lineStorm %d", seed)
			return
		}
	}
}

func playLineStorm(t *testing.T, seed uint64) {
	s := &storm{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), cfg: stormSetup(), now: time.Unix(1_700_000_000, 0),
		last: map[string]lines.Request{}, stuck: map[string]bool{}, latch: map[string]bool{}, broken: map[string]bool{}, held: map[string]bool{},
		taken: map[string]bool{}, demands: map[string]lines.Demand{},
	}
	s.law = newLaw(s)
	s.start(lines.Memory{})
	for range 300 {
		s.act()
	}
	s.heal()
	s.check()
}

// Outputs of the storm: two of one interlock, a pattern with one line in another,
// and single ones with rules.
var (
	stormLines   = []string{"m1", "m2", "x", "heater", "wave", "pulse", "p1", "p2", "p3"}
	stormPattern = []string{"p1", "p2", "p3"}
	stormOutputs = []string{"m1", "m2", "x", "heater", "wave", "pulse", lines.Label(stormPattern...)}
)

func stormSetup() lines.Setup {
	const ms = time.Millisecond
	c := lines.Setup{
		Lines: map[string]config.Line{
			"m1":     {MinOn: 300 * ms, Stop: config.StopOn},
			"m2":     {Start: config.StartOn, Failsafe: &config.Failsafe{After: 2 * time.Second}},
			"x":      {MinOff: 200 * ms, Start: config.StartKeep},
			"heater": {MinOn: 100 * ms, MinOff: 400 * ms, MaxOn: 2 * time.Second, Failsafe: &config.Failsafe{After: time.Second}},
			"wave":   {MinOn: 100 * ms, MinOff: 100 * ms, MaxOn: 900 * ms},
			"pulse":  {MaxOn: 700 * ms, Stop: config.StopOff},
			"p1":     {MinOn: 100 * ms},
			"p2":     {MinOff: 300 * ms},
			"p3":     {Start: config.StartOff},
		},
		Interlocks: map[string]config.Interlock{
			"motor": {Lines: []string{"m1", "m2"}, DeadTime: 500 * ms},
			"mixed": {Lines: []string{"x", "p1"}, DeadTime: 150 * ms},
		},
		Uses: []lines.Use{
			{Lines: []string{"wave"}, Period: time.Second},
			{Lines: []string{"pulse"}, Momentary: true},
			{Lines: stormPattern},
		},
	}
	for label, line := range c.Lines {
		line.Ref.Line, line.Direction = label, gpio.Output
		c.Lines[label] = line
	}
	c.Lines["in"] = config.Line{Ref: gpio.Ref{Line: "in"}, Direction: gpio.Input, OnDelay: 250 * ms, OffDelay: 100 * ms}
	return c
}

// storm is everything around the bank.
type storm struct {
	t      *testing.T
	random *rand.Rand
	cfg    lines.Setup
	last   map[string]lines.Request // of each claim
	bank   *lines.Bank
	now    time.Time
	law    *law

	latch    map[string]bool // what the lines are driven to
	stuck    map[string]bool // lines that do not follow
	broken   map[string]bool // claims that fail
	held     map[string]bool // claims
	stopping bool

	away    time.Time       // since when there has been no link
	taken   map[string]bool // failsafe states
	demands map[string]lines.Demand
	button  button
}

func (s *storm) chance(percent int) bool { return s.random.IntN(100) < percent }

func (s *storm) pick(from []string) string { return from[s.random.IntN(len(from))] }

func (s *storm) start(memory lines.Memory) {
	clear(s.held)
	clear(s.taken)
	clear(s.demands)
	for _, label := range []string{"x", "heater"} { // of which no start state says otherwise
		if o, waited := memory.Demands[label]; waited {
			s.demands[label] = o.Demand
		}
	}
	s.law.restarted()
	s.away, s.stopping = s.now, false
	s.bank = lines.New(s.cfg, memory, s.random, slog.New(slog.DiscardHandler))
	s.bank.Start(s.now)
	s.carryOut()
}

// act lets one random thing happen.
func (s *storm) act() {
	switch n := s.random.IntN(100); {
	case n < 35:
		s.pass(time.Duration(s.random.IntN(300)) * time.Millisecond)
	case n < 65:
		s.demand()
	case n < 75:
		s.edge()
	case n < 80:
		s.link(s.chance(70))
	case n < 87:
		s.breakOrMend()
	case n < 93:
		s.stick()
	case n < 95:
		s.restart()
	default:
		s.pass(time.Duration(s.random.IntN(4000)) * time.Millisecond)
	}
}

// demand makes one to three demands at the same time.
func (s *storm) demand() {
	orders := map[string]lines.Order{}
	for range 1 + s.random.IntN(3) {
		label := s.pick(stormOutputs)
		orders[label] = lines.Order{Demand: s.some(label), Cause: lines.Cause{Kind: "test"}, Rank: s.random.Int64N(3)}
	}
	refused := s.bank.Drive(s.now, orders)
	for label, o := range orders {
		if refused[label] == nil {
			s.demands[label] = o.Demand
		}
	}
	s.carryOut()
}

func (s *storm) some(label string) lines.Demand {
	switch {
	case strings.Contains(label, "+"):
		return lines.Pattern([]bool{s.chance(50), s.chance(50), s.chance(50)})
	case label == "wave" && s.chance(60):
		on := time.Duration(1+s.random.IntN(9)) * 100 * time.Millisecond
		return lines.Wave(on, time.Second-on)
	case label == "pulse" && s.chance(70):
		return lines.Pulse(700 * time.Millisecond)
	case s.chance(5):
		return lines.Pulse(400 * time.Millisecond)
	}
	return lines.Level(s.chance(60))
}

func (s *storm) link(up bool) {
	switch {
	case up:
		s.away = time.Time{}
		clear(s.taken)
	case s.away.IsZero():
		s.away = s.now
	}
	s.bank.Link(s.now, up)
	s.carryOut()
}

func (s *storm) breakOrMend() {
	claim := s.pick(append([]string{"in"}, stormOutputs...))
	if s.broken[claim] {
		delete(s.broken, claim)
		return
	}
	s.broken[claim] = true
	if s.held[claim] && s.chance(50) {
		s.fail(claim)
	}
}

func (s *storm) fail(claim string) {
	s.held[claim] = false
	for _, line := range strings.Split(claim, "+") {
		s.letGo(line)
	}
	s.bank.Failed(s.now, claim, s.last[claim].Request, errors.New("chip is gone"))
	s.carryOut()
}

// letGo is a line that nobody drives: it keeps its level or falls.
func (s *storm) letGo(line string) {
	if s.chance(50) {
		s.law.turn(line, false, "let go")
	}
	s.latch[line] = s.law.on[line]
}

func (s *storm) stick() {
	line := s.pick(stormLines)
	s.stuck[line] = !s.stuck[line]
	s.law.doubt(line)
	if !s.stuck[line] {
		s.law.turn(line, s.latch[line], "let go")
	}
}

func (s *storm) restart() {
	memory := s.bank.Memory()
	if s.chance(30) {
		memory = lines.Memory{}
	}
	if s.chance(40) {
		s.stopping = true
		s.bank.Stop(s.now, s.chance(50))
		s.carryOut()
	}
	for _, line := range stormLines {
		s.letGo(line)
	}
	s.start(memory)
}

func (s *storm) carryOut() {
	s.t.Helper()
	for effects := s.bank.Effects(); len(effects) > 0; effects = s.bank.Effects() {
		for _, effect := range effects {
			switch e := effect.(type) {
			case lines.Request:
				s.request(e)
			case lines.Write:
				s.write(e)
			}
		}
	}
	for _, notice := range s.bank.Notices() {
		if n, ok := notice.(lines.ForcedOff); ok {
			s.demands[n.Output] = lines.Level(false)
		}
	}
	s.law.check()
}

func (s *storm) request(e lines.Request) {
	s.last[e.Claim] = e
	if s.broken[e.Claim] {
		s.bank.Failed(s.now, e.Claim, e.Request, errors.New("chip is gone"))
		return
	}
	s.held[e.Claim] = true
	if e.Claim == "in" {
		s.button.ready()
		s.bank.Ready(s.now, "in", []bool{s.button.reads})
		return
	}
	for i, line := range e.Lines {
		if value := e.Values[i]; value != nil {
			s.set(line, *value)
		} else {
			s.latch[line] = s.law.on[line]
		}
		s.law.doubt(line)
	}
	s.bank.Ready(s.now, e.Claim, s.read(e.Claim))
}

func (s *storm) write(e lines.Write) {
	if s.broken[e.Claim] {
		s.held[e.Claim] = false
		for _, line := range strings.Split(e.Claim, "+") {
			s.letGo(line)
		}
		s.bank.Failed(s.now, e.Claim, e.Request, errors.New("input/output error"))
		return
	}
	if s.bank.Faults()[e.Claim] != nil {
		s.law.doubt(e.Claim) // what it was since the fault is seen only now
	}
	for i, line := range strings.Split(e.Claim, "+") {
		if !e.Values[i] { // the kernel sets them at once
			s.set(line, false)
		}
	}
	for i, line := range strings.Split(e.Claim, "+") {
		if e.Values[i] {
			s.set(line, true)
		}
	}
	s.bank.Written(s.now, e.Claim, s.read(e.Claim))
}

func (s *storm) set(line string, on bool) {
	s.latch[line] = on
	if !s.stuck[line] {
		why := "set"
		if s.stopping {
			why = "stop"
		}
		s.law.turn(line, on, why)
	}
}

func (s *storm) read(claim string) (values []bool) {
	for _, line := range strings.Split(claim, "+") {
		values = append(values, s.law.on[line])
	}
	return values
}

// pass lets time pass; ticks come when they are asked for.
func (s *storm) pass(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for ticks := 0; !s.bank.Wake().IsZero() && !s.bank.Wake().After(end); ticks++ {
		if ticks > 10_000 {
			s.t.Fatal("the bank asks for ticks without end")
		}
		if s.bank.Wake().After(s.now) {
			s.now = s.bank.Wake()
		}
		s.failsafes()
		s.bank.Tick(s.now)
		s.carryOut()
	}
	s.now = end
	s.failsafes()
	s.law.check()
	s.button.check(s)
}

// failsafes takes the failsafe states for demanded that have become due.
func (s *storm) failsafes() {
	for label, line := range s.cfg.Lines {
		if f := line.Failsafe; f != nil && !s.away.IsZero() && !s.now.Before(s.away.Add(f.After)) && !s.taken[label] {
			s.taken[label], s.demands[label] = true, lines.Level(f.On)
		}
	}
}

func (s *storm) heal() {
	clear(s.broken)
	for line := range s.stuck {
		if s.stuck[line] {
			s.stuck[line] = false
			s.law.doubt(line)
			s.law.turn(line, s.latch[line], "let go")
		}
	}
	s.link(true)
	for range 20 {
		s.pass(10 * time.Second)
	}
}

// check holds the outputs against what was demanded last, where something was
// since the last restart.
func (s *storm) check() {
	s.t.Helper()
	for _, label := range stormOutputs {
		status := s.bank.Output(label)
		if status.Progress != lines.Done {
			s.t.Errorf("%s is not at rest: %+v", label, status)
		}
		want, demanded := s.demands[label]
		if want.IsPulse() {
			want = lines.Level(false)
		}
		switch {
		case !demanded:
		case want.IsWave():
			if !status.Active.Equal(want) {
				s.t.Errorf("%s does %+v, want %+v", label, status.Active, want)
			}
		case !slices.Equal(s.read(label), want.Levels):
			s.t.Errorf("%s is %v, want %v as demanded last", label, s.read(label), want.Levels)
		}
	}
}
