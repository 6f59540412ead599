package replica

import (
	"maps"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// report is the content of an update.
type report struct {
	values  map[string]any        // reported, by key; nil deletes the key
	acks    map[string]shadow.Ack // a zero ack deletes the key
	desired map[string]any        // desired, by key; nil deletes the key
}

// difference returns the changes still missing in the shadow.
func (r *Replica) difference() report {
	return report{r.changedValues(), r.changedAcks(), r.changedDesired()}
}

func (d report) empty() bool { return len(d.values)+len(d.acks)+len(d.desired) == 0 }

// reported returns the reported section of the update for d.
func (r *Replica) reported(d report) map[string]any {
	reported := maps.Clone(d.values)
	for key, value := range reported {
		changed := patch(r.have[key], value)
		if withdrawn(changed) {
			changed = value // an unchanged object that is repeated: an empty patch would delete it
		}
		reported[key] = changed
	}
	acks := map[string]any{}
	for key, ack := range d.acks {
		acks[key] = ackPatch(ack, r.haveAck[key])
	}
	switch {
	case len(acks) == 0:
	case r.spoiled, len(r.shownAcks()) == 0:
		// An object emptied key by key stays behind as {}: delete it whole.
		reported[shadow.AckKey] = nil
	default:
		reported[shadow.AckKey] = acks
	}
	return reported
}

func (r *Replica) changedValues() map[string]any {
	changed := map[string]any{}
	for key := range r.unequal {
		value := r.want[key]
		have, ok := r.have[key]
		switch {
		case holdsRemnant(have):
			changed[key] = nil // the next update writes the key anew
		case ok != (value != nil) || ok && (r.repeats[key] || !shadow.Equal(have, value)):
			changed[key] = value // a null only where there is a value
		default:
			delete(r.unequal, key)
		}
	}
	return changed
}

// changedDesired returns the device's changes of the desired section: local changes, so
// that nothing reverts them, and ended commands.
func (r *Replica) changedDesired() map[string]any {
	changed := map[string]any{}
	for key, value := range r.proposals {
		if have, ok := r.desired[key]; !ok || !shadow.Equal(have, value) {
			changed[key] = value
		}
	}
	for key := range r.clears {
		if _, ok := r.desired[key]; ok {
			changed[key] = nil
		}
	}
	_, marked := r.desired[shadow.SyncKey]
	switch {
	case r.direct:
	case r.owner == nil && marked:
		changed[shadow.SyncKey] = nil
	case r.owner != nil && !marked && len(changed) > 0 && r.empties(changed):
		changed[shadow.SyncKey] = mark
	}
	return changed
}

// empties reports whether a change of the desired section leaves nothing of it.
func (r *Replica) empties(changed map[string]any) bool {
	for _, value := range changed {
		if value != nil {
			return false
		}
	}
	return len(changed) >= len(r.desired)
}

// shedding selects the parts left out of a report near the size limit: the least useful
// first, the values of lines never.
type shedding uint8

const (
	shedNothing shedding = iota
	shedReasons          // the reasons of acknowledgements
	shedUnknown          // acknowledgements of properties without a configuration
	shedAnswers          // all acknowledgements
)

func (s shedding) String() string {
	return [...]string{"nothing", "the reasons of answers", "answers about unknown properties", "all answers"}[s]
}

// changedAcks returns the acknowledgements to write; a zero ack deletes its key.
func (r *Replica) changedAcks() map[string]shadow.Ack {
	changed := map[string]shadow.Ack{}
	var shown map[string]shadow.Ack
	switch {
	case r.spoiled: // written again once all are gone
	case r.shed == shedNothing:
		shown = r.wantAck
	default:
		shown = r.shownAcks()
	}
	for key, ack := range shown {
		if ack != r.haveAck[key] {
			changed[key] = ack
		}
	}
	for key := range r.haveAck {
		if _, wanted := shown[key]; !wanted {
			changed[key] = shadow.Ack{}
		}
	}
	return changed
}

// shownAcks returns the acknowledgements reduced to the available room.
func (r *Replica) shownAcks() map[string]shadow.Ack {
	shown := map[string]shadow.Ack{}
	for key, ack := range r.wantAck {
		if r.shed >= shedReasons {
			ack.Reason = ""
		}
		if r.shed < shedUnknown || r.shed < shedAnswers && ack.Code != shadow.NoProperty {
			shown[key] = ack
		}
	}
	return shown
}

// ackPatch returns the patch from the acknowledgement in the shadow to the new one. It
// writes a null only over an existing member: otherwise the shadow would store the
// null.
func ackPatch(ack, have shadow.Ack) any {
	if ack == (shadow.Ack{}) {
		return nil
	}
	patch := map[string]any{"code": ack.Code, "version": ack.Version}
	switch {
	case ack.Reason != "":
		patch["reason"] = ack.Reason
	case have.Reason != "":
		patch["reason"] = nil
	}
	switch {
	case ack.Value != nil:
		patch["value"] = ack.Value
	case have.Value != nil:
		patch["value"] = nil
	}
	switch {
	case ack.ID != "":
		patch["id"] = ack.ID
	case have.ID != "":
		patch["id"] = nil
	}
	return patch
}

// patch returns the patch from the value in a shadow to another value. For objects it
// has only the changed members, with null for removed members. If an object would
// become empty, the patch deletes all of it, because an empty object would stay.
func patch(have, want any) any {
	from, ok := have.(map[string]any)
	to, ok2 := want.(map[string]any)
	if !ok || !ok2 {
		return want
	}
	changed := map[string]any{}
	for key, value := range to {
		if old, had := from[key]; !had || !shadow.Equal(old, value) {
			changed[key] = patch(old, value)
		}
	}
	for key := range from {
		if _, stays := to[key]; !stays {
			changed[key] = nil
		}
	}
	return changed
}

// holdsRemnant reports whether an object contains a null or an empty object at any
// depth. A shadow keeps such a remnant if a deleting patch meets another document than
// expected, for example after the deletion of the shadow. Only deleting the whole
// object removes the remnant.
func holdsRemnant(value any) bool {
	members, _ := value.(map[string]any)
	for _, member := range members {
		inner, object := member.(map[string]any)
		if member == nil || object && len(inner) == 0 || holdsRemnant(member) {
			return true
		}
	}
	return false
}
