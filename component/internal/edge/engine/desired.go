package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

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
	undone   bool // what follows it is, or was last, something else
}

// stands reports whether an answer with that code, found in the shadow, answers
// this value. Within one second only what is reported tells which came first, and where
// the clock was set back an answer to an earlier value looks newer: that something was
// done is none to a value that was not.
func (r request) stands(code shadow.Code) bool {
	return r.after(code) && !(code == shadow.Done && r.undone)
}

// after reports whether an answer with that code was given after the value was desired,
// as far as the clock tells.
func (r request) after(code shadow.Code) bool {
	return r.answered > r.at || r.answered != 0 && r.answered == r.at && (code != shadow.Done || r.settled)
}

// answeredBy reports whether an ack that was found in the shadow is the answer
// that this value waits for. Where the times do not tell whether the same value
// was desired again after it, versions do that leave no room for another update. A
// command is not answered anew in doubt: that would say that it was carried out
// twice.
func (r request) answeredBy(have shadow.Ack, command bool) bool {
	if command { // its value is not what is reported when it is over
		return have.Version <= r.version && r.answered != 0 && r.answered >= r.at
	}
	return have.Version <= r.version && r.stands(have.Code) && (r.answered > r.at || r.version <= have.Version+1)
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
		if p.command() && over && !desired && !asked {
			s.asked[key] = request{version: ack.Version, over: true}
			s.wantAck[key] = ack
		}
	}
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
// again. missed says that others may have written since that was known.
func (e *Engine) desireAll(now time.Time, s *shadowState, doc shadow.Document, missed bool) {
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
		case seen && old.at == r.at && old.version <= doc.Version && shadow.Equal(old.value, r.value):
			r = old
			if p := s.props[key]; missed && doc.AckAt[key] <= r.at && (p == nil || !p.command()) {
				r.version = doc.Version // it may have been desired again in that second
			}
		case !seen:
			r.answered, r.settled = doc.AckAt[key], shadow.Equal(s.have[key], r.value)
			r.undone = s.undone(key, r)
			r.conflict = e.conflict(s, key, r)
			fallthrough
		default:
			s.keepAnswer(key)
		}
		s.asked[key] = r
		e.obey(now, s, key, r.value, false)
	}
	e.drive(now)
}

// undone reports whether a desired value that was read cannot have been done, or not for
// long.
func (s *shadowState) undone(key string, r request) bool {
	switch p := s.props[key]; {
	case p == nil:
		return false
	case p.Kind == config.Schedule: // reported with more than was desired
		return !shadow.Equal(p.value, r.value)
	case p.Kind == config.Setting:
		_, object := r.value.(map[string]any) // reported with its defaults
		return !object && !r.settled
	}
	return !r.settled
}

// conflict is the reason of a refusal by an earlier run that stands against a
// value, "" if none does. An output that is, or is to be, as desired tells that
// another value was refused.
func (e *Engine) conflict(s *shadowState, key string, r request) string {
	ack := s.haveAck[key]
	if ack.Code != shadow.Conflict || !r.stands(ack.Code) || ack.Value != nil && !shadow.Equal(ack.Value, shadow.Scalar(r.value)) {
		return ""
	}
	if p := s.props[key]; p != nil && p.Output {
		status := e.bank.Output(p.output)
		shown, known := p.shown(status)
		demand, err := e.demand(p, r.value)
		if known && shadow.Equal(shown, r.value) || err == nil && demand.Equal(status.Demand) {
			return ""
		}
	}
	return ack.Reason
}

// keepAnswer leaves the answer that is in the shadow, until there is one to a
// value that was read: one to an older value may be of a document that is gone.
func (s *shadowState) keepAnswer(key string) {
	delete(s.wantAck, key)
	if ack, answered := s.haveAck[key]; answered {
		s.wantAck[key] = ack
	}
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
	case p.Kind == config.Setting:
		e.set(now, p, value)
	case p.Kind == config.Flag:
		e.resetAlarm(now, p, value, fresh)
	case p.Kind == config.Schedule:
		e.schedule(now, p, value)
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
// in the shadow, and was given after the value was sent, is not given again,
// unless it is for a document that was deleted since.
func (e *Engine) answer(s *shadowState, key string, code shadow.Code, reason string) {
	r, asked := s.asked[key]
	if !asked {
		return
	}
	p := s.props[key]
	ack := shadow.Ack{Code: code, Version: r.version, Reason: shadow.CutReason(reason)}
	if code == shadow.Conflict {
		ack.Value = shadow.Scalar(r.value)
	}
	if have, ok := s.haveAck[key]; ok && r.answeredBy(have, p != nil && p.command()) && ack == (shadow.Ack{Code: have.Code, Version: r.version, Reason: have.Reason, Value: have.Value}) {
		ack.Version = have.Version
	}
	if old, ok := s.wantAck[key]; (!ok || old.Code != code || old.Reason != ack.Reason) && code >= shadow.Refused {
		e.log.Warn("desired value not applied", "shadow", s.id, "property", key, "value", r.value, "code", int(code), "reason", reason)
	}
	s.wantAck[key] = ack
}
