// Package replica keeps the device's copy of each device shadow in step with the
// shadow service.
//
// A [Replica] is one shadow: what the service is known to hold, what the device
// wants to report there, which desired values were acknowledged, and the request
// in flight. It knows neither lines nor kinds of properties. Its [Owner] does: the
// replica tells the owner which values are requested, and the owner tells the
// replica what to report, how to acknowledge, and which requests to clear.
//
//	documents, messages, replies -> Replica -> Owner: Requested, Withdrawn, Stored
//	Owner: Report, Acknowledge, Conclude, Propose -> Replica -> Fetch, Update
//
// An update is the difference between what the device wants and what the shadow is
// known to hold. A lost or doubtful update is therefore never repeated blindly: the
// document is read again and the difference taken anew. Each doubt leads to a read:
// a reconnect, a gap in the versions, a deletion, a cleared section, an unknown
// outcome, or another writer of a reported key.
//
// A [Set] is all replicas of a component. They share the budget of requests.
// Neither type does I/O, reads a clock, or may be used concurrently.
package replica

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Owner decides what a shadow is about. The replica calls it while it handles a
// message or a document; the owner may call the replica back from there.
type Owner interface {
	// Owns reports whether the device reports that key.
	Owns(key string) bool

	// IsCommand reports whether a requested value of the key is carried out once and
	// then cleared.
	IsCommand(key string) bool

	// Differs reports whether the device is known not to be in the requested state,
	// so that a "done" in the shadow answers an earlier value. settled tells whether
	// the shadow reports the requested value.
	Differs(key string, value any, settled bool) bool

	// Read tells that a document was read. Requested follows for each desired key.
	Read()

	// Requested tells that a value is requested. It is not called for a command that
	// was concluded and waits to be cleared.
	Requested(key string, r Request)

	// Withdrawn tells that a message deleted a desired key.
	Withdrawn(key string)

	// Told tells that all of a document or a message was told.
	Told()

	// Stored tells that a desired value of the device's own was stored: one that was
	// proposed, or nil for one that was cleared. The key may be one that the owner
	// no longer has.
	Stored(key string, value any)
}

// Request is one desired value.
type Request struct {
	Value   any
	At      int64 // when it was written, in seconds since the epoch by the service's clock; 0 if unknown
	Version int64 // of the document in which it was first seen

	Fresh  bool // it came as a message: it was written just now, even if it looks like the one before
	Repeat bool // it is the request that was told before

	// Rejected is the reason of a [shadow.Conflict] by which an earlier run rejected
	// this very value, as far as the document tells; "" if it did not.
	Rejected string
}

// Outcome is how a request to the shadow service ended.
type Outcome uint8

// The outcomes.
const (
	OK           Outcome = iota
	Missing              // there is no such shadow
	NotSent              // certainly not carried out: there was no connection
	Throttled            // certainly not carried out: over the rate limit
	Unknown              // it may have been carried out
	Invalid              // rejected for its content; the same again is rejected again
	TooLarge             // rejected for its size
	Unauthorized         // rejected for lack of permission
	Conflict             // rejected since the document has another version
)

// Effect is a [Fetch] or an [Update] to be sent.
type Effect any

type (
	// Fetch asks for the document; [Set.Fetched] takes the answer.
	Fetch struct {
		ID  shadow.ID
		Seq uint64
	}

	// Update asks to write; [Set.Updated] takes the answer. The maps belong to the
	// receiver; nil values delete their keys.
	Update struct {
		ID       shadow.ID
		Seq      uint64
		Token    string // the client token, by which the replica knows its own message
		Reported map[string]any
		Desired  map[string]any
		Version  int64 // of the document that the update is meant for; 0 for any
	}

	// Fetched answers the [Fetch] of that number.
	Fetched struct {
		ID       shadow.ID
		Seq      uint64
		Document shadow.Document // when Outcome is OK
		Outcome  Outcome
		Err      error // for people; nil when Outcome is OK
	}

	// Updated answers the [Update] of that number.
	Updated struct {
		ID      shadow.ID
		Seq     uint64
		Version int64 // when Outcome is OK
		Outcome Outcome
		Err     error // for people; nil when Outcome is OK
	}
)

// Pauses.
const (
	// reportInterval is the least time between two updates of one shadow; the
	// first change goes at once.
	reportInterval = 200 * time.Millisecond
	// throttlePause outlasts the shadow manager's window of a second.
	throttlePause = time.Second
	// firstFetch and lastFetch bound the pauses after a failed fetch.
	firstFetch = time.Second
	lastFetch  = 30 * time.Second
	// rejectedPause is for faults that only a deployment can mend.
	rejectedPause = time.Minute
	// deletedPause lets a deletion settle before the shadow is created again.
	deletedPause = time.Second
)

// maxEarly bounds the messages that are kept during a fetch. More of them are a
// doubt of their own.
const maxEarly = 64

// phase is how well the shadow's document is known.
type phase uint8

const (
	unknown  phase = iota // to be fetched at fetchAt
	fetching              // a fetch is under way
	synced                // have is what the shadow holds
)

// Replica is the device's copy of one shadow.
type Replica struct {
	set   *Set
	id    shadow.ID
	owner Owner
	log   *slog.Logger

	live  bool // its messages arrive
	read  bool // its document was read in this run
	phase phase
	gate  shadow.Gate

	fetchAt time.Time
	early   []shadow.Accepted // messages that came during the fetch
	pause   time.Duration     // of the last failed fetch
	warned  string            // the last warning, to log each once

	// want is the values to be reported, have those that the shadow is known to
	// hold. In want nil deletes the key.
	want, have map[string]any
	// wantAck and haveAck are the same for the acknowledgements.
	wantAck, haveAck map[string]shadow.Ack
	spoiled          bool // the acknowledgements in the shadow hold a null or an empty object
	requests         map[string]request

	desired   map[string]any   // the desired section, as far as it is known
	desiredAt map[string]int64 // and when each key was written; 0 if unknown
	sent      map[string]sent  // proposals that were sent and are not known to be stored
	proposals map[string]any   // values to be written as desired
	repeats   map[string]bool  // reported values to be written although they are the same
	clears    map[string]bool  // desired keys to be cleared: commands that are over

	newest  int64 // version up to which no message was missed, 0 before the document was read
	replied int64 // version of the last own update that was accepted since the document was read

	flight *flight   // the update under way, nil when none is
	doubt  *flight   // an update with an unknown outcome, until the document is read
	missed uint64    // number of the last update that was not accepted as far as known; it may be stored yet
	heard  uint64    // number of the last own update whose message came
	sendAt time.Time // no update before
	denied bool      // the last update was rejected, or too many: sendAt is a pause that always counts
	shed   shedding  // what is left out, since the document is near its limit
	create bool      // there is no document

	touched bool      // it may have something to send
	due     time.Time // when to look again for something to send; zero for never
	queued  bool      // it waits in the set's queue

	seq   uint64 // of the last fetch or update; the answer to an earlier one is void
	fetch uint64 // of the fetch that is awaited
}

// sent is a proposal and the version of the document that its update is meant for.
type sent struct {
	value   any
	version int64
}

// request is a desired value that was acknowledged or is being carried out.
type request struct {
	Request
	over bool // a command that is concluded; its acknowledgement stays

	// Of a value that an earlier run may have acknowledged: when the ack in the
	// shadow was written, 0 for none, whether the shadow reports the value, and
	// whether the device is known to differ from it.
	answered int64
	settled  bool
	differs  bool
}

// stands reports whether an acknowledgement with that code, found in the shadow,
// answers this value. Within one second only the reported value tells which came
// first. Where the clock was set back, an answer to an earlier value looks newer:
// a "done" is no answer to a value from which the device differs.
func (r request) stands(code shadow.Code) bool {
	return r.after(code) && !(code == shadow.Done && r.differs)
}

// after reports whether an acknowledgement with that code was written after the
// value, as far as the clock tells.
func (r request) after(code shadow.Code) bool {
	return r.answered > r.At || r.answered != 0 && r.answered == r.At && (code != shadow.Done || r.settled)
}

// answeredBy reports whether an acknowledgement that was found in the shadow is the
// answer that this value waits for. Where times do not tell whether the same value
// was requested again after it, versions do if they leave no room for another
// update. A command is not acknowledged anew in doubt: that would tell of a second
// execution.
func (r request) answeredBy(have shadow.Ack, command bool) bool {
	if command { // its value is not reported when it is over
		return have.Version <= r.Version && r.answered != 0 && r.answered >= r.At
	}
	return have.Version <= r.Version && r.stands(have.Code) && (r.answered > r.At || r.Version <= have.Version+1)
}

func newReplica(set *Set, id shadow.ID, owner Owner) *Replica {
	return &Replica{
		set: set, id: id, owner: owner, log: set.log,
		want: map[string]any{}, have: map[string]any{},
		wantAck: map[string]shadow.Ack{}, haveAck: map[string]shadow.Ack{},
		requests: map[string]request{},
		desired:  map[string]any{}, desiredAt: map[string]int64{},
		sent: map[string]sent{}, proposals: map[string]any{}, repeats: map[string]bool{}, clears: map[string]bool{},
	}
}

// setLive notes that the shadow's messages arrive; earlier ones are unknown.
func (r *Replica) setLive(now time.Time) {
	r.live, r.pause = true, 0
	r.resync(now, 0)
}

// setLost notes that messages no longer arrive.
func (r *Replica) setLost(err error) {
	r.warn("shadow is out of reach; lines stay as they are", err)
	if r.flight != nil {
		r.missed = r.flight.seq
	}
	r.live, r.phase, r.flight = false, unknown, nil
	r.gate.Forget()
}

// Reread reads the whole document again: requested values may mean something else.
func (r *Replica) Reread(now time.Time) { r.resync(now, 0) }

func (r *Replica) resync(now time.Time, pause time.Duration) {
	r.gate.Forget()
	r.phase = unknown // a fetch under way may be too old
	r.fetchAt = now.Add(pause)
	r.touch()
}

func (r *Replica) fetched(now time.Time, in Fetched) {
	if r.phase != fetching || in.Seq != r.fetch {
		return // overtaken by a newer doubt
	}
	r.phase = unknown
	switch in.Outcome {
	case OK:
		r.create = false
		r.adopt(now, in.Document)
	case Missing:
		if r.owner != nil {
			r.log.Info("shadow does not exist; it is created with the present state", "shadow", r.id)
		}
		r.create = true
		r.adopt(now, shadow.Document{})
	case NotSent:
		// The link is lost: Lost and Live follow. Should the reason be another, the
		// pause keeps us from a busy loop.
		r.fetchLater(now, firstFetch)
	case Throttled:
		r.fetchLater(now, throttlePause)
	case Unauthorized, Invalid, TooLarge:
		r.warn("shadow cannot be read", in.Err)
		r.fetchLater(now, rejectedPause)
	default:
		r.warn("shadow cannot be read; retrying", in.Err)
		r.pause = min(max(2*r.pause, firstFetch), lastFetch)
		r.fetchLater(now, r.pause)
	}
}

func (r *Replica) fetchLater(now time.Time, pause time.Duration) {
	r.fetchAt = now.Add(r.set.jitter(pause))
	r.touch()
}

// warn logs each trouble once.
func (r *Replica) warn(text string, err error) {
	if message := text + ": " + err.Error(); message != r.warned {
		r.warned = message
		r.log.Warn(text, "shadow", r.id, "error", err)
	}
}

// adopt takes a whole document for what the shadow holds, and tells the owner what
// it requests. An empty document stands for none.
func (r *Replica) adopt(now time.Time, doc shadow.Document) {
	r.phase, r.pause, r.warned, r.fetchAt, r.shed = synced, 0, "", time.Time{}, shedNothing
	r.gate.Document(doc.Version)
	r.have, r.haveAck = map[string]any{}, map[string]shadow.Ack{}
	for key, value := range doc.Reported {
		_, wanted := r.want[key] // also a key that is to be deleted
		if value != nil && (wanted || r.owner != nil && r.owner.Owns(key)) {
			r.have[key] = value
		}
	}
	acks, _ := doc.Reported[shadow.AckKey].(map[string]any)
	r.spoiled = holdsRemnant(acks)
	for key, value := range acks {
		r.haveAck[key], _ = shadow.ParseAck(value)
	}
	if say := r.log.Info; !r.create {
		if doc.Version == r.newest {
			say = r.log.Debug // it was verified
		}
		say("shadow read", "shadow", r.id, "version", doc.Version)
	}
	if r.doubt != nil && doc.Version > r.doubt.version {
		// As far as known it was stored. To repeat a value until a reply tells so would
		// never end where the shadow manager stores each update and fails to answer.
		for key := range r.doubt.values {
			delete(r.repeats, key)
		}
	}
	r.doubt = nil
	r.read, r.desired, r.desiredAt, r.replied = true, map[string]any{}, own(doc.DesiredAt), 0
	for key, value := range doc.Desired {
		if value = stripped(value); value != nil {
			r.desired[key] = value
		}
	}
	if r.owner != nil {
		r.keepConclusions()
		r.requestAll(doc, doc.Version != r.newest)
	}
	r.newest = doc.Version
	r.touch()
	if r.flight == nil {
		// The document has it, or nothing ever will, unless it has the very version.
		maps.DeleteFunc(r.sent, func(_ string, s sent) bool { return s.version != doc.Version })
	}
	early := r.early
	r.early = nil
	for _, message := range early {
		r.accepted(now, message)
	}
}

// keepConclusions keeps the acknowledgements of commands that an earlier run has
// carried out and cleared.
func (r *Replica) keepConclusions() {
	for key, ack := range r.haveAck {
		_, desired := r.desired[key]
		_, requested := r.requests[key]
		concluded := ack.Code != 0 && ack.Code != shadow.InProgress && ack.Code != shadow.NoProperty
		if concluded && !desired && !requested && r.owner.IsCommand(key) {
			r.requests[key] = request{Request: Request{Version: ack.Version}, over: true}
			r.wantAck[key] = ack
		}
	}
}

// requestAll tells the owner all desired values of a document. A value that was seen
// before, in this run or by the signs in the document in an earlier one, is not
// acknowledged again. missed says that others may have written since that was known.
func (r *Replica) requestAll(doc shadow.Document, missed bool) {
	for key, q := range r.requests {
		// An acknowledgement stays with its document, not with one that was created again.
		if _, desired := r.desired[key]; !desired && (!q.over || q.Version > doc.Version) {
			r.forget(key)
		}
	}
	clear(r.clears)
	clear(r.proposals)
	r.owner.Read()
	for _, key := range slices.Sorted(maps.Keys(r.desired)) {
		q := request{Request: Request{Value: r.desired[key], At: doc.DesiredAt[key], Version: doc.Version}}
		old, seen := r.requests[key]
		switch {
		case seen && old.At == q.At && old.Version <= doc.Version && shadow.Equal(old.Value, q.Value):
			q = old
			q.Repeat, q.Fresh = true, false
			if missed && doc.AckAt[key] <= q.At && !r.owner.IsCommand(key) {
				q.Version = doc.Version // it may have been requested again in that second
			}
		case !seen:
			q.answered, q.settled = doc.AckAt[key], shadow.Equal(r.have[key], q.Value)
			q.differs = r.owner.Differs(key, q.Value, q.settled)
			q.Rejected = r.rejected(key, q)
			fallthrough
		default:
			r.keepAnswer(key)
		}
		r.tell(key, q)
	}
	r.owner.Told()
}

// tell tells the owner a request, unless it is a command that waits to be cleared.
func (r *Replica) tell(key string, q request) {
	r.requests[key] = q
	if q.over && r.owner.IsCommand(key) {
		r.clears[key] = true
		return
	}
	r.owner.Requested(key, q.Request)
}

// rejected is the reason of a rejection by an earlier run that stands against a
// value, "" if none does.
func (r *Replica) rejected(key string, q request) string {
	ack := r.haveAck[key]
	if ack.Code != shadow.Conflict || !q.stands(ack.Code) || ack.Value != nil && !shadow.Equal(ack.Value, shadow.Scalar(q.Value)) {
		return ""
	}
	return ack.Reason
}

// keepAnswer leaves the acknowledgement that is in the shadow, until there is one
// to a value that was read: one to an older value may be of a document that is gone.
func (r *Replica) keepAnswer(key string) {
	delete(r.wantAck, key)
	if ack, answered := r.haveAck[key]; answered {
		r.wantAck[key] = ack
	}
}

// forget drops the acknowledgement of a value that is no longer desired.
func (r *Replica) forget(key string) {
	delete(r.requests, key)
	delete(r.wantAck, key)
}

func (r *Replica) accepted(now time.Time, in shadow.Accepted) {
	switch r.phase {
	case unknown:
		return // the document that will be fetched holds it
	case fetching:
		// The document on its way may be older than this.
		if r.early = append(r.early, in); len(r.early) > maxEarly {
			r.resync(now, firstFetch)
		}
		return
	}
	switch r.gate.Message(in.Version) {
	case shadow.Resync:
		r.log.Info("shadow is read again, its versions are not in order", "shadow", r.id, "version", in.Version)
		r.resync(now, 0)
	case shadow.Apply:
		r.newest = in.Version
		r.apply(now, in)
	}
}

// apply takes the message of the next version.
func (r *Replica) apply(now time.Time, in shadow.Accepted) {
	in.Desired = r.merged(in.Desired)
	seq, own := r.set.own(in.ClientToken)
	// One that was given up is stored all the same, one is stored again, or one that
	// was sent before the document was read is stored after it.
	late := own && seq <= max(r.missed, r.heard, r.fetch)
	// An earlier run may have reported what this one does not know of.
	late = late || !own && len(in.Reported) > 0 && ofAnyRun(in.ClientToken)
	if in.DesiredCleared || in.ReportedCleared || late || !own && r.overwritten(in.Reported) {
		r.resync(now, 0)
		return
	}
	switch {
	case own:
		r.heard = seq
		if r.flight != nil && r.flight.seq == seq {
			r.holds(r.flight.report) // now, since the next message may be somebody else's
		}
		if in.Version >= r.replied { // else its own reply settled it, and that of a later one since
			r.settleDesired(in.Desired, in.DesiredAt)
		}
	default:
		if r.shrinks(in) {
			r.shed = shedNothing // there may be room for all again
		}
		r.requestWritten(in)
		r.noteDesired(in.Desired, in.DesiredAt)
	}
	r.touch()
}

// shrinks reports whether a message of somebody else made the document smaller, as far
// as is known.
func (r *Replica) shrinks(in shadow.Accepted) bool {
	if r.shed == shedNothing {
		return false
	}
	for key, value := range in.Desired {
		if withdrawn(value) || size(value) < size(r.desired[key]) {
			return true
		}
	}
	for _, value := range in.Reported {
		if withdrawn(value) || holdsRemnant(value) {
			return true
		}
	}
	return false
}

// size is the length of a value as JSON.
func size(value any) int {
	text, err := json.Marshal(value)
	if err != nil {
		return 0 // not of a value that came as JSON
	}
	return len(text)
}

// requestWritten tells the owner the desired values of a message.
func (r *Replica) requestWritten(in shadow.Accepted) {
	if r.owner == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(in.Desired)) {
		delete(r.clears, key)
		delete(r.proposals, key)
		if value := in.Desired[key]; withdrawn(value) {
			r.forget(key)
			r.owner.Withdrawn(key)
		} else {
			r.tell(key, request{Request: Request{Value: value, At: in.DesiredAt[key], Version: in.Version, Fresh: true}})
		}
	}
	r.owner.Told()
}

// withdrawn reports whether a value that was written deletes its key: null does,
// and so does an empty object
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
func withdrawn(value any) bool {
	members, object := value.(map[string]any)
	return value == nil || object && len(members) == 0
}

// noteDesired keeps the copy of the desired section up to date.
func (r *Replica) noteDesired(written map[string]any, at map[string]int64) {
	for key, value := range written {
		delete(r.sent, key)
		if withdrawn(value) {
			delete(r.desired, key)
			delete(r.desiredAt, key)
		} else {
			r.desired[key], r.desiredAt[key] = value, at[key]
		}
	}
}

// settleDesired takes note that the device's own desired values were written.
func (r *Replica) settleDesired(written map[string]any, at map[string]int64) {
	r.noteDesired(written, at)
	for _, key := range slices.Sorted(maps.Keys(written)) {
		value := written[key]
		switch {
		case value == nil:
			delete(r.clears, key)
		case shadow.Equal(r.proposals[key], value):
			delete(r.proposals, key)
		default:
			continue
		}
		if r.owner != nil {
			r.owner.Stored(key, value)
		}
	}
}

// overwritten reports whether somebody else reported one of the device's keys, and
// with another value than the shadow is known to hold.
func (r *Replica) overwritten(reported map[string]any) bool {
	for key, value := range reported {
		have, ours := r.have[key]
		ours = ours || r.want[key] != nil
		if key == shadow.AckKey || ours && !shadow.Equal(have, value) {
			return true
		}
	}
	return false
}

func (r *Replica) deleted(now time.Time) {
	r.log.Info("shadow was deleted", "shadow", r.id)
	r.resync(now, r.set.jitter(deletedPause))
}

func (r *Replica) touch() { r.set.touch(r) }

// merged is the desired values after an update, of the keys that it wrote: of
// objects an update has only the members that it changed.
func (r *Replica) merged(written map[string]any) map[string]any {
	all := make(map[string]any, len(written))
	for key, value := range written {
		all[key] = value
		if !withdrawn(value) {
			all[key] = stripped(merge(r.desired[key], value))
		}
	}
	return all
}

// merge is what an update makes of a value: members of objects one by one, null
// deletes them; anything else is replaced
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
func merge(have, written any) any {
	patch, ok := written.(map[string]any)
	if !ok {
		return written
	}
	before, _ := have.(map[string]any)
	result := own(before)
	for key, value := range patch {
		if withdrawn(value) {
			delete(result, key)
		} else {
			result[key] = merge(result[key], value)
		}
	}
	return result
}

// stripped is a value without its nulls and empty objects, nil if nothing is left. A
// shadow stores them in a section that did not exist, and drops them anywhere else: so
// a document and a message can differ in them, and neither stands for a value.
func stripped(value any) any {
	members, object := value.(map[string]any)
	switch {
	case !object:
		return value
	case !holdsRemnant(value) && len(members) > 0:
		return value
	}
	left := map[string]any{}
	for key, member := range members {
		if member = stripped(member); member != nil {
			left[key] = member
		}
	}
	if len(left) == 0 {
		return nil
	}
	return left
}

// own is a copy that is not nil.
func own[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// own reports whether an update with that token was one of the set's, and its number.
func (s *Set) own(token string) (seq uint64, ok bool) {
	number, ok := strings.CutPrefix(token, s.tokens)
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, ok && err == nil
}

// tokensOf begins the client tokens of one run of the component.
func tokensOf(run uint64) string { return fmt.Sprintf("%s%016x-", tokenPrefix, run) }

const tokenPrefix = "shadowgpio-"

// ofAnyRun reports whether an update with that token was one of a replica, of this run
// or another one.
func ofAnyRun(token string) bool {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	run, number, ok2 := strings.Cut(rest, "-")
	_, err := strconv.ParseUint(run, 16, 64)
	_, err2 := strconv.ParseUint(number, 10, 64)
	return ok && ok2 && len(run) == 16 && err == nil && err2 == nil
}
