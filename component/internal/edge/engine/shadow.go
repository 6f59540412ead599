package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
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
	spoiled          bool               // the answers that it has hold a null or an empty object
	asked            map[string]request // the desired values that were seen

	desired   map[string]any   // what the shadow is known to desire
	desiredAt map[string]int64 // and since when, in seconds since the epoch; 0 when that is not known
	sent      map[string]any   // what we desire, and do not know to be stored
	overruled map[string]any   // local changes to be written as desired
	again     map[string]bool  // reported values to be reported though they are the same
	clears    map[string]bool  // desired values of ours to be cleared: commands that are over

	newest  int64 // version up to which no update was missed, 0 before the document was read
	replied int64 // version of our last update that was accepted since the document was read

	flight *flight   // the update under way, nil when none is
	missed uint64    // of the last update that was not accepted, as far as known; it may be stored yet
	heard  uint64    // of the last update of ours that was published
	sendAt time.Time // no update before
	shed   shedding  // what is left out, since the document is near its limit
	create bool      // there is no document

	due    time.Time // when to look again whether there is something to send; zero for never
	queued bool      // it is in the engine's queue

	seq   uint64 // of the last fetch or update; the answer to an earlier one is void
	fetch uint64 // of the fetch that is awaited
}

func newShadowState(label string, cfg config.Shadow) *shadowState {
	s := &shadowState{label: label, id: cfg.ID, props: map[string]*property{}, showsStatus: cfg.Status}
	s.want, s.have = map[string]any{}, map[string]any{}
	s.wantAck, s.haveAck = map[string]shadow.Ack{}, map[string]shadow.Ack{}
	s.asked = map[string]request{}
	s.desired, s.desiredAt = map[string]any{}, map[string]int64{}
	s.sent = map[string]any{}
	s.overruled, s.clears, s.again = map[string]any{}, map[string]bool{}, map[string]bool{}
	return s
}

func (in ShadowLive) apply(e *Engine, now time.Time) {
	s, ok := e.shadows[in.Shadow]
	if !ok {
		return // no longer configured
	}
	s.live, s.pause = true, 0
	e.resync(now, s, 0)
}

func (in ShadowLost) apply(e *Engine, _ time.Time) {
	s, ok := e.shadows[in.Shadow]
	if !ok {
		return // no longer configured
	}
	e.warn(s, "shadow is out of reach; lines stay as they are", in.Err)
	if s.flight != nil {
		s.missed = s.flight.seq
	}
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
	s, ok := e.answered(now, in.Shadow, in.Seq)
	if !ok || s.phase != fetching || in.Seq != s.fetch {
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
		if value != nil && (s.reports(key) || wanted) {
			s.have[key] = value
		}
	}
	acks, _ := doc.Reported[shadow.AckKey].(map[string]any)
	s.spoiled = holdsRemnant(acks)
	for key, value := range acks {
		s.haveAck[key], _ = shadow.ParseAck(value)
	}
	if say := e.log.Info; !s.create {
		if doc.Version == s.newest {
			say = e.log.Debug // it was verified
		}
		say("shadow read", "shadow", s.id, "version", doc.Version)
	}
	s.read, s.desired, s.desiredAt, s.replied = true, own(doc.Desired), own(doc.DesiredAt), 0
	e.keepConclusions(s)
	e.desireAll(now, s, doc, doc.Version != s.newest)
	s.newest = doc.Version
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
	s, ok := e.shadows[in.Shadow]
	if !ok {
		return // no longer configured
	}
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
		s.newest = in.Version
		in.Desired = s.merged(in.Desired)
		seq, own := e.own(in.ClientToken)
		// One that was given up is stored all the same, one is stored again, or one that
		// was sent before the document was read is stored after it.
		late := own && seq <= max(s.missed, s.heard, s.fetch)
		if in.DesiredCleared || in.ReportedCleared || late || !own && s.overwritten(in.Reported) {
			e.resync(now, s, 0)
			return
		}
		if own {
			s.heard = seq
			if s.flight != nil && s.flight.seq == seq {
				s.holds(s.flight.report) // now, since the next message may be somebody else's
			}
			if in.Version >= s.replied { // else its own reply settled it, and that of a later one since
				e.settleDesired(now, s, in.Desired, in.DesiredAt)
			}
		} else {
			e.desire(now, s, in.Version, in.Desired, in.DesiredAt)
			s.noteDesired(in.Desired, in.DesiredAt)
		}
		e.touch(s)
	}
}

// own reports whether an update with that token was one of ours, and of which number.
func (e *Engine) own(token string) (seq uint64, ok bool) {
	number, ok := strings.CutPrefix(token, e.tokens)
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, ok && err == nil
}

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
	s, ok := e.shadows[in.Shadow]
	if !ok {
		return // no longer configured
	}
	e.log.Info("shadow was deleted", "shadow", s.id)
	e.resync(now, s, e.jitter(deletedPause))
}
