package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/deployed"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/ipc"
)

// diskRig is an agent without lines and shadows, in simulated time.
type diskRig struct {
	*agent
	t      *testing.T
	path   string // of the state file
	logged strings.Builder
}

func newDiskRig(t *testing.T, dir string) *diskRig {
	r := &diskRig{t: t, path: filepath.Join(dir, state.FileName)}
	r.agent = newAgent(t.Context(), Parts{State: state.In(dir), Dir: dir, Logger: slog.New(slog.NewTextHandler(&r.logged, nil))})
	return r
}

// start reads the state as run does, and returns how long that took.
func (r *diskRig) start() (state.State, time.Duration) {
	begun := time.Now()
	go readState(r.ctx, r.State, r.states)
	s := r.firstState(r.t.Context())
	return s, time.Since(begun)
}

// told is the next fault that the engine is told of.
func (r *diskRig) told() engine.DiskFault {
	r.t.Helper()
	synctest.Wait()
	select {
	case in := <-r.inputs:
		if fault, ok := in.(engine.DiskFault); ok {
			return fault
		}
		r.t.Fatalf("told %+v", in)
	default:
		r.t.Fatal("told nothing")
	}
	return engine.DiskFault{}
}

// breaks has the state file fail with an input/output error: page 0 of a process is
// not mapped.
func breaks(t *testing.T, path string) {
	t.Helper()
	os.Remove(path)
	if err := os.Symlink("/proc/self/mem", path); err != nil {
		t.Fatal(err)
	}
}

// counted is a state with a count, which count reads.
func counted(n int64) state.State {
	return state.State{Properties: map[string]state.Property{"gw//n#count": {Count: &n}}}
}

func count(s state.State) int64 {
	if n := s.Properties["gw//n#count"].Count; n != nil {
		return *n
	}
	return -1
}

// saves writes a state with a count, in place of whatever is there.
func saves(t *testing.T, path string, n int64) {
	t.Helper()
	text, err := state.Encode(counted(n))
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A failure that passes holds lines up until it has passed, and no longer.
func TestStateIsReadAgainBeforeLinesStart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		defer r.end()
		breaks(t, r.path)
		time.AfterFunc(2*time.Second, func() { saves(t, r.path, 7) })
		s, took := r.start()
		if count(s) != 7 || took > readPatience || took < 2*time.Second {
			t.Errorf("read %+v after %v", s, took)
		}
		if r.unread || r.logged.Len() > 0 || len(r.inputs) > 0 {
			t.Errorf("told of a failure that has passed: %s", r.logged.String())
		}
	})
}

// Lines wait for five seconds. Without the state nothing is saved, and the agent
// starts again when it can be read.
func TestLinesStartWithoutTheState(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		defer r.end()
		breaks(t, r.path)
		s, took := r.start()
		if s.Entries() != 0 || took != readPatience {
			t.Errorf("started with %+v after %v, want nothing after %v", s, took, readPatience)
		}
		if fault := r.told(); fault.What != "state" || !errors.Is(fault.Err, syscall.EIO) || fault.Err.Error() != "not read: input/output error" {
			t.Errorf("told %+v", fault)
		}
		r.work.Go(r.saver)
		r.saves <- engine.Save{Seq: 1, State: counted(1)}
		synctest.Wait()
		for len(r.inputs) > 0 {
			if saved, ok := (<-r.inputs).(engine.Saved); ok && !errors.Is(saved.Err, engine.ErrNotRead) {
				t.Errorf("saved: %+v", saved)
			}
		}
		select {
		case <-r.again:
			t.Error("it starts again without the state")
		default:
		}
		saves(t, r.path, 7)
		time.Sleep(longReread)
		synctest.Wait()
		select {
		case <-r.again:
		default:
			t.Error("it does not start again")
		}
		// Nothing is saved between then and the next start.
		r.saves <- engine.Save{Seq: 2, State: counted(1)}
		synctest.Wait()
		if s, _, err := state.In(dir).Load(); err != nil || count(s) != 7 {
			t.Errorf("the file has %+v, %v", s, err)
		}
	})
}

// What time does not mend is not waited for. A file that was moved away ends the
// fault, and the state is saved again.
func TestStateOfANewerVersionIsMovedAway(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		defer r.end()
		if err := os.WriteFile(r.path, []byte(`{"format":99}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, took := r.start(); took != 0 {
			t.Errorf("lines waited for %v", took)
		}
		if fault := r.told(); fault.Err == nil || !strings.Contains(fault.Err.Error(), "newer version") {
			t.Errorf("told %+v", fault)
		}
		r.work.Go(r.saver)
		os.Remove(r.path)
		time.Sleep(longReread)
		var last engine.DiskFault
		for synctest.Wait(); len(r.inputs) > 0; synctest.Wait() {
			last = r.told()
		}
		if last.What != "state" || last.Err != nil {
			t.Errorf("told %+v last", last)
		}
		r.saves <- engine.Save{Seq: 1, State: counted(1)}
		synctest.Wait()
		if s, _, err := state.In(dir).Load(); err != nil || count(s) != 1 {
			t.Errorf("the file has %+v, %v", s, err)
		}
	})
}

// A stop does not wait for a disk that fails.
func TestStopBeforeTheStateIsRead(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		defer r.end()
		breaks(t, r.path)
		begun := time.Now()
		go readState(r.ctx, r.State, r.states)
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		r.firstState(ctx)
		if took := time.Since(begun); took != time.Second || !r.unread {
			t.Errorf("it took %v, unread %v", took, r.unread)
		}
	})
}

// A journal that fails is a fault until it works again.
func TestJournalThatFailsIsAFault(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		path := filepath.Join(dir, "journal.jsonl")
		breaks(t, path)
		r.journal = journal.New(dir)
		r.work.Go(r.journalist)
		if fault := r.told(); fault.What != "journal" || fault.Err == nil || fault.Err.Error() != "not written: input/output error" {
			t.Errorf("told %+v", fault)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(r.inputs) > 0 {
			t.Errorf("told %+v again", <-r.inputs)
		}
		os.Remove(path)
		time.Sleep(time.Minute)
		if fault := r.told(); fault.What != "journal" || fault.Err != nil {
			t.Errorf("told %+v", fault)
		}
		r.end()
		r.work.Wait()
		r.journal.Close()
	})
}

// What hangs in a disk is a fault until it comes back, and the end of the fault is told
// after it.
func TestDiskThatHangsIsAFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		defer r.end()
		for _, late := range []time.Duration{0, time.Second, time.Minute} {
			if r.answersInTime("state", "not saved", func() { time.Sleep(diskPatience + late - 1) }) != (late == 0) {
				t.Errorf("%v after %v it is told otherwise", late, diskPatience)
			}
			if late == 0 {
				continue
			}
			if fault := r.told(); fault.What != "state" || fault.Err == nil || fault.Err.Error() != "not saved: the disk has not answered for 30s" {
				t.Errorf("told %+v", fault)
			}
		}
		if len(r.inputs) > 0 {
			t.Errorf("told %+v, too", <-r.inputs)
		}
	})
}

// Changes of outputs go to a journal that hangs without a wait. The fault ends with the
// hang, and what the files lack is one warning.
func TestJournalThatHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		r.journal = journal.New(dir)
		r.journalFault = errSilent.Error() // as after a hang
		const n = journal.Kept + 300
		for i := range n {
			r.record(lines.Moved{At: time.Now(), Line: "lamp", On: i%2 == 0})
		}
		if entries, _ := r.Journal(0); len(entries) != journal.Kept {
			t.Errorf("%d entries are shown, want %d", len(entries), journal.Kept)
		}
		r.work.Go(r.journalist)
		if fault := r.told(); fault.What != "journal" || fault.Err != nil {
			t.Errorf("told %+v", fault)
		}
		if got := strings.Count(r.logged.String(), "level=WARN"); got != 1 || !strings.Contains(r.logged.String(), "journal lacks changes; the disk did not keep up\" changes=300") {
			t.Errorf("logged %d warnings:\n%s", got, r.logged.String())
		}
		r.end()
		r.work.Wait()
	})
}

// A stop leaves what hangs behind.
func TestRestDoesNotWaitForADiskThatHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		answers := make(chan struct{})
		defer func() { close(answers); synctest.Wait() }()
		r.work.Go(func() { <-answers })
		begun := time.Now()
		r.end()
		r.rest()
		if took := time.Since(begun); took != endPatience {
			t.Errorf("it took %v, want %v", took, endPatience)
		}
		if !strings.Contains(r.logged.String(), "stopped before the disk answered") {
			t.Errorf("logged %s", r.logged.String())
		}
	})
}

// TestJournalRetriesInTime has an entry fail between two retries. The disk works again at
// once, and the fault ends with the first attempt that the journal allows.
func TestJournalRetriesInTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full := strings.Repeat("\n", 128<<10) // the next entry begins another file
	if err := os.WriteFile(filepath.Join(dir, "journal.jsonl"), []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newDiskRig(t, dir)
		r.journal = journal.New(dir)
		defer r.rest()
		defer r.end()
		r.work.Go(r.journalist)
		time.Sleep(time.Second)
		inTheWay := filepath.Join(dir, "journal.1.jsonl", "full")
		if err := os.MkdirAll(inTheWay, 0o700); err != nil {
			t.Fatal(err)
		}
		r.record(lines.Moved{Line: "lamp", At: time.Now()})
		if fault := r.told(); fault.What != journalFault || fault.Err == nil {
			t.Fatalf("told %+v", fault)
		}
		if err := os.RemoveAll(filepath.Dir(inTheWay)); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		in := <-r.inputs
		if fault, ok := in.(engine.DiskFault); !ok || fault.What != journalFault || fault.Err != nil {
			t.Fatalf("told %+v", in)
		}
		if took := time.Since(begun); took > 36*time.Second {
			t.Errorf("the fault ended after %v, want little more than the 30s that the journal leaves", took)
		}
	})
}

// TestLatestFaultOfTheConfigurationCounts has a configuration file be good again by the
// time the loop begins: the fault of the start must not come after that.
func TestLatestFaultOfTheConfigurationCounts(t *testing.T) {
	for range 20 { // the loop takes one of several inputs at random
		synctest.Test(t, func(t *testing.T) {
			updates := make(chan deployed.Update, 1)
			updates <- deployed.Update{}
			session, err := ipc.NewSession(ipc.SessionConfig{Config: ipc.Config{Socket: "nobody", Token: "token"}})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			a := newAgent(t.Context(), Parts{
				Config: new(config.Config), ConfigFile: errors.New("not read"), Updates: updates, Session: session,
				State: state.In(dir), Dir: dir, Control: filepath.Join(dir, "missing", "socket"), // real sockets keep the clock from going on
				Clock: func() engine.Clock { return engine.Clock{Synchronised: true} }, Logger: slog.New(slog.DiscardHandler),
			})
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- a.run(ctx) }()
			defer func() { stop(); <-ended }()
			synctest.Wait()
			faults := make(chan map[string]string)
			a.questions <- func() { faults <- a.engine.Snapshot(time.Now()).Disk }
			if got := <-faults; len(got) > 0 {
				t.Fatalf("the faults are %v, want none", got)
			}
		})
	}
}
