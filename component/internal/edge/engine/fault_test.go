package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// shownFaults are the faults in the status that is wanted in the shadow.
func (r *rig) shownFaults() any {
	status, _ := r.shadows["main"].replica.Wanted(shadow.StatusKey).(map[string]any)
	return status["faults"]
}

const statusConfig = `
lines:
  state: {line: GPIO17, direction: output}
shadows:
  main: {status: true, properties: {lights: {line: state}}}
`

// While nothing is saved, the status says so, in a few words without paths.
func TestSavesThatFailShow(t *testing.T) {
	r := newRig(t, statusConfig, state.State{})
	r.step(Start{})
	if faults := r.shownFaults(); faults != nil {
		t.Errorf("before anything failed: %v", faults)
	}
	r.noDisk = &fs.PathError{Op: "open", Path: "/greengrass/v2/work/.state.json.new", Err: syscall.ENOSPC}
	r.core.now = r.now
	r.saveWithin(0)
	r.step(Tick{})
	want := map[string]any{"state": "not saved: no space left on device"}
	if got := r.shownFaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("reported are %v, want %v", got, want)
	}
	if got := r.Snapshot(r.now).Disk; got["state"] != want["state"] || len(got) != 1 {
		t.Errorf("the snapshot has %v", got)
	}
	before := r.Snapshot(r.now)
	r.noDisk = nil
	r.now = r.now.Add(2 * saveRetry)
	r.step(Tick{})
	if got := r.shownFaults(); got != nil {
		t.Errorf("still reported: %v", got)
	}
	if got := r.Snapshot(r.now).Disk; len(got) != 0 || before.Disk["state"] == "" {
		t.Errorf("the snapshot has %v, the one before %v", got, before.Disk)
	}
}

// While the state file is not read, that is the fault, and not each save that fails.
func TestStateThatIsNotReadShows(t *testing.T) {
	r := newRig(t, statusConfig, state.State{})
	r.step(Start{})
	r.step(DiskFault{What: "state", Err: errors.New("not read: input/output error")})
	r.noDisk = ErrNotRead
	r.core.now = r.now
	r.saveWithin(0)
	r.step(Tick{})
	if got := r.shownFaults(); len(r.saves) == 0 || !reflect.DeepEqual(got, map[string]any{"state": "not read: input/output error"}) {
		t.Errorf("after %d saves reported are %v", len(r.saves), got)
	}
}

// Faults of the work directory show beside those of lines, also when there are many,
// and give way to the refusal of a configuration.
func TestDiskFaultsShow(t *testing.T) {
	r := newRig(t, statusConfig, state.State{})
	r.broken = map[string]error{"state": errors.New("busy")}
	r.step(Start{})
	for i := range 2 * maxFaults {
		r.step(DiskFault{What: fmt.Sprint("part", i), Err: errors.New("broken")})
	}
	r.step(DiskFault{What: "configuration", Err: errors.New("not kept")})
	shown := func(name string) any { return r.shownFaults().(map[string]any)[name] }
	if got := shown("configuration"); got != "not kept" || shown("part15") != "broken" || shown("state") != "busy" {
		t.Errorf("reported are %v", r.shownFaults())
	}
	r.step(Refused{Reason: "a fault"})
	if got := shown("configuration"); got != "a fault" {
		t.Errorf("reported is %v", got)
	}
	for i := range 2 * maxFaults {
		r.step(DiskFault{What: fmt.Sprint("part", i)})
	}
	r.step(DiskFault{What: "never told"})
	if got := len(r.shownFaults().(map[string]any)); got != 2 {
		t.Errorf("reported are %v", r.shownFaults())
	}
}
