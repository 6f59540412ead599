package replica

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

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

var (
	storms    = flag.Uint64("replicastorms", 300, "number of random histories that TestReplicaStorms plays, from seed 1")
	stormSeed = flag.Uint64("replicastorm", 0, "seed of the only history that TestReplicaStorms plays")
)

// TestReplicaStorms plays random histories of a set of replicas against the merge rules
// of the shadow manager: requests that are lost, late, duplicated, rejected or stored
// without an answer, other writers, deleted shadows, lost links, restarts, and owners
// that change what they report. When the trouble ends, each shadow must agree with its
// owner, and the replicas must fall silent.
func TestReplicaStorms(t *testing.T) {
	first, last := uint64(1), *storms
	if *stormSeed != 0 {
		first, last = *stormSeed, *stormSeed
	}
	for seed := first; seed <= last; seed++ {
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			if once, again := playStorm(t, seed), playStorm(t, seed); once != again {
				t.Errorf("the same history had two outcomes, the first difference:\n%s", firstDifference(once, again))
			}
		}) {
			t.Logf("replay with -run TestReplicaStorms -replicastorm %d", seed)
			return
		}
	}
}

// firstDifference is the first line in which two texts differ.
func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return fmt.Sprintf("%d lines and %d lines", len(x), len(y))
}

// playStorm returns the record of the history: all calls, effects and documents.
func playStorm(t *testing.T, seed uint64) string {
	w := newWorld(t, seed)
	for range 400 {
		w.act()
	}
	w.heal()
	w.judge()
	if t.Failed() {
		record := strings.Split(w.record.String(), "\n")
		t.Logf("the last steps:\n%s", strings.Join(record[max(0, len(record)-*tail):], "\n"))
		t.FailNow()
	}
	return w.record.String()
}

var tail = flag.Int("replicatail", 60, "number of recorded steps that a failed history shows")

// Share of the requests, in percent, that meet each kind of trouble.
type trouble struct{ failed, lost, silent, duplicate int }

// world is the shadow service, the link to it, and the owners.
type world struct {
	t      *testing.T
	random *rand.Rand
	set    *Set
	now    time.Time
	jumped time.Duration // of the service's clock
	jumps  bool          // the service's clock is set back and forth
	link   bool
	trouble
	services []*service
	events   int                    // counts what happens, to order it
	sends    map[string][]time.Time // requests of this run, by thing
	record   strings.Builder
	drained  bool
	fresh    int // numbers values that must differ
}

// service is the shadow manager's side of one shadow, and its owner.
type service struct {
	id    shadow.ID
	owner *owner
	doc   *shadowdoc.Document

	updates, deletions []func()            // messages, in order within each stream
	transit            []Effect            // requests that the service has not processed
	replies            map[uint64]func()   // in no order
	late               []Update            // requests that are given up and still stored
	written            map[string][]change // foreign writes of each desired key
	rewritten          map[string]int      // event of the last foreign write of each reported key
	// Updates, by token, that are meant for a version of a document that was deleted. The
	// shadow manager cannot tell that version from the same one of a new document; here
	// it can.
	outlived map[string]bool

	wiped  int  // event of the last deletion of the document or of a section
	silent bool // a write that no replica waits for was stored without a message
}

// change is one foreign write of a desired key.
type change struct {
	event   int
	value   any // nil deletes
	at      int64
	version int64
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_700_000_000, 0),
		trouble: trouble{failed: 8, lost: 4, silent: 4, duplicate: 2},
	}
	w.jumps = w.chance(50)
	if w.chance(20) {
		w.trouble = trouble{}
	}
	ids := []shadow.ID{{Thing: "gw"}, {Thing: "gw", Name: "plant"}, {Thing: "press", Name: "press"}}
	for _, id := range ids[:2+w.random.IntN(2)] {
		s := &service{id: id, written: map[string][]change{}, rewritten: map[string]int{}, outlived: map[string]bool{}, replies: map[uint64]func(){}}
		s.owner = newOwner(w, s)
		w.services = append(w.services, s)
		if w.chance(60) {
			w.foreign(s, `{"state":{"reported":{"note":"kept","relic":{"a":1},"relay":true}}}`)
		}
	}
	w.start()
	return w
}

// start begins a run: the replicas are new, the owners remember.
func (w *world) start() {
	w.set = NewSet(w.random, slog.New(slog.DiscardHandler))
	w.link, w.drained, w.sends = false, false, map[string][]time.Time{}
	for _, s := range w.services {
		s.updates, s.deletions = nil, nil
		clear(s.replies)
		s.giveUp(w)
		s.owner.start()
	}
	w.flush("start")
}

func (w *world) chance(percent int) bool { return w.random.IntN(100) < percent }

func pick[T any](w *world, from ...T) T { return from[w.random.IntN(len(from))] }

func (w *world) clock() int64 { return w.now.Add(w.jumped).Unix() }

func (w *world) act() {
	s := pick(w, w.services...)
	switch n := w.random.IntN(1000); {
	case n < 350:
		w.deliver(s)
	case n < 500:
		w.pass(time.Duration(w.random.IntN(400)) * time.Millisecond)
	case n < 680:
		w.desire(s)
	case n < 800:
		s.owner.act()
		w.flush("owner")
	case n < 825:
		w.setLink(!w.link)
	case n < 870:
		w.setLink(true)
	case n < 890:
		w.delete(s)
	case n < 920:
		w.rewrite(s)
	case n < 930:
		s.owner.reread()
		w.flush("reread")
	case n < 940:
		if w.link { // the messages are proven to arrive
			w.live(s)
			w.flush("live again")
		}
	case n < 955:
		s.owner.retireOrOpen()
		w.flush("retire or open")
	case n < 965:
		if w.jumps {
			w.jumped = time.Duration(w.random.IntN(2000)-1000) * time.Second
		}
	case n < 970:
		w.set.Drain()
		w.drained = true
		w.flush("drain")
	case n < 976 || w.drained && n < 990:
		w.start()
	default:
		w.pass(time.Duration(w.random.IntN(3000)) * time.Millisecond)
	}
}

// desire has an application write a desired value.
func (w *world) desire(s *service) {
	w.fresh++
	document := pick(w,
		`{"lamp":true}`, `{"lamp":false}`, `{"lamp":"bad"}`, `{"lamp":"clash"}`, `{"lamp":null}`,
		`{"mode":{"a":1}}`, `{"mode":{"a":2,"b":{"c":3}}}`, `{"mode":{"b":{"c":null}}}`, `{"mode":{"b":{"d":"x"},"e":null}}`,
		`{"mode":null}`, `{"mode":{}}`, `{"mode":[1]}`, `{"mode":7}`,
		`{"sensor":5}`, `{"sensor":null}`, `{"ghost":1}`, `{"ghost":{"a":[1]}}`, `{"ghost":null}`,
		`{"bell":true}`, `{"bell":true}`, `{"bell":true}`, `{"bell":"bad"}`, `{"bell":null}`, `{"bell":{}}`, `{"bell":true,"lamp":true}`,
		`{"count":0}`, `{"count":%d}`, `{"count":%d}`, `{"relay":%d}`, `{"relay":%d}`, `{"relay":null}`, `{"relay":%d,"bell":true}`)
	if strings.Contains(document, "%d") {
		document = fmt.Sprintf(document, w.fresh)
	}
	if w.chance(2) {
		document = fmt.Sprintf(`{"blob":%q}`, strings.Repeat("x", 7200+w.random.IntN(700)))
	} else if w.chance(5) {
		document = `{"blob":null}`
	}
	w.foreign(s, `{"state":{"desired":`+document+`}}`)
}

// rewrite has somebody else write over the device's values, or clear sections.
func (w *world) rewrite(s *service) {
	key := pick(w, "lamp", "mode", "sensor", "status", "relay")
	s.rewritten[key], s.rewritten["status"], s.rewritten["mode"] = w.events+1, w.events+1, w.events+1
	w.foreign(s, pick(w, fmt.Sprintf(`{"state":{"reported":{%q:"rewritten"}}}`, key), fmt.Sprintf(`{"state":{"reported":{%q:null}}}`, key),
		`{"state":{"reported":{"status":{"foreign":1}}}}`, `{"state":{"reported":{"mode":{"a":9}}}}`, `{"state":{"reported":{"note":"kept"}}}`,
		`{"state":{"reported":{"ack":{"lamp":null}}}}`, `{"state":{"reported":{"ack":null}}}`,
		`{"state":{"reported":null}}`, `{"state":{"desired":null}}`, `{"state":{"desired":{}}}`, `{"state":null}`, `{"state":{"desired":{"lamp":null,"bell":null,"mode":{"x":{}}}}}`))
}

// foreign is an update by somebody else.
func (w *world) foreign(s *service, document string) {
	change, err := w.store(s, document)
	if change == nil {
		if _, refused := errors.AsType[*shadowdoc.Refusal](err); !refused && !shadowdoc.Internal(err) {
			w.t.Fatalf("%s: %v", document, err)
		}
		return
	}
	s.silent = s.silent || err != nil
	w.noteForeign(s, document, change.After)
}

// noteForeign remembers a foreign write for the judgement.
func (w *world) noteForeign(s *service, document string, after *shadowdoc.Document) {
	var update struct {
		State struct {
			Desired map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(document), &update); err != nil {
		w.t.Fatal(err)
	}
	if strings.Contains(document, `"state":null`) || strings.Contains(document, `"desired":null`) || strings.Contains(document, `"desired":{}`) {
		s.wiped = w.events
	}
	now := w.parsed(after)
	for key := range update.State.Desired {
		s.written[key] = append(s.written[key], newChange(w.events, now, key))
	}
}

func newChange(event int, doc shadow.Document, key string) change {
	return change{event, doc.Desired[key], doc.DesiredAt[key], doc.Version}
}

func (w *world) parsed(doc *shadowdoc.Document) shadow.Document {
	if doc == nil {
		return shadow.Document{}
	}
	d, err := shadow.ParseDocument(doc.Got(w.clock()))
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// store is the shadow manager's part in an update. Without a change nothing was stored.
func (w *world) store(s *service, document string) (*shadowdoc.Change, error) {
	w.events++
	u, err := shadowdoc.ParseUpdate([]byte(document))
	if err != nil {
		return nil, err
	}
	change, err := shadowdoc.Apply(s.doc, u, w.clock(), shadowdoc.DefaultSizeLimit, shadowdoc.Faithful)
	if change == nil {
		return nil, err
	}
	s.doc = change.After
	w.note("stored in %s as version %d at %d, error %v: %s", s.id, s.doc.Version, w.clock(), err, strings.ReplaceAll(document, "x"+strings.Repeat("x", 100), ""))
	if err == nil && w.link && s.owner.followed { // else it publishes nothing
		a, err := shadow.ParseAccepted(change.Accepted(w.clock()))
		if err != nil {
			w.t.Fatal(err)
		}
		s.updates = append(s.updates, func() { w.set.Accepted(w.now, s.id, a) })
	}
	return change, err
}

func (w *world) delete(s *service) {
	if s.doc == nil {
		return
	}
	w.events++
	w.note("deleted %s", s.id)
	s.doc, s.wiped = nil, w.events
	locked := func(e Effect) bool { u, ok := e.(Update); return ok && u.Version != 0 }
	for _, e := range s.transit {
		if locked(e) {
			w.answer(s, e, shadow.Document{}, 0, Conflict)
		}
	}
	s.transit = slices.DeleteFunc(s.transit, locked)
	s.late = slices.DeleteFunc(s.late, func(u Update) bool { return locked(u) })
	if w.link && s.owner.followed {
		s.deletions = append(s.deletions, func() { w.set.Deleted(w.now, s.id) })
	}
}

// deliver lets one request, reply or message of a shadow arrive.
func (w *world) deliver(s *service) {
	if len(s.late) > 0 && w.chance(10) {
		u := s.late[0]
		s.late = s.late[1:]
		w.writeLate(s, u)
	}
	for _, i := range w.random.Perm(4) {
		switch {
		case i == 0 && len(s.updates) > 0:
			first := s.updates[0]
			s.updates = s.updates[1:]
			first()
			w.flush("message")
		case i == 1 && len(s.deletions) > 0:
			first := s.deletions[0]
			s.deletions = s.deletions[1:]
			first()
			w.flush("deletion")
		case i == 2 && len(s.transit) > 0:
			n := w.random.IntN(len(s.transit))
			e := s.transit[n]
			s.transit = slices.Delete(s.transit, n, n+1)
			w.process(s, e)
		case i == 3 && len(s.replies) > 0:
			seq := pick(w, slices.Sorted(maps.Keys(s.replies))...)
			reply := s.replies[seq]
			delete(s.replies, seq)
			reply()
			w.flush("reply")
		default:
			continue
		}
		return
	}
}

// process is the service's part in a request.
func (w *world) process(s *service, e Effect) {
	if w.chance(w.failed) {
		outcomes := []Outcome{Throttled, NotSent, Throttled, NotSent, Throttled, NotSent, Unauthorized, Invalid}
		w.answer(s, e, shadow.Document{}, 0, pick(w, outcomes...))
		return
	}
	u, isUpdate := e.(Update)
	if !isUpdate {
		switch {
		case w.chance(w.lost):
			w.answer(s, e, shadow.Document{}, 0, Unknown)
		case s.doc == nil:
			w.answer(s, e, shadow.Document{}, 0, Missing)
		default:
			w.answer(s, e, w.parsed(s.doc), 0, OK)
		}
		return
	}
	if w.chance(w.lost) { // given up, and stored later, or never
		if w.chance(70) {
			s.late = append(s.late, u)
		}
		w.answer(s, e, shadow.Document{}, 0, Unknown)
		return
	}
	version, outcome := w.write(s, u)
	switch {
	case outcome == OK && w.chance(w.silent): // stored, but answered with an error
		outcome = Unknown
	case outcome == OK && w.chance(w.duplicate): // stored twice, and the second time answered
		outcome = Throttled
	case outcome == OK && w.chance(w.duplicate): // stored a second time later
		s.late = append(s.late, u)
	}
	w.answer(s, e, shadow.Document{}, version, outcome)
}

// write stores an update of a replica, and judges it.
func (w *world) write(s *service, u Update) (int64, Outcome) {
	payload, err := shadow.Update{Reported: u.Reported, Desired: u.Desired, Version: u.Version, ClientToken: u.Token}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	if s.outlived[u.Token] {
		return 0, Conflict
	}
	before := w.parsed(s.doc)
	change, err := w.store(s, string(payload))
	if refusal, refused := errors.AsType[*shadowdoc.Refusal](err); refused {
		switch {
		case refusal.Code == 413:
			return 0, TooLarge
		case refusal.Code == 409 || refusal.Message == "Invalid version":
			return 0, Conflict
		}
		w.t.Errorf("an update is invalid: %v: %s", err, payload)
	}
	if change == nil {
		w.t.Fatalf("%s: %v", payload, err)
	}
	s.owner.judgeWrite(u, before)
	if err != nil {
		return 0, Unknown
	}
	return change.After.Version, OK
}

// writeLate stores an update that nobody waits for.
func (w *world) writeLate(s *service, u Update) {
	_, outcome := w.write(s, u)
	s.silent = s.silent || outcome == Unknown
}

// answer has a reply under way.
func (w *world) answer(s *service, e Effect, doc shadow.Document, version int64, outcome Outcome) {
	var err error
	if outcome != OK {
		err = fmt.Errorf("outcome %d", outcome)
	}
	set := w.set
	switch e := e.(type) {
	case Fetch:
		s.replies[e.Seq] = func() {
			w.note("reply to fetch %d of %s: %d, version %d", e.Seq, s.id, outcome, doc.Version)
			set.Fetched(w.now, Fetched{s.id, e.Seq, doc, outcome, err})
		}
	case Update:
		s.replies[e.Seq] = func() {
			w.note("reply to update %d of %s: %d, version %d", e.Seq, s.id, outcome, version)
			set.Updated(w.now, Updated{s.id, e.Seq, version, outcome, err})
		}
	}
}

// giveUp has nobody wait for requests any more; some of them are stored later.
func (s *service) giveUp(w *world) {
	for _, e := range s.transit {
		if u, ok := e.(Update); ok && w.chance(50) {
			s.late = append(s.late, u)
		}
	}
	s.transit = nil
}

func (w *world) setLink(up bool) {
	if w.link == up {
		return
	}
	w.link = up
	for _, s := range w.services {
		if up {
			w.live(s)
			continue
		}
		s.updates, s.deletions = nil, nil
		w.set.Lost(s.id, errors.New("connection lost"))
		for _, e := range s.transit {
			w.answer(s, e, shadow.Document{}, 0, pick(w, Unknown, NotSent))
		}
		s.giveUp(w)
	}
	w.flush(fmt.Sprintf("link %v", up))
}

func (w *world) live(s *service) {
	if s.owner.followed {
		w.set.Live(w.now, s.id, false)
	}
}

// flush takes the effects.
func (w *world) flush(what string) {
	w.note("%s", what)
	for _, e := range w.set.Flush(w.now) {
		var id shadow.ID
		switch e := e.(type) {
		case Fetch:
			id = e.ID
			w.note("fetch %d of %s", e.Seq, id)
		case Update:
			id = e.ID
			text, err := json.Marshal([]any{e.Token, e.Version, e.Reported, e.Desired})
			if err != nil {
				w.t.Fatal(err)
			}
			w.note("update %d of %s: %s", e.Seq, id, text)
		}
		if !w.link {
			w.t.Fatalf("a request without a link: %+v", e)
		}
		w.sends[id.Thing] = append(w.sends[id.Thing], w.now)
		if sent := w.sends[id.Thing]; len(sent) > perThing {
			if d := w.now.Sub(sent[len(sent)-1-perThing]); d < time.Second {
				w.t.Fatalf("%d requests for %s within %v, want at most %d a second", perThing+1, id.Thing, d, perThing)
			}
		}
		for _, s := range w.services {
			if s.id == id {
				s.transit = append(s.transit, e)
				if u, ok := e.(Update); ok && u.Version != 0 && (len(s.deletions) > 0 || s.doc == nil || s.doc.Version < u.Version) {
					s.outlived[u.Token] = true
				}
			}
		}
	}
	for _, s := range w.services {
		s.owner.closeRetired()
	}
}

func (w *world) note(format string, args ...any) {
	fmt.Fprintf(&w.record, "%s "+format+"\n", append([]any{w.now.Format("04:05.000")}, args...)...)
}

// pass lets time pass; ticks come when a replica or an owner asks for them.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for ticks := 0; ; ticks++ {
		if ticks > 2000 {
			w.t.Fatal("the replicas ask for ticks without end")
		}
		next := w.set.Wake()
		for _, s := range w.services {
			if due := s.owner.due(); next.IsZero() || !due.IsZero() && due.Before(next) {
				next = due
			}
		}
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(w.now) {
			w.now = next
		}
		if wake := w.set.Wake(); !wake.IsZero() && !wake.After(w.now) {
			w.set.Tick(w.now)
		}
		for _, s := range w.services {
			s.owner.tick()
		}
		w.flush("tick")
	}
	w.now = end
}

// heal ends all trouble, and lets the replicas finish.
func (w *world) heal() {
	w.note("heal")
	w.trouble = trouble{}
	w.setLink(true)
	for _, s := range w.services {
		for _, u := range s.late {
			w.writeLate(s, u)
		}
		s.late = nil
		w.foreign(s, `{"state":{"desired":{"blob":null}}}`)
		if s.silent && s.doc != nil { // the message shows the gap
			w.foreign(s, `{"state":{"desired":{"ghost":2},"reported":{"note":"kept"}}}`)
		}
	}
	for range 1500 {
		for _, s := range w.services {
			w.deliver(s)
		}
		w.pass(200 * time.Millisecond)
	}
}

func (w *world) judge() {
	w.t.Helper()
	if !w.set.Idle() {
		w.t.Error("the set is not idle at rest")
	}
	before := w.record.Len()
	w.pass(10 * time.Minute)
	if record := w.record.String()[before:]; strings.Contains(record, "fetch ") || strings.Contains(record, "update ") {
		w.t.Errorf("requests after all was said:\n%s", record)
	}
	for _, s := range w.services {
		s.owner.judge()
	}
}
