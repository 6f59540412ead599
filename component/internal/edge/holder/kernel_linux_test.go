package holder_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/warthog618/go-gpiocdev"
	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
)

// observer is the kernel's own account of who requested, released or reconfigured
// the lamp: it misses nothing, however short.
type observer struct {
	mu   sync.Mutex
	seen []gpiocdev.LineInfoChangeType
}

func (o *observer) note(e gpiocdev.LineInfoChangeEvent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, e.Type)
}

func (o *observer) count(what gpiocdev.LineInfoChangeType) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.seen {
		if t == what {
			n++
		}
	}
	return n
}

var kernelWorlds atomic.Uint32

// newKernelWorld is a chip of the kernel that drops the level of an output when it
// is released.
func newKernelWorld(t *testing.T) (*world, *observer) {
	t.Helper()
	gpiotest.RequireKernel(t)
	name := fmt.Sprintf("hold-%d", kernelWorlds.Add(1))
	s, err := gpiosim.NewSim(gpiosim.WithName(name), gpiosim.WithBank(gpiosim.NewBank(name, 4)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	chip, err := gpiocdev.NewChip(s.Chips[0].ChipName())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chip.Close() })
	o := &observer{}
	if _, err := chip.WatchLineInfo(1, o.note); err != nil {
		t.Fatal(err)
	}
	return &world{T: t, dir: holder.ShortDir(t), chip: name, level: func() bool {
		level, err := s.Chips[0].Level(1)
		if err != nil {
			t.Error(err)
		}
		return level == gpiosim.LevelActive
	}}, o
}

func TestKernelProcesses(t *testing.T) {
	gpiotest.RequireKernel(t)
	for name, play := range scenarios {
		t.Run(name, func(t *testing.T) {
			w, _ := newKernelWorld(t)
			play(w)
		})
	}
}

// TestKernelIsNotReleased has the kernel tell of each request and release of a line
// over three lives of a component: there is one of each.
func TestKernelIsNotReleased(t *testing.T) {
	w, o := newKernelWorld(t)
	p := w.start("held", "requested false")
	p.do("set 1")
	p.do("sync")
	w.quiet(func() {
		for range 2 {
			p.kill()
			p = w.start("held", "adopted true")
		}
	})
	requested, released := o.count(gpiocdev.LineRequested), o.count(gpiocdev.LineReleased)
	if changed := o.count(gpiocdev.LineReconfigured); requested != 1 || released != 0 || changed != 0 {
		t.Errorf("%d requests, %d releases, %d changes, want one request", requested, released, changed)
	}
	p.do("leave drop")
	w.eventually("the release", func() bool { return o.count(gpiocdev.LineReleased) == 1 })
	w.is(false)
}

// TestKernelIsReleasedWithout shows what the observer of TestKernelIsNotReleased
// tells of components without a holder.
func TestKernelIsReleasedWithout(t *testing.T) {
	w, o := newKernelWorld(t)
	for range 3 {
		p := w.start("bare", "requested false")
		p.do("set 1")
		p.kill()
	}
	w.eventually("the third release", func() bool { return o.count(gpiocdev.LineReleased) == 3 })
	if n := o.count(gpiocdev.LineRequested); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}
