package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Nothing is polled: a shadow in which nothing happens is left alone.
func TestQuietShadowIsLeftAlone(t *testing.T) {
	r := settled(t)
	fetched, updated := len(r.fetches), len(r.updates)
	r.pass(24 * time.Hour)
	if n, m := len(r.fetches)-fetched, len(r.updates)-updated; n > 0 || m > 0 {
		t.Errorf("%d reads and %d updates in a quiet day, want none", n, m)
	}
}

// An own report comes back as a message, with a delta that may still be open.
func TestNoUpdateFollowsFromAnOwnReport(t *testing.T) {
	r := settled(t)
	r.accepted("main", 4, `{"lights":"blue"}`, `{}`)
	fetched := len(r.fetches)
	r.reports("main", `{"ack":{"lights":{"code":400,"reason":"want \"off\" or \"on\", got \"blue\"","version":4}}}`, 5)
	r.pass(time.Minute)
	r.reportsNothing()
	if n := len(r.fetches) - fetched; n > 0 {
		t.Errorf("the echo of the own report led to %d reads", n)
	}
}

// A line that failed is tried again by the clock, however often its value is told.
func TestRetriesOfALineFollowTheClock(t *testing.T) {
	r := newRig(t, testConfig, state.State{})
	r.broken["lamp"] = errors.New("busy")
	r.step(Start{})
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":3,"state":{"desired":{"lights":"on"},"reported":{"lights":"off","locked":false}}}`)
	asked := len(r.asked)
	for version := int64(4); version < 54; version++ {
		r.accepted("main", version, `{"other":1}`, `{}`)
	}
	if n := len(r.asked) - asked; n > 0 {
		t.Errorf("50 messages within no time led to %d attempts at the line, want none", n)
	}
	// A value that is desired anew is tried, too, when its time has come.
	r.accepted("main", 54, `{"lights":"on"}`, fmt.Sprintf(`{"lights":{"timestamp":%d}}`, r.now.Unix()))
	r.pass(time.Minute)
	if len(r.asked) == asked {
		t.Error("the line was not tried again within a minute")
	}
}

// Nulls that were stored, since a patch met a shadow that had been deleted, are
// deleted with the object that holds them.
func TestStoredNullsAreCleared(t *testing.T) {
	r := newRig(t, testConfig+"    status: true\n", state.State{})
	r.step(Start{})
	r.step(shadowLive{"plant"})
	r.fetched("plant", `{"version":9,"state":{"desired":{"pump":false},"reported":{"pump":null,"gone":null,
		"ack":{"pump":{"code":200,"version":7,"reason":null}},"status":{"running":true,"faults":null}}}}`)
	r.reports("plant", `{"ack":null,"pump":false,"status":null}`, 10)
	r.pass(time.Second)
	r.reports("plant", `{"ack":{"pump":{"code":200,"version":9}},"status":{"running":true,"since":"2023-11-14T22:13:20Z","version":"1.0.0"}}`, 11)
	r.pass(time.Minute)
	r.reportsNothing()
}
