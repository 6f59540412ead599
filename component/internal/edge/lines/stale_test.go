package lines_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// TestReportsOfEarlierRequests: what waits in a queue while a deployment changes its
// line is about a request that is over.
func TestReportsOfEarlierRequests(t *testing.T) {
	door := setupOf(labels{"door": input("A"), "lamp": output("B")})
	for name, c := range map[string]struct {
		to    []lines.Setup
		value bool // of the input in the end
	}{
		"gone":               {to: []lines.Setup{setupOf(labels{"lamp": output("B")})}},
		"everything gone":    {to: []lines.Setup{{}}},
		"gone and back":      {to: []lines.Setup{{}, door}},
		"polarity":           {to: []lines.Setup{setupOf(labels{"door": input("A", activeLow), "lamp": output("B", activeLow)})}, value: true},
		"polarity, and back": {to: []lines.Setup{setupOf(labels{"door": input("A", activeLow), "lamp": output("B", activeLow)}), door}},
		"bias":               {to: []lines.Setup{setupOf(labels{"door": input("A", pullUp), "lamp": output("B", pullUp)})}},
		"swapped directions": {to: []lines.Setup{setupOf(labels{"door": output("A"), "lamp": input("B")})}},
		"another line":       {to: []lines.Setup{setupOf(labels{"door": input("C"), "lamp": output("D")})}},
		"in a pattern":       {to: []lines.Setup{setupOf(labels{"door": input("A", pullUp), "lamp": output("B"), "more": output("C")}, lines.Use{Lines: []string{"lamp", "more"}})}},
		"chip named as well": {to: []lines.Setup{setupOf(labels{"door": chip(input("A")), "lamp": chip(output("B"))})}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, door)
			d.set("lamp", true)
			a, b := d.held["A"].Request.Request, d.held["B"].Request.Request
			for _, setup := range c.to {
				d.configure(setup)
			}
			d.mark()
			before, memory := d.Lines(), d.Memory()
			for _, claim := range []string{"A", "B", "B+C", "C", "nobody", ""} {
				for _, request := range []uint64{a, b, 0, math.MaxUint64} {
					if d.held[claim].Request.Request == request {
						continue // it goes on
					}
					d.Seen(d.now, claim, request, lines.Burst{Value: true, Rising: 3, Falling: 2, Lost: 4})
					d.Failed(d.now, claim, request, errors.New("gone"))
					d.Failed(d.now, claim, request, nil)
				}
			}
			d.carryOut(lines.Setup{})
			if after := d.Lines(); len(d.did)+len(d.told) > 0 || !reflect.DeepEqual(before, after) || !reflect.DeepEqual(memory, d.Memory()) {
				t.Errorf("did %v, told %v, lines\n%+v, want\n%+v", d.did, d.told, after, before)
			}
			if value, edges, ok := d.Input("door"); ok && (value != c.value || edges != (lines.Edges{})) {
				t.Errorf("the door is %v with %+v", value, edges)
			}
		})
	}
}

func chip(l config.Line) config.Line { l.Ref.Chip = "chip"; return l }

// TestReportsOfThePresentRequestCount, also after the input got another label.
func TestReportsOfThePresentRequestCount(t *testing.T) {
	d := newDesk(t, setupOf(labels{"door": input("A")}))
	d.edge("A", lines.Burst{Value: true, Rising: 1})
	d.configure(setupOf(labels{"gate": input("A")}))
	d.does()
	d.edge("A", lines.Burst{Value: false, Falling: 1})
	if value, edges, ok := d.Input("gate"); value || !ok || edges.Rising != 1 || edges.Falling != 1 {
		t.Errorf("the gate is %v, %+v", value, edges)
	}
	if want := []lines.Notice{lines.InputChanged{Input: "gate", Falling: 1}}; !slices.Equal(d.told, want) {
		t.Errorf("told %v, want %v", d.told, want)
	}
	if _, _, ok := d.Input("door"); ok || d.Reads("door") {
		t.Error("there is a door still")
	}
}

// TestRequestNumbers are never used twice, whatever is configured.
func TestRequestNumbers(t *testing.T) {
	seen := map[uint64]bool{}
	d := newDesk(t, lines.Setup{})
	for i := range 6 {
		setup := setupOf(labels{"door": input("A"), "lamp": output("B")})
		if i%2 == 1 {
			setup = setupOf(labels{"door": input("A", activeLow), "lamp": output("B", pullUp), "more": output("C")})
		}
		d.configure(setup)
		for _, claim := range []string{"A", "B"} {
			n := d.held[claim].Request.Request
			if seen[n] || n == 0 {
				t.Errorf("request %d again", n)
			}
			seen[n] = true
		}
	}
}

// TestAnswersThatMakeNoSense lose a claim at most.
func TestAnswersThatMakeNoSense(t *testing.T) {
	setup := setupOf(labels{"door": input("A"), "lamp": output("B")})
	for name, answer := range map[string]func(d *desk, claim string){
		"nothing read":    func(d *desk, claim string) { d.Ready(d.now, claim, nil) },
		"too much read":   func(d *desk, claim string) { d.Ready(d.now, claim, []bool{true, true}) },
		"failed, no word": func(d *desk, claim string) { d.Failed(d.now, claim, d.held[claim].Request.Request, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{t: t, now: time.Unix(1_700_000_000, 0), held: map[string]held{}, high: map[string]bool{}}
			d.Bank = lines.New(setup, lines.Memory{}, newRandom(), discard)
			d.Start(d.now)
			for _, effect := range d.Effects() {
				if e, ok := effect.(lines.Request); ok {
					d.held[e.Claim] = held{Request: e}
					answer(d, e.Claim)
				}
			}
			if faults := d.Faults(); faults["door"] == nil || faults["lamp"] == nil {
				t.Errorf("faults %v, want both", faults)
			}
			if d.Moving() {
				t.Error("something has not answered")
			}
			d.Bank.Tick(d.now.Add(time.Minute))
			d.carryOut(setup)
			if faults := d.Faults(); len(faults) > 0 {
				t.Errorf("faults %v after the lines were requested again", faults)
			}
		})
	}

	d := newDesk(t, setup)
	d.set("lamp", true)
	d.mark()
	before := d.Lines()
	for _, claim := range []string{"A", "B", "door", "lamp", "", "A+B"} {
		for _, values := range [][]bool{nil, {}, {false}, {true, false}} {
			d.Held(claim)
			d.Ready(d.now, claim, values) // nobody asked
			d.Written(d.now, claim, values)
		}
	}
	d.carryOut(setup)
	if after := d.Lines(); len(d.did)+len(d.told) > 0 || !reflect.DeepEqual(before, after) {
		t.Errorf("did %v, told %v", d.did, d.told)
	}

	// A write that is answered for another number of lines.
	d.Drive(d.now, map[string]lines.Order{"lamp": {Demand: lines.Level(false)}})
	d.Effects()
	d.Written(d.now, "B", []bool{true, false, true})
	if d.Faults()["lamp"] == nil || d.Moving() {
		t.Errorf("faults %v", d.Faults())
	}
}

func TestUnknownLabels(t *testing.T) {
	d := newDesk(t, setupOf(labels{"door": input("A"), "lamp": output("B"), "p": output("C"), "q": output("D")}, lines.Use{Lines: []string{"p", "q"}}))
	for _, label := range []string{"", "nobody", "B", "p", "lamp+p"} {
		if !reflect.DeepEqual(d.Output(label), lines.Status{}) || d.IsOn(label) || d.Drives(label) {
			t.Errorf("there is an output %q", label)
		}
		if err := d.drive(map[string]lines.Demand{label: lines.Level(true)})[label]; err == nil {
			t.Errorf("%q was driven", label)
		}
	}
	for _, label := range []string{"", "nobody", "A", "lamp"} {
		if value, edges, ok := d.Input(label); value || ok || edges != (lines.Edges{}) || d.Reads(label) {
			t.Errorf("there is an input %q", label)
		}
	}
	if err := d.drive(map[string]lines.Demand{"door": lines.Level(true)})["door"]; err == nil {
		t.Error("an input was driven")
	}
	d.wires(map[string]bool{"A": false, "B": false, "C": false, "D": false})
}

// TestDemandsThatMakeNoSense are refused and leave no trace.
func TestDemandsThatMakeNoSense(t *testing.T) {
	d := newDesk(t, setupOf(labels{"lamp": output("A"), "p": output("C"), "q": output("D")}, lines.Use{Lines: []string{"p", "q"}}))
	d.set("lamp", true)
	d.mark()
	for _, demand := range []lines.Demand{
		{}, lines.Pattern([]bool{true, true}), {Levels: []bool{}, On: time.Second}, {Levels: []bool{true}, On: -time.Second},
		{Levels: []bool{true}, On: time.Second, Off: -time.Second}, {Levels: []bool{true}, Off: time.Second},
		lines.Wave(math.MaxInt64, math.MaxInt64),
	} {
		if err := d.drive(map[string]lines.Demand{"lamp": demand})["lamp"]; err == nil {
			t.Errorf("%+v was taken", demand)
		}
		if err := d.drive(map[string]lines.Demand{"p+q": demand, "lamp": lines.Level(true)})["p+q"]; err == nil && len(demand.Levels) != 2 {
			t.Errorf("%+v was taken by two lines", demand)
		}
	}
	d.is("lamp", "on, demand on, since 0s, test")
}

// TestSetupsThatMakeNoSense leave out what contradicts the rest.
func TestSetupsThatMakeNoSense(t *testing.T) {
	setup := lines.Setup{
		Lines: labels{"a": output("A"), "b": output("B"), "again": output("A"), "door": input("C"), "door2": input("C"), "a+b": output("D")},
		Interlocks: map[string]config.Interlock{
			"one": {Lines: []string{"a", "b", "nobody", "door"}}, "two": {Lines: []string{"a", "a"}}, "empty": {},
		},
		Uses: []lines.Use{{}, {Lines: []string{"nobody"}}, {Lines: []string{"a", "a"}}, {Lines: []string{"a", "again"}}, {Lines: []string{"door", "b"}},
			{Lines: []string{"a", "b"}}, {Lines: []string{"b"}, Momentary: true}},
	}
	d := newDesk(t, setup)
	if got, want := lines.Claims(setup), map[string]string{"A+B": "a+b"}; !reflect.DeepEqual(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
	if err := d.drive(map[string]lines.Demand{"a+b": lines.Pattern([]bool{true, true})})["a+b"]; err == nil {
		t.Error("both lines of an interlock were driven on")
	}
	d.configure(lines.Setup{})
	d.configure(setup)
	d.pass(time.Hour)
}

// TestDelaysThatChange: an edge that waits for its delay counts once, whatever the delay
// becomes.
func TestDelaysThatChange(t *testing.T) {
	delayed := func(on, off time.Duration) lines.Setup {
		return setupOf(labels{"door": input("A", func(l *config.Line) { l.OnDelay, l.OffDelay = on, off })})
	}
	rising := func(d *desk) (n int) {
		for _, notice := range d.told {
			if n2, ok := notice.(lines.InputChanged); ok {
				n += n2.Rising - n2.Falling
			}
		}
		return n
	}
	for _, c := range []struct {
		on    time.Duration
		after time.Duration // until it counts
	}{{0, 0}, {2 * time.Second, 0}, {5 * time.Second, 3 * time.Second}, {20 * time.Second, 18 * time.Second}} {
		t.Run(fmt.Sprint(c.on), func(t *testing.T) {
			d := newDesk(t, delayed(10*time.Second, 0))
			d.mark()
			d.edge("A", lines.Burst{Value: true, Rising: 1})
			d.pass(2 * time.Second)
			told := rising(d)
			d.configure(delayed(c.on, 0))
			if c.after > 0 {
				d.pass(c.after - 1)
				told += rising(d)
				if told != 0 {
					t.Fatalf("%d edges before the delay was over", told)
				}
				d.pass(1)
			}
			if value, _, _ := d.Input("door"); !value || rising(d) != 1 {
				t.Errorf("the door is %v after %d edges", value, rising(d))
			}
			d.pass(time.Hour)
			d.edge("A", lines.Burst{Value: true})
			d.pass(time.Hour)
			if n := rising(d); n != 1 {
				t.Errorf("%d edges, want 1", n)
			}
		})
	}
}
