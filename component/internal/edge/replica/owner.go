package replica

import (
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Calls from an owner to its replica.

// Report sets the value to report under a key; nil deletes the key. Nulls and empty
// objects in a value are left out: a shadow does not keep them.
func (r *Replica) Report(key string, value any) {
	r.setWant(key, stripped(value))
}

// Repeat reports the value of a key again, although unchanged.
func (r *Replica) Repeat(key string) {
	r.repeats[key], r.unequal[key] = true, true
	r.touch()
}

func (r *Replica) setWant(key string, value any) {
	r.want[key], r.unequal[key] = value, true
	r.touch()
}

// Wanted returns the value to report under a key, nil for none.
func (r *Replica) Wanted(key string) any { return r.want[key] }

// Held returns the value in the shadow under a key, as far as known.
func (r *Replica) Held(key string) any { return r.have[key] }

// Known reports whether this run has read the document.
func (r *Replica) Known() bool { return r.read }

// InStep reports whether messages arrive and the document is known.
func (r *Replica) InStep() bool { return r.live && r.phase == synced }

// Requested returns the last request of a key, unless withdrawn since. A cleared
// command is not returned.
func (r *Replica) Requested(key string) (Request, bool) {
	q, ok := r.requests[key]
	return q.Request, ok
}

// Desired returns the desired value of a key, as far as known, nil for none, and when
// the value was written, in seconds since the epoch, 0 if unknown.
func (r *Replica) Desired(key string) (value any, at int64) {
	return r.desired[key], r.desiredAt[key]
}

// Acknowledge answers the request of a key. If the shadow already has this
// acknowledgement, written after the value, the replica does not write it again, except
// after a deletion of the document. A key without a request gets no answer. Of many keys
// with [shadow.NoProperty] only some get one; [shadow.RestKey] counts the others.
func (r *Replica) Acknowledge(key string, code shadow.Code, reason string) {
	q, requested := r.requests[key]
	if !requested {
		return
	}
	if code != shadow.NoProperty {
		r.unknown.remove(key)
	} else if !r.unknown.add(key) {
		delete(r.wantAck, key)
		r.touch()
		return
	}
	ack := shadow.Ack{Code: code, Version: q.Version, Reason: shadow.CutReason(reason)}
	if code == shadow.Conflict {
		ack.Value = shadow.Scalar(q.Value)
	}
	if r.owner.IsCommand(key) {
		ack.ID = shadow.RequestID(q.Value)
	}
	underway := r.wantAck[key].Code == shadow.InProgress && r.wantAck[key].Version == q.Version // this run carries it out
	if have, ok := r.haveAck[key]; ok && !underway && q.answeredBy(have, r.owner.IsCommand(key)) && ack == (shadow.Ack{Code: have.Code, Version: q.Version, Reason: have.Reason, Value: have.Value, ID: have.ID}) {
		ack.Version = have.Version
	}
	if old, ok := r.wantAck[key]; (!ok || old.Code != code || old.Reason != ack.Reason) && code >= shadow.Refused && code != shadow.NoProperty {
		r.log.Warn("desired value not applied", "shadow", r.id, "property", key, "value", shadow.CutReason(fmt.Sprint(q.Value)), "code", int(code), "reason", reason)
	}
	r.wantAck[key] = ack
	delete(r.withdrawn, key)
	r.touch()
}

// Conclude acknowledges a command and clears its desired value. The acknowledgement
// stays. Without a request for the key, Conclude does nothing.
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

// Acknowledged returns the acknowledgement of the request of a key.
func (r *Replica) Acknowledged(key string) (shadow.Ack, bool) {
	ack, ok := r.wantAck[key]
	return ack, ok
}

// KeepDone keeps a "done" in the shadow written after the request of the key. It
// reports whether there is such a "done".
func (r *Replica) KeepDone(key string) bool {
	have, answered := r.haveAck[key]
	if !answered || have.Code != shadow.Done || !r.requests[key].ackIsNewer(have.Code) {
		return false
	}
	r.wantAck[key] = have
	r.touch()
	return true
}

// Propose writes a value as desired, in place of the request of a key. A value written
// meanwhile by somebody else wins.
func (r *Replica) Propose(key string, value any) {
	r.forget(key)
	r.proposals[key] = value
	r.touch()
}

// Retract takes back a proposal without effect on the device. The document is read
// again for the request that the proposal replaced.
func (r *Replica) Retract(now time.Time, key string) {
	if _, proposed := r.proposals[key]; proposed {
		delete(r.proposals, key)
		r.resync(now, 0)
	}
}

// Unclear reports whether a full synchronization may bring back the cleared value of a
// key.
func (r *Replica) Unclear(key string) bool { return r.assure.unclear[key] }

// Sent returns the proposed value of a key not known to be stored, nil for none.
func (r *Replica) Sent(key string) any { return r.sent[key].value }

// Disown forgets the request of a key and all pending writes for it: the property of
// the key has been removed or replaced. The reported value is deleted unless the owner
// reports a new value.
func (r *Replica) Disown(key string) {
	r.forget(key)
	delete(r.clears, key)
	delete(r.proposals, key)
	delete(r.repeats, key)
	r.setWant(key, nil) // even a value only reported by an earlier run
}

// Withdraw deletes keys possibly reported by an earlier run. A document read without
// regard to these keys is read again.
func (r *Replica) Withdraw(keys []string) {
	for _, key := range keys {
		if _, known := r.want[key]; !known && r.phase == synced {
			r.resync(time.Time{}, 0)
		}
		r.setWant(key, nil)
	}
}

// retire deletes all reported values and detaches the owner.
func (r *Replica) retire() {
	r.owner = nil
	for key := range r.want {
		r.setWant(key, nil)
	}
	clear(r.requests)
	clear(r.wantAck)
	r.unknown = newUnknownKeys()
	clear(r.clears)
	clear(r.proposals)
	clear(r.repeats)
	r.assure = assurance{number: r.assure.number}
	r.touch()
}

func (r *Replica) retired() bool {
	return r.owner == nil && r.phase == synced && r.flight == nil && (r.create || r.difference().empty())
}

// Unfinished returns, unsorted, the keys to delete and not known to be gone.
func (r *Replica) Unfinished() []string {
	var keys []string
	for key, value := range r.want {
		if value == nil && !r.IsReported(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// IsReported reports whether the shadow is known to have the value to report under a key,
// or to lack the key if there is none. An update in flight may still write another value.
func (r *Replica) IsReported(key string) bool {
	if r.flight != nil {
		if _, written := r.flight.values[key]; written {
			return false
		}
	}
	return r.phase == synced && shadow.Equal(r.have[key], r.want[key])
}
