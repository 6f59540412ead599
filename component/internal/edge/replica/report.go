package replica

import (
	"maps"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// report is what is to be written to a shadow.
type report struct {
	values  map[string]any        // reported, by key; nil is to be deleted
	acks    map[string]shadow.Ack // a zero ack is to be deleted
	desired map[string]any        // desired, by key; nil is to be deleted
}

// difference is what would bring the shadow up to date.
func (r *Replica) difference() report {
	return report{r.changedValues(), r.changedAcks(), r.changedDesired()}
}

func (d report) empty() bool { return len(d.values)+len(d.acks)+len(d.desired) == 0 }

// reported is the reported section of the update that writes d.
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
	for key, value := range r.want {
		have, ok := r.have[key]
		switch {
		case holdsRemnant(have):
			changed[key] = nil // and then it is written anew
		case ok != (value != nil) || ok && (r.repeats[key] || !shadow.Equal(have, value)):
			changed[key] = value // a null only over what is there
		}
	}
	return changed
}

// changedDesired is what the device changes in the desired section: local changes,
// so that nothing reverts them, and commands that are over.
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
	return changed
}

// shedding is what is left out of a report that would be too large: the least
// useful first, the values of lines never.
type shedding uint8

const (
	shedNothing shedding = iota
	shedReasons          // the reasons of acknowledgements
	shedUnknown          // acknowledgements of properties that do not exist
	shedAnswers          // all acknowledgements
)

func (s shedding) String() string {
	return [...]string{"nothing", "the reasons of answers", "answers about unknown properties", "all answers"}[s]
}

// changedAcks are the acknowledgements to be written; a zero ack is to be deleted.
func (r *Replica) changedAcks() map[string]shadow.Ack {
	changed := map[string]shadow.Ack{}
	shown := r.shownAcks()
	if r.spoiled {
		clear(shown) // they are written when all are gone
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

// shownAcks are the acknowledgements as they are written where room is short.
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

// ackPatch is what turns the acknowledgement in the shadow into the new one. Nulls
// are only written over what is there: where nothing is, they would be stored.
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
	return patch
}

// patch is what turns the value in a shadow into another: of objects only the
// members that differ, those that are gone as null. An object that would be
// emptied is deleted as a whole, since the empty one would stay.
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

// holdsRemnant reports whether an object has a null or an empty object in it, at any
// depth. A shadow keeps one when a patch that deletes meets another document than it
// was made for, as when the shadow was deleted meanwhile. Only a patch that deletes
// the whole object deletes it again.
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
