package replica

import (
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// flight is an update in flight.
type flight struct {
	seq     uint64
	version int64 // newest version that was known when it was sent
	report
	doubted written // what it repeats
}

func (r *Replica) updated(now time.Time, in Updated) {
	if r.flight == nil || in.Seq != r.flight.seq {
		return // sent before the link was lost
	}
	sent := r.flight
	r.flight = nil
	if in.Outcome != OK {
		if in.Outcome != Unknown {
			r.redoubt(sent.doubted)
		}
		r.lastFailed = in.Seq
		if r.lastEchoed == in.Seq { // stored nevertheless
			in.Outcome = Unknown
		}
	}
	r.denied = in.Outcome == Throttled || in.Outcome == Invalid || in.Outcome == Unauthorized || in.Outcome == TooLarge && r.shed == shedAnswers
	switch in.Outcome {
	case OK:
		r.warned = ""
		r.recordAccepted(now, in.Version, sent)
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
		// The update may have been stored, or still will be. Read the document and send
		// only the missing part.
		r.warn("report with unknown outcome; the shadow is read again", in.Err)
		r.doubt = sent
		r.resync(now, r.set.jitter(firstFetch))
	}
	r.touch()
}

// recordWritten records the content written by an own update.
func (r *Replica) recordWritten(d report) {
	for key, value := range d.values {
		delete(r.repeats, key)
		r.unequal[key] = true
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

// recordAccepted handles an accepted update.
func (r *Replica) recordAccepted(now time.Time, version int64, sent *flight) {
	if r.phase == synced && r.fetch > sent.seq {
		// The document was requested after the update was sent. It contains the update
		// and later changes of others, or it is older, or of a shadow created anew.
		if version > r.gate.Seen() {
			r.resync(now, 0)
		}
		return
	}
	if r.lastEchoed != sent.seq { // otherwise others may have written since
		r.recordWritten(sent.report)
	}
	if r.phase == synced && version > r.gate.Seen() {
		// Otherwise the document and messages already cover this version, and newer
		// requests count.
		r.settleDesired(sent.desired, nil)
		r.replied = version
	}
	if !r.create {
		return
	}
	r.create = false
	if version != 1 {
		r.resync(now, 0) // somebody else created the shadow first
	}
}

// nextSend reports whether there is something to send, and the earliest time for it.
func (r *Replica) nextSend() (earliest time.Time, wants bool) {
	switch {
	case !r.live || r.phase == fetching:
		return time.Time{}, false
	case r.phase == unknown:
		return r.fetchAt, true
	}
	if r.flight != nil {
		return time.Time{}, false
	}
	if !r.sendable().empty() {
		return r.sendAt, true
	}
	next := r.assure.next()
	if earliest = r.sendAt; next.After(earliest) && !r.set.draining {
		earliest = next
	}
	return earliest, !next.IsZero() && r.owner != nil && (!r.set.draining || r.assure.pending())
}

// sendable returns the part of the difference ready to send.
func (r *Replica) sendable() report {
	if r.owner == nil && r.create {
		return report{} // do not create a shadow only to delete from it
	}
	d := r.difference()
	if r.knownVersion() == 0 {
		d.desired = nil // not before the document exists
	}
	return d
}

func (r *Replica) fetchNow() Fetch {
	r.phase, r.fetch, r.early, r.waiting = fetching, r.seq, nil, 0
	return Fetch{r.id, r.seq}
}

func (r *Replica) sendNow(now time.Time) Update {
	repeats := r.owner != nil && (r.assure.due(now) || r.set.draining && r.assure.pending())
	again := r.assure.weak != nil && now.Sub(r.assure.sentAt) < nullWindow
	if again {
		r.assure.doubt(*r.assure.weak)
		repeats = true
	}
	d := r.sendable()
	numbered := repeats && (again || d.empty())
	if numbered {
		r.assure.number++
		_, marked := r.desired[shadow.SyncKey]
		r.setWant(shadow.SyncKey, r.syncValue(marked))
		d = r.sendable()
	}
	if d.desired[shadow.SyncKey] != nil {
		r.setWant(shadow.SyncKey, r.syncValue(true))
		d = r.sendable()
	}
	r.sendAt = now.Add(reportInterval)
	r.flight = &flight{seq: r.seq, version: r.version(), report: d}
	u := Update{
		ID:       r.id,
		Seq:      r.seq,
		Token:    fmt.Sprintf("%s%d", r.set.tokens, r.seq),
		Reported: r.reported(d),
		Desired:  d.desired,
	}
	r.noteSent(now, u)
	r.assure.weak = nil
	if repeats {
		r.repeat(now, &u)
		if !numbered {
			r.assure.weak = &r.flight.doubted
		}
	}
	for key, value := range u.Desired {
		if value != nil {
			r.sent[key] = sent{value, r.knownVersion()}
		}
	}
	if len(u.Desired) > 0 {
		// Not over a value written meanwhile by somebody else.
		u.Version = r.knownVersion()
	}
	return u
}

// knownVersion returns the known version of the document, 0 without a document. The
// reply to an own update may come before its message.
func (r *Replica) knownVersion() int64 {
	if seen := r.gate.Seen(); r.replied != seen+1 {
		return seen
	}
	return r.replied
}
