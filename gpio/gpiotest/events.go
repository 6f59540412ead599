package gpiotest

import (
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var eventTests = map[string]func(*testing.T, Bench){
	"both edges":               testBothEdges,
	"rising only":              testRisingOnly,
	"falling only":             testFallingOnly,
	"active low":               testActiveLowEdges,
	"several lines":            testSeveralLines,
	"times":                    testTimes,
	"none unless asked for":    testNoEdges,
	"go on over a reconfigure": testNumbersGoOn,
	"debounce":                 testDebounce,
	"debounce swallows":        testDebounceSwallows,
	"overflow":                 testOverflow,
}

func testBothEdges(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges))
	for i := range uint32(20) {
		high := i%2 == 0
		d.pull(door, high)
		edge := gpio.Falling
		if high {
			edge = gpio.Rising
		}
		d.expect(lines, door, edge, i+1, i+1)
		d.reads(lines, high)
	}
}

func testRisingOnly(t *testing.T, b Bench) {
	d := do{t, b}
	lines, pace := d.request(edges(door, gpio.RisingEdges)), d.pacer()
	for i := range uint32(3) {
		d.pull(door, true)
		d.expect(lines, door, gpio.Rising, i+1, i+1)
		d.pull(door, false)
		pace.wait()
	}
}

func testFallingOnly(t *testing.T, b Bench) {
	d := do{t, b}
	d.pull(door, true)
	lines, pace := d.request(edges(door, gpio.FallingEdges)), d.pacer()
	for i := range uint32(3) {
		d.pull(door, false)
		d.expect(lines, door, gpio.Falling, i+1, i+1)
		d.pull(door, true)
		pace.wait()
	}
}

func testActiveLowEdges(t *testing.T, b Bench) {
	d := do{t, b}
	both, rising := edges(door, gpio.BothEdges), edges(plain, gpio.RisingEdges)
	both.ActiveLow, rising.ActiveLow = true, true
	lines, pace := d.request(both, rising), d.pacer()
	d.pull(door, true)
	d.expect(lines, door, gpio.Falling, 1, 1)
	d.pull(door, false)
	d.expect(lines, door, gpio.Rising, 2, 2)
	d.pull(plain, true)
	pace.wait()
	d.pull(plain, false)
	d.expect(lines, plain, gpio.Rising, 3, 1)
}

func testSeveralLines(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(spare, gpio.BothEdges), input(plain), edges(door, gpio.BothEdges))
	d.pull(door, true)
	d.expect(lines, door, gpio.Rising, 1, 1)
	d.pull(spare, true)
	d.expect(lines, spare, gpio.Rising, 2, 1)
	d.pull(plain, true)
	d.pull(door, false)
	d.expect(lines, door, gpio.Falling, 3, 2)
	d.pull(spare, false)
	d.expect(lines, spare, gpio.Falling, 4, 2)
	d.reads(lines, false, true, false)
}

func testTimes(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges))
	const slack = time.Second // for clocks that are read one after the other
	var last gpio.Event
	for i := range 10 {
		before := time.Now().Round(0)
		d.pull(door, i%2 == 0)
		e := d.event(lines)
		after := time.Now().Round(0)
		if e.Time.Before(before.Add(-slack)) || e.Time.After(after.Add(slack)) {
			t.Errorf("event %d at %v, want between %v and %v", i, e.Time, before, after)
		}
		if e.Clock <= 0 || e.Clock < last.Clock {
			t.Errorf("event %d: clock %v after %v", i, e.Clock, last.Clock)
		}
		last = e
	}
}

func testNoEdges(t *testing.T, b Bench) {
	d := do{t, b}
	lines, pace := d.request(input(door)), d.pacer()
	d.pull(door, true)
	pace.wait()
	d.reconfigure(lines, edges(door, gpio.BothEdges))
	d.pull(door, false)
	d.expect(lines, door, gpio.Falling, 1, 1)
	d.reconfigure(lines, input(door))
	d.pull(door, true)
	pace.wait()
	d.reconfigure(lines, edges(door, gpio.BothEdges))
	d.pull(door, false)
	d.expect(lines, door, gpio.Falling, 2, 2)
}

func testNumbersGoOn(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges), output(lamp, false))
	d.pull(door, true)
	d.expect(lines, door, gpio.Rising, 1, 1)
	d.reconfigure(lines, edges(door, gpio.BothEdges), output(lamp, true))
	d.pull(door, false)
	d.expect(lines, door, gpio.Falling, 2, 2)
	inverted := edges(door, gpio.BothEdges)
	inverted.ActiveLow = true
	d.reconfigure(lines, inverted, output(lamp, true))
	d.pull(door, true)
	d.expect(lines, door, gpio.Falling, 3, 3)
}

func testDebounce(t *testing.T, b Bench) {
	d := do{t, b}
	const period = 300 * time.Millisecond
	line := edges(door, gpio.BothEdges)
	line.Debounce = period
	lines := d.request(line)
	changed := time.Now()
	for _, high := range []bool{true, false, true, false, true} { // faster than the period
		d.pull(door, high)
	}
	values, err := lines.Values()
	if err != nil {
		t.Fatal(err)
	}
	if values[0] && time.Since(changed) < period {
		t.Error("the level was taken over before it was stable")
	}
	d.expect(lines, door, gpio.Rising, 1, 1)
	if waited := time.Since(changed); waited < period-10*time.Millisecond {
		t.Errorf("event after %v, before the period was over", waited)
	}
	d.reads(lines, true)
	d.pull(door, false)
	d.expect(lines, door, gpio.Falling, 2, 2)
	d.reads(lines, false)
}

// testDebounceSwallows has a level return within the period: nothing happened.
func testDebounceSwallows(t *testing.T, b Bench) {
	d := do{t, b}
	line := edges(door, gpio.BothEdges)
	line.Debounce = 300 * time.Millisecond
	other := edges(plain, gpio.BothEdges)
	other.Debounce = line.Debounce
	lines := d.request(line, other)
	d.pull(door, true)
	d.pull(door, false)
	d.pull(plain, true) // stable no sooner than door
	d.expect(lines, plain, gpio.Rising, 1, 1)
	d.pull(door, true)
	d.expect(lines, door, gpio.Rising, 2, 1)
}

// testOverflow lets events run over the buffers of a reader that does not read.
func testOverflow(t *testing.T, b Bench) {
	d := do{t, b}
	lines, pace := d.request(edges(door, gpio.BothEdges)), d.pacer()
	const changes = gpio.EventBuffer + 45 // odd: ends high
	for i := range changes {
		d.pull(door, i%2 == 0)
		pace.wait()
	}
	d.reads(lines, true)
	seen, last := 0, uint32(0)
	take := func() {
		e := d.event(lines)
		if e.LineSeqno <= last || e.Seqno != e.LineSeqno {
			t.Fatalf("number %d (of the line %d) after %d", e.Seqno, e.LineSeqno, last)
		}
		seen, last = seen+1, e.LineSeqno
	}
	for len(lines.Events()) > 0 {
		take()
	}
	d.pull(door, false)
	for last < changes+1 {
		take()
	}
	if lost := changes + 1 - seen; lost <= 0 {
		t.Errorf("%d events of %d were lost: the test did not reach the limit", lost, changes+1)
	}
	if last != changes+1 {
		t.Errorf("the last event has number %d, want %d", last, changes+1)
	}
	d.reads(lines, false)
}
