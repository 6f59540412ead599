package gpiotest

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var requestTests = map[string]func(*testing.T, Bench){
	"by every name of the chip": testChipNames,
	"shown in line infos":       testShown,
	"consumer":                  testConsumer,
	"busy":                      testBusy,
	"all or none":               testAllOrNone,
	"twice in one request":      testTwice,
	"raced for":                 testRaced,
	"refused":                   testRefused,
	"no such":                   testNoSuch,
}

func testChipNames(t *testing.T, b Bench) {
	for _, ref := range []string{b.Chip.Name, b.Chip.Path, b.Chip.Label} {
		lines, err := b.Backend.Request(ref, consumer, []gpio.LineConfig{input(lamp)})
		if err != nil {
			t.Fatalf("request on %s: %v", ref, err)
		}
		do{t, b}.close(lines)
	}
}

func testShown(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(
		gpio.LineConfig{Offset: lamp, Direction: gpio.Output, ActiveLow: true, Drive: gpio.OpenDrain, Bias: gpio.BiasPullUp},
		gpio.LineConfig{Offset: door, Direction: gpio.Input, Bias: gpio.BiasPullDown, Edges: gpio.BothEdges, Debounce: 5 * time.Millisecond},
		gpio.LineConfig{Offset: plain, Direction: gpio.Output, Drive: gpio.OpenSource, Value: true},
		gpio.LineConfig{Offset: spare, Direction: gpio.Input, Bias: gpio.BiasDisabled, Edges: gpio.FallingEdges},
		gpio.LineConfig{Offset: twinA},
	)
	for _, want := range []gpio.LineInfo{
		{Offset: lamp, Name: "SG-LAMP", Direction: gpio.Output, ActiveLow: true, Drive: gpio.OpenDrain, Bias: gpio.BiasPullUp},
		{Offset: door, Name: "SG-DOOR", Direction: gpio.Input, Bias: gpio.BiasPullDown, Edges: gpio.BothEdges, Debounce: 5 * time.Millisecond},
		{Offset: plain, Direction: gpio.Output, Drive: gpio.OpenSource},
		{Offset: spare, Direction: gpio.Input, Bias: gpio.BiasDisabled, Edges: gpio.FallingEdges},
		{Offset: twinA, Name: "SG-TWIN", Direction: gpio.Input},
	} {
		want.Used, want.Consumer = true, consumer
		if got := d.info(want.Offset); got != want {
			t.Errorf("line %d: got %+v, want %+v", want.Offset, got, want)
		}
	}
	d.close(lines)
	want := gpio.LineInfo{Offset: door, Name: "SG-DOOR", Direction: gpio.Input}
	if got := d.info(door); got != want {
		t.Errorf("released: got %+v, want %+v", got, want)
	}
}

func testConsumer(t *testing.T, b Bench) {
	d := do{t, b}
	for given, want := range map[string]string{
		"":                       "?",
		"shadowgpio":             "shadowgpio",
		strings.Repeat("x", 31):  strings.Repeat("x", 31),
		strings.Repeat("x", 100): strings.Repeat("x", 31),
	} {
		lines, err := b.Backend.Request(b.Chip.Name, given, []gpio.LineConfig{{Offset: lamp}})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.info(lamp).Consumer; got != want {
			t.Errorf("consumer %q: got %q, want %q", given, got, want)
		}
		d.close(lines)
	}
}

func testBusy(t *testing.T, b Bench) {
	d := do{t, b}
	for _, line := range []gpio.LineConfig{{Offset: hog}, input(hog), output(hog, true)} {
		err := d.refuses(b.Chip.Label, line)
		d.is(err, gpio.ErrBusy, syscall.EBUSY)
		d.isNot(err, gpio.ErrPermission, gpio.ErrGone)
		if err.Holder != HogConsumer || err.Chip != b.Chip.Name || err.Line != "5" {
			t.Errorf("hog: got chip %q line %q holder %q", err.Chip, err.Line, err.Holder)
		}
	}
	d.request(input(plain), output(lamp, false))
	err := d.refuses(b.Chip.Name, input(door), input(lamp))
	d.is(err, gpio.ErrBusy, syscall.EBUSY)
	if err.Holder != consumer || err.Line != "SG-LAMP" {
		t.Errorf("own line: got line %q holder %q", err.Line, err.Holder)
	}
}

func testAllOrNone(t *testing.T, b Bench) {
	d := do{t, b}
	d.refuses(b.Chip.Name, output(lamp, true), output(hog, true))
	d.level(lamp, false)
	if info := d.info(lamp); info.Used || info.Direction != gpio.Input {
		t.Errorf("lamp was touched: %+v", info)
	}
}

func testTwice(t *testing.T, b Bench) {
	d := do{t, b}
	err := d.refuses(b.Chip.Name, input(lamp), input(door), input(lamp))
	d.is(err, gpio.ErrBusy, syscall.EBUSY)
	if d.info(lamp).Used {
		t.Error("lamp is still held")
	}
}

// testRaced has many ask for one line at once: one gets it, and the others learn
// who.
func testRaced(t *testing.T, b Bench) {
	d := do{t, b}
	const many = 8
	type outcome struct {
		lines gpio.Lines
		err   error
	}
	outcomes := make(chan outcome)
	for range many {
		go func() {
			lines, err := b.Backend.Request(b.Chip.Name, consumer, []gpio.LineConfig{input(lamp)})
			outcomes <- outcome{lines, err}
		}()
	}
	taken := 0
	for range many {
		o := <-outcomes
		if o.err == nil {
			taken++
			defer o.lines.Close()
			continue
		}
		d.is(o.err, gpio.ErrBusy, syscall.EBUSY)
		if opErr, ok := errors.AsType[*gpio.OpError](o.err); !ok || opErr.Holder != consumer || opErr.Line != "SG-LAMP" {
			t.Errorf("got %v", o.err)
		}
	}
	if taken != 1 {
		t.Errorf("%d requests got the line", taken)
	}
}

// refused are configurations that no kernel takes.
var refused = map[string]gpio.LineConfig{
	"edges on an output":            {Direction: gpio.Output, Edges: gpio.RisingEdges},
	"edges as is":                   {Edges: gpio.BothEdges},
	"debounce on an output":         {Direction: gpio.Output, Debounce: time.Millisecond},
	"debounce as is":                {Debounce: time.Millisecond},
	"drive on an input":             {Direction: gpio.Input, Drive: gpio.OpenDrain},
	"drive as is":                   {Drive: gpio.OpenSource},
	"bias as is":                    {Bias: gpio.BiasPullUp},
	"bias disabled as is":           {Bias: gpio.BiasDisabled},
	"negative debounce":             {Direction: gpio.Input, Debounce: -time.Millisecond},
	"debounce too long":             {Direction: gpio.Input, Debounce: 4294967296 * time.Microsecond},
	"debounce finer than the clock": {Direction: gpio.Input, Debounce: 1500 * time.Nanosecond},
	"unknown direction":             {Direction: 3},
	"unknown bias":                  {Direction: gpio.Input, Bias: 4},
	"unknown drive":                 {Direction: gpio.Output, Drive: 3},
	"unknown edges":                 {Direction: gpio.Input, Edges: 4},
}

func testRefused(t *testing.T, b Bench) {
	d := do{t, b}
	for name, line := range refused {
		line.Offset = door
		err := d.refuses(b.Chip.Name, input(lamp), line)
		d.is(err, syscall.EINVAL)
		if err.Line == "" || err.Chip != b.Chip.Name {
			t.Errorf("%s: error does not say which line: %v", name, err)
		}
		held := d.request(input(door))
		d.is(held.Reconfigure([]gpio.LineConfig{line}), syscall.EINVAL)
		d.close(held)
	}
	d.is(d.refuses(b.Chip.Name), syscall.EINVAL)
	d.is(d.refuses(b.Chip.Name, make([]gpio.LineConfig, 65)...), syscall.EINVAL)
	d.is(d.refuses(b.Chip.Name, manyConfigs()...), syscall.EINVAL)
	if d.info(lamp).Used || d.info(door).Used {
		t.Error("lines are still held")
	}
}

// manyConfigs are lines that differ more than the kernel's ten attributes say.
func manyConfigs() (lines []gpio.LineConfig) {
	for i, offset := range []int{lamp, door, twinA, twinB, plain, spare} {
		line := edges(offset, gpio.Edges(i%4))
		line.Debounce = time.Duration(i+1) * time.Millisecond
		line.ActiveLow = i >= 3
		lines = append(lines, line)
	}
	return lines
}

func testNoSuch(t *testing.T, b Bench) {
	d := do{t, b}
	d.is(d.refuses(b.Chip.Name, input(lamp), input(LineCount)), gpio.ErrNoLine)
	d.is(d.refuses(b.Chip.Name, input(-1)), gpio.ErrNoLine)
	d.is(d.refuses("no-such-chip", input(0)), gpio.ErrNoChip)
	d.is(d.refuses("/dev/null", input(0)), gpio.ErrNoChip)
}
