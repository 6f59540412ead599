package holder_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

	"socket deleted":                   losesSocket,
	"socket and lock deleted":          losesSocketAndLock,
	"directory deleted and made again": losesDirectory,
	"holder stopped":                   continuesHolder,
	"holder stopped, component killed": continuesHolderOfAnother,
	"holder stopped, socket deleted":   continuesHolderWithoutSocket,
	"holder hangs":                     endsDeafHolder,
	"holder hangs, socket deleted":     endsDeafHolderWithoutSocket,
	"two holders":                      leavesToTheOther,
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

// loses has the component be killed and started again after the holder lost its socket.
func (w *world) loses(lose func()) {
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	w.quiet(func() {
		lose()
		p.kill()
		p = w.start("held", "adopted true")
	})
	p.do("leave drop")
}

func (w *world) remove(paths ...string) {
	w.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			w.Fatal(err)
		}
	}
}

func losesSocket(w *world) { w.loses(func() { w.remove(w.socket()) }) }

func losesSocketAndLock(w *world) { w.loses(func() { w.remove(w.socket(), w.socket()+".lock") }) }

func losesDirectory(w *world) {
	w.dir = filepath.Join(w.dir, "work")
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		w.Fatal(err)
	}
	w.loses(func() {
		if err := os.RemoveAll(w.dir); err != nil {
			w.Fatal(err)
		}
		if err := os.Mkdir(w.dir, 0o700); err != nil {
			w.Fatal(err)
		}
	})
}

// stop stops a process, and waits until it does not run any more.
func (w *world) stop(pid int) {
	w.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		w.Fatal(err)
	}
	w.eventually("the stop", func() bool {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return strings.Contains(string(text), ") T ")
	})
}

// continuesHolder has the component continue a holder that somebody stopped.
func continuesHolder(w *world) {
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	w.quiet(func() {
		pid := w.holder()
		w.stop(pid)
		p.do("sync")
		if again := w.holder(); again != pid {
			w.Errorf("the holder is process %d, want %d", again, pid)
		}
		p.kill()
		p = w.start("held", "adopted true")
	})
	p.do("leave drop")
}

func continuesHolderOfAnother(w *world) {
	w.loses(func() { w.stop(w.holder()) })
}

func continuesHolderWithoutSocket(w *world) {
	w.loses(func() {
		w.stop(w.holder())
		w.remove(w.socket())
	})
}

func endsDeafHolder(w *world) {
	p := w.run("deaf", w.socket(), w.chip)
	p.says("requested false")
	w.start("held", "requested false").do("leave drop")
	if state := p.cmd.Wait(); state == nil {
		w.Error("the holder ended by itself")
	}
}

func endsDeafHolderWithoutSocket(w *world) {
	p := w.run("deaf", w.socket(), w.chip)
	p.says("requested false")
	w.remove(w.socket())
	w.start("held", "requested false").do("leave drop")
}

// leavesToTheOther has a holder whose place another one has taken let go of its lines,
// though the time of holding is not over.
func leavesToTheOther(w *world) {
	p := w.start("held", "requested false")
	p.do("off-in 1h")
	p.do("set 1")
	pid := w.holder()
	p.kill()
	w.stop(pid)
	w.remove(w.socket(), w.socket()+".lock")
	other := w.run("shadowgpio", "hold", "--socket", w.socket())
	other.says(holder.Ready)
	w.is(true)
	syscall.Kill(pid, syscall.SIGCONT)
	w.ends(pid)
	w.is(false)
	w.start("held", "requested false").do("leave drop")
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
