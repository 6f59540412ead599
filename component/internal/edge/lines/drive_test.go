package lines_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

var discard = slog.New(slog.DiscardHandler)

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// TestOrderDecidesNothing: a pattern between two interlocks, and both its rivals, are
// demanded on at once. The first label wins, the same every time; the demand that loses
// keeps nothing else from being taken.
func TestOrderDecidesNothing(t *testing.T) {
	for _, c := range []struct {
		rivals [2]string
		want   string
	}{
		{[2]string{"a", "z"}, "true false false true"},
		{[2]string{"r", "z"}, "false true true false"},
	} {
		for range 100 {
			x, z := c.rivals[0], c.rivals[1]
			setup := with(setupOf(labels{x: output("A"), "p": output("B"), "q": output("C"), z: output("D")}, lines.Use{Lines: []string{"p", "q"}}),
				map[string]config.Interlock{"one": {Lines: []string{x, "p"}}, "two": {Lines: []string{"q", z}}})
			d := newDesk(t, setup)
			refused := d.drive(map[string]lines.Demand{x: lines.Level(true), z: lines.Level(true), "p+q": lines.Pattern([]bool{true, true})})
			if got := fmt.Sprint(d.high["A"], d.high["B"], d.high["C"], d.high["D"]); got != c.want {
				t.Fatalf("%v on, refused %v; want %s", got, refused, c.want)
			}
		}
	}
}

// TestOneInstant: what goes off makes way for what goes on, which waits for the dead
// time.
func TestOneInstant(t *testing.T) {
	lock := locked(10*time.Second, "pump", "valve")
	d := newDesk(t, with(setupOf(labels{"pump": output("A"), "valve": output("B")}), lock))
	d.pass(time.Minute)
	d.set("pump", true)
	d.pass(time.Minute)
	d.mark()
	if refused := d.drive(map[string]lines.Demand{"valve": lines.Level(true), "pump": lines.Level(false)}); len(refused) > 0 {
		t.Fatal(refused)
	}
	d.does("write A off")
	d.pass(10*time.Second - 1)
	d.does("write A off")
	d.pass(1)
	d.does("write A off", "write B on")
}

// TestSwapBetweenPatterns: two patterns make way for each other in one instant.
func TestSwapBetweenPatterns(t *testing.T) {
	setup := with(setupOf(labels{"a": output("A"), "b": output("B"), "c": output("C"), "d": output("D")},
		lines.Use{Lines: []string{"a", "b"}}, lines.Use{Lines: []string{"c", "d"}}),
		map[string]config.Interlock{"one": {Lines: []string{"a", "c"}}, "two": {Lines: []string{"b", "d"}}})
	d := newDesk(t, setup)
	d.set("a+b", true, false)
	d.set("c+d", false, true)
	refused := d.drive(map[string]lines.Demand{"a+b": lines.Pattern([]bool{false, true}), "c+d": lines.Pattern([]bool{true, false})})
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	d.wires(map[string]bool{"A": false, "B": true, "C": true, "D": false})
}

// TestRefusedDemandMakesNoWay: a demand that is refused turns nothing off, and what
// counted on that is refused too.
func TestRefusedDemandMakesNoWay(t *testing.T) {
	setup := with(setupOf(labels{"a": output("A"), "p": output("B"), "q": output("C"), "z": output("D")}, lines.Use{Lines: []string{"p", "q"}}),
		map[string]config.Interlock{"one": {Lines: []string{"a", "p"}}, "two": {Lines: []string{"q", "z"}}})
	d := newDesk(t, setup)
	d.set("z", true)
	d.set("p+q", true, false)
	d.pass(time.Second)
	d.mark()
	refused := d.drive(map[string]lines.Demand{"a": lines.Level(true), "p+q": lines.Pattern([]bool{false, true})})
	for label, want := range map[string]lines.Conflict{
		"a":   {Interlock: "one", Line: "a", Other: "p"},
		"p+q": {Interlock: "two", Line: "q", Other: "z"},
	} {
		if conflict, ok := errors.AsType[*lines.Conflict](refused[label]); !ok || *conflict != want {
			t.Errorf("%s: %v, want %v", label, refused[label], &want)
		}
	}
	d.does()
	d.is("p", "on, demand on, since 1s, test")
	d.is("a", "off, demand , since 1s, as found")
}

// TestRefusedPulseLeavesNoTrace: the wave that goes on is the one before.
func TestRefusedPulseLeavesNoTrace(t *testing.T) {
	d := newDesk(t, with(setupOf(labels{"a": output("A"), "b": output("B")}), locked(0, "a", "b")))
	d.drive(map[string]lines.Demand{"b": lines.Wave(time.Second, 9*time.Second)})
	d.pass(5 * time.Second)
	before := d.Output("a")
	for _, demand := range []lines.Demand{lines.Level(true), lines.Pulse(time.Second), lines.Wave(time.Second, time.Second)} {
		if refused := d.drive(map[string]lines.Demand{"a": demand}); refused["a"] == nil {
			t.Fatalf("%+v was taken beside a wave in its off", demand)
		}
	}
	if after := d.Output("a"); !after.Demand.Equal(before.Demand) || after.Progress != before.Progress || len(d.Memory().Demands) > 0 {
		t.Errorf("is %+v, want %+v", after, before)
	}
}

// TestSetOffWithoutFollowing: a line that was set off and still reads on is not set on
// again beside a line that is not known to be off: it may have gone off meanwhile.
func TestSetOffWithoutFollowing(t *testing.T) {
	d := newDesk(t, with(setupOf(labels{"a": output("A"), "b": output("B")}), locked(0, "a", "b")))
	d.set("a", true)
	// a is set off, and does not follow; then b is lost.
	d.Drive(d.now, map[string]lines.Order{"a": {Demand: lines.Level(false)}})
	for effects := d.Effects(); len(effects) > 0; effects = d.Effects() {
		for _, effect := range effects {
			if e, ok := effect.(lines.Write); ok {
				d.Written(d.now, e.Claim, []bool{true})
			}
		}
	}
	d.fails["B"] = errors.New("chip is gone")
	d.Failed(d.now, "B", d.held["B"].Request.Request, d.fails["B"])
	d.carryOut(lines.Setup{})
	d.mark()
	d.set("a", true)
	d.does("write A off")
	d.Stop(d.now, false)
	d.carryOut(lines.Setup{})
	d.does("write A off")
}
