package engine

import (
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
)

// difference is the reported section of the update that would bring the shadow
// up to date, empty when it is.
func (s *shadowState) difference() map[string]any {
	reported := map[string]any{}
	for key, value := range s.changedValues() {
		reported[key] = value
	}
	acks := map[string]any{}
	for key, ack := range s.changedAcks() {
		acks[key] = ackPatch(ack, s.haveAck[key])
	}
	switch {
	case len(acks) == 0:
	case s.dropsAllAcks():
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

// changedAcks are the answers to be written; a zero ack is to be deleted.
func (s *shadowState) changedAcks() map[string]shadow.Ack {
	changed := map[string]shadow.Ack{}
	for key := range s.wantAck {
		if ack := s.shown(key); ack != s.haveAck[key] {
			changed[key] = ack
		}
	}
	for key := range s.haveAck {
		if _, wanted := s.wantAck[key]; !wanted {
			changed[key] = shadow.Ack{}
		}
	}
	return changed
}

// shown is the answer as it is written, without its reason where room is short.
func (s *shadowState) shown(key string) shadow.Ack {
	ack := s.wantAck[key]
	if s.terse {
		ack.Reason = ""
	}
	return ack
}

func (s *shadowState) dropsAllAcks() bool { return len(s.wantAck) == 0 }

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
