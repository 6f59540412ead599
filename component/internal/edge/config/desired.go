package config

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Lines are the labels of the lines of a property, sorted; nil for what has none.
func (p Property) Lines() []string {
	switch {
	case p.Kind.hasLine():
		return []string{p.Line}
	case p.Kind != Pattern:
		return nil
	}
	for _, states := range p.Patterns {
		return slices.Sorted(maps.Keys(states)) // all words name the same lines
	}
	return nil
}

// ParseDuty reads a desired value of a PWM property, in percent.
func (p Property) ParseDuty(value any) (percent float64, err error) {
	if v, ok := numeric(value); ok && v >= 0 && v <= 100 {
		return v, nil
	}
	return 0, shadow.Refusal("", "a number from 0 to 100", value)
}

// ParsePattern reads a desired value of a Pattern property.
func (p Property) ParsePattern(value any) (word string, err error) {
	if word, ok := value.(string); ok {
		if _, known := p.Patterns[word]; known {
			return word, nil
		}
	}
	var words []string
	for _, word := range slices.Sorted(maps.Keys(p.Patterns)) {
		words = append(words, show(word))
	}
	return "", shadow.RefusalOfWord("", "one of ", ", ", words, value)
}

// maxCount is the largest number of edges that a shadow shows exactly.
const maxCount = 1 << 53

// ParseCount reads a desired value of a Count property: what is counted, in its
// scale. It returns the edges that are nearest to it.
func (p Property) ParseCount(value any) (edges int64, err error) {
	if v, ok := numeric(value); ok {
		if n := math.Round(v / p.Scale); v >= 0 && n <= maxCount {
			return int64(n), nil
		}
	}
	return 0, shadow.Refusal("", "a number from 0 to "+decimal(maxCount*p.Scale), value)
}

// CountValue is how the shadow shows a number of edges: whole numbers stay whole,
// others have 15 digits, so that 3 times 0.1 is 0.3.
func (p Property) CountValue(edges int64) any {
	v := float64(edges) * p.Scale
	if v == math.Trunc(v) && math.Abs(v) <= maxCount {
		return int64(v)
	}
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 15, 64), 64)
	return v
}

// decimal shows a number in few characters.
func decimal(v float64) string {
	plain := strconv.FormatFloat(v, 'f', -1, 64)
	short := strings.Replace(strconv.FormatFloat(v, 'g', -1, 64), "e+", "e", 1)
	if len(plain) <= 9 || len(plain) <= len(short) {
		return plain
	}
	return short
}

func numeric(value any) (float64, bool) {
	switch v := value.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case float64:
		return v, !math.IsNaN(v)
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	}
	return 0, false
}
