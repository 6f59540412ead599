// Package replica keeps the device's copy of each device shadow in step with the shadow
// service.
//
// A [Replica] is one shadow: the known content in the service, the values to report,
// the acknowledgements of desired values, and the request in flight. It knows neither
// lines nor kinds of properties. Its [Owner] does: the replica passes requested values
// to the owner, and the owner decides what to report, how to acknowledge, and which
// requests to clear.
//
//	documents, messages, replies -> Replica -> Owner: Requested, Withdrawn, Stored
//	Owner: Report, Acknowledge, Conclude, Propose -> Replica -> Fetch, Update
//
// An update is the difference between the values to report and the known content of the
// shadow. The replica therefore never repeats a lost or doubtful update blindly: it
// reads the document again and takes a new difference. Each of these doubts leads to a
// read: a reconnect, a gap in the versions, a deletion, a cleared section, an unknown
// outcome, or another writer of a reported key.
//
// A [Set] holds all replicas of a component. They share the budget of requests. Neither
// type does I/O, reads a clock, or may be used concurrently.
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

// Owner gives a shadow its meaning. The replica calls it while handling a message or a
// document. The owner may call the replica from there.
type Owner interface {
	// Owns reports whether the device reports key.
	Owns(key string) bool

	// IsCommand reports whether a requested value of the key is carried out once and
	// then cleared.
	IsCommand(key string) bool

	// Differs reports whether the device certainly differs from the requested state. A
	// "done" in the shadow then answers an earlier value. settled reports whether the
	// shadow reports the requested value.
	Differs(key string, value any, settled bool) bool

	// Read is called after a document was read. Requested follows for each desired key.
	Read()

	// Requested is called for a requested value, but not for a concluded command
	// waiting to be cleared.
	Requested(key string, r Request)

	// Withdrawn is called when a message deleted a desired key.
	Withdrawn(key string)

	// RequestsDelivered is called at the end of each document or message.
	RequestsDelivered()

	// Stored is called when the service has stored a desired value written by the
	// device: a proposed value, or nil for a cleared value. The owner may no longer
	// have the key.
	Stored(key string, value any)
}

// Request is one desired value.
type Request struct {
	Value   any
	At      int64 // when the value was written, in seconds since the epoch by the clock of the service; 0 if unknown
	Version int64 // of the first document with the value

	Fresh  bool // from a message: just written, even if equal to the value before
	Direct bool // from the cloud, without a synchronization between: another time is another request

	// Undated means that At may be the time of a synchronization: the value may be older.
	Undated bool

	// Unclear means that a value cleared before may have come back, because the cloud
	// had not got to know of the clear.
	Unclear bool
	// Lost means that an earlier run ended without a word, and may have known more.
	Lost bool

	Repeat bool // already passed to the owner before

	// Rejected is the reason of a [shadow.Conflict] with which an earlier run rejected
	// this very value, as far as the document shows; "" for none.
	Rejected string
}

// Outcome is the result of a request to the shadow service.
type Outcome uint8

// The outcomes.
const (
	OK           Outcome = iota
	Missing              // the shadow does not exist
	NotSent              // certainly not carried out: no connection
	Throttled            // certainly not carried out: over the rate limit
	Unknown              // possibly carried out
	Invalid              // rejected because of the content; a repetition is rejected, too
	TooLarge             // rejected because of the size
	Unauthorized         // rejected for lack of permission
	Conflict             // rejected because the document has another version
)

// Effect is a [Fetch] or an [Update] to send.
type Effect any

type (
	// Fetch requests the document; [Set.Fetched] takes the answer.
	Fetch struct {
		ID  shadow.ID
		Seq uint64
	}

	// Update writes to the shadow; [Set.Updated] takes the answer. The maps belong to
	// the receiver. A nil value deletes its key.
	Update struct {
		ID       shadow.ID
		Seq      uint64
		Token    string // the client token, by which the replica recognizes its own message
		Reported map[string]any
		Desired  map[string]any
		Version  int64 // expected version of the document; 0 for any
	}

	// Fetched answers the [Fetch] with the same number.
	Fetched struct {
		ID       shadow.ID
		Seq      uint64
		Document shadow.Document // if Outcome is OK
		Outcome  Outcome
		Err      error // for people; nil if Outcome is OK
	}

	// Updated answers the [Update] with the same number.
	Updated struct {
		ID      shadow.ID
		Seq     uint64
		Version int64 // if Outcome is OK
		Outcome Outcome
		Err     error // for people; nil if Outcome is OK
	}
)

// Pauses.
const (
	// reportInterval is the minimum time between two updates of one shadow. The first
	// change goes out at once.
	reportInterval = 200 * time.Millisecond
	// throttlePause outlasts the shadow manager's window of a second.
	throttlePause = time.Second
	// firstFetch and lastFetch bound the pauses after a failed fetch.
	firstFetch = time.Second
	lastFetch  = 30 * time.Second
	// rejectedPause follows a fault only a deployment can fix.
	rejectedPause = time.Minute
	// deletedPause lets a deletion settle before the shadow is created again.
	deletedPause = time.Second
)

// maxEarly and maxEarlyBytes limit the messages kept during a fetch. On overflow the
// document is read again.
const (
	maxEarly      = 64
	maxEarlyBytes = 64 << 10
)

// warnPause is how long a warning is not repeated.
const warnPause = time.Minute

// phase is the knowledge of the document.
type phase uint8

const (
	unknown  phase = iota // to fetch at fetchAt
	fetching              // a fetch is in flight
	synced                // have equals the shadow
)

// Replica is the device's copy of one shadow.
type Replica struct {
	set   *Set
	id    shadow.ID
	owner Owner
	log   *slog.Logger

	live   bool // messages arrive
	direct bool // they come from the cloud, without a synchronization between
	read   bool // this run has read the document
	phase  phase
	gate   shadow.Gate

	fetchAt time.Time
	early   []shadow.Accepted // messages received during the fetch
	waiting int               // their size in bytes
	pause   time.Duration     // of the last failed fetch
	warned  string            // the current problem
	told    string            // the last warning in the log
	toldAt  time.Time

	// want has the values to report, have the values known to be in the shadow. A nil
	// in want deletes the key.
	want, have map[string]any
	// unequal has at least the keys to report of which want and have differ.
	unequal map[string]bool
	// wantAck and haveAck are the same for acknowledgements.
	wantAck, haveAck map[string]shadow.Ack
	spoiled          bool // the acknowledgements in the shadow contain a null or an empty object
	requests         map[string]request
	unknown          unknownKeys
	withdrawn        map[string]int64 // version of the last request withdrawn during this run: its acknowledgement answers no later request

	desired   map[string]any   // the desired section, as far as known
	desiredAt map[string]int64 // when each key was written; 0 if unknown
	sent      map[string]sent  // proposals sent and not known to be stored
	proposals map[string]any   // values to write as desired
	repeats   map[string]bool  // reported values to write although unchanged
	clears    map[string]bool  // desired keys of ended commands, to clear

	newest  int64 // no message up to this version was missed; 0 before the first document
	replied int64 // version of the last accepted own update since the document was read

	flight     *flight   // the update in flight, nil for none
	doubt      *flight   // an update with an unknown outcome, until the document is read
	lastFailed uint64    // number of the last own update without a known acceptance; it may still be stored
	lastEchoed uint64    // number of the last own update whose message arrived
	sendAt     time.Time // no update before this time
	denied     bool      // the last update was rejected or throttled: sendAt holds even while draining
	shed       shedding  // parts left out because the document is near its limit
	create     bool      // there is no document

	touched bool      // may have something to send
	due     time.Time // when to check again for something to send; zero for never
	queued  bool      // waits in the queue of the set

	assure assurance

	seq   uint64 // of the last fetch or update; answers to earlier requests are ignored
	fetch uint64 // of the fetch in flight
}

// sent is a proposal with the version of the document that its update expects.
type sent struct {
	value   any
	version int64
}

// request is a desired value, acknowledged or in progress.
type request struct {
	Request
	over bool // a concluded command; its acknowledgement stays

	// For a value possibly acknowledged by an earlier run: when the acknowledgement in
	// the shadow was written (0 for none), whether the shadow reports the value, and
	// whether the device certainly differs from the value.
	answered int64
	settled  bool
	differs  bool
}

// ackStands reports whether an acknowledgement found in the shadow, with this code,
// answers this value. Within one second, only the reported value shows which came
// first. After the clock was set back, an answer to an earlier value looks newer, so a
// "done" does not count if the device differs from the value.
func (r request) ackStands(code shadow.Code) bool {
	return r.ackIsNewer(code) && !(code == shadow.Done && r.differs)
}

// ackIsNewer reports whether an acknowledgement with this code was written after the
// value, according to the clock.
func (r request) ackIsNewer(code shadow.Code) bool {
	return r.answered > r.At || r.answered != 0 && r.answered == r.At && (code != shadow.Done || r.settled)
}

// answeredBy reports whether an acknowledgement found in the shadow already answers
// this value. The same value may have been requested again after it. If times cannot
// decide, versions do, provided they leave no room for another update. A doubtful
// acknowledgement of a command is kept: a new one would report a second execution.
func (r request) answeredBy(have shadow.Ack, command bool) bool {
	if command { // the value of an ended command is not reported
		return have.Version <= r.Version && r.answered != 0 && r.answered >= r.At
	}
	return have.Version <= r.Version && r.ackStands(have.Code) && (r.answered > r.At || r.Version-1 <= have.Version)
}

func newReplica(set *Set, id shadow.ID, owner Owner) *Replica {
	return &Replica{
		set: set, id: id, owner: owner, log: set.log,
		want: map[string]any{}, have: map[string]any{}, unequal: map[string]bool{},
		wantAck: map[string]shadow.Ack{}, haveAck: map[string]shadow.Ack{},
		unknown: newUnknownKeys(), requests: map[string]request{}, withdrawn: map[string]int64{},
		desired: map[string]any{}, desiredAt: map[string]int64{},
		sent: map[string]sent{}, proposals: map[string]any{}, repeats: map[string]bool{}, clears: map[string]bool{},
	}
}

// setLive notes the arrival of messages from now on; earlier messages are unknown.
func (r *Replica) setLive(now time.Time, direct bool) {
	r.live, r.direct, r.pause = true, direct, 0
	r.resync(now, 0)
}

// setLost notes the end of messages.
func (r *Replica) setLost(err error) {
	r.warn("shadow is out of reach; lines stay as they are", err)
	if r.flight != nil {
		r.lastFailed = r.flight.seq
		r.redoubt(r.flight.doubted)
	}
	r.live, r.phase, r.flight = false, unknown, nil
	r.gate.Forget()
}

// Reread reads the whole document again, because requested values may have a new
// meaning.
func (r *Replica) Reread(now time.Time) { r.resync(now, 0) }

func (r *Replica) resync(now time.Time, pause time.Duration) {
	r.gate.Forget()
	r.phase = unknown // a fetch in flight may be too old
	r.fetchAt = now.Add(pause)
	r.touch()
}

func (r *Replica) fetched(now time.Time, in Fetched) {
	if r.phase != fetching || in.Seq != r.fetch {
		return // a newer doubt has started another fetch
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
		// After a lost link, Lost and Live follow. For any other cause, the pause
		// prevents a busy loop.
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

// warn notes the current problem and logs it, once, and one that returns again and again
// once a minute.
func (r *Replica) warn(text string, err error) {
	message := text + ": " + err.Error()
	if message == r.warned {
		return
	}
	r.warned = message
	if message == r.told && r.set.now.Sub(r.toldAt) < warnPause {
		return
	}
	r.told, r.toldAt = message, r.set.now
	r.log.Warn(text, "shadow", r.id, "error", err)
}

// adopt replaces the known content by a whole document, and passes its requests to the
// owner. An empty document stands for a missing shadow.
func (r *Replica) adopt(now time.Time, doc shadow.Document) {
	r.phase, r.pause, r.warned, r.fetchAt, r.shed = synced, 0, "", time.Time{}, shedNothing
	if r.gate.Document(doc.Version); doc.Version == shadow.NoVersion {
		doc.Version = r.newest // the best that is known; the gate trusts no message after it
	}
	r.have, r.haveAck = map[string]any{}, map[string]shadow.Ack{}
	for key, value := range doc.Reported {
		_, wanted := r.want[key] // including keys to delete
		if value != nil && (wanted || key == shadow.SyncKey || r.owner != nil && r.owner.Owns(key)) {
			r.have[key] = value
		}
	}
	for key := range r.want {
		r.unequal[key] = true
	}
	acks, _ := doc.Reported[shadow.AckKey].(map[string]any)
	r.spoiled = holdsRemnant(acks)
	for key, value := range acks {
		r.haveAck[key], _ = shadow.ParseAck(value)
	}
	if say := r.log.Info; !r.create {
		if doc.Version == r.newest {
			say = r.log.Debug // only verified
		}
		say("shadow read", "shadow", r.id, "version", doc.Version)
	}
	switch {
	case r.doubt == nil:
	case doc.Version <= r.doubt.version:
		r.redoubt(r.doubt.doubted)
	default:
		// Probably stored. Repeating until a reply confirms it would never end with a
		// shadow manager that stores each update and fails to answer.
		for key := range r.doubt.values {
			delete(r.repeats, key)
		}
	}
	r.doubt = nil
	r.read, r.desired, r.desiredAt, r.replied = true, map[string]any{}, cloneMap(doc.DesiredAt), 0
	for key, value := range doc.Desired {
		if value = stripped(value); value != nil {
			r.desired[key] = value
		}
	}
	r.noteSync(doc)
	if doc.Version != r.newest && (r.newest != 0 || r.assure.lost) {
		r.assure.moved = now // or before
	}
	if missed := doc.Version - r.newest; r.newest != 0 && (missed < 0 || missed > r.assure.unheard) {
		r.doubtRecent(now, 0) // somebody may have written meanwhile
	}
	if r.owner != nil {
		r.keepConclusions()
		r.requestAll(doc, doc.Version != r.newest)
		if r.assure.lost && !r.direct && doc.Version > 0 {
			r.doubtAll(now)
		}
	}
	r.assure.lost, r.assure.unheard = false, 0
	r.newest = doc.Version
	r.touch()
	if r.flight == nil {
		// Stored in the document, or lost for good, unless it expects this very version.
		maps.DeleteFunc(r.sent, func(_ string, s sent) bool { return s.version != doc.Version })
	}
	early := r.early
	r.early, r.waiting = nil, 0
	for _, message := range early {
		r.accepted(now, message)
	}
}

// keepConclusions keeps the acknowledgements of commands carried out and cleared by an
// earlier run.
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

// requestAll passes all desired values of a document to the owner. It does not
// acknowledge again a value already handled by this run or, as far as the document
// shows, by an earlier run. missed means others may have written since the last known
// version.
func (r *Replica) requestAll(doc shadow.Document, missed bool) {
	for key, q := range r.requests {
		// An acknowledgement belongs to its document, not to a document created later.
		if _, desired := r.desired[key]; !desired && (!q.over || q.Version > doc.Version) {
			r.forgetWithdrawn(key)
		}
	}
	clear(r.clears)
	clear(r.proposals)
	r.owner.Read()
	for _, key := range slices.Sorted(maps.Keys(r.desired)) {
		if key == shadow.SyncKey {
			continue
		}
		at := doc.DesiredAt[key]
		q := request{Request: Request{Value: r.desired[key], At: at, Version: doc.Version, Direct: r.direct}}
		q.Unclear = !r.direct && r.assure.unclear[key]
		q.Lost = !r.direct && r.assure.lost
		// A synchronization writes all that is reported, too.
		q.Undated = !r.direct && (doc.ReportedSince == 0 || doc.ReportedSince >= at)
		old, seen := r.requests[key]
		switch {
		case seen && old.At == q.At && old.Version <= doc.Version && shadow.Equal(old.Value, q.Value):
			q = old
			q.Repeat, q.Fresh = true, false
			if missed && doc.AckAt[key] <= q.At && !r.owner.IsCommand(key) {
				q.Version = doc.Version // the value may have been requested again within the same second
			}
		case !seen:
			q.settled = shadow.Equal(r.have[key], q.Value)
			if have := r.haveAck[key]; have.Version != r.withdrawn[key] {
				q.answered = doc.AckAt[key]
			}
			q.differs = r.owner.Differs(key, q.Value, q.settled)
			q.Rejected = r.rejected(key, q)
			fallthrough
		default:
			r.keepAnswer(key)
		}
		r.deliver(key, q)
	}
	r.owner.RequestsDelivered()
	r.answerUnknown(doc.Version)
}

// deliver passes a request to the owner, except a command waiting to be cleared.
func (r *Replica) deliver(key string, q request) {
	r.requests[key] = q
	if q.over && r.owner.IsCommand(key) {
		r.clears[key] = true
		return
	}
	r.owner.Requested(key, q.Request)
}

// rejected returns the reason if a rejection by an earlier run still applies to a
// value, else "".
func (r *Replica) rejected(key string, q request) string {
	ack := r.haveAck[key]
	if ack.Code != shadow.Conflict || ack.ID != shadow.RequestID(q.Value) || !q.ackStands(ack.Code) || ack.Value != nil && !shadow.Equal(ack.Value, shadow.Scalar(q.Value)) {
		return ""
	}
	return ack.Reason
}

// keepAnswer keeps the acknowledgement in the shadow until the owner gives a new one.
// Our own older one may belong to a deleted document.
func (r *Replica) keepAnswer(key string) {
	delete(r.wantAck, key)
	if ack, answered := r.haveAck[key]; answered {
		r.wantAck[key] = ack
	}
}

// forget drops the acknowledgement of a value no longer desired.
func (r *Replica) forget(key string) {
	delete(r.requests, key)
	delete(r.wantAck, key)
	r.unknown.remove(key)
}

// forgetWithdrawn drops the acknowledgement of a value withdrawn by its writer. The
// service may still store the acknowledgement, after a newer value.
func (r *Replica) forgetWithdrawn(key string) {
	if ack, ok := r.wantAck[key]; ok {
		r.withdrawn[key] = ack.Version
	}
	r.forget(key)
}

func (r *Replica) accepted(now time.Time, in shadow.Accepted) {
	if _, own := r.set.ownToken(in.ClientToken); !own {
		r.assure.moved = now
	}
	if _, all := in.Reported[shadow.AckKey]; in.ClientToken == "" && !all {
		// Probably the synchronization, with a change of the cloud. A full
		// synchronization drops nothing.
		r.doubtRecent(now, assureWindow)
	}
	switch r.phase {
	case unknown:
		return // the next fetch will include the message
	case fetching:
		// The document in flight may be older than this message.
		r.early, r.waiting = append(r.early, in), r.waiting+in.Size
		if len(r.early) > maxEarly || r.waiting > maxEarlyBytes {
			r.early, r.waiting = nil, 0
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

// apply handles the message of the next version.
func (r *Replica) apply(now time.Time, in shadow.Accepted) {
	in.Desired = r.merged(in.Desired)
	seq, own := r.set.ownToken(in.ClientToken)
	// A late message: the update was given up, sent before the read, or its message has
	// arrived before.
	late := own && seq <= max(r.lastFailed, r.lastEchoed, r.fetch)
	// An earlier run may have reported keys unknown to this run.
	late = late || !own && len(in.Reported) > 0 && ofAnyRun(in.ClientToken)
	// A full synchronization writes both sections. What it desires need not be new.
	merged := in.ClientToken == "" && len(in.Reported) > 0 && !r.direct
	if _, all := in.Reported[shadow.AckKey]; merged && all {
		r.assure.merged(now, r.lastEchoed, in.Desired)
	}
	if in.DesiredCleared || in.ReportedCleared || late || merged || !own && r.overwritten(in.Reported) {
		r.resync(now, 0)
		return
	}
	switch {
	case own:
		r.lastEchoed, r.assure.unheard = seq, 0
		if r.flight != nil && r.flight.seq == seq {
			r.recordWritten(r.flight.report) // now, since the next message may come from somebody else
		}
		switch {
		case in.Version > r.replied:
			r.settleDesired(in.Desired, in.DesiredAt)
			r.noteTimes(in.Desired, in.DesiredAt)
		case in.Version == r.replied:
			// The reply has settled the values. An equal proposal may have been made since.
			r.noteTimes(in.Desired, in.DesiredAt)
		}
	default:
		if r.shrinks(in) {
			r.shed = shedNothing // there may be room for all again
		}
		if in.ClientToken == "" {
			r.assure.heard()
		}
		r.requestWritten(in)
		r.noteDesired(in.Desired, in.DesiredAt)
	}
	r.touch()
}

// shrinks reports whether the message of another client made the document smaller, as
// far as known.
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

// size returns the length of a value as JSON.
func size(value any) int {
	text, err := json.Marshal(value)
	if err != nil {
		return 0 // not possible for a value decoded from JSON
	}
	return len(text)
}

// requestWritten passes the desired values of a message to the owner.
func (r *Replica) requestWritten(in shadow.Accepted) {
	if r.owner == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(in.Desired)) {
		if key == shadow.SyncKey {
			continue
		}
		delete(r.clears, key)
		delete(r.proposals, key)
		r.assure.settled(key)
		if value := in.Desired[key]; withdrawn(value) {
			r.forgetWithdrawn(key)
			r.owner.Withdrawn(key)
		} else {
			r.deliver(key, request{Request: Request{Value: value, At: in.DesiredAt[key], Version: in.Version, Fresh: true, Direct: r.direct}})
		}
	}
	r.owner.RequestsDelivered()
	r.answerUnknown(in.Version)
}

// withdrawn reports whether a written value deletes its key, as null and an empty
// object do (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
func withdrawn(value any) bool {
	members, object := value.(map[string]any)
	return value == nil || object && len(members) == 0
}

// noteDesired updates the copy of the desired section.
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

// noteTimes notes when the device wrote desired values. Its own write of a value that was
// requested is no other request.
func (r *Replica) noteTimes(written map[string]any, at map[string]int64) {
	for key, value := range written {
		if value == nil || !shadow.Equal(r.desired[key], value) {
			continue
		}
		r.desiredAt[key] = at[key]
		if q, requested := r.requests[key]; requested && shadow.Equal(q.Value, value) {
			q.At = at[key]
			r.requests[key] = q
		}
	}
}

// settleDesired notes the desired values written by the device.
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

// overwritten reports whether somebody else reported a key of the device with another
// value.
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

// merged returns the complete desired values of the written keys: an update has only
// the changed members of an object.
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

// merge applies an update to a value as the service does: members of objects one by
// one, with null deleting a member; any other value is replaced
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
func merge(have, written any) any {
	patch, ok := written.(map[string]any)
	if !ok {
		return written
	}
	before, _ := have.(map[string]any)
	result := cloneMap(before)
	for key, value := range patch {
		if withdrawn(value) {
			delete(result, key)
		} else {
			result[key] = merge(result[key], value)
		}
	}
	return result
}

// stripped returns a value without its nulls and empty objects, nil if nothing is left.
// A shadow stores them in a new section and drops them anywhere else. A document and a
// message can differ in them, and they request nothing.
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

// cloneMap returns a copy, never nil.
func cloneMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// ownToken parses the client token of an own update, and returns its number.
func (s *Set) ownToken(token string) (seq uint64, ok bool) {
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
