package sim_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

const ms = time.Millisecond

// bubble is a test in simulated time, on a chip of four lines: the first is
// called DOOR and rests high.
type bubble struct {
	*testing.T
	*sim.Sim
}

const chipName = "gpiochip0"

func inBubble(t *testing.T, test func(bubble)) {
	synctest.Test(t, func(t *testing.T) {
		test(bubble{t, newSim(t, sim.Chip{Lines: 4, Names: map[int]string{0: "DOOR"}, Pulls: map[int]bool{0: true}})})
	})
}

func (b bubble) request(lines ...gpio.LineConfig) gpio.Lines {
	b.Helper()
	held, err := b.Request(chipName, "test", lines)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { held.Close() })
	return held
}

func (b bubble) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b bubble) value(lines gpio.Lines) bool {
	b.Helper()
	values, err := lines.Values()
	b.ok(err)
	return values[0]
}

func (b bubble) level(offset int) bool {
	b.Helper()
	high, err := b.Level(chipName, offset)
	b.ok(err)
	return high
}

// arrived gives the events that are there when nothing moves any more.
func arrived(lines gpio.Lines) (events []gpio.Event) {
	synctest.Wait()
	for len(lines.Events()) > 0 {
		events = append(events, <-lines.Events())
	}
	return events
}

func (b bubble) none(lines gpio.Lines) {
	b.Helper()
	if events := arrived(lines); len(events) > 0 {
		b.Errorf("unexpected events %v", events)
	}
}

func debounced(d time.Duration) gpio.LineConfig {
	return gpio.LineConfig{Offset: 1, Direction: gpio.Input, Edges: gpio.BothEdges, Debounce: d}
}

func TestDebounceIsExact(t *testing.T) {
	inBubble(t, func(b bubble) {
		start := time.Now()
		lines := b.request(debounced(20 * ms))
		b.ok(b.SetPull(chipName, 1, true))
		time.Sleep(20*ms - 1)
		b.none(lines)
		if b.value(lines) {
			b.Error("value changed before the period was over")
		}
		time.Sleep(time.Nanosecond)
		events := arrived(lines)
		if len(events) != 1 || events[0].Edge != gpio.Rising || events[0].Seqno != 1 || events[0].Clock != 20*ms {
			b.Fatalf("got %+v", events)
		}
		if !events[0].Time.Equal(start.Add(20 * ms)) {
			b.Errorf("time is %v, want the end of the period", events[0].Time)
		}
		if !b.value(lines) {
			b.Error("value did not change")
		}
	})
}

func TestDebounceStartsAgainWithEachChange(t *testing.T) {
	inBubble(t, func(b bubble) {
		lines := b.request(debounced(20 * ms))
		for i := range 9 { // ends high
			b.ok(b.SetPull(chipName, 1, i%2 == 0))
			time.Sleep(19 * ms)
			b.none(lines)
		}
		time.Sleep(1 * ms)
		if events := arrived(lines); len(events) != 1 || events[0].Clock != 9*19*ms+1*ms {
			b.Errorf("got %+v, want one event", events)
		}
		time.Sleep(time.Second)
		b.none(lines)
	})
}

func TestDebounceIgnoresWhatReturns(t *testing.T) {
	inBubble(t, func(b bubble) {
		lines := b.request(debounced(20 * ms))
		b.ok(b.SetPull(chipName, 1, true))
		time.Sleep(10 * ms)
		b.ok(b.SetPull(chipName, 1, false))
		time.Sleep(time.Second)
		b.none(lines)
	})
}

func TestDebounceChanges(t *testing.T) {
	inBubble(t, func(b bubble) {
		lines := b.request(debounced(20 * ms))
		b.ok(lines.Reconfigure([]gpio.LineConfig{debounced(5 * ms)}))
		b.ok(b.SetPull(chipName, 1, true))
		time.Sleep(5 * ms)
		if events := arrived(lines); len(events) != 1 {
			b.Errorf("shorter: got %v", events)
		}
		b.ok(b.SetPull(chipName, 1, false)) // is being debounced when that ends
		b.ok(lines.Reconfigure([]gpio.LineConfig{debounced(0)}))
		if b.value(lines) {
			b.Error("without debounce the value is not the level")
		}
		time.Sleep(time.Second)
		b.none(lines)
		b.ok(b.SetPull(chipName, 1, true))
		if events := arrived(lines); len(events) != 1 || events[0].LineSeqno != 2 {
			b.Errorf("without: got %v", events)
		}
	})
}

func TestDebounceEndsWithTheLines(t *testing.T) {
	inBubble(t, func(b bubble) {
		lines := b.request(debounced(20 * ms))
		b.ok(b.SetPull(chipName, 1, true))
		b.ok(lines.Close())
		next := b.request(debounced(20 * ms)) // the old timer must not reach it
		b.ok(b.SetPull(chipName, 1, false))
		time.Sleep(19 * ms)
		b.none(next)
		time.Sleep(1 * ms)
		if events := arrived(next); len(events) != 1 || events[0].Edge != gpio.Falling || events[0].LineSeqno != 1 {
			b.Errorf("got %v", events)
		}
	})
}

func TestPress(t *testing.T) {
	inBubble(t, func(b bubble) {
		for offset, rest := range []bool{true, false} {
			if b.level(offset) != rest {
				b.Errorf("line %d does not rest at %v", offset, rest)
			}
			b.ok(b.Press(chipName, offset))
			b.ok(b.Press(chipName, offset))
			if b.level(offset) == rest {
				b.Errorf("line %d: a press did nothing", offset)
			}
			b.ok(b.Release(chipName, offset))
			if b.level(offset) != rest {
				b.Errorf("line %d: a release did nothing", offset)
			}
		}
	})
}

// A button opposes the bias, whenever it was pressed.
func TestPressAgainstBias(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.ok(b.Press(chipName, 1))
		lines := b.request(gpio.LineConfig{Offset: 1, Direction: gpio.Input, Bias: gpio.BiasPullUp})
		if b.value(lines) {
			b.Error("the pull is stronger than the button")
		}
		b.ok(b.Release(chipName, 1))
		if !b.value(lines) {
			b.Error("the line does not go to its bias")
		}
		b.ok(lines.Close())
		if !b.level(1) {
			b.Error("the bias did not outlast the request, as it does in gpio-sim")
		}
	})
}

func TestHold(t *testing.T) {
	inBubble(t, func(b bubble) {
		held := make(chan error)
		go func() { held <- b.Hold(b.Context(), chipName, 0, 3*time.Second) }()
		synctest.Wait()
		if b.level(0) {
			b.Error("not pressed")
		}
		start := time.Now()
		b.ok(<-held)
		if took := time.Since(start); took != 3*time.Second || !b.level(0) {
			b.Errorf("after %v: level %v", took, b.level(0))
		}

		ctx, cancel := context.WithCancel(b.Context())
		go func() { held <- b.Hold(ctx, chipName, 0, time.Hour) }()
		synctest.Wait()
		cancel()
		if err := <-held; !errors.Is(err, context.Canceled) || !b.level(0) {
			b.Errorf("interrupted: got %v, level %v", err, b.level(0))
		}
	})
}

func TestBounce(t *testing.T) {
	inBubble(t, func(b bubble) {
		raw := b.request(gpio.LineConfig{Offset: 1, Direction: gpio.Input, Edges: gpio.BothEdges})
		b.ok(b.Bounce(b.Context(), chipName, 1, 3, 2*ms))
		var clocks []time.Duration
		for i, e := range arrived(raw) {
			if want := gpio.Edge(1 + i%2); e.Edge != want {
				b.Errorf("event %d is %v", i, e.Edge)
			}
			clocks = append(clocks, e.Clock)
		}
		if len(clocks) != 7 || clocks[6]-clocks[0] != 12*ms {
			b.Errorf("got events at %v", clocks)
		}
		if !b.level(1) {
			b.Error("not pressed at the end")
		}
		b.ok(b.Bounce(b.Context(), chipName, 1, 0, ms))
		if b.level(1) {
			b.Error("not released at the end")
		}

		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		if err := b.Bounce(ctx, chipName, 1, 5, time.Hour); !errors.Is(err, context.Canceled) || !b.level(1) {
			b.Errorf("interrupted: %v, level %v", err, b.level(1))
		}
		// Interrupted where it has fallen back: released, then pressed.
		for _, rest := range []bool{false, true} {
			ctx, cancel := context.WithTimeout(b.Context(), 90*time.Minute)
			err := b.Bounce(ctx, chipName, 1, 5, time.Hour)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || b.level(1) != rest {
				b.Errorf("interrupted halfway: %v, level %v, want %v", err, b.level(1), rest)
			}
		}
		for _, n := range []int{-1, 1001} {
			if err := b.Bounce(b.Context(), chipName, 1, n, ms); !errors.Is(err, syscall.EINVAL) {
				b.Errorf("%d times: %v", n, err)
			}
		}
	})
}

// The pump is kept from running, as a reader that the scheduler forgot.
func TestBufferDropsTheOldestAsTheKernelDoes(t *testing.T) {
	inBubble(t, func(b bubble) {
		lines := b.request(debounced(0), gpio.LineConfig{Offset: 2, Direction: gpio.Input}, gpio.LineConfig{Offset: 3})
		const room = 64            // three lines have 48, rounded up to a power of two
		const changes = 3*room + 5 // the ring is not at its beginning
		sim.WithoutPump(b.Sim, func() {
			for i := range changes {
				sim.SetPullLocked(b.Sim, chipName, 1, i%2 == 0)
			}
		})
		events := arrived(lines)
		if len(events) != room || events[0].Seqno != changes-room+1 || events[room-1].Seqno != changes {
			b.Errorf("got %d events, %d to %d", len(events), events[0].Seqno, events[len(events)-1].Seqno)
		}
	})
}

func TestWatch(t *testing.T) {
	inBubble(t, func(b bubble) {
		ctx, cancel := context.WithCancel(b.Context())
		changes := b.Watch(ctx)
		b.ok(b.SetPull(chipName, 0, true)) // no change
		b.ok(b.SetPull(chipName, 0, false))
		lines := b.request(gpio.LineConfig{Offset: 2, Direction: gpio.Output, Value: true, ActiveLow: true})
		b.ok(lines.SetValues([]bool{false}))
		b.ok(lines.Close())
		now := time.Now()
		for _, want := range []sim.Change{
			{Chip: chipName, Offset: 0, Name: "DOOR", By: sim.ByHand, Time: now},
			{Chip: chipName, Offset: 2, High: true, By: sim.ByRequest, Consumer: "test", Time: now},
			{Chip: chipName, Offset: 2, By: sim.ByRequest, Time: now}, // released: nobody's
		} {
			if got := <-changes; got != want {
				b.Errorf("got %+v, want %+v", got, want)
			}
		}
		cancel()
		if change, ok := <-changes; ok {
			b.Errorf("got %+v, want the end", change)
		}
		b.ok(b.SetPull(chipName, 0, true))
	})
}

func TestWatchCountsWhatIsLost(t *testing.T) {
	inBubble(t, func(b bubble) {
		changes := b.Watch(b.Context())
		const lost = 10
		for i := range cap(changes) + lost {
			b.ok(b.SetPull(chipName, 1, i%2 == 0))
		}
		for range cap(changes) {
			if change := <-changes; change.Lost != 0 {
				b.Fatalf("got %+v", change)
			}
		}
		b.ok(b.SetPull(chipName, 0, false))
		if change := <-changes; change.Offset != 0 || change.Lost != lost {
			b.Errorf("got %+v, want %d lost", change, lost)
		}
	})
}

func TestCauseString(t *testing.T) {
	for cause, want := range map[sim.Cause]string{sim.ByRequest: "request", sim.ByHand: "hand", 7: "invalid(7)"} {
		if got := cause.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHogs(t *testing.T) {
	s := newSim(t, sim.Chip{Lines: 2, Hogs: map[int]sim.Hog{0: {Consumer: "led", Direction: gpio.Output, Value: true}}})
	infos, err := s.LineInfos(chipName)
	if err != nil {
		t.Fatal(err)
	}
	if want := (gpio.LineInfo{Direction: gpio.Output, Used: true, Consumer: "led"}); infos[0] != want {
		t.Errorf("got %+v, want %+v", infos[0], want)
	}
	if err := s.SetPull(chipName, 0, false); err != nil {
		t.Error(err)
	}
	if high, _ := s.Level(chipName, 0); !high {
		t.Error("the hog does not drive its line")
	}
}

// A held line that stops being driven goes to its pull: the one respect in which
// gpio-sim does otherwise (doc.go).
func TestLetGo(t *testing.T) {
	inBubble(t, func(b bubble) {
		drain := gpio.LineConfig{Offset: 0, Direction: gpio.Output, Drive: gpio.OpenDrain}
		lines := b.request(drain)
		b.ok(lines.SetValues([]bool{true}))
		if !b.level(0) {
			b.Error("open drain does not float to the pull-up")
		}
		b.ok(b.SetPull(chipName, 0, false))
		if b.value(lines) {
			b.Error("read back what was set, not what the line is")
		}
		b.ok(b.SetPull(chipName, 0, true))
		b.ok(lines.SetValues([]bool{false}))
		b.ok(lines.Reconfigure([]gpio.LineConfig{{Offset: 0, Direction: gpio.Input}}))
		if !b.value(lines) {
			b.Error("an input does not follow its pull")
		}
	})
}

func TestChipNames(t *testing.T) {
	s := newSim(t, sim.Chip{Name: "gpiochip10", Lines: 1}, sim.Chip{Name: "gpiochip2", Label: "x", Lines: 1},
		sim.Chip{Lines: 1, Label: "x"}, sim.Chip{Lines: 1})
	chips, err := s.Chips()
	if err != nil {
		t.Fatal(err)
	}
	want := []gpio.ChipInfo{
		{Name: "gpiochip0", Path: "/dev/gpiochip0", Label: "x", Lines: 1},
		{Name: "gpiochip1", Path: "/dev/gpiochip1", Label: "gpiochip1", Lines: 1},
		{Name: "gpiochip2", Path: "/dev/gpiochip2", Label: "x", Lines: 1},
		{Name: "gpiochip10", Path: "/dev/gpiochip10", Label: "gpiochip10", Lines: 1},
	}
	for i := range want {
		if chips[i] != want[i] {
			t.Errorf("chip %d: got %+v, want %+v", i, chips[i], want[i])
		}
	}
	if _, err := s.LineInfos("x"); !errors.Is(err, gpio.ErrAmbiguous) {
		t.Errorf("a label of two chips: %v", err)
	}
}

func TestPlug(t *testing.T) {
	s := newSim(t, sim.Chip{Lines: 1, Pulls: map[int]bool{0: true}}, sim.Chip{Label: "two", Lines: 1})
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.SetPull(chipName, 0, false))
	check(s.Unplug(chipName))
	if err := s.Unplug(chipName); !errors.Is(err, gpio.ErrNoChip) {
		t.Errorf("unplug twice: %v", err)
	}
	if _, err := s.Level(chipName, 0); !errors.Is(err, gpio.ErrNoChip) {
		t.Errorf("level of what is unplugged: %v", err)
	}
	info, err := s.Plug(chipName)
	check(err)
	if high, _ := s.Level(info.Name, 0); !high {
		t.Error("the chip did not come back as new")
	}
	lines, err := s.Request(chipName, "test", []gpio.LineConfig{{Offset: 0, Direction: gpio.Output}})
	check(err)
	defer lines.Close()
	if _, err = s.Plug(chipName); err != nil {
		t.Error(err)
	}
	if _, err = lines.Values(); err != nil {
		t.Errorf("a chip that was there already was plugged again: %v", err)
	}
	if _, err = s.Plug("nothing"); !errors.Is(err, gpio.ErrNoChip) {
		t.Errorf("plug of nothing: %v", err)
	}
}

func TestAddRefuses(t *testing.T) {
	s := newSim(t, sim.Chip{Name: "taken", Lines: 1})
	for name, c := range map[string]struct {
		chip sim.Chip
		want error
	}{
		"no lines":        {sim.Chip{}, syscall.EINVAL},
		"too many lines":  {sim.Chip{Lines: 1025}, syscall.EINVAL},
		"name taken":      {sim.Chip{Name: "taken", Lines: 1}, syscall.EEXIST},
		"slash":           {sim.Chip{Name: "a/b", Lines: 1}, syscall.EINVAL},
		"long label":      {sim.Chip{Label: strings.Repeat("x", 32), Lines: 1}, syscall.EINVAL},
		"long line name":  {sim.Chip{Lines: 1, Names: map[int]string{0: strings.Repeat("x", 32)}}, syscall.EINVAL},
		"name off chip":   {sim.Chip{Lines: 1, Names: map[int]string{1: "x"}}, gpio.ErrNoLine},
		"hog off chip":    {sim.Chip{Lines: 1, Hogs: map[int]sim.Hog{-1: {}}}, gpio.ErrNoLine},
		"pull off chip":   {sim.Chip{Lines: 1, Pulls: map[int]bool{9: true}}, gpio.ErrNoLine},
		"everything fine": {sim.Chip{Lines: 1024}, nil},
	} {
		if _, err := s.Add(c.chip); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	for range 62 {
		if _, err := s.Add(sim.Chip{Lines: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Add(sim.Chip{Lines: 1}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("chip 65: %v", err)
	}
	if _, err := sim.New(sim.Chip{}); err == nil {
		t.Error("New took a chip without lines")
	}
}

func TestHandRefuses(t *testing.T) {
	s := newSim(t, sim.Chip{Lines: 2})
	for name, do := range map[string]func(chip string, offset int) error{
		"level":   func(chip string, offset int) error { _, err := s.Level(chip, offset); return err },
		"pull":    func(chip string, offset int) error { return s.SetPull(chip, offset, true) },
		"press":   s.Press,
		"release": s.Release,
		"hold":    func(chip string, offset int) error { return s.Hold(t.Context(), chip, offset, 0) },
		"bounce":  func(chip string, offset int) error { return s.Bounce(t.Context(), chip, offset, 1, 0) },
	} {
		if err := do("nothing", 0); !errors.Is(err, gpio.ErrNoChip) {
			t.Errorf("%s without a chip: %v", name, err)
		}
		for _, offset := range []int{-1, 2} {
			if err := do(chipName, offset); !errors.Is(err, gpio.ErrNoLine) {
				t.Errorf("%s of line %d: %v", name, offset, err)
			}
		}
	}
}

// TestChipWithoutInterrupts has no edges and no debounce, and says so as the kernel.
func TestChipWithoutInterrupts(t *testing.T) {
	s, err := sim.New(sim.Chip{Lines: 2, NoInterrupts: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range []gpio.LineConfig{
		{Direction: gpio.Input, Edges: gpio.BothEdges},
		{Direction: gpio.Input, Debounce: time.Millisecond},
	} {
		if lines, err := s.Request("gpiochip0", "t", []gpio.LineConfig{config}); !errors.Is(err, syscall.ENXIO) {
			t.Errorf("%+v: got %v, %v, want ENXIO", config, lines, err)
		}
	}
	lines, err := s.Request("gpiochip0", "t", []gpio.LineConfig{{Direction: gpio.Input}})
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	if err := lines.Reconfigure([]gpio.LineConfig{{Direction: gpio.Input, Edges: gpio.BothEdges}}); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("reconfigured: got %v, want ENXIO", err)
	}
	if err := s.SetPull("gpiochip0", 0, true); err != nil {
		t.Fatal(err)
	}
	if values, err := lines.Values(); err != nil || !values[0] {
		t.Errorf("reads %v, %v, want true", values, err)
	}
}
