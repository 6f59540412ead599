package config

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// settledSize is the size in bytes that the shadow service counts when every
// property is desired, reported and answered: compact JSON of the desired and the
// reported section. Reasons of refusals are not in it; they are shed when a
// document comes near the limit.
func settledSize(s Shadow) int {
	desired, reported := settled(s)
	return size(desired) + size(reported)
}

// MessageSize is about the size in bytes of the largest message about the shadow that
// AWS IoT sends to those who do not ask for update/documents: the whole document with
// a delta of all that can be desired, each value with the time when it was sent.
func (s Shadow) MessageSize() int {
	desired, reported := settled(s)
	state := map[string]any{"desired": desired, "reported": reported, "delta": desired}
	return size(map[string]any{
		"state": state, "metadata": stamped(state), "version": math.MaxInt32, "timestamp": stamp,
		"clientToken": strings.Repeat("x", 64),
	})
}

// stamp is a time as metadata has it.
const stamp = 1_700_000_000

// stamped is the metadata of a value.
func stamped(value any) any {
	text, err := json.Marshal(value)
	var tree any
	if err != nil || json.Unmarshal(text, &tree) != nil {
		return nil // no such value can be configured
	}
	members, ok := tree.(map[string]any)
	if !ok {
		return map[string]any{"timestamp": stamp}
	}
	for key, member := range members {
		members[key] = stamped(member)
	}
	return members
}

// settled are the sections of a shadow of which every property is desired, reported
// and answered.
func settled(s Shadow) (desired, reported map[string]any) {
	acks := map[string]any{}
	desired, reported = map[string]any{}, map[string]any{}
	for key, p := range s.Properties {
		reported[key] = p.largest()
		if p.Output || slices.Contains([]Kind{Count, Setting, Flag, Schedule}, p.Kind) {
			desired[key] = reported[key]
		}
		if p.Kind == Schedule {
			desired[key] = strings.Repeat("x", p.MaxSize)
		}
		if desired[key] != nil {
			acks[key] = shadow.Ack{Code: 200, Version: math.MaxInt32}
		}
	}
	if s.Status {
		reported[shadow.StatusKey] = map[string]any{"running": false, "since": "2006-01-02T15:04:05Z", "version": "10.10.10"}
	}
	if len(acks) > 0 {
		reported[shadow.AckKey] = acks
		desired[shadow.SyncKey] = map[string]any{"kept": true}
		reported[shadow.SyncKey] = map[string]any{"kept": true, "sent": math.MaxInt32}
	}
	return desired, reported
}

// scheduleNotes is how many bytes a reported schedule has of its own: the next run,
// the last one, and what it waits for. What became of entries for one moment comes
// to at most three quarters of the schedule.
const scheduleNotes = 256

// largest is a value of the property that takes most room.
func (p Property) largest() any {
	switch p.Kind {
	case PWM, Count, Rate, Period, Duty, LastPulse, Reading:
		return math.Pi * 1e14 // 16 digits and the point
	case Changed:
		return "2006-01-02T15:04:05.000Z"
	case Setting:
		return p.Domain.largest()
	case Flag:
		return false
	case Schedule:
		return strings.Repeat("x", p.MaxSize+p.MaxSize*3/4+scheduleNotes)
	case Pattern:
		return slices.MaxFunc(append(slices.Collect(maps.Keys(p.Patterns)), ""), func(a, b string) int { return cmp.Compare(size(a), size(b)) })
	}
	if on, off := p.Values.Value(true), p.Values.Value(false); size(on) > size(off) {
		return on
	}
	return p.Values.Value(false)
}

func size(v any) int {
	text, err := json.Marshal(v)
	if err != nil {
		return math.MaxInt32 // no such value can be configured
	}
	return len(text)
}
