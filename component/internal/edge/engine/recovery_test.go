package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const meterOnly = "lines: {meter: {line: M, direction: input}}\nshadows: {main: {properties: {n: {line: meter, count: rising}}}}\n"

// A total taken from the shadow contains the edges that this run counted. A later run
// with only these edges in its memory adds them to the reported total again, so the sum is
// saved before it is reported.
func TestTotalFromTheShadowIsSavedFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, meterOnly, state.State{})
	r.step(Start{})
	r.edge("meter", true)
	r.pass(20 * time.Second)
	onDisk := r.lastSaved()
	if p := onDisk.Properties["gw//n#count"]; p.Read || p.Count == nil || *p.Count != 1 {
		t.Fatalf("saved %s, want an edge that is in no shadow yet", asJSON(t, onDisk.Properties))
	}
	r.hold = true
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,"state":{"reported":{"n":500}}}`)
	r.edge("meter", true)
	r.pass(5 * time.Second)
	r.reportsNothing()

	// A kill now loses the second edge, and the shadow still has the total without both.
	next := newRig(t, meterOnly, onDisk)
	next.step(Start{})
	next.step(shadowLive{"main"})
	next.fetched("main", `{"version":9,"state":{"reported":{"n":500}}}`)
	next.pass(2 * time.Second)
	if got := next.shadows["main"].replica.Wanted("n"); !shadow.Equal(got, int64(501)) {
		t.Errorf("the next run counts %v, want 501", got)
	}

	saved := r.saves[len(r.saves)-1]
	if p := saved.State.Properties["gw//n#count"]; !p.Read || *p.Count != 501 {
		t.Errorf("saved %s, want the sum", asJSON(t, saved.State.Properties))
	}
	r.step(Saved{Seq: saved.Seq})
	r.reports("main", `{"n":502}`, 10)
}

// The same goes for a shadow that reports no total yet.
func TestFirstTotalIsSavedFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, meterOnly, state.State{})
	r.step(Start{})
	r.edge("meter", true)
	r.pass(20 * time.Second)
	r.hold = true
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,"state":{}}`)
	r.pass(time.Second)
	r.reportsNothing()
	r.step(Saved{Seq: r.saves[len(r.saves)-1].Seq})
	r.reports("main", `{"n":1}`, 10)
}

// If no disk holds the edges of this run, nobody can add them again, and the total is
// reported although it cannot be saved.
func TestTotalFromTheShadowWithoutADisk(t *testing.T) {
	t.Parallel()
	r := newRig(t, meterOnly, state.State{})
	r.noDisk = errors.New("read-only file system")
	r.step(Start{})
	r.edge("meter", true)
	r.pass(time.Minute)
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,"state":{"reported":{"n":500}}}`)
	r.pass(time.Minute)
	if got := r.reportedNow("main")["n"]; !shadow.Equal(got, int64(500)) {
		t.Fatalf("the shadow has %v before the report", got)
	}
	r.reports("main", `{"n":501}`, 10)
}

// A change of the configuration leaves a total waiting for the disk as it is.
func TestTotalFromTheShadowOutlivesAChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, meterOnly, state.State{})
	r.step(Start{})
	r.edge("meter", true)
	r.pass(20 * time.Second)
	r.hold = true
	r.step(shadowLive{"main"})
	r.fetched("main", `{"version":9,"state":{"reported":{"n":500}}}`)
	r.configure(meterOnly + "logLevel: debug\n")
	r.pass(time.Second)
	r.reportsNothing()
	r.hold = false
	r.step(Saved{Seq: r.saves[len(r.saves)-1].Seq})
	r.reports("main", `{"n":501}`, 10)
}
