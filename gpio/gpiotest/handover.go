package gpiotest

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// handoverTests are for backends whose lines are a [gpio.Descriptor]; the other
// ones have nothing to hand over.
var handoverTests = map[string]func(*testing.T, Bench){
	"no level change":       testHandOver,
	"last copy releases":    testLastCopy,
	"copy does not disturb": testCopy,
	"several lines":         testAdoptSeveral,
	"reconfigured after":    testAdoptReconfigured,
	"events go on":          testAdoptEvents,
	"over and over":         testHandOverOften,
	"refused":               testAdoptRefused,
	"gone":                  testAdoptGone,
	"closed":                testFileClosed,
}

// handsOver tells whether the backend's lines can be handed over, and requires
// that it and its lines agree on that.
func handsOver(t *testing.T, b Bench) bool {
	d := do{t, b}
	_, adopts := b.Backend.(gpio.Adopter)
	_, passes := d.request(output(lamp, true)).(gpio.Descriptor)
	if adopts != passes {
		t.Errorf("the backend adopts: %v, its lines can be passed: %v", adopts, passes)
	}
	return adopts
}

func (d do) file(lines gpio.Lines) *os.File {
	d.Helper()
	file, err := lines.(gpio.Descriptor).File()
	if err != nil {
		d.Fatalf("file: %v", err)
	}
	d.Cleanup(func() { file.Close() })
	return file
}

// adopt takes lines over until the end of the test.
func (d do) adopt(file *os.File, offsets ...int) gpio.Lines {
	d.Helper()
	lines, err := d.Backend.(gpio.Adopter).Adopt(file, d.Chip.Path, consumer, offsets)
	if err != nil {
		d.Fatalf("adopt: %v", err)
	}
	d.isClosed(file)
	d.Cleanup(func() { lines.Close() })
	return lines
}

func (d do) isClosed(file *os.File) {
	d.Helper()
	if err := file.Close(); !errors.Is(err, os.ErrClosed) {
		d.Errorf("the file was left open: %v", err)
	}
}

// testHandOver has a level stay while lines change hands, with a pull that would
// move it at once if they were released.
func testHandOver(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	file := d.file(lines)
	d.close(lines)
	d.is(lines.SetValues([]bool{false}), gpio.ErrClosed)
	d.level(lamp, true)
	if info := d.info(lamp); !info.Used || info.Consumer != consumer || info.Direction != gpio.Output {
		t.Errorf("between hands: %+v", info)
	}
	d.is(d.refuses(b.Chip.Name, output(lamp, true)), gpio.ErrBusy)

	lines = d.adopt(file, lamp)
	d.reads(lines, true)
	d.level(lamp, true)
	d.set(lines, false)
	d.level(lamp, false)
	d.set(lines, true)
	d.level(lamp, true)
	d.close(lines)
	d.level(lamp, false)
	d.request(output(lamp, true))
}

func testLastCopy(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	first, second := d.file(lines), d.file(lines)
	d.close(lines)
	first.Close()
	d.level(lamp, true)
	second.Close()
	d.level(lamp, false)
	if d.info(lamp).Used {
		t.Error("lamp is still held")
	}
	d.request(output(lamp, true))
}

func testCopy(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true), output(plain, false))
	file := d.file(lines)
	d.set(lines, false, true)
	file.Close()
	d.reads(lines, false, true)
	d.close(lines)
	d.level(plain, false)
}

func testAdoptSeveral(t *testing.T, b Bench) {
	d := do{t, b}
	low := output(twinB, true)
	low.ActiveLow = true
	lines := d.request(output(spare, true), low, output(lamp, false))
	file := d.file(lines)
	d.close(lines)
	lines = d.adopt(file, spare, twinB, lamp)
	d.reads(lines, true, true, false)
	d.set(lines, false, false, true)
	d.level(spare, false)
	d.level(twinB, true)
	d.level(lamp, true)
	d.is(lines.SetValues([]bool{true}), syscall.EINVAL)
}

// testAdoptReconfigured changes all about an adopted output but its level.
func testAdoptReconfigured(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	file := d.file(lines)
	d.close(lines)
	lines = d.adopt(file, lamp)
	d.is(lines.Reconfigure([]gpio.LineConfig{output(plain, true)}), syscall.EINVAL)
	d.reconfigure(lines, gpio.LineConfig{Offset: lamp, Direction: gpio.Output, ActiveLow: true, Drive: gpio.OpenSource})
	d.level(lamp, true)
	d.reads(lines, false)
	if info := d.info(lamp); !info.ActiveLow || info.Drive != gpio.OpenSource || info.Consumer != consumer {
		t.Errorf("got %+v", info)
	}
}

func testAdoptEvents(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(edges(door, gpio.BothEdges), edges(plain, gpio.RisingEdges))
	d.pull(door, true)
	d.expect(lines, door, gpio.Rising, 1, 1)
	file := d.file(lines)
	d.close(lines)
	lines = d.adopt(file, door, plain)
	d.pull(plain, true)
	d.expect(lines, plain, gpio.Rising, 2, 1)
	d.pull(door, false)
	d.expect(lines, door, gpio.Falling, 3, 2)
}

func testHandOverOften(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	for i := range 20 {
		file := d.file(lines)
		d.close(lines)
		d.level(lamp, i%2 == 0)
		lines = d.adopt(file, lamp)
		d.set(lines, i%2 == 1)
	}
}

func testAdoptRefused(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true), output(plain, true))
	file, both := d.file(lines), []int{lamp, plain}
	cases := map[string]struct {
		file           *os.File
		chip, consumer string
		offsets        []int
		want           error
	}{
		"another chip":     {d.file(lines), "no-such-chip", consumer, both, gpio.ErrNoChip},
		"another consumer": {d.file(lines), b.Chip.Name, "somebody", both, syscall.EINVAL},
		"other lines":      {d.file(lines), b.Chip.Name, consumer, []int{lamp, spare}, syscall.EINVAL},
		"other order":      {d.file(lines), b.Chip.Name, consumer, []int{plain, lamp}, syscall.EINVAL},
		"fewer lines":      {d.file(lines), b.Chip.Name, consumer, []int{lamp}, syscall.EINVAL},
		"more lines":       {d.file(lines), b.Chip.Name, consumer, []int{lamp, plain, spare}, syscall.EINVAL},
		"no lines":         {d.file(lines), b.Chip.Name, consumer, nil, syscall.EINVAL},
		"a pipe":           {pipe(t), b.Chip.Name, consumer, both, syscall.EINVAL},
		"a device":         {open(t, os.DevNull), b.Chip.Name, consumer, both, syscall.EINVAL},
	}
	d.close(lines)
	for name, c := range cases {
		adopted, err := b.Backend.(gpio.Adopter).Adopt(c.file, c.chip, c.consumer, c.offsets)
		if err == nil {
			adopted.Close()
			t.Errorf("%s: was adopted", name)
			continue
		}
		if opErr, ok := errors.AsType[*gpio.OpError](err); !ok || opErr.Op != "adopt" || opErr.Chip == "" || !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		d.isClosed(c.file)
	}
	lines = d.adopt(file, both...)
	d.reads(lines, true, true)
	d.set(lines, false, true)
	d.level(lamp, false)
}

// pipe is an open file that has nothing to do with lines.
func pipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); r.Close() })
	return r
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// testAdoptGone has a file outlive its chip: the one that comes back in its place
// is another one.
func testAdoptGone(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	first, second := d.file(lines), d.file(lines)
	d.close(lines)
	adopter := b.Backend.(gpio.Adopter)
	d.unplug()
	_, err := adopter.Adopt(first, b.Chip.Label, consumer, []int{lamp})
	d.is(err, gpio.ErrGone)
	if err := b.Hand.Plug(); err != nil {
		t.Fatal(err)
	}
	lines, err = b.Backend.Request(b.Chip.Label, consumer, []gpio.LineConfig{output(lamp, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	_, err = adopter.Adopt(second, b.Chip.Label, consumer, []int{lamp})
	d.is(err, gpio.ErrGone)
	d.set(lines, true)
	d.level(lamp, true)
}

func testFileClosed(t *testing.T, b Bench) {
	d := do{t, b}
	lines := d.request(output(lamp, true))
	d.close(lines)
	_, err := lines.(gpio.Descriptor).File()
	d.is(err, gpio.ErrClosed)
	file := pipe(t)
	file.Close()
	_, err = b.Backend.(gpio.Adopter).Adopt(file, b.Chip.Name, consumer, []int{lamp})
	d.is(err, syscall.EINVAL)
}
