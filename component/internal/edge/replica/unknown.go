package replica

import (
	"fmt"
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Bounds of the answers to desired keys without a property. Thousands of them fit into a
// shadow, their answers do not.
const (
	// maxUnknown limits the keys with an answer of their own. [shadow.RestKey] counts the
	// others.
	maxUnknown = 16
	// maxUnknownKey is the longest key in bytes with an answer of its own, as long as
	// that of a property.
	maxUnknownKey = 64
	// maxExamples limits the keys in a log message.
	maxExamples = 5
	// maxWithdrawn limits the remembered versions of withdrawn requests.
	maxWithdrawn = 1024
)

// unknownKeys are the desired keys of a shadow without a property.
type unknownKeys struct {
	all   map[string]bool
	named map[string]bool // those with an answer of their own
	fresh []string        // those found since the last message in the log
}

func newUnknownKeys() unknownKeys {
	return unknownKeys{map[string]bool{}, map[string]bool{}, nil}
}

// add notes a key, and reports whether it gets an answer of its own.
func (u *unknownKeys) add(key string) bool {
	if !u.all[key] {
		u.all[key] = true
		u.fresh = append(u.fresh, key)
	}
	if !u.named[key] && (len(u.named) >= maxUnknown || len(key) > maxUnknownKey || key == shadow.RestKey) {
		return false
	}
	u.named[key] = true
	return true
}

func (u *unknownKeys) remove(key string) {
	delete(u.all, key)
	delete(u.named, key)
}

// answerUnknown completes the answers to unknown keys at the end of a document or a
// message with that version: keys take free places, the rest is counted in one answer, and
// new keys are logged once.
func (r *Replica) answerUnknown(version int64) {
	u := &r.unknown
	if free := maxUnknown - len(u.named); free > 0 && len(u.all) > len(u.named) {
		for _, key := range slices.Sorted(maps.Keys(u.all)) {
			if !u.named[key] && u.add(key) {
				r.Acknowledge(key, shadow.NoProperty, noProperty)
			}
		}
	}
	if rest := len(u.all) - len(u.named); rest == 0 {
		delete(r.wantAck, shadow.RestKey)
	} else if reason := fmt.Sprintf("%d more desired keys have no property", rest); r.wantAck[shadow.RestKey].Reason != reason {
		ack := shadow.Ack{Code: shadow.NoProperty, Version: max(version, 0), Reason: reason}
		if have := r.haveAck[shadow.RestKey]; have.Code == ack.Code && have.Reason == reason {
			ack = have // of an earlier run
		}
		r.wantAck[shadow.RestKey] = ack
	}
	if len(u.fresh) > 0 {
		examples := u.fresh[:min(len(u.fresh), maxExamples)]
		for i, key := range examples {
			examples[i] = shadow.CutReason(key)
		}
		r.log.Warn("desired keys have no property", "shadow", r.id, "count", len(u.fresh), "keys", examples)
		u.fresh = nil
	}
	if len(r.withdrawn) > maxWithdrawn {
		maps.DeleteFunc(r.withdrawn, func(key string, _ int64) bool { return !r.owner.Owns(key) })
	}
	r.touch()
}

// noProperty is the reason of an answer to an unknown key.
const noProperty = "no such property"
