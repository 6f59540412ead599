package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/config"
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
)

// phase is how well the shadow's document is known.
type phase uint8

const (
	unknown  phase = iota // to be fetched at fetchAt
	fetching              // a fetch is under way
	synced                // have is what the shadow holds
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
	// refusedPause is for what only a deployment can change.
	refusedPause = time.Minute
	// deletedPause lets a deletion settle before the shadow is created again.
	deletedPause = time.Second
)

// shadowState is what the engine knows of one shadow.
type shadowState struct {
	label string
	id    shadow.ID
	props map[string]*property

	showsStatus bool

	live  bool // its messages arrive
	read  bool // its document was read in this run
	phase phase
	gate  shadow.Gate

	fetchAt time.Time
	early   []Accepted    // messages that came during the fetch
	pause   time.Duration // of the last failed fetch
	warned  string        // the last warning, to say each once

	// want is what is to be reported, have what the shadow is known to report:
	// plain values by property.
	want, have map[string]any
	// wantAck and haveAck are the same for the answers.
	wantAck, haveAck map[string]shadow.Ack
	asked            map[string]request // the desired values that were seen

	desired   map[string]any   // what the shadow is known to desire
	desiredAt map[string]int64 // and since when, in seconds since the epoch; 0 when that is not known
	sent      map[string]any   // what we desire, and do not know to be stored
	overruled map[string]any   // local changes to be written as desired
	clears    map[string]bool  // desired values of ours to be cleared: commands that are over

	replied int64 // version of our last update that was accepted since the document was read

	flight *flight   // the update under way, nil when none is
	sendAt time.Time // no update before
	shed   shedding  // what is left out, since the document is near its limit
	create bool      // there is no document

	seq   uint64 // of the last fetch or update; the answer to an earlier one is void
	fetch uint64 // of the fetch that is awaited
}

// flight is what an update under way reports.
type flight struct {
	seq uint64
	report
}

// request is one desired value that was answered or is being answered.
type request struct {
	value   any
	at      int64 // when it was sent, seconds since the epoch
	version int64 // of the document in which it was first seen
	line    bool  // a line is to follow it, and gives the answer

	conflict string // why an interlock refused it; that stands until it is desired anew
	over     bool   // it was a command that is carried out; its answer stays

	// Of a value that an earlier run may have answered: when the ack that is in
	// the shadow was sent, 0 for none, and whether the shadow reports the value.
	answered int64
	settled  bool
}

// stands reports whether an answer with that code, found in the shadow, answers
// this value. Within one second only what is reported tells which came first.
func (r request) stands(code shadow.Code) bool {
	return r.answered > r.at || r.answered != 0 && r.answered == r.at && (code != shadow.Done || r.settled)
}

func newShadowState(label string, cfg config.Shadow) *shadowState {
	s := &shadowState{label: label, id: cfg.ID, props: map[string]*property{}, showsStatus: cfg.Status}
	s.want, s.have = map[string]any{}, map[string]any{}
	s.wantAck, s.haveAck = map[string]shadow.Ack{}, map[string]shadow.Ack{}
	s.asked = map[string]request{}
	s.desired, s.desiredAt = map[string]any{}, map[string]int64{}
	s.sent = map[string]any{}
	s.overruled, s.clears = map[string]any{}, map[string]bool{}
	return s
}

func (in ShadowLive) apply(e *Engine, now time.Time) {
	s := e.shadows[in.Shadow]
	s.live, s.pause = true, 0
	e.resync(now, s, 0)
}

func (in ShadowLost) apply(e *Engine, _ time.Time) {
	s := e.shadows[in.Shadow]
	e.warn(s, "shadow is out of reach; lines stay as they are", in.Err)
	s.live, s.phase, s.flight = false, unknown, nil
	s.gate.Forget()
}

// resync reads the whole document again after pause.
func (e *Engine) resync(now time.Time, s *shadowState, pause time.Duration) {
	s.gate.Forget()
	s.phase = unknown // a fetch under way may be too old
	s.fetchAt = now.Add(pause)
	e.touch(s)
}

func (in Fetched) apply(e *Engine, now time.Time) {
	s := e.shadows[in.Shadow]
	if s.phase != fetching || in.Seq != s.fetch {
		return // overtaken by a newer doubt
	}
	s.phase = unknown
	switch in.Outcome {
	case OK:
		s.create = false
		e.adopt(now, s, in.Document)
	case Missing:
		e.log.Info("shadow does not exist; it is created with the present state", "shadow", s.id)
		s.create = true
		e.adopt(now, s, shadow.Document{})
	case NotSent:
		// The link is lost: ShadowLost and ShadowLive follow. Should the reason
		// be another, the pause keeps us from a busy loop.
		e.fetchLater(now, s, firstFetch)
	case Throttled:
		e.fetchLater(now, s, throttlePause)
	case Unauthorized, Invalid, TooLarge:
		e.warn(s, "shadow cannot be read", in.Err)
		e.fetchLater(now, s, refusedPause)
	default:
		e.warn(s, "shadow cannot be read; retrying", in.Err)
		s.pause = min(max(2*s.pause, firstFetch), lastFetch)
		e.fetchLater(now, s, s.pause)
	}
}

func (e *Engine) fetchLater(now time.Time, s *shadowState, pause time.Duration) {
	s.fetchAt = now.Add(e.jitter(pause))
	e.touch(s)
}

// warn says each trouble of a shadow once.
func (e *Engine) warn(s *shadowState, text string, err error) {
	if message := text + ": " + err.Error(); message != s.warned {
		s.warned = message
		e.log.Warn(text, "shadow", s.id, "error", err)
	}
}

// adopt takes a whole document for what the shadow holds, and does what it
// desires. An empty document stands for none.
func (e *Engine) adopt(now time.Time, s *shadowState, doc shadow.Document) {
	s.phase, s.pause, s.warned, s.fetchAt, s.shed = synced, 0, "", time.Time{}, shedNothing
	s.gate.Document(doc.Version)
	s.have, s.haveAck = map[string]any{}, map[string]shadow.Ack{}
	for key, value := range doc.Reported {
		_, wanted := s.want[key] // also what is no longer configured, and is to be deleted
		if s.props[key] != nil || wanted || key == shadow.StatusKey && s.showsStatus {
			s.have[key] = value
		}
	}
	acks, _ := doc.Reported[shadow.AckKey].(map[string]any)
	for key, value := range acks {
		s.haveAck[key], _ = shadow.ParseAck(value)
	}
	if !s.create {
		e.log.Info("shadow read", "shadow", s.id, "version", doc.Version)
	}
	s.read, s.desired, s.desiredAt, s.replied = true, own(doc.Desired), own(doc.DesiredAt), 0
	e.keepConclusions(s)
	e.desireAll(now, s, doc)
	e.touch(s)
	if s.flight == nil {
		clear(s.sent) // the document has it, or nothing ever will
	}
	early := s.early
	s.early = nil
	for _, message := range early {
		message.apply(e, now)
	}
}

// maxEarly bounds the messages that are kept during a fetch. More than that is a
// doubt of its own.
const maxEarly = 64

func (in Accepted) apply(e *Engine, now time.Time) {
	s := e.shadows[in.Shadow]
	switch s.phase {
	case unknown:
		return // the document that will be fetched holds it
	case fetching:
		// The document on its way may be older than this.
		if s.early = append(s.early, in); len(s.early) > maxEarly {
			e.resync(now, s, firstFetch)
		}
		return
	}
	switch s.gate.Message(in.Version) {
	case shadow.Resync:
		e.log.Info("shadow is read again, its versions are not in order", "shadow", s.id, "version", in.Version)
		e.resync(now, s, 0)
	case shadow.Apply:
		if in.DesiredCleared || in.ReportedCleared || !e.own(in.ClientToken) && s.overwritten(in.Reported) {
			e.resync(now, s, 0)
			return
		}
		if e.own(in.ClientToken) {
			e.settleDesired(now, s, in.Desired, in.DesiredAt)
		} else {
			e.desire(now, s, in.Version, in.Desired, in.DesiredAt)
			s.noteDesired(in.Desired, in.DesiredAt)
		}
		e.touch(s)
	}
}

// noteDesired keeps what the shadow is known to desire up to date.
func (s *shadowState) noteDesired(written map[string]any, at map[string]int64) {
	for key, value := range written {
		delete(s.sent, key)
		if withdrawn(value) {
			delete(s.desired, key)
			delete(s.desiredAt, key)
		} else {
			s.desired[key], s.desiredAt[key] = value, at[key]
		}
	}
}

// keepConclusions keeps the answers to commands that an earlier run has carried
// out and cleared.
func (e *Engine) keepConclusions(s *shadowState) {
	for key, p := range s.props {
		ack, answered := s.haveAck[key]
		_, desired := s.desired[key]
		_, asked := s.asked[key]
		over := answered && ack.Code != shadow.InProgress
		if (p.Kind == config.Pulse || p.Kind == config.Count) && over && !desired && !asked {
			s.asked[key] = request{version: ack.Version, over: true}
			s.wantAck[key] = ack
		}
	}
}

// own reports whether an update with that token was one of ours.
func (e *Engine) own(token string) bool { return strings.HasPrefix(token, e.tokens) }

// overwritten reports whether somebody else reported what is ours to report, and
// something else than the shadow is known to hold.
func (s *shadowState) overwritten(reported map[string]any) bool {
	for key, value := range reported {
		have, ours := s.have[key]
		if key == shadow.AckKey || ours && !shadow.Equal(have, value) {
			return true
		}
	}
	return false
}

func (in Deleted) apply(e *Engine, now time.Time) {
	s := e.shadows[in.Shadow]
	e.log.Info("shadow was deleted", "shadow", s.id)
	e.resync(now, s, e.jitter(deletedPause))
}

// desire takes the desired values that were written.
func (e *Engine) desire(now time.Time, s *shadowState, version int64, desired map[string]any, at map[string]int64) {
	for _, key := range slices.Sorted(maps.Keys(desired)) {
		delete(s.clears, key)
		delete(s.overruled, key)
		p := s.props[key]
		if p != nil {
			e.dropLocal(now, p)
		}
		if value := desired[key]; withdrawn(value) {
			s.forget(key)
			if p != nil {
				e.commandCleared(now, p)
			}
		} else {
			s.asked[key] = request{value: value, at: at[key], version: version}
			e.obey(now, s, key, value, true)
		}
	}
	e.drive(now)
}

// withdrawn reports whether a value that was written deletes its key: null does,
// and so does an empty object
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
func withdrawn(value any) bool {
	members, object := value.(map[string]any)
	return value == nil || object && len(members) == 0
}

// desireAll takes all desired values of a document. A value that was seen before,
// in this run or by the signs in the document in an earlier one, is not answered
// again.
func (e *Engine) desireAll(now time.Time, s *shadowState, doc shadow.Document) {
	// A shadow can hold a null where nothing was before; it desires nothing.
	maps.DeleteFunc(s.desired, func(_ string, value any) bool { return value == nil })
	for key, r := range s.asked {
		// An answer stays with its document, not with one that was created again.
		if _, desired := s.desired[key]; !desired && (!r.over || r.version > doc.Version) {
			s.forget(key)
		}
	}
	for key, p := range s.props {
		if _, desired := s.desired[key]; !desired {
			e.commandCleared(now, p)
		}
	}
	clear(s.clears)
	clear(s.overruled)
	e.reviewLocals(now, s)
	for _, key := range slices.Sorted(maps.Keys(s.desired)) {
		r := request{value: s.desired[key], at: doc.DesiredAt[key], version: doc.Version}
		old, seen := s.asked[key]
		switch {
		case seen && old.at == r.at && shadow.Equal(old.value, r.value):
			r = old
		case !seen:
			r.answered, r.settled = doc.AckAt[key], shadow.Equal(s.have[key], r.value)
			if ack := s.haveAck[key]; ack.Code == shadow.Conflict && r.stands(shadow.Conflict) {
				r.conflict = ack.Reason
			}
		}
		s.asked[key] = r
		e.obey(now, s, key, r.value, false)
	}
	e.drive(now)
}

// forget drops the answer to a value that is no longer desired.
func (s *shadowState) forget(key string) {
	delete(s.asked, key)
	delete(s.wantAck, key)
}

// obey does what one desired value asks, or refuses it. fresh says that the value
// was written just now. Lines follow with the next drive.
func (e *Engine) obey(now time.Time, s *shadowState, key string, value any, fresh bool) {
	p, known := s.props[key]
	switch {
	case !known:
		e.answer(s, key, shadow.NoProperty, "no such property")
	case s.asked[key].over:
		s.clears[key] = true // it is still to be cleared; its answer stays
	case p.Kind == config.Count:
		e.setCount(now, p, value, fresh)
	case !p.Output:
		e.answer(s, key, shadow.Refused, "line "+p.Line+" is an input")
	case s.asked[key].conflict != "":
		e.answer(s, key, shadow.Conflict, s.asked[key].conflict)
	case p.Kind == config.Pulse:
		e.pulse(now, p, value, fresh)
	case e.stands(now, p, s.asked[key]):
		// A local change was made against this very value.
	default:
		demand, err := e.demand(p, value)
		if err != nil {
			e.answer(s, key, shadow.Refused, err.Error())
			return
		}
		e.follow(p, demand)
	}
}

// answer notes the answer to the value last asked for. An answer that is already
// in the shadow, and was given after the value was sent, is not given again.
func (e *Engine) answer(s *shadowState, key string, code shadow.Code, reason string) {
	r, asked := s.asked[key]
	if !asked {
		return
	}
	ack := shadow.Ack{Code: code, Version: r.version, Reason: shadow.CutReason(reason)}
	if have, ok := s.haveAck[key]; ok && have.Code == code && have.Reason == ack.Reason && r.stands(code) {
		ack.Version = have.Version
	}
	if old, ok := s.wantAck[key]; (!ok || old.Code != code || old.Reason != ack.Reason) && code >= shadow.Refused {
		e.log.Warn("desired value not applied", "shadow", s.id, "property", key, "value", r.value, "code", int(code), "reason", reason)
	}
	s.wantAck[key] = ack
}

func (in Updated) apply(e *Engine, now time.Time) {
	s := e.shadows[in.Shadow]
	if s.flight == nil || in.Seq != s.flight.seq {
		return // sent before the link was lost
	}
	sent := s.flight
	s.flight = nil
	switch in.Outcome {
	case OK:
		s.warned = ""
		e.reported(now, s, in.Version, sent)
	case Throttled:
		e.warn(s, "shadow manager is busy; the report is kept", in.Err)
		s.sendAt = now.Add(e.jitter(throttlePause))
	case TooLarge:
		if s.shed == shedAnswers {
			e.warn(s, "report is too large even without answers; it waits for the shadow to shrink", in.Err)
			s.sendAt = now.Add(refusedPause)
			break
		}
		s.shed++
		e.warn(s, "report is too large; leaving out "+s.shed.String(), in.Err)
	case Conflict: // not stored
		e.log.Info("shadow was changed meanwhile; it is read again", "shadow", s.id)
		e.resync(now, s, 0)
	case Invalid, Unauthorized:
		e.warn(s, "report was refused", in.Err)
		s.sendAt = now.Add(refusedPause)
	default:
		// It may have been stored: read what is there and send only what is missing.
		e.warn(s, "report with unknown outcome; the shadow is read again", in.Err)
		e.resync(now, s, e.jitter(firstFetch))
	}
	e.touch(s)
}

// reported takes note of an update that was accepted.
func (e *Engine) reported(now time.Time, s *shadowState, version int64, sent *flight) {
	for key, value := range sent.values {
		if value == nil {
			delete(s.have, key)
		} else {
			s.have[key] = value
		}
	}
	for key, ack := range sent.acks {
		if ack == (shadow.Ack{}) {
			delete(s.haveAck, key)
		} else {
			s.haveAck[key] = ack
		}
	}
	if s.phase == synced && version > s.gate.Seen() {
		// Else the messages or the document up to here were seen already, and what
		// was desired since is newer.
		e.settleDesired(now, s, sent.desired, nil)
		s.replied = version
	}
	if !s.create {
		return
	}
	s.create = false
	if version != 1 {
		e.resync(now, s, 0) // somebody else created it first
	}
}

// pump sends what can be sent now, and asks for a tick for what must wait.
func (e *Engine) pump(now time.Time, s *shadowState) {
	switch {
	case !s.live || s.phase == fetching:
	case s.phase == unknown:
		e.whenAllowed(now, s, s.fetchAt, func() {
			s.seq++
			s.phase, s.fetch, s.early = fetching, s.seq, nil
			e.do(FetchShadow{s.label, s.seq})
		})
	case s.flight == nil:
		difference := s.difference()
		if s.lock() == 0 {
			difference.desired = nil // not before the document exists
		}
		if difference.empty() {
			return
		}
		e.whenAllowed(now, s, s.sendAt, func() {
			s.seq++
			s.sendAt = now.Add(reportInterval)
			s.flight = &flight{s.seq, difference}
			for key, value := range difference.desired {
				if value != nil {
					s.sent[key] = value
				}
			}
			u := UpdateShadow{
				Shadow:   s.label,
				Seq:      s.seq,
				Token:    fmt.Sprintf("%s%d", e.tokens, s.seq),
				Reported: s.reported(difference),
				Desired:  difference.desired,
			}
			if len(u.Desired) > 0 {
				// Not over what somebody desired meanwhile.
				u.Version = s.lock()
			}
			e.do(u)
		})
	}
}

// lock is the version of the document that we know, 0 while there is none. The
// reply to an update of ours may come before its message.
func (s *shadowState) lock() int64 {
	if seen := s.gate.Seen(); s.replied != seen+1 {
		return seen
	}
	return s.replied
}

// whenAllowed sends not before the time and not above the budget.
func (e *Engine) whenAllowed(now time.Time, s *shadowState, earliest time.Time, send func()) {
	if now.Before(earliest) && !(e.stopped && s.phase == synced) {
		e.at(earliest)
		return
	}
	if ok, when := e.budget.take(now, s.id.Thing); !ok {
		e.at(when)
		return
	}
	send()
}
