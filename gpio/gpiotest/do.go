package gpiotest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// patience is how long the suite waits for what must come. Nothing that works
// waits that long.
const patience = 20 * time.Second

const consumer = "gpiotest"

// do is a bench with the outcomes checked that a test does not ask about.
type do struct {
	*testing.T
	Bench
}

func input(offset int) gpio.LineConfig {
	return gpio.LineConfig{Offset: offset, Direction: gpio.Input}
}

func output(offset int, value bool) gpio.LineConfig {
	return gpio.LineConfig{Offset: offset, Direction: gpio.Output, Value: value}
}

func edges(offset int, edges gpio.Edges) gpio.LineConfig {
	return gpio.LineConfig{Offset: offset, Direction: gpio.Input, Edges: edges}
}

// request takes lines until the end of the test.
func (d do) request(lines ...gpio.LineConfig) gpio.Lines {
	d.Helper()
	held, err := d.Backend.Request(d.Chip.Name, consumer, lines)
	if err != nil {
		d.Fatalf("request %+v: %v", lines, err)
	}
	d.Cleanup(func() { held.Close() })
	return held
}

// refuses requires that a request fails, and gives its error.
func (d do) refuses(chip string, lines ...gpio.LineConfig) *gpio.OpError {
	d.Helper()
	held, err := d.Backend.Request(chip, consumer, lines)
	if err == nil {
		held.Close()
		d.Fatalf("request %+v: was taken", lines)
	}
	opErr, ok := errors.AsType[*gpio.OpError](err)
	if !ok {
		d.Fatalf("request %+v: got %T %v, want an *OpError", lines, err, err)
	}
	if opErr.Op != "request" {
		d.Errorf("request: error has op %q", opErr.Op)
	}
	return opErr
}

func (d do) set(lines gpio.Lines, values ...bool) {
	d.Helper()
	if err := lines.SetValues(values); err != nil {
		d.Fatalf("set %v: %v", values, err)
	}
}

func (d do) reads(lines gpio.Lines, want ...bool) {
	d.Helper()
	got, err := lines.Values()
	if err != nil {
		d.Fatalf("values: %v", err)
	}
	if !slices.Equal(got, want) {
		d.Errorf("values: got %v, want %v", got, want)
	}
}

func (d do) reconfigure(lines gpio.Lines, configs ...gpio.LineConfig) {
	d.Helper()
	if err := lines.Reconfigure(configs); err != nil {
		d.Fatalf("reconfigure %+v: %v", configs, err)
	}
}

func (d do) close(lines gpio.Lines) {
	d.Helper()
	if err := lines.Close(); err != nil {
		d.Fatalf("close: %v", err)
	}
}

func (d do) pull(offset int, high bool) {
	d.Helper()
	if err := d.Hand.SetPull(offset, high); err != nil {
		d.Fatalf("pull line %d: %v", offset, err)
	}
}

// level requires the physical level of a line.
func (d do) level(offset int, want bool) {
	d.Helper()
	got, err := d.Hand.Level(offset)
	if err != nil {
		d.Fatalf("level of line %d: %v", offset, err)
	}
	if got != want {
		d.Errorf("level of line %d: got %v, want %v", offset, got, want)
	}
}

func (d do) info(offset int) gpio.LineInfo {
	d.Helper()
	infos, err := d.Backend.LineInfos(d.Chip.Name)
	if err != nil {
		d.Fatalf("line infos: %v", err)
	}
	if len(infos) != LineCount {
		d.Fatalf("line infos: got %d lines, want %d", len(infos), LineCount)
	}
	return infos[offset]
}

func (d do) is(err error, want ...error) {
	d.Helper()
	for _, target := range want {
		if !errors.Is(err, target) {
			d.Errorf("got error %v, want one that is %v", err, target)
		}
	}
}

func (d do) isNot(err error, unwanted ...error) {
	d.Helper()
	for _, target := range unwanted {
		if errors.Is(err, target) {
			d.Errorf("error %v is also %v", err, target)
		}
	}
}

// event waits for the next event.
func (d do) event(lines gpio.Lines) gpio.Event {
	d.Helper()
	select {
	case e, ok := <-lines.Events():
		if !ok {
			d.Fatal("events: closed, want an event")
		}
		return e
	case <-time.After(patience):
		d.Fatal("events: none came")
	}
	panic("not reached")
}

// expect waits for the next event and requires its line, edge and numbers.
func (d do) expect(lines gpio.Lines, offset int, edge gpio.Edge, seqno, lineSeqno uint32) gpio.Event {
	d.Helper()
	e := d.event(lines)
	if e.Offset != offset || e.Edge != edge || e.Seqno != seqno || e.LineSeqno != lineSeqno {
		d.Fatalf("event: got line %d %v number %d (of the line %d), want line %d %v number %d (%d)",
			e.Offset, e.Edge, e.Seqno, e.LineSeqno, offset, edge, seqno, lineSeqno)
	}
	return e
}

// ended waits until the events are closed, and gives those that came before.
func (d do) ended(events <-chan gpio.Event) (rest []gpio.Event) {
	d.Helper()
	late := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return rest
			}
			rest = append(rest, e)
		case <-late:
			d.Fatal("events: were not closed")
		}
	}
}

// pacer gives the chip time to work off what it was given, without a guess at
// how long that takes: a chip has its interrupts in order, so that what came
// before an edge on the beat line is done when that edge is.
type pacer struct {
	do
	lines gpio.Lines
	high  bool
}

func (d do) pacer() *pacer {
	d.Helper()
	return &pacer{do: d, lines: d.request(edges(beat, gpio.BothEdges))}
}

func (p *pacer) wait() {
	p.Helper()
	p.high = !p.high
	p.pull(beat, p.high)
	p.event(p.lines)
}
