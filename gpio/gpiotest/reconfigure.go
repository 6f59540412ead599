package gpiotest

import (
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var reconfigureTests = map[string]func(*testing.T, Bench){
	"direction":          testTurn,
	"keeps a level":      testKeepLevel,
	"as is is left":      testLeftAlone,
	"other lines":        testOtherLines,
	"line by line":       testLineByLine,
	"all in one request": testAllDifferent,
}

func testTurn(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(input(lamp))
	d.reconfigure(lines, output(lamp, true))
	d.reads(lines, true)
	d.level(lamp, true)
	d.set(lines, false)
	d.level(lamp, false)
	d.reconfigure(lines, edges(lamp, gpio.BothEdges))
	d.is(lines.SetValues([]bool{true}), syscall.EPERM)
	d.pull(lamp, true)
	d.reads(lines, true)
	d.expect(lines, lamp, gpio.Rising, 1, 1)
	if info := d.info(lamp); info.Direction != gpio.Input || info.Edges != gpio.BothEdges || info.Consumer != consumer {
		t.Errorf("got %+v", info)
	}
}

// testKeepLevel changes all about an output but its level.
func testKeepLevel(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	d.reconfigure(lines, output(lamp, true))
	d.level(lamp, true)
	d.reconfigure(lines, gpio.LineConfig{Offset: lamp, Direction: gpio.Output, ActiveLow: true})
	d.level(lamp, true)
	d.reads(lines, false)
	d.reconfigure(lines, gpio.LineConfig{Offset: lamp, Direction: gpio.Output, Drive: gpio.OpenSource, Value: true})
	d.level(lamp, true)
	d.reads(lines, true)
}

func testLeftAlone(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true), edges(door, gpio.BothEdges), output(plain, false))
	d.reconfigure(lines, gpio.LineConfig{Offset: lamp}, gpio.LineConfig{Offset: door}, output(plain, true))
	d.reads(lines, true, false, true)
	d.level(lamp, true)
	if got := d.info(door); got.Edges != gpio.BothEdges || got.Direction != gpio.Input {
		t.Errorf("door is %+v", got)
	}
	d.pull(door, true)
	d.expect(lines, door, gpio.Rising, 1, 1)
}

func testOtherLines(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true), output(plain, true))
	for name, configs := range map[string][]gpio.LineConfig{
		"none":      nil,
		"fewer":     {output(lamp, false)},
		"more":      {output(lamp, false), output(plain, false), output(spare, false)},
		"others":    {output(lamp, false), output(spare, false)},
		"out order": {output(plain, false), output(lamp, false)},
	} {
		err := lines.Reconfigure(configs)
		if err == nil {
			t.Errorf("%s: was taken", name)
		}
		d.is(err, syscall.EINVAL)
	}
	d.reads(lines, true, true)
}

func testLineByLine(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, false), input(door))
	d.reconfigure(lines, input(lamp), output(door, true))
	d.level(door, true)
	d.reconfigure(lines, output(lamp, true), input(door))
	d.level(lamp, true)
	d.pull(door, true)
	d.reads(lines, true, true)
}

// testAllDifferent has as many kinds of lines in one request as the kernel takes.
func testAllDifferent(t *testing.T, b Bench) {
	d := do{t, b}
	configs := []gpio.LineConfig{
		{Offset: plain},
		{Offset: lamp, Direction: gpio.Output, Value: true},
		{Offset: twinA, Direction: gpio.Output, ActiveLow: true, Value: true},
		{Offset: twinB, Direction: gpio.Output, Drive: gpio.OpenDrain},
		{Offset: door, Direction: gpio.Input, Edges: gpio.BothEdges, Bias: gpio.BiasPullUp},
		{Offset: spare, Direction: gpio.Input, Edges: gpio.RisingEdges, Debounce: time.Millisecond},
		{Offset: beat, Direction: gpio.Input, Edges: gpio.FallingEdges, Debounce: 2 * time.Millisecond, ActiveLow: true},
	}
	lines := d.request(configs...)
	d.reads(lines, false, true, true, false, true, false, true)
	d.reconfigure(lines, configs...)
	d.reads(lines, false, true, true, false, true, false, true)
	d.level(twinA, false)
	d.pull(spare, true)
	d.expect(lines, spare, gpio.Rising, 1, 1)
	d.pull(beat, true)
	d.expect(lines, beat, gpio.Falling, 2, 1)
	d.pull(door, false)
	d.expect(lines, door, gpio.Falling, 3, 1)
	d.reads(lines, false, true, true, false, false, true, false)
}
