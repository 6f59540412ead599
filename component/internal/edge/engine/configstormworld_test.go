package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/configgen"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// confWorld simulates everything around the engine: chips, shadow manager, disk, process.
// Its behavior follows from the seed and the effects of the engine alone.
type confWorld struct {
	seed   uint64
	runs   uint64
	random *rand.Rand
	gen    *configgen.Generator
	cfg    *config.Config
	labels map[gpio.Ref]string  // of the present configuration
	props  []configgen.Property // likewise
	engine *stormEngine
	judge  *confJudge
	*confShared

	now    time.Time
	jumped time.Duration // of the wall clock that shadows are stamped by
	calm   bool          // nothing fails
	still  bool          // a deployment comes alone
	holder bool          // a holder keeps the outputs when the process ends
	falls  bool          // an output that is released goes low; else it keeps its level

	high   map[gpio.Ref]bool // levels at the wires
	broken map[gpio.Ref]bool
	claims map[string]*heldLines
	kept   map[string]*heldLines // by the holder
	edges  []*edgeStream         // oldest first

	link    bool
	docs    map[shadow.ID]*confShadow
	samples []inSampled
	times   []confRequest // to the shadow manager, since the start or the last rest

	saved   state.State
	pending *Save // on its way to the disk
	stuck   bool  // the disk fails

	effects []string // of the engine, to compare two plays
	tells   bool     // history is kept
	history []string // for people
}

// confShared is common to all plays of a seed.
type confShared struct {
	schema schematest.Schema
	parsed map[string]*config.Config // by their texts
}

// heldLines is a line request that the kernel granted.
type heldLines struct {
	request uint64
	refs    []gpio.Ref
	cfgs    []config.Line
	guard   outGuard
	dead    bool // its chip is gone
}

func (h *heldLines) output() bool { return h.cfgs[0].Direction == gpio.Output }

// edgeStream is the queue of a line request: edges that the engine has not heard of. It
// outlives the request.
type edgeStream struct {
	claim   string
	request uint64
	inputs  []any
}

// confShadow is the shadow manager's side of one shadow. Messages of different streams
// may overtake each other.
type confShadow struct {
	id       shadow.ID
	doc      *shadowdoc.Document
	followed bool
	streams  [3][]any     // updates, deletions, replies
	late     []lateUpdate // carried out later, whatever was answered

	read    *shadowdoc.Document // of content
	content confContent
	checked *shadowdoc.Document // the schema accepts it
}

// lateUpdate is an update with the run that sent it.
type lateUpdate struct {
	outUpdate
	run uint64
}

// confRequest is a request of the engine to the shadow manager.
type confRequest struct {
	at    time.Time
	thing string
	noise bool // an engine at rest may make it
}

// finding is the panic that ends a history.
type finding struct{ text string }

func (w *confWorld) fail(format string, args ...any) { panic(finding{fmt.Sprintf(format, args...)}) }

// say adds a line to the history.
func (w *confWorld) say(format string, args ...any) {
	if !w.tells {
		return
	}
	w.history = append(w.history, fmt.Sprintf("%8.3fs ", w.now.Sub(stormStart).Seconds())+fmt.Sprintf(format, args...))
}

var stormStart = time.Unix(1_770_000_000, 0)

func newConfWorld(seed uint64, shared *confShared, tells bool) *confWorld {
	w := &confWorld{
		seed:   seed,
		random: rand.New(rand.NewPCG(seed, 1)), gen: configgen.New(seed), now: stormStart,
		high: map[gpio.Ref]bool{}, broken: map[gpio.Ref]bool{}, claims: map[string]*heldLines{}, kept: map[string]*heldLines{},
		docs: map[shadow.ID]*confShadow{}, confShared: shared, tells: tells,
	}
	w.holder, w.falls = w.chance(70), w.chance(50)
	w.judge = newConfJudge(w)
	w.use(w.parse())
	for ref := range w.labels {
		w.judge.on[ref], w.judge.demanded[ref] = w.on(ref), w.on(ref)
	}
	return w
}

// parse reads the present configuration of the generator.
func (w *confWorld) parse() *config.Config {
	text := w.gen.Text()
	w.say("configuration\n%s", text)
	if cfg := w.parsed[text]; cfg != nil {
		return cfg
	}
	cfg, err := config.Parse([]byte(text), configgen.Device)
	if err != nil {
		w.fail("the generator made a configuration that is not valid: %v\n%s", err, text)
	}
	w.parsed[text] = cfg
	return cfg
}

// use makes a configuration the present one, before the engine hears of it.
func (w *confWorld) use(cfg *config.Config) {
	w.cfg, w.labels, w.props = cfg, map[gpio.Ref]string{}, configgen.Properties(cfg)
	for label, l := range cfg.Lines {
		w.labels[l.Ref] = label
	}
}

func (w *confWorld) chance(percent int) bool { return w.random.IntN(100) < percent }

func choose[T any](w *confWorld, from []T) T { return from[w.random.IntN(len(from))] }

func anyOf[T any](w *confWorld, from ...T) T { return choose(w, from) }

// clock is the wall clock, in seconds since the epoch.
func (w *confWorld) clock() int64 { return w.now.Add(w.jumped).Unix() }

// on reports whether a line is on under the present configuration.
func (w *confWorld) on(ref gpio.Ref) bool {
	label, configured := w.labels[ref]
	return configured && w.high[ref] != w.cfg.Lines[label].ActiveLow
}

// start starts the component with the present configuration.
func (w *confWorld) start() {
	w.runs++
	w.engine = newStormEngine(w.cfg, w.saved, rand.New(rand.NewPCG(w.seed, 1+w.runs)))
	w.times = nil // each run has a budget of its own
	w.judge.started()
	w.step(Start{})
	w.step(Clock{Synchronised: true, Boot: "boot"})
}

// step gives the engine an input, and the answers of lines to its effects.
func (w *confWorld) step(in any) {
	clear(w.judge.released)
	for queue := []any{in}; len(queue) > 0; queue = queue[1:] {
		w.judge.hears(queue[0])
		w.trace("-> ", queue[0])
		for _, effect := range w.engine.step(w.now, queue[0]) {
			w.effects = append(w.effects, describe(effect))
			w.trace("   <- ", effect)
			if answer := w.carryOut(effect); answer != nil {
				queue = append(queue, answer)
			}
		}
	}
	w.judge.rules()
}

// trace adds an input or an effect to the history.
func (w *confWorld) trace(arrow string, what any) {
	if *confStormTrace && w.tells {
		w.say("%s%.700s", arrow, describe(what))
	}
}

// describe formats an effect without pointers.
func describe(effect any) string {
	if s, ok := effect.(Save); ok {
		text, err := json.Marshal(s)
		return fmt.Sprint("save ", string(text), err)
	}
	if r, ok := effect.(outRequest); ok {
		var values []string
		for _, v := range r.values {
			if v == nil {
				values = append(values, "as is")
			} else {
				values = append(values, fmt.Sprint(*v))
			}
		}
		return fmt.Sprint("request ", r.claim, " ", r.request, r.lines, values)
	}
	return fmt.Sprintf("%T%+v", effect, effect)
}

func (w *confWorld) carryOut(effect any) any {
	switch e := effect.(type) {
	case outRequest:
		return w.request(e)
	case outWrite:
		return w.write(e)
	case outRelease:
		w.release(e)
	case outGuard:
		if h := w.claims[e.claim]; h != nil {
			h.guard = e
		}
	case outFollow:
		s := w.shadow(e.id)
		s.followed = true
		if w.link {
			s.streams[0] = append(s.streams[0], inLive(e))
		}
	case outUnfollow:
		s := w.shadow(e.id)
		s.followed, s.streams[0], s.streams[1] = false, nil, nil
	case outFetch:
		w.reply(e.id, w.fetch(e), false)
	case outUpdate:
		w.reply(e.id, w.report(e), w.judge.excuses(e))
	case Save:
		if w.pending != nil {
			w.fail("two saves at a time")
		}
		w.pending = &e
		w.judge.saving()
	}
	return nil
}

// request grants a request, as the kernel and the holder do.
func (w *confWorld) request(e outRequest) any {
	h := &heldLines{request: e.request}
	for _, label := range e.lines {
		cfg, configured := w.cfg.Lines[label]
		if !configured {
			w.fail("the engine requests line %q, which is not configured", label)
		}
		h.refs, h.cfgs = append(h.refs, cfg.Ref), append(h.cfgs, cfg)
	}
	delete(w.claims, e.claim) // the agent releases it first
	for _, claim := range slices.Sorted(maps.Keys(w.claims)) {
		for _, ref := range w.claims[claim].refs {
			if slices.Contains(h.refs, ref) && !w.claims[claim].dead {
				w.fail("the engine requests %s, which it holds as %s", e.claim, claim)
			}
		}
	}
	held := w.adopts(e.claim, h)
	for _, ref := range h.refs {
		if w.broken[ref] {
			return inFailed{e.claim, e.request, errStorm}
		}
	}
	w.claims[e.claim] = h
	for i, value := range e.values {
		if value != nil && !held && h.output() {
			w.set(h.refs[i], *value != h.cfgs[i].ActiveLow, "requested")
		}
	}
	return inReady{e.claim, w.read(h), held}
}

// adopts takes lines over from the holder. The holder releases lines that are requested
// differently.
func (w *confWorld) adopts(claim string, h *heldLines) bool {
	for _, name := range slices.Sorted(maps.Keys(w.kept)) {
		k := w.kept[name]
		if !slices.ContainsFunc(k.refs, func(ref gpio.Ref) bool { return slices.Contains(h.refs, ref) }) {
			continue
		}
		delete(w.kept, name)
		if name == claim && slices.EqualFunc(k.cfgs, h.cfgs, sameWire) && h.output() {
			return true
		}
		w.drop(k)
	}
	return false
}

// sameWire reports whether two lines are requested the same way.
func sameWire(a, b config.Line) bool {
	return a.Ref == b.Ref && a.Direction == b.Direction && a.ActiveLow == b.ActiveLow && a.Bias == b.Bias && a.Drive == b.Drive
}

func (w *confWorld) read(h *heldLines) []bool {
	var values []bool
	for i, ref := range h.refs {
		values = append(values, w.high[ref] != h.cfgs[i].ActiveLow)
	}
	return values
}

func (w *confWorld) write(e outWrite) any {
	h := w.claims[e.claim]
	if h == nil {
		w.fail("the engine writes to %s, which it does not hold", e.claim)
	}
	for _, ref := range h.refs {
		if w.broken[ref] || h.dead {
			delete(w.claims, e.claim)
			w.drop(h)
			return inFailed{e.claim, h.request, errStorm}
		}
	}
	if !w.calm && w.chance(3) { // the line does not follow
		for _, ref := range h.refs {
			w.judge.stray(ref)
		}
		return inWritten{e.claim, w.read(h)}
	}
	for i, ref := range h.refs {
		w.set(ref, e.values[i] != h.cfgs[i].ActiveLow, "written")
	}
	return inWritten{e.claim, w.read(h)}
}

func (w *confWorld) release(e outRelease) {
	h := w.claims[e.claim]
	if h == nil {
		return // it failed before
	}
	delete(w.claims, e.claim)
	for i, ref := range h.refs {
		if e.values != nil && !h.dead {
			w.set(ref, e.values[i] != h.cfgs[i].ActiveLow, "released")
		}
	}
	w.drop(h)
}

// drop lets the outputs of a released request take the level that nobody drives.
func (w *confWorld) drop(h *heldLines) {
	for _, ref := range h.refs {
		if w.falls && h.output() {
			w.set(ref, false, "given up")
		}
	}
}

// set sets the level of a wire and tells the judge the cause.
func (w *confWorld) set(ref gpio.Ref, high bool, how string) {
	if w.high[ref] != high {
		w.high[ref] = high
		w.judge.moved(ref, how)
	}
}

func (w *confWorld) shadow(id shadow.ID) *confShadow {
	s := w.docs[id]
	if s == nil {
		s = &confShadow{id: id}
		w.docs[id] = s
	}
	return s
}

// shadows lists all shadows that were ever configured, in order.
func (w *confWorld) shadows() []*confShadow {
	ids := slices.SortedFunc(maps.Keys(w.docs), func(a, b shadow.ID) int {
		return slices.Compare([]string{a.Thing, a.Name}, []string{b.Thing, b.Name})
	})
	var all []*confShadow
	for _, id := range ids {
		all = append(all, w.docs[id])
	}
	return all
}

func (w *confWorld) reply(id shadow.ID, in any, noise bool) {
	w.times = append(w.times, confRequest{w.now, id.Thing, noise})
	if !w.link {
		w.fail("a request without a link: %+v", in)
	}
	s := w.shadow(id)
	s.streams[2] = append(s.streams[2], in)
}

func (w *confWorld) fetch(e outFetch) any {
	in := inFetched{id: e.id, seq: e.seq, number: w.judge.requestNumber}
	doc := w.shadow(e.id).doc
	switch {
	case !w.calm && w.chance(8):
		in.outcome = anyOf(w, stormThrottled, stormUnknown, stormNotSent)
	case doc == nil:
		in.outcome = stormMissing
	default:
		parsed, err := shadow.ParseDocument(doc.Got(w.clock()))
		if err != nil {
			w.fail("document not parsed: %v", err)
		}
		in.doc = parsed
	}
	return in
}

func (w *confWorld) report(e outUpdate) any {
	in := inUpdated{id: e.id, seq: e.seq}
	s := w.shadow(e.id)
	if !w.calm && w.chance(6) {
		in.outcome = anyOf(w, stormThrottled, stormNotSent)
		return in
	}
	if !w.calm && w.chance(2) { // no answer; carried out later
		s.late = append(s.late, lateUpdate{e, w.runs})
		in.outcome = stormUnknown
		return in
	}
	change := w.store(e)
	if change == nil {
		in.outcome = stormConflict
		return in
	}
	in.version = change.After.Version
	switch {
	case w.calm:
	case w.chance(6): // stored, but the reply is lost
		in.outcome, in.version = stormUnknown, 0
	case w.chance(2): // stored twice; the reply is to the second one
		in.outcome, in.version = stormThrottled, 0
	case w.chance(2): // stored twice, the second time later
		s.late = append(s.late, lateUpdate{e, w.runs})
	}
	return in
}

// store carries out an update of the engine; nil means a conflict.
func (w *confWorld) store(e outUpdate) *shadowdoc.Change {
	payload, err := shadow.Update{Reported: e.reported, Desired: e.desired, Version: e.version, ClientToken: e.token}.Encode()
	if err != nil {
		w.fail("update not encoded: %v", err)
	}
	desired := w.content(e.id).Desired
	change := w.update(e.id, string(payload))
	if change != nil {
		w.judge.stored(e, desired)
	}
	return change
}

// update is the shadow manager's part in an update, whoever sends it.
func (w *confWorld) update(id shadow.ID, document string) *shadowdoc.Change {
	s := w.shadow(id)
	u, err := shadowdoc.ParseUpdate([]byte(document))
	if err != nil {
		w.fail("%s: %v", document, err)
	}
	change, err := shadowdoc.Apply(s.doc, u, w.clock(), shadowdoc.DefaultSizeLimit, shadowdoc.Fixed)
	if refused, ok := errors.AsType[*shadowdoc.Refusal](err); ok && (refused.Code == 409 || refused.Message == "Invalid version") {
		return nil
	}
	if err != nil {
		w.fail("%s: %v", document, err)
	}
	s.doc = change.After
	if w.link && s.followed {
		a, err := shadow.ParseAccepted(change.Accepted(w.clock()))
		if err != nil {
			w.fail("message not parsed: %v", err)
		}
		s.streams[0] = append(s.streams[0], inAccepted{id, a, w.judge.requestNumber})
	}
	return change
}

// confContent is what a shadow holds.
type confContent struct {
	Desired, Reported map[string]any
	doubt             map[string]bool // the clock does not tell that the answer is newer than the desired value
}

// content is what a shadow holds; empty if it does not exist. The caller must not change
// it.
func (w *confWorld) content(id shadow.ID) confContent {
	s := w.docs[id]
	if s == nil || s.doc == nil {
		return confContent{}
	}
	if s.read == s.doc {
		return s.content
	}
	c := confContent{doubt: map[string]bool{}}
	if err := json.Unmarshal(shadowdoc.Append(nil, s.doc.State()), &c); err != nil {
		w.fail("document not parsed: %v", err)
	}
	// A stored null, which an update of a new document can leave, requests nothing.
	maps.DeleteFunc(c.Desired, func(_ string, value any) bool { return value == nil })
	delete(c.Desired, shadow.SyncKey) // nor does the mark
	parsed, err := shadow.ParseDocument(s.doc.Got(0))
	if err != nil {
		w.fail("document not parsed: %v", err)
	}
	for key := range c.Desired {
		c.doubt[key] = parsed.AckAt[key] <= parsed.DesiredAt[key]
	}
	s.read, s.content = s.doc, c
	return c
}

// deliver gives the engine one message in flight; false if there is none.
func (w *confWorld) deliver() bool {
	var ready []func() any
	for _, s := range w.shadows() {
		for i := range s.streams {
			if len(s.streams[i]) > 0 {
				ready = append(ready, func() any { return takeFirst(&s.streams[i]) })
			}
		}
		if len(s.late) > 0 && (w.calm || w.chance(10)) {
			u := takeFirst(&s.late)
			w.store(u.outUpdate)
			w.judge.storedLate(u)
			return true
		}
	}
	w.edges = slices.DeleteFunc(w.edges, func(e *edgeStream) bool { return len(e.inputs) == 0 })
	for _, e := range w.edges {
		ready = append(ready, func() any { return takeFirst(&e.inputs) })
	}
	if len(w.samples) > 0 {
		ready = append(ready, func() any { return takeFirst(&w.samples) })
	}
	if len(ready) == 0 {
		return false
	}
	w.step(choose(w, ready)())
	return true
}

func takeFirst[T any](list *[]T) T {
	first := (*list)[0]
	*list = (*list)[1:]
	return first
}

func (w *confWorld) setLink(up bool) {
	if w.link == up {
		return
	}
	w.link = up
	w.step(Link{up})
	for _, s := range w.shadows() {
		if up && s.followed {
			s.streams[0] = append(s.streams[0], inLive{s.id})
		}
		if up {
			continue
		}
		replies := s.streams[2]
		s.streams = [3][]any{}
		if s.followed {
			w.step(inLost{s.id})
		}
		for _, r := range replies { // calls fail with the connection
			switch r := r.(type) {
			case inFetched:
				w.step(inFetched{id: r.id, seq: r.seq, outcome: stormUnknown})
			case inUpdated:
				w.step(inUpdated{id: r.id, seq: r.seq, outcome: stormUnknown})
			}
		}
	}
}

// pass lets time pass, with the ticks that the engine wants.
func (w *confWorld) pass(d time.Duration) {
	end := w.now.Add(d)
	for ticks := 0; !w.engine.Wake().IsZero() && !w.engine.Wake().After(end); ticks++ {
		if ticks > 20_000 {
			w.fail("the engine asks for ticks without end")
		}
		if w.engine.Wake().After(w.now) {
			w.now = w.engine.Wake()
		}
		w.step(Tick{})
	}
	w.now = end
	w.judge.rules()
}

// disk completes a save, or fails it.
func (w *confWorld) disk() {
	if w.pending == nil {
		return
	}
	s := *w.pending
	w.pending = nil
	if w.stuck {
		w.step(Saved{s.Seq, errors.New("no space left")})
		return
	}
	w.keep(s)
	w.step(Saved{Seq: s.Seq})
}

// keep stores a state as a file does.
func (w *confWorld) keep(s Save) {
	text, err := json.Marshal(s.State)
	if err != nil {
		w.fail("state not encoded: %v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	w.saved = state.State{}
	if err := decoder.Decode(&w.saved); err != nil {
		w.fail("state not decoded: %v", err)
	}
	w.judge.kept()
}

// end kills the process. A save under way may be completed. The holder keeps the
// outputs.
func (w *confWorld) end() {
	if w.pending != nil && !w.stuck && w.chance(50) {
		w.keep(*w.pending)
	}
	w.pending = nil
	w.link = false
	for _, s := range w.shadows() {
		s.followed, s.streams = false, [3][]any{}
	}
	w.edges, w.samples = nil, nil
	for _, claim := range slices.Sorted(maps.Keys(w.claims)) {
		h := w.claims[claim]
		if w.holder && h.output() && !h.dead {
			w.kept[claim] = h
		} else {
			w.drop(h)
		}
	}
	w.claims = map[string]*heldLines{}
}

// away lets time pass without the process. The holder carries out its guards.
func (w *confWorld) away(d time.Duration) {
	w.now = w.now.Add(d)
	for _, claim := range slices.Sorted(maps.Keys(w.kept)) {
		h := w.kept[claim]
		if h.guard.off && !h.guard.at.After(w.now) {
			for i, ref := range h.refs {
				w.set(ref, h.cfgs[i].ActiveLow, "guarded")
			}
		}
	}
}

// begin starts the component again. The holder releases the outputs that it does not
// take over.
func (w *confWorld) begin() {
	w.start()
	for _, claim := range slices.Sorted(maps.Keys(w.kept)) {
		w.drop(w.kept[claim])
		delete(w.kept, claim)
	}
}
