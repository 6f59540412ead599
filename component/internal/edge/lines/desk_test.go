package lines_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// desk is a bank whose lines follow at once, and what it does.
type desk struct {
	*lines.Bank
	t     *testing.T
	now   time.Time
	high  map[string]bool // levels on the wires, by identity
	drops bool            // released lines go low
	fails map[string]error
	held  map[string]held // by claim
	did   []string        // requests, writes and releases, in words
	told  []lines.Notice
	moved []lines.Moved
}

// held is a request that the desk has granted.
type held struct {
	lines.Request
	wires []string
	low   []bool // active-low, by line
	input bool
}

// setupOf is a setup of outputs; each is the name of its line.
func setupOf(labels map[string]config.Line, uses ...lines.Use) lines.Setup {
	return lines.Setup{Lines: labels, Uses: uses}
}

// output is an output line, with rules.
func output(name string, rules ...func(*config.Line)) config.Line {
	l := config.Line{Ref: gpio.Ref{Line: name}, Direction: gpio.Output}
	for _, rule := range rules {
		rule(&l)
	}
	return l
}

func input(name string, rules ...func(*config.Line)) config.Line {
	l := output(name, rules...)
	l.Direction = gpio.Input
	return l
}

func activeLow(l *config.Line) { l.ActiveLow = true }
func pullUp(l *config.Line)    { l.Bias = gpio.BiasPullUp }
func startOn(l *config.Line)   { l.Start = config.StartOn }
func startOff(l *config.Line)  { l.Start = config.StartOff }
func startKeep(l *config.Line) { l.Start = config.StartKeep }
func stopOff(l *config.Line)   { l.Stop = config.StopOff }

func minOn(d time.Duration) func(*config.Line)  { return func(l *config.Line) { l.MinOn = d } }
func minOff(d time.Duration) func(*config.Line) { return func(l *config.Line) { l.MinOff = d } }

func failsafeAfter(d time.Duration, on bool) func(*config.Line) {
	return func(l *config.Line) { l.Failsafe = &config.Failsafe{After: d, On: on} }
}

func newDesk(t *testing.T, setup lines.Setup) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Unix(1_700_000_000, 0), high: map[string]bool{}, fails: map[string]error{}}
	d.start(setup, lines.Memory{})
	return d
}

// start starts a bank, without a link to lose.
func (d *desk) start(setup lines.Setup, memory lines.Memory) {
	d.t.Helper()
	d.held = map[string]held{}
	d.Bank = lines.New(setup, memory, rand.New(rand.NewPCG(1, 2)), slog.New(slog.DiscardHandler))
	d.Start(d.now)
	d.Link(d.now, true)
	d.carryOut(setup)
}

// restart is another run of the component.
func (d *desk) restart(setup lines.Setup) {
	d.t.Helper()
	memory := d.Memory()
	for _, h := range d.held {
		d.letGo(h)
	}
	d.mark()
	d.start(setup, memory)
}

func (d *desk) configure(setup lines.Setup) {
	d.t.Helper()
	d.mark()
	d.Configure(d.now, setup)
	d.carryOut(setup)
}

// mark forgets what was done until now.
func (d *desk) mark() { d.did, d.told, d.moved = nil, nil, nil }

func (d *desk) pass(span time.Duration) {
	d.t.Helper()
	for end := d.now.Add(span); ; {
		wake := d.Wake()
		if wake.IsZero() || wake.After(end) {
			d.now = end
			return
		}
		if wake.After(d.now) {
			d.now = wake
		}
		d.Tick(d.now)
		d.carryOut(lines.Setup{})
	}
}

// drive demands something of outputs and returns what was refused.
func (d *desk) drive(demands map[string]lines.Demand) map[string]error {
	d.t.Helper()
	orders := map[string]lines.Order{}
	for label, demand := range demands {
		orders[label] = lines.Order{Demand: demand, Cause: lines.Cause{Kind: "test"}}
	}
	refused := d.Drive(d.now, orders)
	d.carryOut(lines.Setup{})
	return refused
}

// set demands levels of an output.
func (d *desk) set(label string, levels ...bool) {
	d.t.Helper()
	if refused := d.drive(map[string]lines.Demand{label: lines.Pattern(levels)}); len(refused) > 0 {
		d.t.Fatal(refused)
	}
}

// edge lets an input change.
func (d *desk) edge(claim string, burst lines.Burst) {
	d.t.Helper()
	d.Seen(d.now, claim, d.held[claim].Request.Request, burst)
	d.carryOut(lines.Setup{})
}

func (d *desk) carryOut(setup lines.Setup) {
	d.t.Helper()
	for effects := d.Effects(); len(effects) > 0; effects = d.Effects() {
		for _, effect := range effects {
			switch e := effect.(type) {
			case lines.Request:
				d.request(setup, e)
			case lines.Write:
				h := d.held[e.Claim]
				d.did = append(d.did, "write "+e.Claim+" "+words(e.Values))
				d.set1(h, e.Values)
				d.Written(d.now, e.Claim, d.read(h))
			case lines.Release:
				text := "release " + e.Claim
				if h, ok := d.held[e.Claim]; ok {
					if e.Values != nil {
						text += " " + words(e.Values)
						d.set1(h, e.Values)
					}
					d.letGo(h)
					delete(d.held, e.Claim)
				}
				d.did = append(d.did, text)
			case lines.Moved:
				d.moved = append(d.moved, e)
			}
		}
	}
	d.told = append(d.told, d.Notices()...)
}

func (d *desk) request(setup lines.Setup, e lines.Request) {
	d.t.Helper()
	h := held{Request: e}
	var values []string
	for i, label := range e.Lines {
		line, known := setup.Lines[label]
		if before, again := d.held[e.Claim]; !known && again {
			h.wires, h.low, h.input = before.wires, before.low, before.input
		} else if !known {
			d.t.Fatalf("%q was requested, which is not configured", label)
		} else {
			h.wires, h.low, h.input = append(h.wires, lines.Identity(line)), append(h.low, line.ActiveLow), line.Direction == gpio.Input
		}
		if value := e.Values[i]; value == nil {
			values = append(values, "as is")
		} else {
			values = append(values, words([]bool{*value}))
		}
	}
	d.did = append(d.did, "request "+e.Claim+" "+strings.Join(values, ","))
	d.held[e.Claim] = h
	if err := d.fails[e.Claim]; err != nil {
		d.Failed(d.now, e.Claim, e.Request, err)
		return
	}
	for i, value := range e.Values {
		if value != nil {
			d.high[h.wires[i]] = *value != h.low[i]
		}
	}
	d.Ready(d.now, e.Claim, d.read(h))
}

func (d *desk) set1(h held, values []bool) {
	for i, value := range values {
		d.high[h.wires[i]] = value != h.low[i]
	}
}

func (d *desk) read(h held) (values []bool) {
	for i, wire := range h.wires {
		values = append(values, d.high[wire] != h.low[i])
	}
	return values
}

func (d *desk) letGo(h held) {
	for _, wire := range h.wires {
		if d.drops && !h.input {
			d.high[wire] = false
		}
	}
}

func words(values []bool) string {
	var all []string
	for _, value := range values {
		all = append(all, map[bool]string{false: "off", true: "on"}[value])
	}
	return strings.Join(all, ",")
}

// does checks what was done since the last mark.
func (d *desk) does(want ...string) {
	d.t.Helper()
	if !slices.Equal(d.did, want) {
		d.t.Errorf("the bank did\n  %s\nwant\n  %s", strings.Join(d.did, "\n  "), strings.Join(want, "\n  "))
	}
}

// wires checks the levels on the wires.
func (d *desk) wires(want map[string]bool) {
	d.t.Helper()
	for wire, high := range want {
		if d.high[wire] != high {
			d.t.Errorf("%s is high: %v, want %v", wire, d.high[wire], high)
		}
	}
}

// is checks one line, in words.
func (d *desk) is(label, want string) {
	d.t.Helper()
	l, ok := d.Lines()[label]
	got := "unknown"
	if ok {
		got = words([]bool{l.On}) + ", demand " + l.Demand + ", since " + fmt.Sprint(d.now.Sub(l.Since)) + ", " + l.Cause.Kind
		if l.Waiting != "" {
			got += ", waits"
		}
	}
	if got != want {
		d.t.Errorf("%s is %s; want %s", label, got, want)
	}
}
