package gpiotest

import (
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var goneTests = map[string]func(*testing.T, Bench){
	"while held":  testGoneWhileHeld,
	"comes back":  testComesBack,
	"while free":  testGoneWhileFree,
	"then closed": testGoneThenClosed,
}

func (d do) unplug() {
	d.Helper()
	if err := d.Hand.Unplug(); err != nil {
		d.Fatalf("unplug: %v", err)
	}
}

// isGone requires that lines know of the loss of their chip by themselves.
func (d do) isGone(lines gpio.Lines, configs ...gpio.LineConfig) {
	d.Helper()
	d.ended(lines.Events())
	_, err := lines.Values()
	d.is(err, gpio.ErrGone)
	d.isNot(err, gpio.ErrClosed)
	d.is(lines.SetValues(make([]bool, len(configs))), gpio.ErrGone)
	d.is(lines.Reconfigure(configs), gpio.ErrGone)
}

func testGoneWhileHeld(t *testing.T, b Bench) {
	d := do{t, b}
	watched, driven := edges(door, gpio.BothEdges), output(lamp, true)
	bounced := edges(plain, gpio.BothEdges)
	bounced.Debounce = 1000000
	lines, outputs := d.request(watched, bounced), d.request(driven)
	d.pull(door, true)
	d.expect(lines, door, gpio.Rising, 1, 1)
	d.pull(plain, true) // the debounce is under way
	d.unplug()
	d.isGone(lines, watched, bounced)
	d.isGone(outputs, driven)
	d.close(lines)
	d.close(outputs)
	_, err := lines.Values()
	d.is(err, gpio.ErrClosed)
}

func testComesBack(t *testing.T, b Bench) {
	d := do{t, b}
	old := d.request(output(lamp, true))
	d.unplug()
	d.ended(old.Events())
	if err := b.Hand.Plug(); err != nil {
		t.Fatal(err)
	}
	found, err := gpio.Find(b.Backend, gpio.Ref{Chip: b.Chip.Label, Line: "SG-LAMP"})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := b.Backend.Request(found.Chip.Name, consumer, []gpio.LineConfig{output(found.Line.Offset, true)})
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	d.level(lamp, true)
	_, err = old.Values()
	d.is(err, gpio.ErrGone)
	d.close(old)
	d.reads(lines, true)
}

func testGoneWhileFree(t *testing.T, b Bench) {
	d := do{t, b}
	d.unplug()
	d.is(d.refuses(b.Chip.Label, input(door)), gpio.ErrNoChip)
	d.is(d.refuses(b.Chip.Name, input(door)), gpio.ErrNoChip)
	_, err := gpio.Find(b.Backend, gpio.Ref{Line: "SG-DOOR"})
	d.is(err, gpio.ErrNoLine)
	chips, err := b.Backend.Chips()
	if err != nil {
		t.Fatal(err)
	}
	for _, chip := range chips {
		if chip.Label == b.Chip.Label {
			t.Errorf("chip %+v is still listed", chip)
		}
	}
}

func testGoneThenClosed(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges), output(lamp, true))
	d.unplug()
	d.close(lines)
	d.ended(lines.Events())
	d.close(lines)
}
