package engine

import (
	"maps"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
)

// difference is the reported section of the update that would bring the shadow
// up to date, empty when it is.
func (s *shadowState) difference() map[string]any {
	reported := map[string]any{}
	maps.Copy(reported, s.changedValues())
	acks := map[string]any{}
	for key, ack := range s.changedAcks() {
		acks[key] = ackPatch(ack, s.haveAck[key])
	}
	switch {
	case len(acks) == 0:
	case len(s.shownAcks()) == 0:
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
		if have, ok := s.have[key]; !ok || !shadow.Equal(have, value) {
			changed[key] = value
		}
	}
	return changed
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
	return patch
}
