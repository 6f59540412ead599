package gpiotest

import (
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var valueTests = map[string]func(*testing.T, Bench){
	"input":                 testInput,
	"output":                testOutput,
	"active low":            testActiveLow,
	"several in one call":   testSeveral,
	"wrong number":          testWrongNumber,
	"input cannot be set":   testSetInput,
	"bias":                  testBias,
	"open drain":            testOpenDrain,
	"open source":           testOpenSource,
	"as is reads":           testAsIs,
	"release":               testRelease,
	"output against a pull": testAgainstPull,
}

func testInput(t *testing.T, b Bench) {
	d := do{t, b}
	d.pull(door, true)
	lines := d.request(input(door), input(lamp))
	d.reads(lines, true, false)
	d.pull(lamp, true)
	d.pull(door, false)
	d.reads(lines, false, true)
}

func testOutput(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	d.level(lamp, true)
	d.reads(lines, true)
	for _, value := range []bool{false, true, true, false} {
		d.set(lines, value)
		d.level(lamp, value)
		d.reads(lines, value)
	}
	if got := d.info(lamp).Direction; got != gpio.Output {
		t.Errorf("direction is %v", got)
	}
}

func testActiveLow(t *testing.T, b Bench) {
	d := do{t, b}
	out, in := output(lamp, true), input(door)
	out.ActiveLow, in.ActiveLow = true, true
	outputs, inputs := d.request(out), d.request(in)
	d.level(lamp, false)
	d.reads(outputs, true)
	d.set(outputs, false)
	d.level(lamp, true)
	d.reads(outputs, false)
	d.reads(inputs, true)
	d.pull(door, true)
	d.reads(inputs, false)
}

func testSeveral(t *testing.T, b Bench) {
	d := do{t, b}
	low := output(twinB, true)
	low.ActiveLow = true
	lines := d.request(output(spare, true), low, output(lamp, false), output(plain, true))
	d.reads(lines, true, true, false, true)
	d.level(spare, true)
	d.level(twinB, false)
	d.level(lamp, false)
	d.level(plain, true)
	d.set(lines, false, false, true, true)
	d.reads(lines, false, false, true, true)
	d.level(spare, false)
	d.level(twinB, true)
	d.level(lamp, true)
	d.level(plain, true)
}

func testWrongNumber(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, false), output(plain, false))
	for _, values := range [][]bool{nil, {true}, {true, true, true}} {
		d.is(lines.SetValues(values), syscall.EINVAL)
	}
	d.reads(lines, false, false)
}

func testSetInput(t *testing.T, b Bench) {
	d := do{t, b}
	for _, lines := range []gpio.Lines{
		d.request(input(door)),
		d.request(output(lamp, false), input(plain)),
		d.request(gpio.LineConfig{Offset: spare}),
	} {
		values, err := lines.Values()
		if err != nil {
			t.Fatal(err)
		}
		for i := range values {
			values[i] = true
		}
		err = lines.SetValues(values)
		d.is(err, syscall.EPERM)
		d.isNot(err, gpio.ErrPermission)
	}
	d.level(lamp, false)
}

func testBias(t *testing.T, b Bench) {
	d := do{t, b}
	up, down, off := input(door), input(lamp), input(plain)
	up.Bias, down.Bias, off.Bias = gpio.BiasPullUp, gpio.BiasPullDown, gpio.BiasDisabled
	d.pull(lamp, true)
	d.pull(plain, true)
	lines := d.request(up, down, off)
	d.reads(lines, true, false, true)
	d.pull(door, false) // the hand is stronger
	d.reads(lines, false, false, true)
	up.Bias = gpio.BiasAsIs
	d.reconfigure(lines, up, down, off)
	d.reads(lines, false, false, true)
}

func testOpenDrain(t *testing.T, b Bench) {
	d := do{t, b}
	for _, pull := range []bool{true, false} {
		d.pull(lamp, pull)
		line := output(lamp, true)
		line.Drive = gpio.OpenDrain
		lines := d.request(line)
		d.reads(lines, pull) // let go: what the line is, not what was set
		d.level(lamp, pull)
		d.set(lines, false)
		d.reads(lines, false)
		d.level(lamp, false)
		d.close(lines)
		d.level(lamp, pull)
	}
}

func testOpenSource(t *testing.T, b Bench) {
	d := do{t, b}
	for _, pull := range []bool{true, false} {
		d.pull(lamp, pull)
		line := output(lamp, false)
		line.Drive = gpio.OpenSource
		lines := d.request(line)
		d.reads(lines, pull)
		d.set(lines, true)
		d.reads(lines, true)
		d.level(lamp, true)
		d.close(lines)
		d.level(lamp, pull)
	}
}

// testAsIs takes a line as it is, as a program does that must not move it.
func testAsIs(t *testing.T, b Bench) {
	d := do{t, b}
	d.pull(lamp, true)
	lines := d.request(gpio.LineConfig{Offset: lamp})
	d.reads(lines, true)
	if got := d.info(lamp).Direction; got != gpio.Input {
		t.Errorf("direction is %v, was input", got)
	}
	d.reconfigure(lines, output(lamp, true))
	d.level(lamp, true)
	d.pull(lamp, false)
	d.reads(lines, true)
	d.level(lamp, true)
	d.close(lines)

	// The driver still has it as an output; so has who takes it as it is.
	lines = d.request(gpio.LineConfig{Offset: lamp})
	if got := d.info(lamp).Direction; got != gpio.Output {
		t.Errorf("direction is %v, was output", got)
	}
	d.set(lines, true)
	d.reads(lines, true)
	d.close(lines)

	lines = d.request(gpio.LineConfig{Offset: lamp, ActiveLow: true})
	d.reads(lines, true)
	d.level(lamp, false)
}

func testRelease(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true), output(door, false))
	d.pull(door, true)
	d.close(lines)
	d.level(lamp, false)
	d.level(door, true)
	if info := d.info(lamp); info.Used || info.Consumer != "" {
		t.Errorf("lamp is still held: %+v", info)
	}
	d.request(output(lamp, true), output(door, true))
}

func testAgainstPull(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, false))
	d.pull(lamp, true)
	d.reads(lines, false)
	d.level(lamp, false)
	d.set(lines, true)
	d.pull(lamp, false)
	d.reads(lines, true)
}
