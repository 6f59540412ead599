package holder_test

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// Each scenario is played on a simulated chip here, and on one of the kernel in
// kernel_linux_test.go. The components in it are processes, killed with SIGKILL.
var scenarios = map[string]func(*world){
	"killed":              survivesKill,
	"killed often":        survivesKills,
	"without a holder":    dropsWithout,
	"asked to leave":      survivesLeave,
	"pulse":               endsPulse,
	"holder killed":       replacesHolder,
	"not in the tree":     leavesTheTree,
	"killed together":     dropsTogether,
	"left for good":       leavesForGood,
	"holder asked to end": endsOrdersFirst,
}

// quiet requires that the lamp stays on for all that do does: the pull of the line
// is low, so that a release of any length shows.
func (w *world) quiet(do func()) {
	w.Helper()
	stop, dips := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				dips <- n
				return
			default:
				if !w.level() {
					n++
				}
				time.Sleep(time.Millisecond)
			}
		}
	}()
	defer func() {
		close(stop)
		if n := <-dips; n > 0 {
			w.Errorf("the lamp was seen off %d times", n)
		}
	}()
	do()
}

func survivesKill(w *world) {
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	var second *process
	w.quiet(func() {
		p.kill()
		second = w.start("held", "adopted true")
		second.do("set 1")
	})
	second.do("set 0")
	w.is(false)
	second.do("leave drop")
}

func survivesKills(w *world) {
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	w.quiet(func() {
		for range 5 {
			p.kill() // at times before it has told the holder anything
			p = w.start("held", "adopted true")
		}
	})
	p.do("leave drop")
}

// dropsWithout is what happens without a holder, so that the other scenarios prove
// something.
func dropsWithout(w *world) {
	p := w.start("bare", "requested false")
	p.do("set 1")
	w.is(true)
	p.kill()
	w.eventually("the lamp goes off", func() bool { return !w.level() })
	w.start("bare", "requested false")
}

func survivesLeave(w *world) {
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	w.quiet(func() {
		p.do("leave keep")
		p.cmd.Wait()
		p = w.start("held", "adopted true")
	})
	p.do("leave drop")
}

func endsPulse(w *world) {
	const pulse = 700 * time.Millisecond
	p := w.start("held", "requested false")
	before := time.Now()
	p.do("off-in " + pulse.String())
	p.do("set 1")
	p.kill()
	w.is(true)
	w.eventually("the lamp goes off", func() bool { return !w.level() })
	if got := time.Since(before); got < pulse {
		w.Errorf("the pulse ended after %v, want %v", got, pulse)
	}
	w.start("held", "adopted false").do("leave drop")
}

func replacesHolder(w *world) {
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	w.quiet(func() {
		first := w.holder()
		syscall.Kill(first, syscall.SIGKILL)
		w.ends(first)
		p.do("sync")
		if second := w.holder(); second == first {
			w.Errorf("the holder is still process %d", first)
		}
		p.kill()
		p = w.start("held", "adopted true")
	})
	p.do("leave drop")
}

// leavesTheTree has the holder be out of reach of who kills the component with all
// its descendants, its process group or its session.
func leavesTheTree(w *world) {
	p := w.start("held", "requested false")
	p.do("sync")
	pid := w.holder()
	parent, session := stat(pid)
	if parent == p.cmd.Process.Pid || parent == os.Getpid() || session != pid {
		w.Errorf("the holder %d has parent %d and session %d; the component is %d", pid, parent, session, p.cmd.Process.Pid)
	}
	p.do("leave drop")
}

// dropsTogether kills both, as a service manager does with all of a service: then
// there is nothing left that could hold.
func dropsTogether(w *world) {
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	pid := w.holder()
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGSTOP) // it shall not start another
	syscall.Kill(pid, syscall.SIGKILL)
	w.ends(pid)
	w.is(true)
	p.kill()
	w.eventually("the lamp goes off", func() bool { return !w.level() })
	w.start("held", "requested false").do("leave drop")
}

func leavesForGood(w *world) {
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	pid := w.holder()
	p.do("leave drop")
	p.cmd.Wait()
	w.ends(pid)
	w.eventually("the lamp goes off", func() bool { return !w.level() })
}

func endsOrdersFirst(w *world) {
	p := w.start("held", "requested false")
	p.do("off-in 1h")
	p.do("set 1")
	pid := w.holder()
	p.kill()
	w.is(true)
	syscall.Kill(pid, syscall.SIGTERM)
	w.ends(pid)
	w.is(false)
}

func newWorld(t *testing.T) (*world, *sim.Sim) {
	dir := holder.ShortDir(t)
	s, socket := holder.ServeSim(t, dir)
	return &world{T: t, dir: dir, chip: "board", env: []string{chipsVariable + "=" + socket}, level: func() bool {
		high, err := s.Level("board", 1)
		if err != nil {
			t.Error(err)
		}
		return high
	}}, s
}

func TestProcesses(t *testing.T) {
	for name, play := range scenarios {
		t.Run(name, func(t *testing.T) {
			w, _ := newWorld(t)
			play(w)
		})
	}
}

// TestProcessesAreSeenWhole has the far side tell of every change of level: one
// goes on, one goes off, and none between, over three lives of the component.
func TestProcessesAreSeenWhole(t *testing.T) {
	w, s := newWorld(t)
	changes := s.Watch(t.Context())
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	for range 2 {
		p.kill()
		p = w.start("held", "adopted true")
	}
	p.do("set 0")
	p.do("set 1")
	p.do("leave drop")
	p.cmd.Wait()
	var got []bool
	for len(got) < 4 {
		select {
		case c := <-changes:
			got = append(got, c.High)
		case <-time.After(patience):
			t.Fatalf("only %v", got)
		}
	}
	if !slices.Equal(got, []bool{true, false, true, false}) {
		t.Errorf("got %v", got)
	}
	w.is(false)
}
