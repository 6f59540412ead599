package lines_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

var (
	lineStorms    = flag.Int("lineStorms", 300, "how many random histories TestLineStorms plays, from seed 1 on")
	lineStormSeed = flag.Uint64("lineStorm", 0, "the one history to play, as TestLineStorms named it")
)

// TestLineStorms plays random histories: demands of all kinds, edges, lost links,
// failing and stuck lines, stops, restarts, changes of the configuration of every kind,
// and reports of requests that are over. The levels on the wires are held against the
// rules of [law] after every effect. A change of the configuration must leave alone what
// it is not about. At the end, when all is well and quiet, each output is what was
// demanded last, as far as that still counts. Each history is played twice and must be
// the same both times.
func TestLineStorms(t *testing.T) {
	seeds := []uint64{*lineStormSeed}
	if *lineStormSeed == 0 {
		seeds = nil
		for i := range *lineStorms {
			seeds = append(seeds, uint64(i)+1)
		}
	}
	for _, seed := range seeds {
		ok := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			first, second := playLineStorm(t, seed), playLineStorm(t, seed)
			for i := range min(len(first), len(second)) {
				if first[i] != second[i] {
					t.Fatalf("two runs differ at step %d:\n%s\n%s", i, first[i], second[i])
				}
			}
			if len(first) != len(second) {
				t.Fatalf("two runs have %d and %d steps", len(first), len(second))
			}
		})
		if !ok {
			t.Logf("play it again with -run TestLineStorms -lineStorm %d", seed)
			return
		}
	}
}

// playLineStorm returns what the bank did.
func playLineStorm(t *testing.T, seed uint64) []string {
	t.Helper()
	s := &storm{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), now: time.Unix(1_700_000_000, 0),
		wires: map[string]*wire{}, claims: map[string]*grant{}, taken: map[string]bool{},
		wants: map[string]lines.Demand{}, buttons: map[string]*button{}, reclaims: map[string]reclaim{},
	}
	defer func() {
		if t.Failed() && *lineStormSeed != 0 {
			t.Log(strings.Join(s.trace, "\n"))
		}
	}()
	s.law = newLaw(s)
	s.configured(stormSetup())
	s.start(lines.Memory{})
	for range 300 {
		s.act()
	}
	s.heal()
	s.check()
	return s.trace
}

// The lines of the storm at its beginning: two of one interlock, a pattern with one
// line in another, and single ones with rules.
func stormSetup() lines.Setup {
	const ms = time.Millisecond
	setup := lines.Setup{
		Lines: map[string]config.Line{
			"m1":     {MinOn: 300 * ms, Stop: config.StopOn},
			"m2":     {Start: config.StartOn, Failsafe: &config.Failsafe{After: 2 * time.Second}},
			"x":      {MinOff: 200 * ms, Start: config.StartKeep},
			"heater": {MinOn: 100 * ms, MinOff: 400 * ms, MaxOn: 2 * time.Second, Failsafe: &config.Failsafe{After: time.Second}},
			"wave":   {MinOn: 100 * ms, MinOff: 100 * ms, MaxOn: 900 * ms},
			"pulse":  {MaxOn: 700 * ms, Stop: config.StopOff, ActiveLow: true},
			"p1":     {MinOn: 100 * ms},
			"p2":     {MinOff: 300 * ms, ActiveLow: true},
			"p3":     {Start: config.StartOff},
			"in":     {OnDelay: 250 * ms, OffDelay: 100 * ms},
			"door":   {Poll: config.DefaultPoll},
		},
		Interlocks: map[string]config.Interlock{
			"motor": {Lines: []string{"m1", "m2"}, DeadTime: 500 * ms},
			"mixed": {Lines: []string{"x", "p1"}, DeadTime: 150 * ms},
		},
		Uses: []lines.Use{
			{Lines: []string{"wave"}, Period: time.Second},
			{Lines: []string{"pulse"}, Momentary: true},
			{Lines: []string{"p1", "p2", "p3"}},
		},
	}
	for i, label := range slices.Sorted(maps.Keys(setup.Lines)) {
		line := setup.Lines[label]
		line.Ref, line.Direction = stormRefs[i], gpio.Output
		if label == "in" || label == "door" {
			line.Direction = gpio.Input
		}
		setup.Lines[label] = line
	}
	return setup
}

// stormRefs are the lines that there are.
var stormRefs = []gpio.Ref{
	{Line: "GPIO9"}, {Line: "GPIO8"}, {Line: "GPIO7"}, {Line: "GPIO6"}, {Line: "GPIO5"}, {Line: "GPIO4"}, {Line: "GPIO3"},
	{Chip: "chip+a", Line: "3"}, {Chip: "chip/b", Line: "3"}, {Line: "a/3"}, {Line: "x!"}, {Line: "spare"}, {Line: "GPIO1"},
}

// storm is everything around the bank.
type storm struct {
	t       *testing.T
	random  *rand.Rand
	setup   lines.Setup
	earlier []lines.Setup
	bank    *lines.Bank
	now     time.Time
	law     *law
	trace   []string
	words   int

	wires    map[string]*wire  // by identity
	claims   map[string]*grant // held now
	requests uint64            // number of the last request
	stale    []report          // of requests that are over
	stopping bool

	away    time.Time               // since when there has been no link
	taken   map[string]bool         // failsafe states, by identity
	wants   map[string]lines.Demand // of single lines, by identity; none where that is not known
	buttons map[string]*button      // by identity

	configuring bool
	reclaims    map[string]reclaim // lines that are released and requested again in one change
}

// wire is a line as the world sees it.
type wire struct {
	high   bool
	latch  bool // what it is driven to
	stuck  bool // it does not follow
	broken bool // requests and writes of it fail
}

// grant is a request that is held.
type grant struct {
	lines.Request
	wires []string
	low   []bool // active-low, by line
	input bool
}

// report is what a watcher may still tell of a request.
type report struct {
	claim   string
	request uint64
}

// drivenLine is a line of an output in the present setup.
type drivenLine struct {
	config.Line
	label  string
	output string   // label of its output
	claim  []string // identities of the lines of its output, sorted
	use    lines.Use
	lock   []string // identities of the lines of its interlock, sorted
	dead   time.Duration
}

// driven are the lines of the outputs of a setup, by identity.
func driven(setup lines.Setup) map[string]drivenLine {
	all := map[string]drivenLine{}
	identity := func(label string) string { return lines.Identity(setup.Lines[label]) }
	identities := func(labels []string) (ids []string) {
		for _, label := range labels {
			ids = append(ids, identity(label))
		}
		slices.Sort(ids)
		return ids
	}
	for label, line := range setup.Lines {
		if line.Direction == gpio.Output {
			all[identity(label)] = drivenLine{Line: line, label: label, output: label, claim: identities([]string{label})}
		}
	}
	for _, use := range setup.Uses {
		for _, label := range use.Lines {
			d := all[identity(label)]
			d.output, d.claim, d.use = lines.Label(use.Lines...), identities(use.Lines), use
			d.use.Lines = nil
			all[identity(label)] = d
		}
	}
	for _, lock := range setup.Interlocks {
		for _, label := range lock.Lines {
			d := all[identity(label)]
			d.lock, d.dead = identities(lock.Lines), lock.DeadTime
			all[identity(label)] = d
		}
	}
	return all
}

// configured makes a setup the present one.
func (s *storm) configured(setup lines.Setup) {
	s.setup = setup
	s.law.lines = driven(setup)
	for _, line := range setup.Lines {
		id := lines.Identity(line)
		if s.wires[id] == nil {
			s.wires[id] = &wire{}
		}
		if line.Direction == gpio.Input && s.buttons[id] == nil {
			s.buttons[id] = &button{}
		}
	}
}

// outputs are the labels of the outputs, and the identities of their lines in the
// order of their demands.
func (s *storm) outputs() (labels []string, wires map[string][]string) {
	wires = map[string][]string{}
	for _, use := range s.setup.Uses {
		for _, line := range use.Lines {
			label := lines.Label(use.Lines...)
			wires[label] = append(wires[label], lines.Identity(s.setup.Lines[line]))
		}
	}
	for id, d := range s.law.lines {
		if d.output == d.label {
			wires[d.output] = []string{id}
		}
	}
	return slices.Sorted(maps.Keys(wires)), wires
}

func (s *storm) inputs() (ids []string) {
	for _, line := range s.setup.Lines {
		if line.Direction == gpio.Input {
			ids = append(ids, lines.Identity(line))
		}
	}
	slices.Sort(ids)
	return ids
}

// note adds to what happened.
func (s *storm) note(format string, values ...any) {
	s.trace = append(s.trace, fmt.Sprintf("%.3f ", s.now.Sub(time.Unix(1_700_000_000, 0)).Seconds())+fmt.Sprintf(format, values...))
}

func (s *storm) chance(percent int) bool { return s.random.IntN(100) < percent }

func pick[T any](s *storm, from []T) T { return from[s.random.IntN(len(from))] }

// act lets one random thing happen.
func (s *storm) act() {
	switch n := s.random.IntN(100); {
	case n < 30:
		s.pass(time.Duration(s.random.IntN(300)) * time.Millisecond)
	case n < 55:
		s.demand()
	case n < 63:
		s.edge()
	case n < 68:
		s.link(s.chance(70))
	case n < 74:
		s.breakOrMend()
	case n < 79:
		s.stick()
	case n < 81:
		s.restart()
	case n < 84:
		s.late()
	case n < 94:
		s.configure()
	default:
		s.pass(time.Duration(s.random.IntN(4000)) * time.Millisecond)
	}
}

func (s *storm) start(memory lines.Memory) {
	clear(s.claims)
	clear(s.taken)
	s.law.restarted()
	s.away, s.stopping, s.requests = s.now, false, 0
	s.bank = lines.New(s.setup, memory, s.random, slog.New(slog.DiscardHandler))
	s.note("start %v, remembered %+v", describe(s.setup), memory)
	s.bank.Start(s.now)
	s.carryOut()
}

// demand makes one to three demands at the same time.
func (s *storm) demand() {
	labels, wires := s.outputs()
	if len(labels) == 0 {
		return
	}
	orders := map[string]lines.Order{}
	for range 1 + s.random.IntN(3) {
		label := pick(s, labels)
		orders[label] = lines.Order{Demand: s.some(wires[label]), Cause: lines.Cause{Kind: "test"}, Rank: s.random.Int64N(3)}
	}
	before := map[string]lines.Demand{}
	for label := range orders {
		before[label] = s.bank.Output(label).Demand
	}
	refused := s.bank.Drive(s.now, orders)
	s.note("drive %+v, refused %v", orders, refused)
	for label, o := range orders {
		if refused[label] != nil {
			if after := s.bank.Output(label).Demand; !after.Equal(before[label]) {
				s.t.Fatalf("the demand for %s was refused, and is %+v where %+v was", label, after, before[label])
			}
			continue
		}
		s.want(wires[label], o.Demand)
	}
	s.carryOut()
}

// want notes what lines are to be.
func (s *storm) want(wires []string, d lines.Demand) {
	for i, id := range wires {
		if d.Timed() {
			s.wants[id] = d
		} else {
			s.wants[id] = lines.Level(d.Levels[i])
		}
	}
}

// some is a demand that fits the use of an output.
func (s *storm) some(wires []string) lines.Demand {
	use := s.law.lines[wires[0]].use
	switch {
	case len(wires) > 1:
		var levels []bool
		for range wires {
			levels = append(levels, s.chance(50))
		}
		return lines.Pattern(levels)
	case use.Period > 0 && s.chance(60):
		on := time.Duration(1+s.random.IntN(9)) * use.Period / 10
		return lines.Wave(on, use.Period-on)
	case use.Wave.IsWave() && s.chance(60):
		return use.Wave
	case use.Momentary && s.chance(70):
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
	s.note("link %v", up)
	s.bank.Link(s.now, up)
	s.carryOut()
}

// pickWire is any line of the present setup.
func (s *storm) pickWire() string {
	var ids []string
	for _, line := range s.setup.Lines {
		ids = append(ids, lines.Identity(line))
	}
	slices.Sort(ids)
	return pick(s, ids)
}

func (s *storm) breakOrMend() {
	id := s.pickWire()
	w := s.wires[id]
	if w.broken = !w.broken; !w.broken || s.chance(50) {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(s.claims)) {
		if g := s.claims[key]; slices.Contains(g.wires, id) {
			s.drop(g)
			s.note("%s fails", key)
			s.bank.Failed(s.now, key, g.Request.Request, errors.New("chip is gone"))
			s.carryOut()
		}
	}
}

// drop ends a request: its lines keep their levels or fall.
func (s *storm) drop(g *grant) {
	delete(s.claims, g.Claim)
	s.stale = append(s.stale, report{g.Claim, g.Request.Request})
	for i, id := range g.wires {
		if !g.input {
			s.letGo(id, g.low[i])
		}
	}
}

// letGo is a line that nobody drives: it keeps its level or goes off.
func (s *storm) letGo(id string, low bool) {
	if s.chance(50) {
		s.law.turn(id, low, "let go")
	}
	s.wires[id].latch = s.wires[id].high
}

func (s *storm) stick() {
	ids := slices.Sorted(maps.Keys(s.law.lines))
	if len(ids) == 0 {
		return
	}
	id := pick(s, ids)
	w := s.wires[id]
	w.stuck = !w.stuck
	s.note("%s stuck %v", id, w.stuck)
	s.law.doubt(id)
	if !w.stuck {
		s.law.turn(id, w.latch, "follows again")
	}
}

// restart ends the bank and starts another one, which may have other labels.
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
	for _, key := range slices.Sorted(maps.Keys(s.claims)) {
		s.drop(s.claims[key])
	}
	s.stale = nil // a new bank counts anew
	if s.chance(50) {
		s.configured(s.relabelled())
	}
	s.rememberWants(memory)
	s.start(memory)
}

// rememberWants keeps what is still wanted after a restart, where that is sure.
func (s *storm) rememberWants(memory lines.Memory) {
	for id, d := range s.law.lines {
		want, known := s.wants[id]
		delete(s.wants, id)
		if !known || memory.Demands == nil || len(d.claim) > 1 || len(d.lock) > 0 || want.Timed() {
			continue
		}
		_, waits := memory.Demands[memoryKey(id, d.ActiveLow)]
		if d.Start == config.StartRestore && !d.use.Momentary || d.Start == config.StartKeep && waits && !d.use.Momentary {
			s.wants[id] = want
		}
	}
}

func memoryKey(id string, low bool) string {
	if low {
		return "!" + id
	}
	return id
}

func (s *storm) carryOut() {
	s.t.Helper()
	for effects := s.bank.Effects(); len(effects) > 0; effects = s.bank.Effects() {
		for _, effect := range effects {
			s.note("%T %s", effect, shown(effect))
			switch e := effect.(type) {
			case lines.Request:
				s.request(e)
			case lines.Write:
				s.write(e)
			case lines.Release:
				s.release(e)
			}
		}
	}
	for _, notice := range s.bank.Notices() {
		s.note("%T %+v", notice, notice)
		switch n := notice.(type) {
		case lines.ForcedOff:
			_, wires := s.outputs()
			s.want(wires[n.Output], lines.Pattern(make([]bool, len(wires[n.Output]))))
		case lines.InputChanged:
			if b := s.buttons[lines.Identity(s.setup.Lines[n.Input])]; b != nil {
				b.told += n.Rising + n.Falling
			}
		}
	}
	s.giveWay()
	s.law.check()
}

// giveWay notes what an interlock turned off for good.
func (s *storm) giveWay() {
	if len(s.setup.Interlocks) == 0 {
		return
	}
	status := s.bank.Lines()
	for id, d := range s.law.lines {
		if is := status[d.label]; is.Cause.Kind == lines.ByInterlock {
			s.wants[id] = lines.Level(is.Demand == "on")
		}
	}
}

// shown is an effect as text, with what its pointers are.
func shown(effect lines.Effect) string {
	e, ok := effect.(lines.Request)
	if !ok {
		return fmt.Sprintf("%+v", effect)
	}
	text := fmt.Sprint(e.Claim, " ", e.Request, " ", e.Label, " ", e.Lines)
	for _, value := range e.Values {
		if value == nil {
			text += " -"
		} else {
			text += fmt.Sprint(" ", *value)
		}
	}
	return text
}

func (s *storm) request(e lines.Request) {
	s.t.Helper()
	if e.Request <= s.requests {
		s.t.Fatalf("request %d after %d", e.Request, s.requests)
	}
	s.requests = e.Request
	g := &grant{Request: e}
	broken := false
	for _, label := range e.Lines {
		line, known := s.setup.Lines[label]
		if !known {
			s.t.Fatalf("%q was requested, which is not configured", label)
		}
		id := lines.Identity(line)
		g.wires, g.low, g.input = append(g.wires, id), append(g.low, line.ActiveLow), line.Direction == gpio.Input
		broken = broken || s.wires[id].broken
	}
	for key, other := range s.claims {
		for _, id := range other.wires {
			if slices.Contains(g.wires, id) {
				s.t.Fatalf("%s was requested while %s is held", e.Claim, key)
			}
		}
	}
	if broken {
		s.bank.Failed(s.now, e.Claim, e.Request, errors.New("chip is gone"))
		return
	}
	s.claims[e.Claim] = g
	if g.input {
		b := s.buttons[g.wires[0]]
		b.ready(s.wires[g.wires[0]].high != g.low[0])
		s.bank.Ready(s.now, e.Claim, []bool{b.reads})
		return
	}
	for i, id := range g.wires {
		w := s.wires[id]
		value := e.Values[i]
		if back, ok := s.reclaims[id]; ok && value != nil && *value != g.low[i] == back.high {
			s.law.reclaim(id, back)
			continue
		}
		if value != nil {
			s.set(id, *value != g.low[i], "set")
			s.law.again[id] = *value
		} else {
			w.latch = w.high
		}
		s.law.doubt(id)
	}
	s.bank.Ready(s.now, e.Claim, s.read(g))
}

func (s *storm) write(e lines.Write) {
	s.t.Helper()
	g := s.claims[e.Claim]
	if g == nil || g.Request.Request != e.Request {
		s.t.Fatalf("%+v was written, which is not held", e)
	}
	for _, id := range g.wires {
		if s.wires[id].broken {
			s.drop(g)
			s.bank.Failed(s.now, e.Claim, e.Request, errors.New("input/output error"))
			return
		}
	}
	if s.law.unseen(g.wires[0]) {
		for _, id := range g.wires {
			s.law.doubt(id) // what it was since the fault is seen only now
		}
	}
	for _, on := range []bool{false, true} { // the kernel sets them at once
		for i, id := range g.wires {
			if e.Values[i] == on {
				s.set(id, on != g.low[i], "set")
			}
		}
	}
	s.bank.Written(s.now, e.Claim, s.read(g))
}

func (s *storm) release(e lines.Release) {
	s.t.Helper()
	g := s.claims[e.Claim]
	if g == nil {
		if e.Values != nil {
			s.t.Fatalf("%s was set, which is not held", e.Claim)
		}
		return
	}
	for i, value := range e.Values {
		id := g.wires[i]
		if _, stays := s.law.lines[id]; stays && value != g.low[i] != s.wires[id].latch {
			s.t.Fatalf("%s was set with its release, though it stays an output", id)
		}
		s.set(id, value != g.low[i], "release")
	}
	for _, id := range g.wires {
		if _, stays := s.law.lines[id]; stays && !g.input {
			s.reclaims[id] = s.law.leave(id)
		}
	}
	s.drop(g)
}

func (s *storm) set(id string, high bool, why string) {
	s.wires[id].latch = high
	if !s.wires[id].stuck {
		if s.stopping {
			why = "stop"
		}
		s.law.turn(id, high, why)
	}
}

func (s *storm) read(g *grant) (values []bool) {
	for i, id := range g.wires {
		values = append(values, s.wires[id].high != g.low[i])
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
	for _, id := range s.inputs() {
		s.buttons[id].check(s, id)
	}
}

// failsafes takes the failsafe states for demanded that have become due.
func (s *storm) failsafes() {
	for id, d := range s.law.lines {
		f := d.Failsafe
		if f == nil || s.away.IsZero() || s.now.Before(s.away.Add(f.After)) || s.taken[id] {
			continue
		}
		s.taken[id] = true
		if f.On && len(d.lock) > 0 {
			delete(s.wants, id) // it may be refused
		} else {
			s.wants[id] = lines.Level(f.On)
		}
	}
}

// late delivers what a watcher tells of a request that is over, or what nobody can
// tell. Nothing follows from it.
func (s *storm) late() {
	r := report{claim: pick(s, []string{"nobody", "GPIO9+GPIO8", ""}), request: s.random.Uint64N(5)}
	if len(s.stale) > 0 && s.chance(80) {
		r = pick(s, s.stale)
	}
	g := s.claims[r.claim]
	before, memory := s.bank.Lines(), s.bank.Memory()
	switch s.random.IntN(5) {
	case 0:
		s.bank.Seen(s.now, r.claim, r.request, lines.Burst{Value: s.chance(50), Rising: 1, Falling: s.random.IntN(2)})
	case 1:
		s.bank.Failed(s.now, r.claim, r.request, errors.New("chip is gone"))
	case 2:
		s.bank.Failed(s.now, r.claim, r.request, nil)
	case 3:
		s.bank.Held(r.claim)
		s.bank.Ready(s.now, r.claim, make([]bool, s.random.IntN(3)))
	case 4:
		s.bank.Written(s.now, r.claim, make([]bool, s.random.IntN(3)))
	}
	if g != nil && g.Request.Request == r.request {
		s.t.Fatalf("%+v is not over", r)
	}
	effects, notices := s.bank.Effects(), s.bank.Notices()
	if after := s.bank.Lines(); len(effects)+len(notices) > 0 || !reflect.DeepEqual(before, after) || !reflect.DeepEqual(memory, s.bank.Memory()) {
		s.t.Fatalf("from %+v, which is over, followed %v, %v, and %+v from %+v", r, effects, notices, after, before)
	}
}

func (s *storm) heal() {
	for id, w := range s.wires {
		w.broken = false
		if w.stuck {
			w.stuck = false
			s.law.doubt(id)
			s.law.turn(id, w.latch, "follows again")
		}
	}
	s.link(true)
	for range 20 {
		s.pass(10 * time.Second)
	}
}

// check holds the outputs against what was demanded last, where that counts.
func (s *storm) check() {
	s.t.Helper()
	labels, wires := s.outputs()
	for _, label := range labels {
		output := s.bank.Output(label)
		if output.Progress != lines.Done {
			s.t.Errorf("%s is not at rest: %+v", label, output)
		}
		for i, id := range wires[label] {
			d := s.law.lines[id]
			want, known := s.wants[id]
			if want.IsPulse() {
				want = lines.Level(false)
			}
			on := s.wires[id].high != d.ActiveLow
			switch {
			case !known:
			case want.IsWave():
				if !output.Active.Equal(want) {
					s.t.Errorf("%s does %+v, want %+v", label, output.Active, want)
				}
			case on != want.Levels[0] || output.Levels[i] != on:
				s.t.Errorf("%s of %s is %v and reads %v, want %v as demanded last", id, label, on, output.Levels[i], want.Levels[0])
			}
		}
	}
}
