package config

import (
	"encoding/json"
	"math"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
)

// settledSize is the size in bytes that the shadow service counts when every
// property is desired, reported and answered: compact JSON of the desired and the
// reported section. Reasons of refusals are not in it; they are shed when a
// document comes near the limit.
func settledSize(s Shadow) int {
	desired, reported, acks := map[string]any{}, map[string]any{}, map[string]any{}
	for key, p := range s.Properties {
		value := p.Values.Value(false)
		if on := p.Values.Value(true); size(on) > size(value) {
			value = on
		}
		reported[key] = value
		if p.Output {
			desired[key] = value
			acks[key] = shadow.Ack{Code: 200, Version: math.MaxInt32}
		}
	}
	if len(acks) > 0 {
		reported[shadow.AckKey] = acks
	}
	return size(desired) + size(reported)
}

func size(v any) int {
	text, err := json.Marshal(v)
	if err != nil {
		return math.MaxInt32 // no such value can be configured
	}
	return len(text)
}
