package agent

import (
	"testing"
	"time"
)

func TestSinceBootGoesOn(t *testing.T) {
	if a, b := sinceBoot(), sinceBoot(); a < 0 || b < a {
		t.Errorf("%v, then %v", a, b)
	}
}

func TestSetForward(t *testing.T) {
	for _, c := range []struct {
		name          string
		wall, elapsed time.Duration
		want          bool
	}{
		{"in step", 10 * time.Second, 10 * time.Second, false},
		{"a leap of a time server", 13 * time.Second, 10 * time.Second, false},
		{"from 1970", 56 * 365 * 24 * time.Hour, 10 * time.Second, true},
		{"back", -time.Hour, 10 * time.Second, false},
		{"the machine was asleep", 2 * time.Hour, 2 * time.Hour, false},
	} {
		if got := setForward(c.wall, c.elapsed); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
