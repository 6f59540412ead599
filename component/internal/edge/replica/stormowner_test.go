package replica

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// roles are the keys that an owner can have, and how it treats their requests.
var roles = map[string]role{
	"lamp": followed, "mode": followedObject, "sensor": readOnly, "status": readOnly, "bell": command, "count": command, "relay": switched,
}

type role int

const (
	followed       role = iota // reports the requested value, at once or later
	followedObject             // the same for objects
	readOnly                   // rejects each request
	command                    // runs for a time, and is cleared
	switched                   // follows, and proposes local changes
)

// relic is a key that only an earlier run reported.
const relic = "relic"

// foreignValues are what other writers report under the owner's keys, as JSON.
var foreignValues = []string{`"rewritten"`, `{"foreign":1}`, `{"a":9}`}

// owner is a device with a few properties. It remembers commands and local changes
// over a restart, as the engine does.
type owner struct {
	w        *world
	s        *service
	r        *Replica
	owned    map[string]bool
	ever     map[string]bool // keys that the owner had at any time
	values   map[string]any  // what the owner reports
	commands map[string]*run
	local    *localChange
	timers   map[string]timer

	retired, closed, followed bool
	changed                   int // event of the last removal, retirement or restart

	told      map[string]int // requests of commands that were told as new, by [write]
	proposed  map[string]any // the values that local changes replaced, by the proposed value
	last      *localChange   // the last local change
	quiet     int            // event up to which the replica knew all
	concluded map[string]conclusion
}

type timer struct {
	at  time.Time
	run func()
}

// run is the last execution of a command.
type run struct {
	known, running, cleared bool
	at, version             int64
	value                   any
}

// localChange is a change that the device made and proposes.
type localChange struct {
	value  any
	known  bool // the document was known
	seen   any  // the desired value that it replaces
	at     int64
	sent   any
	window int // no foreign write after this event was known
}

// conclusion is a command that was cleared in the document.
type conclusion struct {
	event int
	code  shadow.Code
}

func newOwner(w *world, s *service) *owner {
	return &owner{
		w: w, s: s, owned: maps.Collect(func(yield func(string, bool) bool) {
			for key := range roles {
				if !yield(key, true) {
					return
				}
			}
		}),
		ever:     map[string]bool{relic: true},
		values:   map[string]any{"lamp": false, "mode": map[string]any{"a": 1}, "sensor": 1, "status": map[string]any{"running": true}, "bell": 0, "count": 0, "relay": 0},
		commands: map[string]*run{"bell": {}, "count": {}}, timers: map[string]timer{},
		told: map[string]int{}, proposed: map[string]any{}, concluded: map[string]conclusion{},
	}
}

func (o *owner) keys() []string { return slices.Sorted(maps.Keys(o.owned)) }

// start begins a run.
func (o *owner) start() {
	o.changed = o.w.events
	o.closed = o.closed && o.retired
	o.followed = !o.closed
	switch {
	case o.closed:
	case o.retired:
		o.r = o.w.set.Open(o.s.id, nil)
		o.r.Withdraw(slices.Sorted(maps.Keys(o.ever)))
	default:
		o.open()
		o.r.Withdraw(o.gone())
	}
}

// gone are the keys that the owner no longer has.
func (o *owner) gone() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(o.ever)), func(key string) bool { return o.owned[key] })
}

func (o *owner) open() {
	o.retired, o.closed, o.followed = false, false, true
	o.r = o.w.set.Open(o.s.id, o)
	for _, key := range o.keys() {
		o.ever[key] = true
		o.r.Report(key, o.values[key])
	}
}

func (o *owner) report(key string, value any) {
	o.values[key] = value
	if !o.retired && o.owned[key] {
		o.r.Report(key, value)
	}
}

// reread reads the document again, as after a change of configuration.
func (o *owner) reread() {
	if !o.retired {
		o.r.Reread(o.w.now)
	}
}

func (o *owner) retireOrOpen() {
	if !o.retired {
		o.changed = o.w.events
		o.w.set.Retire(o.s.id)
		o.retired, o.local = true, nil
		for _, key := range o.keys() {
			o.stop(key)
		}
		return
	}
	if o.w.chance(50) {
		return
	}
	o.changed = o.w.events
	closed := o.closed
	o.open()
	switch {
	case !closed:
		o.r.Reread(o.w.now)
	default:
		o.r.Withdraw(o.gone())
		if o.w.link {
			o.w.live(o.s)
		}
	}
}

// stop ends what a key does at the moment.
func (o *owner) stop(key string) {
	delete(o.timers, key)
	if c := o.commands[key]; c != nil {
		c.running = false
	}
}

// closeRetired closes the replica when all is withdrawn, and checks that it is.
func (o *owner) closeRetired() {
	s := o.s
	quiet := len(s.updates)+len(s.deletions)+len(s.late)+len(s.transit) == 0 && !s.silent
	if quiet && o.r != nil && o.r.InStep() {
		o.quiet = o.w.events
	}
	if !o.retired || o.closed || !o.w.set.Retired(s.id) {
		return
	}
	if reported := o.w.parsed(s.doc).Reported; quiet {
		for key := range o.ever {
			if reported[key] != nil && s.rewritten[key] <= o.changed && !slices.Contains(foreignValues, text(reported[key])) {
				o.w.t.Errorf("retired %s still reports %s", s.id, key)
			}
		}
		if ack := stripped(reported[shadow.AckKey]); ack != nil { // what others emptied cannot be deleted
			o.w.t.Errorf("retired %s still has answers: %v", s.id, ack)
		}
	}
	o.w.note("close %s", s.id)
	o.w.set.Close(s.id)
	o.closed, o.followed = true, false
	s.updates, s.deletions = nil, nil
}

// due is when the next timer ends, zero for none.
func (o *owner) due() (next time.Time) {
	for _, t := range o.timers {
		if next.IsZero() || t.at.Before(next) {
			next = t.at
		}
	}
	return next
}

func (o *owner) tick() {
	for _, key := range slices.Sorted(maps.Keys(o.timers)) {
		if t := o.timers[key]; !t.at.After(o.w.now) {
			delete(o.timers, key)
			t.run()
		}
	}
}

// later runs something after a random time.
func (o *owner) later(key string, f func()) {
	o.timers[key] = timer{o.w.now.Add(time.Duration(o.w.random.IntN(1500)) * time.Millisecond), f}
}

// act has the device do something of its own.
func (o *owner) act() {
	if o.retired {
		return
	}
	w := o.w
	key := pick(w, slices.Sorted(maps.Keys(roles))...)
	switch n := w.random.IntN(100); {
	case n < 25:
		o.report("sensor", pick[any](w, nil, w.random.IntN(5), w.random.Float64(), "hot"))
	case n < 50:
		faults := map[string]any{}
		for _, line := range []string{"a", "b", "c"} {
			if w.chance(40) {
				faults[line] = pick[any](w, "busy", map[string]any{"code": w.random.IntN(3), "text": "gone"}, 1)
			}
		}
		status := map[string]any{"running": w.chance(50)}
		if len(faults) > 0 {
			status["faults"] = faults
		}
		o.report("status", status)
	case n < 75:
		if o.owned["relay"] {
			o.flip()
		}
	case n < 85:
		if o.owned[key] {
			o.r.Repeat(key)
		}
	case o.owned[key]:
		w.note("remove %s from %s", key, o.s.id)
		o.changed = w.events
		o.stop(key)
		if key == "relay" {
			o.local = nil
		}
		delete(o.owned, key)
		o.r.Disown(key)
		o.r.Reread(w.now)
	default:
		w.note("add %s to %s", key, o.s.id)
		o.owned[key], o.ever[key] = true, true
		o.r.Report(key, o.values[key])
		o.r.Reread(w.now)
	}
}

// flip is a local change.
func (o *owner) flip() {
	o.w.fresh++
	c := &localChange{value: o.w.fresh, known: o.r.Known(), sent: o.r.Sent("relay"), window: o.quiet}
	c.seen, c.at = o.r.Desired("relay")
	o.local, o.last = c, c
	o.proposed[text(c.value)] = c.seen
	o.report("relay", c.value)
	o.r.Propose("relay", c.value)
}

// text is a value as JSON.
func text(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// write names the writes of a value in one second.
func write(key string, value any, at int64) string { return fmt.Sprint(key, " ", text(value), " ", at) }

func (o *owner) Owns(key string) bool      { return o.owned[key] }
func (o *owner) IsCommand(key string) bool { return o.owned[key] && roles[key] == command }

func (o *owner) Differs(key string, value any, settled bool) bool {
	return o.owned[key] && !o.IsCommand(key) && roles[key] != readOnly && !shadow.Equal(o.values[key], value)
}

func (o *owner) Read() {
	for key, c := range o.commands {
		if desired, _ := o.r.Desired(key); desired == nil {
			c.cleared = true
		}
	}
	desired, _ := o.r.Desired("relay")
	switch {
	case o.local == nil || desired != nil:
	case o.local.seen == nil:
		o.r.Propose("relay", o.local.value)
	default:
		o.local = nil
	}
}

func (o *owner) RequestsDelivered() {}

func (o *owner) Stored(key string, value any) {
	if c := o.commands[key]; c != nil && value == nil {
		c.cleared = true
	}
	if key == "relay" && value != nil {
		o.local = nil
	}
}

func (o *owner) Withdrawn(key string) {
	o.w.note("withdrawn %s of %s", key, o.s.id)
	if c := o.commands[key]; c != nil {
		c.cleared = true
	}
	if key == "relay" {
		o.local = nil
	}
}

func (o *owner) Requested(key string, r Request) {
	o.w.note("requested %s of %s: %+v", key, o.s.id, r)
	if !o.owned[key] {
		o.r.Acknowledge(key, shadow.NoProperty, "no such property")
		return
	}
	switch roles[key] {
	case readOnly:
		o.r.Acknowledge(key, shadow.Refused, "read only")
	case command:
		o.command(key, r)
	case switched:
		if r.Fresh {
			o.local = nil
		}
		if o.stands(r) {
			o.r.Propose(key, o.local.value)
			return
		}
		o.local = nil
		o.report(key, r.Value)
		o.r.Acknowledge(key, shadow.Done, "")
	default:
		o.follow(key, r)
	}
}

// stands reports whether the local change holds against a requested value.
func (o *owner) stands(r Request) bool {
	c := o.local
	if c == nil || shadow.Equal(c.value, r.Value) {
		return false
	}
	return c.known && (c.seen != nil && shadow.Equal(c.seen, r.Value) && c.at == r.At || c.sent != nil && shadow.Equal(c.sent, r.Value))
}

// code is the final answer to a value.
func (o *owner) code(key string, value any) shadow.Code {
	_, isObject := value.(map[string]any)
	switch {
	case !o.owned[key]:
		return shadow.NoProperty
	case roles[key] == readOnly, value == "bad", roles[key] == followedObject && !isObject, key == "count" && shadow.Equal(value, 0):
		return shadow.Refused
	case value == "clash":
		return shadow.Conflict
	}
	return shadow.Done
}

func (o *owner) follow(key string, r Request) {
	code := o.code(key, r.Value)
	if code != shadow.Done {
		delete(o.timers, key)
		o.r.Acknowledge(key, code, "cannot be")
		return
	}
	done := func() {
		if now, requested := o.r.Requested(key); !o.retired && requested && shadow.Equal(now.Value, r.Value) {
			o.report(key, r.Value)
			o.r.Acknowledge(key, shadow.Done, "")
		}
	}
	if shadow.Equal(o.values[key], r.Value) || o.w.chance(50) {
		delete(o.timers, key)
		done()
		return
	}
	o.r.Acknowledge(key, shadow.InProgress, "moves")
	o.later(key, done)
}

func (o *owner) command(key string, r Request) {
	c := o.commands[key]
	isNew := r.Fresh || !c.known || c.cleared || c.version > r.Version || c.at != r.At || !shadow.Equal(c.value, r.Value)
	if isNew {
		delete(o.timers, key)
		o.told[write(key, r.Value, r.At)]++
		*c = run{known: true, running: true, at: r.At, version: r.Version, value: r.Value}
	}
	switch {
	case !c.running:
		o.r.Conclude(key, o.code(key, c.value), "")
		return
	case o.code(key, r.Value) != shadow.Done:
		c.running = false
		o.r.Conclude(key, o.code(key, r.Value), "")
		return
	}
	c.version = r.Version
	o.r.Acknowledge(key, shadow.InProgress, "runs")
	if _, runs := o.timers[key]; runs {
		return
	}
	o.later(key, func() {
		c.running = false
		if now, requested := o.r.Requested(key); !o.retired && requested && now.Version == c.version && shadow.Equal(now.Value, c.value) {
			o.r.Conclude(key, shadow.Done, "")
		}
	})
}

// judgeWrite checks an update of the replica that the service stores.
func (o *owner) judgeWrite(u Update, before shadow.Document) {
	t := o.w.t
	for key := range u.Reported {
		if !o.ever[key] && key != shadow.AckKey && key != shadow.SyncKey {
			t.Errorf("%s: the update writes reported.%s, which belongs to others", o.s.id, key)
		}
	}
	for key, value := range u.Desired {
		old := before.Desired[key]
		switch {
		case key == shadow.SyncKey:
		case value == nil && roles[key] != command:
			t.Errorf("%s: the update clears desired.%s, which is no command", o.s.id, key)
		case value == nil && old != nil:
			if o.told[write(key, old, before.DesiredAt[key])] == 0 {
				t.Errorf("%s: %s=%v of version %d was cleared and never told", o.s.id, key, old, before.Version)
			}
			o.concluded[key] = conclusion{o.w.events, o.code(key, old)}
		case value != nil:
			seen, ours := o.proposed[text(value)]
			_, oldOurs := o.proposed[text(old)]
			if key != "relay" || !ours || old != nil && !oldOurs && !shadow.Equal(old, seen) {
				t.Errorf("%s: %s=%v was proposed against %v and overwrote %v", o.s.id, key, value, seen, old)
			}
		}
	}
}

// lastWrite is the event of the last foreign write that touched a desired key.
func (o *owner) lastWrite(key string) int {
	last := o.s.wiped
	if n := len(o.s.written[key]); n > 0 {
		last = max(last, o.s.written[key][n-1].event)
	}
	return last
}

// judge checks the shadow at rest.
func (o *owner) judge() {
	t, s := o.w.t, o.s
	doc := o.w.parsed(s.doc)
	failed := t.Failed()
	o.judgeCommandsTold()
	switch {
	case o.closed:
		return
	case o.retired:
		t.Errorf("%s: retired, and not seen to be empty at rest", s.id)
		return
	case s.doc == nil:
		t.Errorf("%s does not exist at rest", s.id)
		return
	}
	if !o.r.InStep() {
		t.Errorf("%s is not in step: %+v", s.id, o.r.View())
	}
	if v := o.r.View().Version; v != doc.Version {
		t.Errorf("%s: version %d is known, want %d", s.id, v, doc.Version)
	}
	o.judgeReported(doc)
	o.judgeDesired(doc)
	o.judgeProposal(doc)
	if !failed && t.Failed() {
		t.Logf("document of %s: %s", s.id, s.doc.JSON())
	}
}

// judgeCommandsTold checks that no command was told more often than it was written.
func (o *owner) judgeCommandsTold() {
	written := map[string]int{}
	for key, changes := range o.s.written {
		for _, c := range changes {
			written[write(key, c.value, c.at)]++
		}
	}
	for what, n := range o.told {
		if n > written[what] {
			o.w.t.Errorf("%s: the command %s was told %d times and written %d times", o.s.id, what, n, written[what])
		}
	}
}

func (o *owner) judgeReported(doc shadow.Document) {
	t, id := o.w.t, o.s.id
	for key := range o.ever {
		// A null where nothing was is stored, and cannot be deleted by another null.
		got := doc.Reported[key]
		there := got != nil
		switch {
		case !o.owned[key]:
			if there && o.s.rewritten[key] <= o.changed { // else it is somebody else's by now
				t.Errorf("%s: removed %s is still reported as %v", id, key, got)
			}
		case there != (o.values[key] != nil) || there && text(got) != text(o.values[key]) && !shadow.Equal(got, decoded(o.values[key])):
			t.Errorf("%s: %s is reported as %v, want %v", id, key, got, o.values[key])
		case holdsRemnant(got):
			t.Errorf("%s: %s is reported with a null or an empty object: %v", id, key, got)
		}
	}
}

// decoded is a value as it comes back from the service.
func decoded(value any) any {
	var back any
	if err := json.Unmarshal([]byte(text(value)), &back); err != nil {
		panic(err)
	}
	return back
}

func (o *owner) judgeDesired(doc shadow.Document) {
	t, id := o.w.t, o.s.id
	acks, _ := doc.Reported[shadow.AckKey].(map[string]any)
	if holdsRemnant(acks) {
		t.Errorf("%s: the answers hold a null or an empty object: %v", id, acks)
	}
	var desired []string
	for key, value := range doc.Desired {
		value = stripped(value)
		if value == nil {
			continue
		}
		desired = append(desired, key)
		if key == shadow.SyncKey {
			continue
		}
		ack, answered := shadow.ParseAck(acks[key])
		_, ours := o.proposed[text(value)]
		switch want := o.code(key, value); {
		case o.IsCommand(key):
			t.Errorf("%s: command %s=%v is still desired", id, key, value)
		case key == "relay" && ours && o.owned[key] && !answered:
		case !answered || ack.Code != want:
			t.Errorf("%s: the answer to %s=%v is %v, want code %d", id, key, value, acks[key], want)
		case ack.Version > doc.Version || !ours && !o.w.jumps && ack.Version < o.firstVersion(key):
			t.Errorf("%s: the answer to %s=%v is of version %d, want %d to %d", id, key, value, ack.Version, o.firstVersion(key), doc.Version)
		}
		if o.owned[key] && o.code(key, value) == shadow.Done && !o.IsCommand(key) && !shadow.Equal(decoded(o.values[key]), value) && !shadow.Equal(o.values[key], value) {
			t.Errorf("%s: %s is %v, want %v as desired", id, key, o.values[key], value)
		}
	}
	slices.Sort(desired)
	if known := o.r.DesiredKeys(); !slices.Equal(known, desired) {
		t.Errorf("%s: desired keys %v are known, want %v", id, known, desired)
	}
	for key, value := range acks {
		ack, _ := shadow.ParseAck(value)
		if _, stands := doc.Desired[key]; stands {
			continue
		}
		if !o.IsCommand(key) || ack.Code != shadow.Done && ack.Code != shadow.Refused {
			t.Errorf("%s: the answer %v stands for %s, which is not desired", id, value, key)
		}
	}
	for key, c := range o.concluded {
		if _, stands := doc.Desired[key]; stands || o.lastWrite(key) > c.event || o.changed >= c.event {
			continue
		}
		if ack, answered := shadow.ParseAck(acks[key]); !answered || ack.Code != c.code {
			t.Errorf("%s: the answer to the command %s is %v, want code %d", id, key, acks[key], c.code)
		}
	}
}

// firstVersion is the least version that the last desired value of a key can have:
// times do not tell apart equal writes of one second, and a write that only deletes
// members of an object leaves no time.
func (o *owner) firstVersion(key string) int64 {
	changes := o.s.written[key]
	if len(changes) == 0 {
		return 0
	}
	last := changes[len(changes)-1]
	if o.changed >= last.event {
		return 0 // an answer of an earlier run, stored after the value, looks like one to it
	}
	version := last.version
	for _, c := range slices.Backward(changes) {
		_, object := last.value.(map[string]any)
		if c.at != last.at || !shadow.Equal(c.value, last.value) && !object {
			break
		}
		version = min(version, c.version)
	}
	return version
}

// judgeProposal checks that the last local change is desired or gave way.
func (o *owner) judgeProposal(doc shadow.Document) {
	last := o.last
	if !o.owned["relay"] || last == nil {
		return
	}
	if o.local != nil && !shadow.Equal(doc.Desired["relay"], last.value) {
		o.w.t.Errorf("%s: relay=%v is still proposed at rest", o.s.id, last.value)
	}
	if o.changed >= last.window || o.lastWrite("relay") > last.window {
		return
	}
	if got := doc.Desired["relay"]; !shadow.Equal(got, last.value) {
		o.w.t.Errorf("%s: relay=%v was proposed, and %v is desired", o.s.id, last.value, got)
	}
}
