package gpiotest

import (
	"errors"
	"sync"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var closeTests = map[string]func(*testing.T, Bench){
	"twice":              testCloseTwice,
	"use after":          testUseAfterClose,
	"while events flow":  testCloseInFlow,
	"frees at once":      testFreesAtOnce,
	"from many at once":  testCloseConcurrently,
	"use from many":      testUseConcurrently,
	"while others use":   testCloseInUse,
	"unblocks a reader":  testCloseUnblocks,
	"only its own lines": testCloseOthers,
}

func testCloseTwice(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges))
	d.close(lines)
	d.close(lines)
}

func testUseAfterClose(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	d.close(lines)
	_, err := lines.Values()
	d.is(err, gpio.ErrClosed)
	d.isNot(err, gpio.ErrGone)
	d.is(lines.SetValues([]bool{true}), gpio.ErrClosed)
	d.is(lines.Reconfigure([]gpio.LineConfig{input(lamp)}), gpio.ErrClosed)
	select {
	case _, ok := <-lines.Events():
		if ok {
			t.Error("an event after close")
		}
	default:
		t.Error("events are open after close")
	}
	d.level(lamp, false)
}

func testCloseInFlow(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges))
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for high := true; ; high = !high {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := b.Hand.SetPull(door, high); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for range 10 {
		d.event(lines)
	}
	d.close(lines)
	d.ended(lines.Events())
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func testFreesAtOnce(t *testing.T, b Bench) {
	d := do{t, b}
	for i := range 20 {
		d.close(d.request(output(lamp, i%2 == 0), edges(door, gpio.BothEdges)))
	}
}

func testCloseConcurrently(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := lines.Close(); err != nil {
				t.Error(err)
			}
			if err := lines.SetValues([]bool{true}); !errors.Is(err, gpio.ErrClosed) {
				t.Errorf("set after close: %v", err)
			}
		})
	}
	group.Wait()
	d.request(input(door))
}

func testUseConcurrently(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, false), output(plain, true))
	uses := map[string]func() error{
		"values":      func() error { _, err := lines.Values(); return err },
		"set":         func() error { return lines.SetValues([]bool{true, false}) },
		"reconfigure": func() error { return lines.Reconfigure([]gpio.LineConfig{output(lamp, true), output(plain, false)}) },
		"infos":       func() error { _, err := b.Backend.LineInfos(b.Chip.Name); return err },
		"chips":       func() error { _, err := b.Backend.Chips(); return err },
		"request": func() error {
			other, err := b.Backend.Request(b.Chip.Name, consumer, []gpio.LineConfig{edges(door, gpio.BothEdges)})
			if err != nil {
				return err
			}
			return other.Close()
		},
	}
	var group sync.WaitGroup
	for name, use := range uses {
		group.Go(func() {
			for range 20 {
				if err := use(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	group.Wait()
	d.set(lines, true, false)
	d.reads(lines, true, false)
}

func testCloseInUse(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, false))
	started := make(chan struct{}, 1)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for {
				err := lines.SetValues([]bool{true})
				if err != nil {
					if !errors.Is(err, gpio.ErrClosed) {
						t.Errorf("got %v, want closed", err)
					}
					return
				}
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	<-started
	d.close(lines)
	group.Wait()
	d.level(lamp, false)
}

func testCloseUnblocks(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges))
	read := make(chan bool)
	go func() {
		_, ok := <-lines.Events()
		read <- ok
	}()
	d.close(lines)
	if <-read {
		t.Error("an event came from nowhere")
	}
}

func testCloseOthers(t *testing.T, b Bench) {
	d := do{t, b}
	first, second := d.request(output(lamp, true)), d.request(edges(door, gpio.BothEdges))
	d.close(first)
	d.pull(door, true)
	d.expect(second, door, gpio.Rising, 1, 1)
	d.reads(second, true)
}
