package engine

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

var (
	storms    = flag.Int("storms", 400, "how many random histories TestStorms plays")
	stormSeed = flag.Uint64("storm", 0, "the one history to play, as TestStorms named it")
)

// TestStorms plays random histories: desired values of all kinds, edges, lost links,
// documents that are deleted and that others rewrite, failing lines, lost replies, late
// updates, restarts, jumps of the clock that shadows are stamped by, messages in any order
// that the shadow manager allows. After each, when all is well again, everything must be as
// if nothing had happened: each output as last desired, each line reported as it is, each
// refusal answered, and silence.
func TestStorms(t *testing.T) {
	if *stormSeed != 0 {
		playStorm(t, *stormSeed)
		return
	}
	for range *storms {
		seed := rand.Uint64()
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { playStorm(t, seed) }) {
			t.Logf("play it again with -run TestStorms -storm %d", seed)
			return
		}
	}
}

func playStorm(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	for range 300 {
		w.act()
	}
	w.heal()
	w.check()
}

// world is everything around the engine.
type world struct {
	t      *testing.T
	random *rand.Rand
	cfg    *config.Config
	engine *Engine
	now    time.Time
	jumped time.Duration // of the wall clock that shadows are stamped by
	saved  state.State
	disk   *disk // nil saves at once

	lines  map[string]bool  // what they are
	sturdy map[string]bool  // outputs that always follow
	broken map[string]error // what requests and sets fail with
	held   map[string]bool
	claims map[string]lines.Request // the last one of each label, those of a pattern joined by +

	link    bool
	shadows map[string]*service
	times   []time.Time // of requests, for the budget

	heard  func(Input)                                    // told of each message and reply before the engine is, if not nil
	turns  map[string]int                                 // how often each line went on
	stored func(u sentUpdate, before *shadowdoc.Document) // told of each update of the engine that was stored, if not nil
}

func (w *world) labels() []string { return slices.Sorted(maps.Keys(w.shadows)) }

func (w *world) set(line string, on bool) {
	if on && !w.lines[line] {
		w.turns[line]++
	}
	w.lines[line] = on
}

func (w *world) read(labels []string) []bool {
	var values []bool
	for _, line := range labels {
		values = append(values, w.lines[line])
	}
	return values
}

// service is the shadow manager's side of one shadow. Each stream is in order;
// between streams there is none.
type service struct {
	doc     *shadowdoc.Document
	streams [3][]Input   // updates, deletions, replies
	late    []sentUpdate // those that are on their way still, whatever was answered
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := makeWorld(t, seed, testConfig)
	w.start()
	return w
}

// makeWorld is a world whose engine has not been started.
func makeWorld(t *testing.T, seed uint64, text string) *world {
	t.Helper()
	cfg, err := config.Parse([]byte(text), "gw")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), cfg: cfg, now: time.Unix(1_700_000_000, 0),
		lines: map[string]bool{}, broken: map[string]error{}, held: map[string]bool{}, shadows: map[string]*service{},
		sturdy: map[string]bool{}, turns: map[string]int{}, claims: map[string]lines.Request{},
	}
	for label := range cfg.Shadows {
		w.shadows[label] = &service{}
	}
	return w
}

func (w *world) start() {
	w.engine = New(w.cfg, "1.0.0", w.saved, w.random, slog.New(slog.DiscardHandler))
	w.link = false
	w.step(Start{})
}

// clock is the wall clock, in seconds since the epoch.
func (w *world) clock() int64 { return w.now.Add(w.jumped).Unix() }

// jump sets the wall clock, forward or back.
func (w *world) jump() { w.jumped = time.Duration(w.random.IntN(200_000)-100_000) * time.Second }

func (w *world) chance(percent int) bool { return w.random.IntN(100) < percent }

func pick[T any](w *world, from ...T) T { return from[w.random.IntN(len(from))] }

// act lets one random thing happen.
func (w *world) act() {
	switch n := w.random.IntN(100); {
	case n < 30:
		w.deliver()
	case n < 50:
		w.pass(time.Duration(w.random.IntN(400)) * time.Millisecond)
	case n < 70:
		w.desire()
	case n < 80:
		w.edge(w.chance(50))
	case n < 85:
		w.setLink(!w.link)
	case n < 88:
		w.delete(pick(w, "main", "plant"))
	case n < 90:
		w.rewrite()
	case n < 94:
		w.breakOrMend()
	case n < 96:
		w.restart()
	case n < 97:
		w.jump()
	default:
		w.setLink(true)
	}
}

func (w *world) desire() {
	label, state := "main", pick(w,
		`{"lights":"on"}`, `{"lights":"off"}`, `{"lights":"on"}`, `{"lights":"off"}`, `{"lights":"blue"}`,
		`{"lights":null}`, `{"locked":true}`, `{"horn":1}`, `{"horn":null}`, `{"lights":"on","horn":{"a":[1]}}`)
	if w.chance(30) {
		label, state = "plant", pick(w, `{"pump":true}`, `{"pump":false}`, `{"pump":"on"}`, `{"pump":null}`)
	}
	w.update(label, `{"state":{"desired":`+state+`}}`)
}

// update is the shadow manager's part in an update, whoever sends it.
func (w *world) update(label, document string) *shadowdoc.Change {
	s := w.shadows[label]
	u, err := shadowdoc.ParseUpdate([]byte(document))
	if err != nil {
		w.t.Fatalf("%s: %v", document, err)
	}
	change, err := shadowdoc.Apply(s.doc, u, w.clock(), shadowdoc.DefaultSizeLimit, shadowdoc.Fixed)
	if refused, ok := errors.AsType[*shadowdoc.Refusal](err); ok && (refused.Code == 409 || refused.Message == "Invalid version") {
		return nil
	}
	if err != nil {
		w.t.Fatalf("%s: %v", document, err)
	}
	s.doc = change.After
	if w.link {
		a, err := shadow.ParseAccepted(change.Accepted(w.clock()))
		if err != nil {
			w.t.Fatal(err)
		}
		s.streams[0] = append(s.streams[0], messageAccepted{label, a})
	}
	return change
}

// rewrite has somebody else write over what is ours, or clear what is theirs.
func (w *world) rewrite() {
	label, key := "main", pick(w, "lights", "locked")
	if w.chance(30) {
		label, key = "plant", "pump"
	}
	w.update(label, pick(w, fmt.Sprintf(`{"state":{"reported":{%q:"rewritten"}}}`, key), fmt.Sprintf(`{"state":{"reported":{%q:null}}}`, key),
		`{"state":{"reported":{"ack":null}}}`, `{"state":{"reported":null}}`, `{"state":{"desired":null}}`, `{"state":null}`, `{"state":{}}`))
}

func (w *world) delete(label string) {
	s := w.shadows[label]
	if s.doc == nil {
		return
	}
	s.doc = nil
	if w.link {
		s.streams[1] = append(s.streams[1], shadowDeleted{label})
	}
}

// deliver hands over the next message of a random stream.
func (w *world) deliver() {
	label := pick(w, w.labels()...)
	if s := w.shadows[label]; len(s.late) > 0 && w.chance(10) {
		e := s.late[0]
		s.late = s.late[1:]
		w.store(e)
	}
	for _, i := range w.random.Perm(3) {
		if stream := w.shadows[label].streams[i]; len(stream) > 0 {
			w.shadows[label].streams[i] = stream[1:]
			if w.heard != nil {
				w.heard(stream[0])
			}
			w.step(stream[0])
			return
		}
	}
}

func (w *world) setLink(up bool) {
	if w.link == up {
		return
	}
	w.link = up
	for _, label := range w.labels() {
		s := w.shadows[label]
		if up {
			w.step(shadowLive{label})
			continue
		}
		replies := s.streams[2]
		s.streams = [3][]Input{}
		w.step(shadowLost{label, errors.New("connection lost")})
		for _, r := range replies { // calls fail when the connection does
			w.step(lost(r))
		}
	}
}

func lost(reply Input) Input {
	err := errors.New("connection lost")
	switch r := reply.(type) {
	case documentFetched:
		return documentFetched{Shadow: r.Shadow, Seq: r.Seq, Outcome: Unknown, Err: err}
	case updateAnswered:
		return updateAnswered{Shadow: r.Shadow, Seq: r.Seq, Outcome: Unknown, Err: err}
	}
	return reply
}

func (w *world) edge(high bool) {
	if w.lines["door"] == high {
		return
	}
	w.lines["door"] = high
	if w.held["door"] {
		burst := lines.Burst{Value: high}
		if high {
			burst.Rising = 1
		} else {
			burst.Falling = 1
		}
		w.step(w.seen("door", burst))
	}
}

func (w *world) breakOrMend() {
	label := pick(w, "lamp", "pump", "door")
	if w.broken[label] != nil {
		delete(w.broken, label)
		return
	}
	w.broken[label] = errors.New("chip is gone")
	if w.held[label] && w.chance(70) {
		w.release(label)
		w.step(w.failed(label, w.broken[label]))
	}
}

// release lets the level fall to the pull, as gpio-sim does.
func (w *world) release(label string) {
	w.held[label] = false
	for _, line := range strings.Split(label, "+") {
		if w.cfg.Lines[line].Direction == gpio.Output {
			w.set(line, false)
		}
	}
}

func (w *world) restart() {
	for label := range w.held {
		w.release(label)
	}
	for _, s := range w.shadows {
		s.streams = [3][]Input{}
	}
	w.times = nil // the budget is a run's own
	w.start()
}

func (w *world) step(in Input) {
	queue := []Input{in}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, effect := range w.engine.Step(w.now, address(w.cfg, queue[0])) {
			if answer := w.carryOut(effect); answer != nil {
				queue = append(queue, answer)
			}
		}
	}
}

func (w *world) carryOut(effect Effect) Input {
	switch e := labeled(w.cfg, effect).(type) {
	case lines.Request:
		label := e.Label
		w.claims[label] = e
		if err := w.broken[label]; err != nil {
			return LinesFailed{e.Claim, e.Request, err}
		}
		w.held[label] = true
		for i, value := range e.Values {
			if value != nil {
				w.set(e.Lines[i], *value)
			}
		}
		return LinesReady{Claim: e.Claim, Values: w.read(e.Lines)}
	case lines.Write:
		asked := w.asker(e.Claim)
		label := asked.Label
		if err := w.broken[label]; err != nil {
			w.release(label)
			return w.failed(label, err)
		}
		if w.sturdy[label] || w.chance(95) { // else it does not follow this time
			for i, line := range asked.Lines {
				w.set(line, e.Values[i])
			}
		}
		return LinesWritten{e.Claim, w.read(asked.Lines)}
	case sentFetch:
		w.reply(e.Shadow, w.fetch(e))
	case sentUpdate:
		w.reply(e.Shadow, w.report(e))
	case Save:
		if w.disk != nil {
			w.disk.save(w.t, e)
			return nil
		}
		w.saved = e.State
		return Saved{Seq: e.Seq}
	}
	return nil
}

// asker is the request of a claim.
func (w *world) asker(claim string) lines.Request {
	for _, e := range w.claims {
		if e.Claim == claim {
			return e
		}
	}
	return lines.Request{}
}

// seen and failed are what a watcher of lines, given by their label, tells.
func (w *world) seen(label string, burst lines.Burst) LineSeen {
	return LineSeen{w.claims[label].Claim, w.claims[label].Request, burst}
}

func (w *world) failed(label string, err error) LinesFailed {
	return LinesFailed{w.claims[label].Claim, w.claims[label].Request, err}
}

func (w *world) reply(label string, in Input) {
	w.times = append(w.times, w.now)
	if !w.link {
		w.t.Fatalf("a request without a link: %+v", in)
	}
	s := w.shadows[label]
	s.streams[2] = append(s.streams[2], in)
}

func (w *world) fetch(e sentFetch) Input {
	in := documentFetched{Shadow: e.Shadow, Seq: e.Seq}
	doc := w.shadows[e.Shadow].doc
	switch {
	case w.chance(10):
		in.Outcome, in.Err = pick(w, Throttled, Unknown, NotSent), errors.New("not now")
	case doc == nil:
		in.Outcome, in.Err = Missing, errors.New("no shadow found")
	default:
		parsed, err := shadow.ParseDocument(doc.Got(w.clock()))
		if err != nil {
			w.t.Fatal(err)
		}
		in.Document = parsed
	}
	return in
}

func (w *world) report(e sentUpdate) Input {
	in := updateAnswered{Shadow: e.Shadow, Seq: e.Seq}
	if w.chance(8) {
		in.Outcome, in.Err = pick(w, Throttled, NotSent), errors.New("not now")
		return in
	}
	if w.chance(2) { // given up, and carried out later
		s := w.shadows[e.Shadow]
		s.late = append(s.late, e)
		in.Outcome, in.Err = Unknown, errors.New("no answer")
		return in
	}
	change := w.store(e)
	if change == nil {
		in.Outcome, in.Err = Conflict, errors.New("version conflict")
		return in
	}
	in.Version = change.After.Version
	if w.chance(8) { // stored, but nobody knows
		in.Outcome, in.Err, in.Version = Unknown, errors.New("reply lost"), 0
	} else if w.chance(2) { // carried out twice, and answered the second time
		in.Outcome, in.Err, in.Version = Throttled, errors.New("not now"), 0
	} else if w.chance(2) { // carried out twice, the second time later
		s := w.shadows[e.Shadow]
		s.late = append(s.late, e)
	}
	return in
}

// store carries out an update of the engine; nil is a conflict.
func (w *world) store(e sentUpdate) *shadowdoc.Change {
	payload, err := shadow.Update{Reported: e.Reported, Desired: e.Desired, Version: e.Version, ClientToken: e.Token}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	before := w.shadows[e.Shadow].doc
	change := w.update(e.Shadow, string(payload))
	if change != nil && w.stored != nil {
		w.stored(e, before)
	}
	return change
}

// pass lets time pass; ticks come when they are asked for.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for ticks := 0; !w.engine.Wake().IsZero() && !w.engine.Wake().After(end); ticks++ {
		if ticks > 10_000 {
			w.t.Fatal("the engine asks for ticks without end")
		}
		if w.engine.Wake().After(w.now) {
			w.now = w.engine.Wake()
		}
		w.step(Tick{})
	}
	w.now = end
}

// heal makes all well and gives the engine the time it needs.
func (w *world) heal() {
	clear(w.broken)
	w.setLink(true)
	for range 3000 {
		w.deliver()
		w.pass(100 * time.Millisecond)
	}
}

func (w *world) check() {
	w.t.Helper()
	quiet := len(w.times)
	w.pass(10 * time.Minute)
	if n := len(w.times) - quiet; n > 0 {
		w.t.Errorf("%d requests after everything was said", n)
	}
	for i := perThing; i < len(w.times); i++ {
		if d := w.times[i].Sub(w.times[i-perThing]); d < time.Second {
			w.t.Fatalf("%d requests within %v, want at most %d a second", perThing+1, d, perThing)
		}
	}
	schema := schematest.Load(w.t, "shadow")
	for label, cfg := range w.cfg.Shadows {
		doc := w.shadows[label].doc
		if doc == nil {
			w.t.Fatalf("shadow %s does not exist", label)
		}
		if err := schema.Check(doc.JSON()); err != nil {
			w.t.Errorf("the schema refuses a document: %v\n%s", err, doc.JSON())
		}
		var document struct {
			Desired, Reported, Delta map[string]any
		}
		if err := json.Unmarshal(shadowdoc.Append(nil, doc.State()), &document); err != nil {
			w.t.Fatal(err)
		}
		for key, p := range cfg.Properties {
			line := w.lines[p.Line]
			if got, want := document.Reported[key], p.Values.Value(line); got != want {
				w.t.Errorf("%s: reported %v, want %v as the line is", key, got, want)
			}
			if want, err := p.Values.Line(document.Desired[key]); p.Output && err == nil && want != line {
				w.t.Errorf("%s: the line is %v, want %v as desired", key, line, want)
			}
		}
		for key, value := range document.Reported {
			if hasRemnant(value) {
				w.t.Errorf("%s is reported with a null or an empty object: %v", key, value)
			}
		}
		acks, _ := document.Reported["ack"].(map[string]any)
		for key, value := range document.Desired {
			if value != nil && key != shadow.SyncKey {
				w.checkAck(cfg, key, value, acks[key])
			}
		}
		if w.t.Failed() {
			w.t.Logf("document of %s: %s", label, doc.JSON())
		}
	}
}

// checkAck checks the answer to one desired value.
func (w *world) checkAck(cfg config.Shadow, key string, value, got any) {
	w.t.Helper()
	ack, answered := shadow.ParseAck(got)
	p, known := cfg.Properties[key]
	_, err := p.Values.Line(value)
	want := shadow.Done
	switch {
	case !known:
		want = shadow.NoProperty
	case !p.Output || err != nil:
		want = shadow.Refused
	}
	if !answered || ack.Code != want {
		w.t.Errorf("%s=%v: answer %+v, want code %d", key, value, got, want)
	}
}
