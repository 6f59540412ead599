package engine

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// pattern is a group of outputs, set together to the levels of a word.
type pattern struct {
	output
	words []string // sorted
}

func newPattern(p *property) kind {
	t := &pattern{newOutput(p), slices.Sorted(maps.Keys(p.Patterns))}
	t.impl = t
	return t
}

func (t *pattern) adopt(old kind) { t.adoptOutput(outputOf(old)) }
func (t *pattern) drop()          { t.dropLocal() }

func (t *pattern) demandOf(value any) (lines.Demand, error) {
	word, err := t.ParsePattern(value)
	if err != nil {
		return lines.Demand{}, err
	}
	return lines.Pattern(t.levels(word)), nil
}

func (t *pattern) levels(word string) []bool {
	var levels []bool
	for _, line := range t.Lines() {
		levels = append(levels, t.Patterns[word][line])
	}
	return levels
}

func (t *pattern) shownValue(s lines.Status) (any, bool) {
	for _, word := range t.words {
		if s.Known && slices.Equal(t.levels(word), s.Levels) {
			return word, true
		}
	}
	return nil, false
}

// switchDemand is never called: no local change may drive the lines of a pattern.
func (t *pattern) switchDemand(bool) (lines.Demand, any) { return lines.Demand{}, nil }
