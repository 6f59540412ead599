package config

import (
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Values translates between the state of a line and its value in a shadow. The
// zero Values are plain true and false.
type Values struct {
	on, off string // both "" for plain booleans
}

// Words makes Values of two words, which must be different and not empty.
func Words(on, off string) Values { return Values{on: on, off: off} }

// Value is how the shadow shows a line that is on (active), or off.
func (v Values) Value(on bool) any {
	switch {
	case v == Values{}:
		return on
	case on:
		return v.on
	}
	return v.off
}

// Line returns the line state that a shadow value stands for. The error says
// what would have been accepted and what was found, fit to be shown in an ack.
func (v Values) Line(value any) (on bool, err error) {
	if b, ok := value.(bool); ok && v == (Values{}) {
		return b, nil
	}
	if s, ok := value.(string); ok && v != (Values{}) {
		switch s {
		case v.on:
			return true, nil
		case v.off:
			return false, nil
		}
	}
	return false, shadow.RefusalOfWord("", "", " or ", v.words(), value)
}

// words are both values as the shadow shows them.
func (v Values) words() []string {
	if v == (Values{}) {
		return []string{"true", "false"}
	}
	words := []string{show(v.on), show(v.off)}
	slices.Sort(words)
	return words
}

func (v Values) String() string { return strings.Join(v.words(), " or ") }
