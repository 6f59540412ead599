package holder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// TestHandOver has everything about a request reach the next owner.
func TestHandOver(t *testing.T) {
	r := newRig(t)
	r.serve()
	first := r.start(nil)
	lines := r.request(1, true)
	r.keep(first, "lamp", 1, lines, Order{At: time.Now().Add(time.Hour), Values: []bool{false}})
	vanish(first)
	lines.Close()
	r.is(1, true)

	second := r.start(nil)
	held, ok := second.Take("lamp")
	if !ok {
		t.Fatal("nothing is held")
	}
	if _, again := second.Take("lamp"); again {
		t.Error("it was given twice")
	}
	if len(held.Orders) != 1 || time.Until(held.Orders[0].At) < 59*time.Minute || held.Orders[0].Values[0] {
		t.Errorf("got orders %v", held.Orders)
	}
	// Turned around, the level stays.
	adopted, err := held.Adopt(r.remote, r.chip, []gpio.LineConfig{{Offset: 1, Direction: gpio.Output, ActiveLow: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	r.is(1, true)
	if values, err := adopted.Values(); err != nil || values[0] {
		t.Errorf("got %v, %v, want off, since it is active-low now", values, err)
	}
	r.keep(second, "lamp", 1, adopted)
	if err := adopted.SetValues([]bool{true}); err != nil {
		t.Fatal(err)
	}
	r.is(1, false)
}

func TestAdoptRefuses(t *testing.T) {
	r := newRig(t)
	r.serve()
	first := r.start(nil)
	lines := r.request(1, true)
	r.keep(first, "lamp", 1, lines)
	vanish(first)
	lines.Close()
	other := r.chip
	other.Label = "another"
	for name, c := range map[string]struct {
		chip   gpio.ChipInfo
		offset int
	}{"another line": {r.chip, 2}, "another chip": {other, 1}} {
		next := r.start(nil)
		held, ok := next.Take("lamp")
		if !ok {
			t.Fatal("nothing is held")
		}
		if _, err := held.Adopt(r.remote, c.chip, []gpio.LineConfig{{Offset: c.offset, Direction: gpio.Output}}); err == nil {
			t.Errorf("%s: was adopted", name)
		}
		r.is(1, true)
		vanish(next)
	}
	last := r.start(nil)
	if err := last.Release("lamp"); err != nil {
		t.Error(err)
	}
	r.is(1, false)
}

func TestReleaseThenClose(t *testing.T) {
	r := newRig(t)
	r.serve()
	c := r.start(nil)
	for range 10 {
		lines := r.request(1, true)
		r.keep(c, "lamp", 1, lines)
		if err := c.Release("lamp"); err != nil {
			t.Fatal(err)
		}
		lines.Close()
		r.is(1, false)
	}
}

func TestUnwantedIsReleased(t *testing.T) {
	r := newRig(t)
	r.serve()
	first := r.start(nil)
	old, lamp := r.request(1, true), r.request(2, true)
	r.keep(first, "old", 1, old)
	r.keep(first, "lamp", 2, lamp)
	vanish(first)
	old.Close()
	lamp.Close()
	second := r.start(nil)
	r.is(1, true)
	second.Want(func(key string) bool { return key == "lamp" })
	r.eventually("the release", func() bool { high, err := r.remote.Level(r.chip.Path, 1); return err == nil && !high })
	r.is(2, true)
	if _, ok := second.Take("old"); ok {
		t.Error("the unwanted one was given")
	}
}

// TestOneOwner has a second component wait until the first is gone.
func TestOneOwner(t *testing.T) {
	r := newRig(t)
	r.serve()
	first := r.start(nil)
	lines := r.request(1, true)
	r.keep(first, "lamp", 1, lines)
	second := r.start(nil)
	if _, ok := second.Take("lamp"); ok || !r.log.has("does not answer") {
		t.Errorf("there are two owners; log:\n%s", r.log)
	}
	r.synced(first, "lamp")
	first.Leave(true)
	lines.Close()
	r.is(1, true)
	r.eventually("the hand-over", func() bool { _, ok := second.Take("lamp"); return ok })
}

func TestLeave(t *testing.T) {
	r := newRig(t)
	r.serve()
	c := r.start(nil)
	lines := r.request(1, true)
	r.keep(c, "lamp", 1, lines)
	c.Leave(false)
	<-r.ended
	r.is(1, true) // it is ours yet
	lines.Close()
	r.is(1, false)
}

// TestHolderEnds has a holder that is gone cost nothing but the safety, and another
// one get all that is to be kept, also what was never taken.
func TestHolderEnds(t *testing.T) {
	r := newRig(t)
	stop := r.serve()
	first := r.start(nil)
	lamp, fan := r.request(1, true), r.request(2, true)
	r.keep(first, "lamp", 1, lamp)
	r.keep(first, "fan", 2, fan)
	vanish(first)
	lamp.Close()
	fan.Close()

	second := r.start(nil)
	held, _ := second.Take("lamp")
	lamp, err := held.Adopt(r.remote, r.chip, []gpio.LineConfig{{Offset: 1, Direction: gpio.Output}})
	if err != nil {
		t.Fatal(err)
	}
	r.keep(second, "lamp", 1, lamp)
	stop()
	r.eventually("the loss", func() bool { return errors.Is(second.GuardNow("lamp"), ErrAbsent) })
	if err := lamp.SetValues([]bool{true}); err != nil {
		t.Fatal(err)
	}
	r.serve()
	r.synced(second, "lamp")
	r.synced(second, "fan")
	vanish(second)
	lamp.Close()
	r.is(1, true)
	r.is(2, true)
}

func TestWithoutHolder(t *testing.T) {
	r := newRig(t)
	c := r.start(nil)
	lines := r.request(1, true)
	if err := c.Keep("lamp", lines, Request{Chip: r.chip, Consumer: "test", Offsets: []int{1}}); err != nil {
		t.Error(err)
	}
	if err := c.GuardNow("lamp"); !errors.Is(err, ErrAbsent) {
		t.Errorf("got %v", err)
	}
	c.Guard("lamp")
	if err := c.Release("lamp"); err != nil {
		t.Error(err)
	}
	r.eventually("the warning", func() bool { return r.log.has("no holder: outputs may move") })
	c.Leave(true)
	c.Guard("lamp")
	c.Leave(true)
}

func TestNoDescriptor(t *testing.T) {
	r := newRig(t)
	lines, err := r.sim.Request("board", "test", []gpio.LineConfig{{Offset: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	if err := r.start(nil).Keep("lamp", lines, Request{}); !errors.Is(err, gpio.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// TestSilentGuest has a process that connects and says nothing not delay an order.
func TestSilentGuest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve()
	c := r.start(nil)
	lines := r.request(1, true)
	r.keep(c, "lamp", 1, lines)
	silent, err := dial(filepath.Join(r.dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r.synced(c, "lamp", Order{At: time.Now().Add(200 * time.Millisecond), Values: []bool{false}})
	vanish(c)
	lines.Close()
	r.eventually("the order", func() bool { high, err := r.remote.Level(r.chip.Path, 1); return err == nil && !high })
	raw, err := silent.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), make([]byte, 1)) })
	if !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the order came after the guest was turned away: %d, %v", n, err)
	}
}

// TestLinesWaitOnce has all calls together wait for a holder that hangs no longer than
// once for a moment, in simulated time.
func TestLinesWaitOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &Client{entries: map[string]*entry{}, changed: make(chan struct{}), wake: make(chan struct{}, 1), present: true}
		const outputs = 20
		for i := range outputs {
			key := fmt.Sprint("lamp ", i)
			c.entries[key] = &entry{lines: &handed{file: os.NewFile(^uintptr(0), "none"), taken: true}, kept: true}
		}
		begun := time.Now()
		c.Want(func(string) bool { return false })
		for i := range outputs {
			key := fmt.Sprint("lamp ", i)
			if err := c.GuardNow(key, Order{}); !errors.Is(err, ErrAbsent) {
				t.Errorf("%s: guarded: %v", key, err)
			}
			if err := c.Release(key); !errors.Is(err, ErrAbsent) {
				t.Errorf("%s: released: %v", key, err)
			}
		}
		if took := time.Since(begun); took > orderWait {
			t.Errorf("the calls took %v, want %v at most", took, orderWait)
		}
	})
}

// TestLinesWaitLittle has a holder that answers late each time cost the lines a bounded
// part of their time.
func TestLinesWaitLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &Client{entries: map[string]*entry{}, changed: make(chan struct{}), wake: make(chan struct{}, 1), present: true}
		var late sync.WaitGroup
		var one sync.Mutex // a client has one session, which does one task at a time
		do := func() bool {
			one.Lock()
			defer one.Unlock()
			todo, ok := c.pick()
			if ok {
				c.settle(todo)
			}
			return ok
		}
		begun := time.Now()
		for i := range 50 {
			key := fmt.Sprint("lamp ", i)
			c.entries[key] = &entry{}
			late.Go(func() {
				time.Sleep(40 * time.Millisecond)
				for !do() {
					time.Sleep(time.Millisecond)
				}
			})
			c.Release(key)
		}
		if took := time.Since(begun); took > 2*orderWait {
			t.Errorf("50 calls took %v, want %v at most", took, 2*orderWait)
		}
		late.Wait()
	})
}

// fickle is lines whose descriptor cannot be duplicated at first.
type fickle struct {
	gpio.Lines
	gpio.Descriptor
	failures int
}

func (f *fickle) File() (*os.File, error) {
	if f.failures > 0 {
		f.failures--
		return nil, &os.PathError{Op: "dup", Path: "lines", Err: unix.EMFILE}
	}
	return f.Descriptor.File()
}

// TestTooManyFiles has a line be held once there are descriptors again.
func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve()
	c := r.start(nil)
	lines := r.request(1, true)
	r.keep(c, "lamp", 1, &fickle{lines, lines.(gpio.Descriptor), 2})
	vanish(c)
	lines.Close()
	r.is(1, true)
}
