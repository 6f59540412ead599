package engine

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
	"github.com/shadowgpio/shadowgpio/gpio"
)

var (
	confStorms     = flag.Int("confstorms", 300, "how many random histories TestConfigurationStorms plays")
	confStormFirst = flag.Uint64("confstorm.first", 1, "the first of the histories")
	confStormSeed  = flag.Uint64("confstorm", 0, "the one history to play, as TestConfigurationStorms named it")
	confStormTrace = flag.Bool("confstorm.trace", false, "tell all inputs and effects")
	confStormAll   = flag.Bool("confstorm.all", false, "do not end at the first finding, and count findings by their kind")
)

// TestConfigurationStorms plays random histories of an engine whose configuration
// changes all the time: deployments, restarts with another configuration, rollbacks.
// Between and during the changes come desired values, commands, edges, samples, lost
// links, failing lines and disks, late and reordered replies, deleted shadows, kills,
// lost state and clock jumps.
//
// Several times in a history, all faults are repaired and the engine comes to rest.
// Then [confJudge] checks the lines and the shadows. Each history is played twice; both
// plays must have equal effects.
func TestConfigurationStorms(t *testing.T) {
	first, last := *confStormFirst, *confStormFirst+uint64(*confStorms)-1
	if *confStormSeed != 0 {
		first, last = *confStormSeed, *confStormSeed
	}
	schema := schematest.Load(t, "shadow")
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a third of the time is garbage collection otherwise
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	var found confFindings
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range seeds {
				found.add(seed, playTwice(seed, schema))
			}
		})
	}
	for seed := first; seed <= last && (*confStormAll || !found.any()); seed++ {
		seeds <- seed
	}
	close(seeds)
	workers.Wait()
	found.tell(t)
}

// playTwice plays a history twice and returns its finding, if there is one.
func playTwice(seed uint64, schema schematest.Schema) confPlay {
	shared := &confShared{schema, map[string]*config.Config{}}
	one := playConfStorm(seed, shared, false)
	if one.finding != "" {
		return playConfStorm(seed, shared, true)
	}
	if two := playConfStorm(seed, shared, false); !slices.Equal(one.effects, two.effects) {
		one.finding = "two plays differ: " + firstDifference(one.effects, two.effects)
	}
	return one
}

// confFindings collects the histories with a finding.
type confFindings struct {
	mu    sync.Mutex
	plays map[uint64]confPlay
}

func (f *confFindings) add(seed uint64, p confPlay) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.finding != "" {
		if f.plays == nil {
			f.plays = map[uint64]confPlay{}
		}
		p.effects = nil
		f.plays[seed] = p
	}
}

func (f *confFindings) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.plays) > 0
}

// tell logs the first finding with its history or, with -confstorm.all, one line for each.
func (f *confFindings) tell(t *testing.T) {
	kinds := map[string]int{}
	for _, seed := range slices.Sorted(maps.Keys(f.plays)) {
		p := f.plays[seed]
		if !*confStormAll {
			t.Fatalf("seed %d: %s\n%s\nplay it again with: go test ./component/internal/edge/engine -run TestConfigurationStorms -confstorm %d", seed, p.finding, p.account, seed)
		}
		kind, _, _ := strings.Cut(p.finding, ":")
		if kinds[kind]++; kinds[kind] <= 5 {
			t.Errorf("seed %d: %.300s", seed, p.finding)
		}
	}
	if len(kinds) > 0 {
		t.Errorf("findings: %v", kinds)
	}
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("effect %d is %s or %s", i, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d effects or %d", len(a), len(b))
}

// confPlay is the result of a play.
type confPlay struct {
	effects []string
	finding string // "" for none
	account string // the end of the history
}

func playConfStorm(seed uint64, shared *confShared, tells bool) (p confPlay) {
	w := newConfWorld(seed, shared, tells)
	defer func() {
		p.effects = w.effects
		switch trouble := recover().(type) {
		case nil:
			return
		case finding:
			p.finding = trouble.text
		default:
			p.finding = fmt.Sprintf("panic: %v\n%s", trouble, engineFrames(debug.Stack()))
		}
		if w.tells {
			p.account = strings.Join(w.history[max(0, len(w.history)-map[bool]int{false: 40, true: 4000}[*confStormTrace]):], "\n") + "\n" + w.gen.Text()
		}
	}()
	w.begin()
	for range 4 {
		for range 50 + w.random.IntN(50) {
			w.act()
		}
		w.rest()
		w.judge.check()
		for range 1 + w.random.IntN(3) {
			w.quietly()
		}
	}
	w.restartQuietly()
	return p
}

// engineFrames lists the lines of a stack that are in this package.
func engineFrames(stack []byte) string {
	var frames []string
	for line := range strings.Lines(string(stack)) {
		if strings.Contains(line, "/engine/") && !strings.Contains(line, "configstorm") {
			frames = append(frames, strings.TrimSpace(line))
		}
	}
	return strings.Join(frames[:min(len(frames), 5)], "\n")
}

// act lets one random thing happen.
func (w *confWorld) act() {
	switch n := w.random.IntN(1000); {
	case n < 300:
		w.deliver()
	case n < 460:
		w.pass(time.Duration(w.random.IntN(600)) * time.Millisecond)
	case n < 480:
		w.pass(time.Duration(w.random.IntN(12)) * time.Second)
	case n < 620:
		w.desire()
	case n < 700:
		w.press()
	case n < 730:
		w.sample()
	case n < 770:
		w.disk()
	case n < 800:
		w.setLink(!w.link)
	case n < 840:
		w.setLink(true)
	case n < 850:
		w.delete()
	case n < 865:
		w.rewrite()
	case n < 890:
		w.breakOrMend()
	case n < 900:
		w.stuck = w.chance(40)
	case n < 905:
		w.jumped = time.Duration(w.random.IntN(200_000)-100_000) * time.Second
	case n < 930:
		w.restart(w.chance(30))
	case n < 933:
		w.lose()
	case n < 950:
		w.interrupt()
	default:
		w.deploy()
	}
}

// deploy puts another configuration in force while the engine runs.
func (w *confWorld) deploy() (before *config.Config, step configgen.Step) {
	w.pass(0) // so that no effect of a due tick counts as one of the deployment
	before = w.cfg
	step = w.gen.Step()
	if !w.still {
		w.provoke(step)
	}
	w.say("deploy: %s", step.Text)
	after := w.parse()
	levels := maps.Clone(w.high)
	w.use(after)
	w.judge.configures(before)
	w.step(Configure{after})
	w.judge.stays(levels, step, before)
	return before, step
}

// provoke puts inputs in flight that concern a step: edges of its lines, local changes
// of its outputs, desired values of its properties.
func (w *confWorld) provoke(step configgen.Step) {
	for _, ref := range step.Lines {
		if label, configured := w.labels[ref]; configured && w.cfg.Lines[label].Direction == gpio.Input && w.chance(40) {
			w.move(ref)
		}
	}
	for _, id := range step.Properties {
		p, configured := w.properties(id.Shadow)[id.Key]
		if configured && w.chance(20) {
			w.ask(id.Shadow, map[string]any{id.Key: w.valueFor(p, true)})
		}
		for _, label := range slices.Sorted(maps.Keys(w.cfg.Controls)) {
			if c := w.cfg.Controls[label]; configured && p.Output && c.Output == p.Line && w.chance(40) {
				w.setLink(w.chance(30))
				w.move(w.cfg.Lines[c.Input].Ref)
				for range 5 {
					w.deliver()
				}
			}
		}
	}
	w.pass(0)
}

// interrupt requests a pulse and disturbs it while it is under way.
func (w *confWorld) interrupt() {
	pulses := slices.DeleteFunc(slices.Clone(w.props), func(p configgen.Property) bool { return p.Kind != config.Pulse })
	if len(pulses) == 0 {
		return
	}
	p := choose(w, pulses)
	w.setLink(true)
	w.ask(p.ID.Shadow, map[string]any{p.ID.Key: p.Values.Value(true)})
	for range 10 {
		w.deliver()
		w.disk()
		w.pass(20 * time.Millisecond)
	}
	switch w.random.IntN(4) {
	case 0:
		w.restart(w.chance(30))
	case 1:
		w.setLink(false)
	case 2:
		w.deploy()
	default:
		w.rewrite()
	}
}

// restart stops or kills the process and starts it again, maybe with another
// configuration.
func (w *confWorld) restart(stops bool) {
	if stops {
		w.say("stop")
		w.judge.stopping = true
		w.step(Stop{Kept: w.holder})
		for range w.random.IntN(20) {
			w.deliver()
			w.disk()
			w.pass(100 * time.Millisecond)
		}
	}
	w.end()
	w.away(time.Duration(w.random.IntN(3000)) * time.Millisecond)
	before := w.cfg
	for range w.random.IntN(3) {
		step := w.gen.Step()
		w.say("while it does not run: %s", step.Text)
	}
	w.say("restart")
	w.judge.ended(before)
	w.use(w.parse())
	w.judge.configures(before)
	w.begin()
}

// lose kills the process and deletes its state, like a new SD card.
func (w *confWorld) lose() {
	w.say("kill, and the state is lost")
	w.end()
	w.saved = state.State{}
	w.judge.lostState()
	w.begin()
}

// addresses lists the configured shadows, and some that were configured earlier.
func (w *confWorld) addresses() []shadow.ID {
	var ids []shadow.ID
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Shadows)) {
		ids = append(ids, w.cfg.Shadows[label].ID)
	}
	for _, s := range w.shadows() {
		if !slices.Contains(ids, s.id) && w.chance(10) {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// properties are the properties of a shadow; nil if it is not configured.
func (w *confWorld) properties(id shadow.ID) map[string]config.Property {
	for _, s := range w.cfg.Shadows {
		if s.ID == id {
			return s.Properties
		}
	}
	return nil
}

func (w *confWorld) desire() {
	ids := w.addresses()
	if len(ids) == 0 {
		return
	}
	id := choose(w, ids)
	properties := w.properties(id)
	desired := map[string]any{}
	for range 1 + w.random.IntN(2) {
		key := anyOf(w, "lights", "bell", "turns", "a", "unknown")
		if keys := slices.Sorted(maps.Keys(properties)); len(keys) > 0 && w.chance(92) {
			key = choose(w, keys)
		}
		p, configured := properties[key]
		desired[key] = w.valueFor(p, configured)
	}
	w.ask(id, desired)
}

// ask writes desired values as an application does.
func (w *confWorld) ask(id shadow.ID, desired map[string]any) {
	text, err := json.Marshal(map[string]any{"state": map[string]any{"desired": desired}})
	if err != nil {
		w.fail("desired values not encoded: %v", err)
	}
	w.say("%v: desired %s", id, text)
	for _, key := range slices.Sorted(maps.Keys(desired)) {
		w.judge.written(id, key, desired[key])
	}
	w.update(id, string(text))
}

func (w *confWorld) valueFor(p config.Property, configured bool) any {
	switch n := w.random.IntN(100); {
	case !configured:
		return anyOf[any](w, true, false, "on", 5, nil)
	case n < 12:
		return nil
	case n < 18:
		return anyOf[any](w, "blue", -7.5, true, []any{1, nil}, map[string]any{"odd": 1})
	}
	switch p.Kind {
	case config.Level, config.Blink:
		return p.Values.Value(w.chance(50))
	case config.Pulse:
		return p.Values.Value(w.chance(80))
	case config.PWM:
		return anyOf[any](w, 0, 30, 33.3, 50.0, 100, 0.5)
	case config.Pattern:
		return choose(w, slices.Sorted(maps.Keys(p.Patterns)))
	case config.Count:
		return w.random.IntN(50) * 1000
	case config.Setting:
		return w.settingFor(p.Domain)
	case config.Flag:
		return false
	case config.Schedule:
		return w.scheduleFor()
	}
	return anyOf[any](w, true, 5)
}

func (w *confWorld) settingFor(d config.Domain) any {
	switch {
	case d.Type == config.ObjectValue:
		members := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(d.Members)) {
			if w.chance(60) {
				members[name] = w.settingFor(d.Members[name])
			}
		}
		return members
	case len(d.Enum) > 0:
		return choose(w, d.Enum)
	case d.Type == config.BooleanValue:
		return w.chance(50)
	case d.Type == config.StringValue:
		return anyOf[any](w, "eco", "boost", "off", "ünder", "much too long for it")
	}
	return w.random.IntN(130) - 15
}

func (w *confWorld) scheduleFor() any {
	at := w.now.Add(time.Duration(w.random.IntN(10)) * time.Minute).UTC()
	entry := anyOf(w,
		map[string]any{"at": at.Format("15:04"), "set": "on"},
		map[string]any{"once": at.Format("2006-01-02T15:04"), "set": "off"},
		map[string]any{"cron": "0 8 1 * *", "set": "on"})
	s := map[string]any{"entries": []any{entry, map[string]any{"at": "03:00", "set": "off"}}}
	if w.chance(30) {
		s["missed"] = "last"
	}
	return s
}

// rewrite writes over reported values of the component, or clears sections, as a stranger
// does.
func (w *confWorld) rewrite() {
	ids := w.addresses()
	if len(ids) == 0 {
		return
	}
	id := choose(w, ids)
	text := anyOf(w, `{"state":{"reported":{"ack":null}}}`, `{"state":{"reported":null}}`, `{"state":{"desired":null}}`, `{"state":null}`, `{"state":{}}`,
		`{"state":{"reported":{"foreign":{"a":1}}}}`)
	properties := w.properties(id)
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(properties)), func(key string) bool {
		// Without a value of its own, the component does not correct a stranger.
		return !properties[key].Output && !slices.Contains([]config.Kind{config.Level, config.Count}, properties[key].Kind)
	})
	if len(keys) > 0 && w.chance(50) {
		text = fmt.Sprintf(`{"state":{"reported":{%q:%s}}}`, choose(w, keys), anyOf(w, `"rewritten"`, `null`, `-1`, `{"odd":{}}`))
	}
	w.say("%v: rewritten %s", id, text)
	w.judge.noteRewrite(id)
	w.update(id, text)
}

func (w *confWorld) delete() {
	ids := w.addresses()
	if len(ids) == 0 {
		return
	}
	s := w.shadow(choose(w, ids))
	if s.doc == nil {
		return
	}
	w.say("%v: deleted", s.id)
	w.judge.noteRewrite(s.id)
	s.doc = nil
	if w.link && s.followed {
		s.streams[1] = append(s.streams[1], inDeleted{s.id})
	}
}

// inputs lists the configured inputs.
func (w *confWorld) inputs() []gpio.Ref {
	var refs []gpio.Ref
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		if l := w.cfg.Lines[label]; l.Direction == gpio.Input {
			refs = append(refs, l.Ref)
		}
	}
	return refs
}

// press moves a random input.
func (w *confWorld) press() {
	inputs := w.inputs()
	if len(inputs) == 0 {
		return
	}
	w.move(choose(w, inputs))
}

// move moves an input up to three times. The edges wait in a queue of its request.
func (w *confWorld) move(ref gpio.Ref) {
	times := anyOf(w, 1, 1, 1, 2, 2, 3)
	before := w.on(ref)
	w.say("%v: %d edges from %v", ref, times, before)
	burst := lines.Burst{Value: before != (times%2 == 1)}
	for n := range times {
		at := w.now.Add(time.Duration(n-times) * time.Millisecond)
		stamp := lines.Stamp{Wall: at, Clock: at.Sub(stormStart) + time.Hour}
		if before != (n%2 == 1) {
			burst.Falling++
			burst.FallingAt = stamp
		} else {
			burst.Rising++
			burst.RisingAt = stamp
		}
	}
	w.high[ref] = w.high[ref] != (times%2 == 1)
	for _, claim := range slices.Sorted(maps.Keys(w.claims)) {
		if h := w.claims[claim]; !h.dead && slices.Contains(h.refs, ref) && !h.output() {
			w.queue(claim, h.request, inSeen{claim, h.request, burst})
		}
	}
}

// queue adds an input of the engine to the queue of a line request.
func (w *confWorld) queue(claim string, request uint64, in any) {
	for _, e := range w.edges {
		if e.request == request {
			e.inputs = append(e.inputs, in)
			return
		}
	}
	w.edges = append(w.edges, &edgeStream{claim, request, []any{in}})
}

// sample reads a random sensor.
func (w *confWorld) sample() {
	readings := w.readings()
	if len(readings) > 0 && len(w.samples) < 10 {
		s := choose(w, readings)
		s.value = float64(w.random.IntN(100))
		w.samples = append(w.samples, s)
	}
}

// readings are the samples of all configured sensors at rest, in order.
func (w *confWorld) readings() (all []inSampled) {
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Shadows)) {
		s := w.cfg.Shadows[label]
		for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
			if p := s.Properties[key]; p.Kind == config.Reading {
				all = append(all, inSampled{s.ID, key, p.Sensor, float64(len(p.Sensor))})
			}
		}
	}
	return all
}

func (w *confWorld) breakOrMend() {
	var refs []gpio.Ref
	for _, label := range slices.Sorted(maps.Keys(w.cfg.Lines)) {
		refs = append(refs, w.cfg.Lines[label].Ref)
	}
	if len(refs) == 0 {
		return
	}
	ref := choose(w, refs)
	if w.broken[ref] {
		delete(w.broken, ref)
		w.say("%v: mended", ref)
		return
	}
	w.broken[ref] = true
	w.say("%v: broken", ref)
	w.judge.stray(ref)
	for _, claim := range slices.Sorted(maps.Keys(w.claims)) {
		if h := w.claims[claim]; slices.Contains(h.refs, ref) && !h.dead && w.chance(70) {
			h.dead = true
			w.drop(h)
			w.queue(claim, h.request, inFailed{claim, h.request, errStorm})
		}
	}
}

// rest repairs all faults and lets time pass until the engine falls silent.
func (w *confWorld) rest() {
	w.say("rest")
	clear(w.broken)
	w.calm, w.stuck = true, false
	w.setLink(true)
	const quiet = time.Minute
	for begun := w.now; w.now.Sub(begun) < 2*quiet || w.now.Sub(w.lastNoise()) < quiet || w.pending != nil; {
		if w.now.Sub(begun) > 15*time.Minute {
			w.fail("no silence: the engine still makes requests 15 minutes after the last event: %s", w.effects[len(w.effects)-1])
		}
		w.drain()
		w.samples = append(w.samples, w.readings()...)
		w.pass(2 * time.Second)
	}
	for range 5 {
		// A schedule may switch an output at any time. Look again if the engine reports.
		sent := len(w.times)
		w.judge.waves = map[gpio.Ref]bool{}
		w.pass(15 * time.Second) // longer than any wave
		w.drain()
		if len(w.times) == sent {
			break
		}
	}
	w.calm = false
}

// drain delivers all messages in flight and completes a save.
func (w *confWorld) drain() {
	for w.deliver() {
	}
	w.disk()
}

// lastNoise is the time of the last request to the shadow manager that does not belong
// to an engine at rest.
func (w *confWorld) lastNoise() time.Time {
	for _, r := range slices.Backward(w.times) {
		if !r.noise {
			return r.at
		}
	}
	return time.Time{}
}

// quietly changes the configuration at rest and compares everything that the change is
// not about.
func (w *confWorld) quietly() {
	if w.chance(20) {
		w.restartQuietly()
		return
	}
	was := w.judge.view()
	w.judge.turns = map[gpio.Ref]int{}
	w.still = true
	before, step := w.deploy()
	w.still = false
	w.rest()
	w.judge.check()
	w.judge.same(was, step.Scope(before, w.cfg), step.Text)
}

// restartQuietly restarts the component at rest, with its memory. The new run must find
// everything as it is.
func (w *confWorld) restartQuietly() {
	was, about := w.judge.view(), w.judge.restarted()
	w.say("restart at rest")
	holder := w.holder
	w.holder = true
	w.disk()
	w.end()
	w.holder = holder
	w.judge.ended(w.cfg)
	w.judge.turns = map[gpio.Ref]int{}
	w.begin()
	w.setLink(true)
	w.rest()
	w.judge.check()
	w.judge.same(was, about, "a restart with the same configuration")
}

// edgesOfCount converts a reported count to edges.
func edgesOfCount(p config.Property, value any) (int64, bool) {
	v, ok := value.(float64)
	return int64(math.Round(v / p.Scale)), ok
}
