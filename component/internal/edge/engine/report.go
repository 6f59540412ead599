package engine

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// report is what is to be written to a shadow.
type report struct {
	values  map[string]any        // reported, by property; nil is to be deleted
	acks    map[string]shadow.Ack // a zero ack is to be deleted
	desired map[string]any        // desired, by property; nil is to be deleted
}

// difference is what would bring the shadow up to date.
func (s *shadowState) difference() report {
	return report{s.changedValues(), s.changedAcks(), s.changedDesired()}
}

func (r report) empty() bool { return len(r.values)+len(r.acks)+len(r.desired) == 0 }

// reported is the reported section of the update that writes r.
func (s *shadowState) reported(r report) map[string]any {
	reported := maps.Clone(r.values)
	for key, value := range reported {
		reported[key] = patch(s.have[key], value)
	}
	acks := map[string]any{}
	for key, ack := range r.acks {
		acks[key] = ackPatch(ack, s.haveAck[key])
	}
	switch {
	case len(acks) == 0:
	case s.spoiled, len(s.shownAcks()) == 0:
		// An object emptied key by key stays behind as {}: delete it whole.
		reported[shadow.AckKey] = nil
	default:
		reported[shadow.AckKey] = acks
	}
	return reported
}

func (s *shadowState) changedValues() map[string]any {
	changed := map[string]any{}
	for key, value := range s.want {
		have, ok := s.have[key]
		switch {
		case holdsRemnant(have):
			changed[key] = nil // and then it is written anew
		case ok != (value != nil) || ok && (s.again[key] || !shadow.Equal(have, value)):
			changed[key] = value // a null only over what is there
		}
	}
	return changed
}

// changedDesired is what we change of what is desired: local changes that nothing
// is to pull back, and commands that are over.
func (s *shadowState) changedDesired() map[string]any {
	changed := map[string]any{}
	for key, value := range s.overruled {
		if have, ok := s.desired[key]; !ok || !shadow.Equal(have, value) {
			changed[key] = value
		}
	}
	for key := range s.clears {
		if _, ok := s.desired[key]; ok {
			changed[key] = nil
		}
	}
	return changed
}

// shown is what the shadows may report, by shadow: what is configured, and what is
// no longer and was not seen to be gone.
func (e *Engine) shown() map[string][]string {
	all := map[string][]string{}
	for _, s := range e.shadows {
		keys := slices.Collect(maps.Keys(s.props))
		if s.showsStatus {
			keys = append(keys, shadow.StatusKey)
		}
		for key := range s.want {
			_, there := s.have[key]
			if !s.reports(key) && (there || s.phase != synced) {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		all[s.id.String()] = keys
	}
	return all
}

// withdraw has deleted what the shadows may report and are not to any more.
func (e *Engine) withdraw(shown map[string][]string) {
	for _, s := range e.shadows {
		for _, key := range shown[s.id.String()] {
			if !s.reports(key) {
				s.want[key] = nil
			}
		}
	}
}

// reports reports whether the configuration has the shadow report that key.
func (s *shadowState) reports(key string) bool {
	return s.props[key] != nil || key == shadow.StatusKey && s.showsStatus
}

// shedding is what is left out of a report that would be too large: the least
// useful first, what lines are never.
type shedding uint8

const (
	shedNothing shedding = iota
	shedReasons          // the reasons of answers
	shedUnknown          // answers about properties that do not exist
	shedAnswers          // all answers
)

func (s shedding) String() string {
	return [...]string{"nothing", "the reasons of answers", "answers about unknown properties", "all answers"}[s]
}

// changedAcks are the answers to be written; a zero ack is to be deleted.
func (s *shadowState) changedAcks() map[string]shadow.Ack {
	changed := map[string]shadow.Ack{}
	shown := s.shownAcks()
	if s.spoiled {
		clear(shown) // they are written when all are gone
	}
	for key, ack := range shown {
		if ack != s.haveAck[key] {
			changed[key] = ack
		}
	}
	for key := range s.haveAck {
		if _, wanted := shown[key]; !wanted {
			changed[key] = shadow.Ack{}
		}
	}
	return changed
}

// shownAcks are the answers as they are written where room is short.
func (s *shadowState) shownAcks() map[string]shadow.Ack {
	shown := map[string]shadow.Ack{}
	for key, ack := range s.wantAck {
		if s.shed >= shedReasons {
			ack.Reason = ""
		}
		if s.shed < shedUnknown || s.shed < shedAnswers && ack.Code != shadow.NoProperty {
			shown[key] = ack
		}
	}
	return shown
}

// ackPatch is what turns the answer that the shadow has into the new one. Nulls
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

// holdsRemnant reports whether an object has a null or an empty object in it, at any
// depth. A shadow keeps one when a patch that deletes meets another document than it was
// made for, as when the shadow was deleted meanwhile. No patch deletes it again, but one
// that deletes the whole object.
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
