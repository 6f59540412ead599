package config

import (
	"fmt"
	"slices"
	"strings"
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
	return false, fmt.Errorf("want %s, got %s", v, show(value))
}

func (v Values) String() string {
	if v == (Values{}) {
		return "true or false"
	}
	words := []string{fmt.Sprintf("%q", v.on), fmt.Sprintf("%q", v.off)}
	slices.Sort(words)
	return strings.Join(words, " or ")
}
