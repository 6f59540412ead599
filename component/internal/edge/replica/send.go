package replica

import (
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// flight is an update under way.
type flight struct {
	seq     uint64
	version int64 // newest version that was known when it was sent
	report
}

func (r *Replica) updated(now time.Time, in Updated) {
	if r.flight == nil || in.Seq != r.flight.seq {
		return // sent before the link was lost
	}
	sent := r.flight
	r.flight = nil
	if in.Outcome != OK {
		r.missed = in.Seq
		if r.heard == in.Seq { // it was stored all the same
			in.Outcome = Unknown
		}
	}
	r.denied = in.Outcome == Throttled || in.Outcome == Invalid || in.Outcome == Unauthorized || in.Outcome == TooLarge && r.shed == shedAnswers
	switch in.Outcome {
	case OK:
		r.warned = ""
		r.stored(now, in.Version, sent)
	case Throttled:
		r.warn("shadow manager is busy; the report is kept", in.Err)
		r.sendAt = now.Add(r.set.jitter(throttlePause))
	case TooLarge:
		if r.shed == shedAnswers {
			r.warn("report is too large even without answers; it waits for the shadow to shrink", in.Err)
			r.sendAt = now.Add(rejectedPause)
			break
		}
		r.shed++
		r.warn("report is too large; leaving out "+r.shed.String(), in.Err)
	case Conflict: // not stored
		r.log.Info("shadow was changed meanwhile; it is read again", "shadow", r.id)
		r.resync(now, 0)
	case Invalid, Unauthorized:
		r.warn("report was rejected", in.Err)
		r.sendAt = now.Add(rejectedPause)
	default:
		// It may have been stored, or will be: read what is there and send only what is
		// missing.
		r.warn("report with unknown outcome; the shadow is read again", in.Err)
		r.doubt = sent
		r.resync(now, r.set.jitter(firstFetch))
	}
	r.touch()
}

// holds takes note of what an own update has made the shadow hold.
func (r *Replica) holds(d report) {
	for key, value := range d.values {
		delete(r.repeats, key)
		if value == nil {
			delete(r.have, key)
		} else {
			r.have[key] = value
		}
	}
	for key, ack := range d.acks {
		if ack == (shadow.Ack{}) {
			delete(r.haveAck, key)
		} else {
			r.haveAck[key] = ack
		}
	}
	r.spoiled = r.spoiled && len(r.haveAck) > 0
}

// stored takes note of an update that was accepted.
func (r *Replica) stored(now time.Time, version int64, sent *flight) {
	if r.phase == synced && r.fetch > sent.seq {
		// The document was asked for after the update was sent. It holds the update and
		// what others have written since, or it is older, or of a shadow that was created
		// again.
		if version > r.gate.Seen() {
			r.resync(now, 0)
		}
		return
	}
	if r.heard != sent.seq { // else others may have written since
		r.holds(sent.report)
	}
	if r.phase == synced && version > r.gate.Seen() {
		// Else the messages or the document up to here were seen already, and what
		// was requested since is newer.
		r.settleDesired(sent.desired, nil)
		r.replied = version
	}
	if !r.create {
		return
	}
	r.create = false
	if version != 1 {
		r.resync(now, 0) // somebody else created it first
	}
}

// wants reports whether there is something to send, and when at the earliest.
func (r *Replica) wants() (earliest time.Time, wants bool) {
	switch {
	case !r.live || r.phase == fetching:
		return time.Time{}, false
	case r.phase == unknown:
		return r.fetchAt, true
	}
	return r.sendAt, r.flight == nil && !r.sendable().empty()
}

// sendable is the difference that can be sent.
func (r *Replica) sendable() report {
	if r.owner == nil && r.create {
		return report{} // it must not be created for what is to be deleted
	}
	d := r.difference()
	if r.lock() == 0 {
		d.desired = nil // not before the document exists
	}
	return d
}

func (r *Replica) fetchNow() Fetch {
	r.phase, r.fetch, r.early = fetching, r.seq, nil
	return Fetch{r.id, r.seq}
}

func (r *Replica) sendNow(now time.Time) Update {
	d := r.sendable()
	r.sendAt = now.Add(reportInterval)
	r.flight = &flight{r.seq, r.View().Version, d}
	for key, value := range d.desired {
		if value != nil {
			r.sent[key] = sent{value, r.lock()}
		}
	}
	u := Update{
		ID:       r.id,
		Seq:      r.seq,
		Token:    fmt.Sprintf("%s%d", r.set.tokens, r.seq),
		Reported: r.reported(d),
		Desired:  d.desired,
	}
	if len(u.Desired) > 0 {
		// Not over a value that somebody wrote meanwhile.
		u.Version = r.lock()
	}
	return u
}

// lock is the version of the document that is known, 0 while there is none. The
// reply to an own update may come before its message.
func (r *Replica) lock() int64 {
	if seen := r.gate.Seen(); r.replied != seen+1 {
		return seen
	}
	return r.replied
}
