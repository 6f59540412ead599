package replica

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// What an owner tells its replica.

// Report has a value reported under a key; nil deletes the key. Nulls and empty objects
// in a value are left out: a shadow does not keep them.
func (r *Replica) Report(key string, value any) {
	r.want[key] = stripped(value)
	r.touch()
}

// Repeat has the value of a key reported again, although it did not change.
func (r *Replica) Repeat(key string) {
	r.repeats[key] = true
	r.touch()
}

// Wanted is the value that is to be reported under a key, nil for none.
func (r *Replica) Wanted(key string) any { return r.want[key] }

// Held is the value that the shadow is known to report under a key.
func (r *Replica) Held(key string) any { return r.have[key] }

// Known reports whether the document was read in this run.
func (r *Replica) Known() bool { return r.read }

// InStep reports whether messages arrive and the document is known.
func (r *Replica) InStep() bool { return r.live && r.phase == synced }

// Requested is the request of a key that was told last and not withdrawn since. A
// command that was cleared is none.
func (r *Replica) Requested(key string) (Request, bool) {
	q, ok := r.requests[key]
	return q.Request, ok
}

// Desired is the desired value of a key as far as it is known, and when it was
// written, in seconds since the epoch, 0 if unknown; nil is none.
func (r *Replica) Desired(key string) (value any, at int64) {
	return r.desired[key], r.desiredAt[key]
}

// Acknowledge answers the request of a key. An answer that is already in the
// shadow, and was given after the value was written, is not given again, unless it
// is of a document that was deleted since. A key without a request is not answered.
func (r *Replica) Acknowledge(key string, code shadow.Code, reason string) {
	q, requested := r.requests[key]
	if !requested {
		return
	}
	ack := shadow.Ack{Code: code, Version: q.Version, Reason: shadow.CutReason(reason)}
	if code == shadow.Conflict {
		ack.Value = shadow.Scalar(q.Value)
	}
	if have, ok := r.haveAck[key]; ok && q.answeredBy(have, r.owner.IsCommand(key)) && ack == (shadow.Ack{Code: have.Code, Version: q.Version, Reason: have.Reason, Value: have.Value}) {
		ack.Version = have.Version
	}
	if old, ok := r.wantAck[key]; (!ok || old.Code != code || old.Reason != ack.Reason) && code >= shadow.Refused {
		r.log.Warn("desired value not applied", "shadow", r.id, "property", key, "value", q.Value, "code", int(code), "reason", reason)
	}
	r.wantAck[key] = ack
	r.touch()
}

// Conclude answers a command and clears its desired value. The answer stays. A key
// without a request is left alone.
func (r *Replica) Conclude(key string, code shadow.Code, reason string) {
	q, requested := r.requests[key]
	if !requested {
		return
	}
	q.over = true
	r.requests[key] = q
	r.Acknowledge(key, code, reason)
	r.clears[key] = true
	r.touch()
}

// Acknowledged is the answer to the request of a key.
func (r *Replica) Acknowledged(key string) (shadow.Ack, bool) {
	ack, ok := r.wantAck[key]
	return ack, ok
}

// KeepDone leaves a "done" that is in the shadow, if it was given after the request
// of the key was written. It reports whether there is one.
func (r *Replica) KeepDone(key string) bool {
	have, answered := r.haveAck[key]
	if !answered || have.Code != shadow.Done || !r.requests[key].after(have.Code) {
		return false
	}
	r.wantAck[key] = have
	r.touch()
	return true
}

// Propose writes a value as desired, in the place of the request of a key. It gives
// way to a value that somebody else writes meanwhile.
func (r *Replica) Propose(key string, value any) {
	r.forget(key)
	r.proposals[key] = value
	r.touch()
}

// Sent is the value that was proposed for a key and is not known to be stored, but may
// be; nil is none.
func (r *Replica) Sent(key string) any { return r.sent[key].value }

// Disown forgets the request of a key and all that was to be written because of it:
// the property behind the key is gone, or is another one. A value that was reported
// under it is deleted unless it is reported anew.
func (r *Replica) Disown(key string) {
	r.forget(key)
	delete(r.clears, key)
	delete(r.proposals, key)
	delete(r.repeats, key)
	r.want[key] = nil // also a value that only an earlier run reported
	r.touch()
}

// Withdraw has keys deleted that an earlier run may have reported. A document that was
// read without regard to them is read again.
func (r *Replica) Withdraw(keys []string) {
	for _, key := range keys {
		if _, known := r.want[key]; !known && r.phase == synced {
			r.resync(time.Time{}, 0)
		}
		r.want[key] = nil
	}
	r.touch()
}

// retire deletes all that was reported, and tells nobody of requests any more.
func (r *Replica) retire() {
	r.owner = nil
	for key := range r.want {
		r.want[key] = nil
	}
	clear(r.requests)
	clear(r.wantAck)
	clear(r.clears)
	clear(r.proposals)
	clear(r.repeats)
	r.touch()
}

func (r *Replica) retired() bool {
	return r.owner == nil && r.phase == synced && r.flight == nil && (r.create || r.difference().empty())
}

// Unfinished are the keys, in no order, that are to be deleted and not known to be gone.
func (r *Replica) Unfinished() []string {
	var keys []string
	for key, value := range r.want {
		_, there := r.have[key]
		if value == nil && (there || r.phase != synced) {
			keys = append(keys, key)
		}
	}
	return keys
}
