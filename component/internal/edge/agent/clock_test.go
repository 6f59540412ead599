package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
)

func TestSinceBootGoesOn(t *testing.T) {
	if a, b := sinceBoot(), sinceBoot(); a < 0 || b < a {
		t.Errorf("%v, then %v", a, b)
	}
}

// A look at the clock that fails, such as for too many open files, is no news.
func TestLookAtTheClockThatFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		defer r.end()
		known := engine.Clock{Synchronised: true, Kept: true, Boot: "b1"}
		looks := 0
		r.Clock = func() engine.Clock {
			if looks++; looks == 2 {
				return engine.Clock{Synchronised: true}
			}
			return known
		}
		go r.followClock()
		time.Sleep(5 * clockPause)
		synctest.Wait()
		if len(r.inputs) != 1 || looks < 3 {
			t.Fatalf("%d inputs after %d looks, want one", len(r.inputs), looks)
		}
		if got := <-r.inputs; got != known {
			t.Errorf("told %+v, want %+v", got, known)
		}
	})
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
