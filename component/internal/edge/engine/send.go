package engine

import (
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// flight is what an update under way reports.
type flight struct {
	seq uint64
	report
}

func (in Updated) apply(e *Engine, now time.Time) {
	s, ok := e.answered(now, in.Shadow, in.Seq)
	if !ok || s.flight == nil || in.Seq != s.flight.seq {
		return // sent before the link was lost
	}
	sent := s.flight
	s.flight = nil
	if in.Outcome != OK {
		s.missed = in.Seq
		if s.heard == in.Seq { // it was stored all the same
			in.Outcome = Unknown
		}
	}
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
		// It may have been stored, or will be: read what is there and send only what is
		// missing.
		e.warn(s, "report with unknown outcome; the shadow is read again", in.Err)
		e.resync(now, s, e.jitter(firstFetch))
	}
	e.touch(s)
}

// holds takes note of what an update of ours has made the shadow hold.
func (s *shadowState) holds(r report) {
	for key, value := range r.values {
		delete(s.again, key)
		if value == nil {
			delete(s.have, key)
		} else {
			s.have[key] = value
		}
	}
	for key, ack := range r.acks {
		if ack == (shadow.Ack{}) {
			delete(s.haveAck, key)
		} else {
			s.haveAck[key] = ack
		}
	}
	s.spoiled = s.spoiled && len(s.haveAck) > 0
}

// reported takes note of an update that was accepted.
func (e *Engine) reported(now time.Time, s *shadowState, version int64, sent *flight) {
	if s.heard != sent.seq { // else others may have written since
		s.holds(sent.report)
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

// pump queues a shadow that has something to send, or asks for a tick when its
// time has not come.
func (e *Engine) pump(now time.Time, s *shadowState) {
	s.due = time.Time{}
	earliest, wants := s.wants()
	switch {
	case !wants || s.queued:
	case now.Before(earliest) && !(e.stopped && s.phase == synced):
		s.due = earliest
		e.at(earliest)
	default:
		s.queued = true
		e.queue = append(e.queue, s)
	}
}

// wants reports whether there is something to send, and when at the earliest.
func (s *shadowState) wants() (earliest time.Time, wants bool) {
	switch {
	case !s.live || s.phase == fetching:
		return time.Time{}, false
	case s.phase == unknown:
		return s.fetchAt, true
	}
	return s.sendAt, s.flight == nil && !s.sendable().empty()
}

// sendable is the difference that can be sent.
func (s *shadowState) sendable() report {
	difference := s.difference()
	if s.lock() == 0 {
		difference.desired = nil // not before the document exists
	}
	return difference
}

// serve sends for the shadows in the queue what the budget allows. Who came first
// is served first, so that busy shadows do not starve the others; one that only
// its thing's limit holds up does not hold up other things.
func (e *Engine) serve(now time.Time) {
	waiting := e.queue[:0]
	for i, s := range e.queue {
		if room, when := e.budget.all.room(now); !room {
			e.at(when)
			waiting = append(waiting, e.queue[i:]...)
			break
		}
		if earliest, wants := s.wants(); !wants || now.Before(earliest) && !(e.stopped && s.phase == synced) {
			s.queued = false
			e.pump(now, s) // it was overtaken by something
			continue
		}
		if ok, when := e.budget.take(now, s.id.Thing); !ok {
			e.at(when)
			waiting = append(waiting, s)
			continue
		}
		s.queued = false
		if s.phase == unknown {
			e.fetchNow(s)
		} else {
			e.sendNow(now, s)
		}
		e.awaited[call{s.label, s.seq}] = s.id.Thing
	}
	clear(e.queue[len(waiting):])
	e.queue = waiting
}

func (e *Engine) fetchNow(s *shadowState) {
	e.seq++
	s.seq = e.seq
	s.phase, s.fetch, s.early = fetching, s.seq, nil
	e.do(FetchShadow{s.label, s.seq})
}

func (e *Engine) sendNow(now time.Time, s *shadowState) {
	difference := s.sendable()
	e.seq++
	s.seq = e.seq
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
}

// call is a request to the shadow manager.
type call struct {
	shadow string
	seq    uint64
}

// answered takes note of the answer to a request. ok is false if the shadow is no
// longer configured.
func (e *Engine) answered(now time.Time, label string, seq uint64) (s *shadowState, ok bool) {
	if thing, awaited := e.awaited[call{label, seq}]; awaited {
		delete(e.awaited, call{label, seq})
		e.budget.answered(now, thing)
	}
	s, ok = e.shadows[label]
	return s, ok
}

// lock is the version of the document that we know, 0 while there is none. The
// reply to an update of ours may come before its message.
func (s *shadowState) lock() int64 {
	if seen := s.gate.Seen(); s.replied != seen+1 {
		return seen
	}
	return s.replied
}
