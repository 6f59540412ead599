package lines_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

type labels = map[string]config.Line

// with is a setup with interlocks.
func with(setup lines.Setup, locks map[string]config.Interlock) lines.Setup {
	setup.Interlocks = locks
	return setup
}

func locked(dead time.Duration, labels ...string) map[string]config.Interlock {
	return map[string]config.Interlock{"lock": {Lines: labels, DeadTime: dead}}
}

func TestIdentity(t *testing.T) {
	line := func(chip, name string) config.Line { return config.Line{Ref: gpio.Ref{Chip: chip, Line: name}} }
	seen := map[string]gpio.Ref{}
	for want, l := range map[string]config.Line{
		"GPIO17":            line("", "GPIO17"),
		"gpiochip0/17":      line("gpiochip0", "17"),
		"/dev/gpiochip0/17": line("/dev/gpiochip0", "17"),
		"gpiochip0%2F17":    line("", "gpiochip0/17"),
		"a/b%2Fc":           line("a", "b/c"),
		"a/b/c":             line("a/b", "c"),
		"A%2BB":             line("", "A+B"),
		"%21A":              line("", "!A"),
		"%252F":             line("", "%2F"),
	} {
		got := lines.Identity(l)
		if got != want {
			t.Errorf("%+v is %q, want %q", l.Ref, got, want)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%+v and %+v are both %q", l.Ref, other, got)
		}
		seen[got] = l.Ref
	}
}

func TestClaims(t *testing.T) {
	setup := setupOf(labels{"low": output("B"), "high": output("A"), "lamp": output("C"), "door": input("D")},
		lines.Use{Lines: []string{"low", "high"}})
	if got, want := lines.Claims(setup), map[string]string{"A+B": "low+high", "C": "lamp"}; !reflect.DeepEqual(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
}

// TestRelabelledLineGoesOn: another label is no change of a line, whatever it does.
func TestRelabelledLineGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		rules []func(*config.Line)
		use   lines.Use
		begin func(d *desk)
		is    string        // when the labels change
		after time.Duration // and what the bank does later
		does  []string
		then  string
	}{
		"on":             {begin: func(d *desk) { d.set("lamp", true) }, is: "on, demand on, since 1s, test", then: "on, demand on, since 1s, test"},
		"nothing wanted": {begin: func(d *desk) {}, is: "off, demand , since 1s, as found", then: "off, demand , since 1s, as found"},
		"within minOn": {
			rules: []func(*config.Line){minOn(10 * time.Second)},
			begin: func(d *desk) { d.set("lamp", true); d.set("lamp", false) },
			is:    "on, demand off, since 1s, test, waits", after: 9 * time.Second,
			does: []string{"write A off"}, then: "off, demand off, since 0s, test",
		},
		"pulse": {
			use:   lines.Use{Momentary: true},
			begin: func(d *desk) { d.drive(map[string]lines.Demand{"lamp": lines.Pulse(5 * time.Second)}) },
			is:    "on, demand on for 5s, since 1s, test", after: 4 * time.Second,
			does: []string{"write A off"}, then: "off, demand off, since 0s, pulse end",
		},
		"wave": {
			use:   lines.Use{Period: 10 * time.Second},
			begin: func(d *desk) { d.drive(map[string]lines.Demand{"lamp": lines.Wave(3*time.Second, 7*time.Second)}) },
			is:    "on, demand on 3s, off 7s, since 1s, test", after: 2 * time.Second,
			does: []string{"write A off"}, then: "off, demand on 3s, off 7s, since 0s, test",
		},
		"maxOn": {
			rules: []func(*config.Line){func(l *config.Line) { l.MaxOn = 5 * time.Second }},
			begin: func(d *desk) { d.set("lamp", true) },
			is:    "on, demand on, since 1s, test", after: 4 * time.Second,
			does: []string{"write A off"}, then: "off, demand off, since 0s, maxOn",
		},
		"failsafe taken": {
			rules: []func(*config.Line){failsafeAfter(time.Second, true)},
			begin: func(d *desk) { d.Link(d.now, false); d.pass(time.Second); d.set("lamp", false) },
			is:    "off, demand off, since 1s, test", after: 5 * time.Minute, then: "off, demand off, since 5m1s, test",
		},
	} {
		t.Run(name, func(t *testing.T) {
			setup := func(label string) lines.Setup {
				use := c.use
				use.Lines = []string{label}
				return setupOf(labels{label: output("A", c.rules...)}, use)
			}
			d := newDesk(t, setup("lamp"))
			c.begin(d)
			d.pass(time.Second)
			d.is("lamp", c.is)
			for _, label := range []string{"light", "a", "z"} {
				d.configure(setup(label))
				d.does()
				if len(d.moved) > 0 {
					t.Errorf("moves %v", d.moved)
				}
				d.is(label, c.is)
				d.is("lamp", "unknown")
			}
			d.mark()
			d.pass(c.after)
			d.does(c.does...)
			d.is("z", c.then)
			for _, n := range d.told {
				if n, ok := n.(lines.OutputChanged); ok && n.Output != "z" {
					t.Errorf("told of %q", n.Output)
				}
			}
		})
	}
}

// TestSwappedLabels: lamp and pump change places; no wire moves.
func TestSwappedLabels(t *testing.T) {
	d := newDesk(t, setupOf(labels{"lamp": output("A", minOn(time.Minute)), "pump": output("B")}))
	d.set("lamp", true)
	d.pass(time.Second)
	d.configure(setupOf(labels{"pump": output("A", minOn(time.Minute)), "lamp": output("B")}))
	d.does()
	d.is("pump", "on, demand on, since 1s, test")
	d.is("lamp", "off, demand , since 1s, as found")
	d.set("lamp", true)
	d.set("pump", false)
	d.does("write B on")
	d.pass(time.Minute)
	d.does("write B on", "write A off")
}

// TestRelabelledFaultStays: a line that is retried goes on being retried.
func TestRelabelledFaultStays(t *testing.T) {
	d := newDesk(t, setupOf(labels{"lamp": output("A")}))
	d.set("lamp", true)
	d.fails["A"] = errors.New("chip is gone")
	d.Failed(d.now, "A", d.held["A"].Request.Request, d.fails["A"])
	d.carryOut(lines.Setup{})
	d.configure(setupOf(labels{"light": output("A")}))
	d.does()
	if err := d.Faults()["light"]; err == nil || len(d.Faults()) != 1 {
		t.Errorf("faults %v, want that of the light", d.Faults())
	}
	d.fails = map[string]error{}
	d.pass(10 * time.Second)
	d.does("request A on")
}

// TestRelabelledPattern: the order of the labels decides the order of the levels at the
// callers, and nothing on the wires.
func TestRelabelledPattern(t *testing.T) {
	setup := func(one, two string) lines.Setup {
		use := lines.Use{Lines: []string{one, two}}
		slices.Sort(use.Lines)
		return setupOf(labels{one: output("B"), two: output("A")}, use)
	}
	d := newDesk(t, setup("a", "b"))
	d.set("a+b", true, false) // a, which is B, is on
	d.wires(map[string]bool{"A": false, "B": true})
	d.configure(setup("z", "b"))
	d.does()
	if got := d.Output("b+z"); !slices.Equal(got.Levels, []bool{false, true}) || !slices.Equal(got.Demand.Levels, got.Levels) || !slices.Equal(got.Active.Levels, got.Levels) {
		t.Errorf("b+z is %+v, want off, on", got)
	}
	if got := d.Output("a+b"); got.Known || got.Levels != nil {
		t.Errorf("the output that is no more is %+v", got)
	}
	d.set("b+z", false, true)
	d.does() // it is so
	d.set("b+z", true, false)
	d.does("write A+B on,off")
	if got := d.Memory().Levels; !reflect.DeepEqual(got, map[string]bool{"A": true, "B": false}) {
		t.Errorf("remembered %v", got)
	}
}

// TestMemoryIsByIdentity: a later run has other labels.
func TestMemoryIsByIdentity(t *testing.T) {
	fast := lines.Wave(time.Second, time.Second)
	setup := func(p string) lines.Setup {
		return setupOf(labels{
			p + "lamp": output("A"), p + "pump": output("B", minOff(time.Hour)), p + "fan": output("C"),
			p + "one": output("E"), p + "two": output("D", minOn(time.Hour)), p + "low": output("F", activeLow),
		}, lines.Use{Lines: []string{p + "fan"}, Wave: fast}, lines.Use{Lines: []string{p + "one", p + "two"}})
	}
	d := newDesk(t, setup(""))
	d.set("lamp", true)
	d.set("pump", true)
	d.set("low", true)
	d.set("one+two", true, true)
	d.pass(time.Second)
	d.set("pump", false)
	d.set("pump", true) // waits
	d.set("one+two", true, false)
	d.drive(map[string]lines.Demand{"fan": fast})
	want := lines.Memory{
		Levels:  map[string]bool{"A": true, "B": false, "D": false, "E": true, "!F": true},
		Waves:   map[string]lines.Demand{"C": fast},
		Demands: map[string]lines.Order{"B": {Demand: lines.Level(true), Cause: lines.Cause{Kind: "test"}}, "D+E": {Demand: lines.Pattern([]bool{false, true}), Cause: lines.Cause{Kind: "test"}}},
	}
	if got := d.Memory(); !reflect.DeepEqual(got, want) {
		t.Errorf("remembered\n%+v, want\n%+v", got, want)
	}
	d.restart(setup("my-"))
	d.does("request C on", "request A on", "request F on", "request D+E as is,on", "request B as is")
	for label, demand := range map[string]string{"my-lamp": "on", "my-pump": "on", "my-one": "on", "my-two": "off", "my-fan": "on 1s, off 1s", "my-low": "on"} {
		if got := d.Lines()[label].Demand; got != demand {
			t.Errorf("%s is demanded %q, want %q", label, got, demand)
		}
	}
}

// TestDeadTimeOverARelabelling: it counts from the off that was seen under other labels.
func TestDeadTimeOverARelabelling(t *testing.T) {
	setup := func(p string) lines.Setup {
		return with(setupOf(labels{p + "up": output("A"), p + "down": output("B")}), locked(10*time.Second, p+"up", p+"down"))
	}
	d := newDesk(t, setup(""))
	d.pass(time.Minute)
	d.set("up", true)
	d.pass(time.Minute)
	if refused := d.drive(map[string]lines.Demand{"up": lines.Level(false), "down": lines.Level(true)}); len(refused) > 0 {
		t.Fatal(refused)
	}
	d.pass(4 * time.Second)
	d.configure(setup("my-"))
	d.does()
	d.pass(6*time.Second - 1)
	d.does()
	d.pass(1)
	d.does("write B on")
}

// TestRegrouped: lines that become one output, or that no longer are, are requested
// anew and stay as they are. What waited to go on does not.
func TestRegrouped(t *testing.T) {
	single := labels{"a": output("A", minOn(time.Minute)), "b": output("B", minOff(time.Minute)), "c": output("C")}
	pattern := lines.Use{Lines: []string{"a", "b", "c"}}
	for _, drops := range []bool{false, true} {
		t.Run(fmt.Sprintf("drops %v", drops), func(t *testing.T) {
			d := newDesk(t, setupOf(single))
			d.drops = drops
			d.pass(time.Minute)
			d.set("a", true)
			d.set("c", true)
			d.set("b", true)
			d.set("b", false)
			d.pass(time.Second)
			d.set("a", false) // waits
			d.set("b", true)  // waits
			d.configure(setupOf(single, pattern))
			d.does("release A", "release B", "release C", "request A+B+C on,off,on")
			d.is("a", "on, demand off, since 1s, a change of configuration, waits")
			d.is("b", "off, demand off, since 1s, a change of configuration, waits")
			d.is("c", "on, demand on, since 1s, a change of configuration, waits")
			if len(d.moved) > 0 {
				t.Errorf("moves %v", d.moved)
			}
			d.pass(59 * time.Second)
			d.does("release A", "release B", "release C", "request A+B+C on,off,on", "write A+B+C off,off,on")

			d.set("a+b+c", true, false, false)
			d.pass(2 * time.Second)
			d.configure(setupOf(single, lines.Use{Lines: []string{"a", "c"}}))
			d.does("release A+B+C", "request A+C on,off", "request B off")
			d.is("a", "on, demand on, since 2s, a change of configuration")
			d.is("b", "off, demand off, since 1m2s, a change of configuration")

			// A line of the pattern is gone; the others stay.
			delete(single, "c")
			d.configure(setupOf(single))
			d.does("release A+C on,off", "request A on")
			d.wires(map[string]bool{"A": true, "B": false})
			single["c"] = output("C")
		})
	}
}

// TestRegroupedPulseEnds: a pulse or a wave does not outlive its output.
func TestRegroupedPulseEnds(t *testing.T) {
	for name, demand := range map[string]lines.Demand{"pulse": lines.Pulse(time.Minute), "wave": lines.Wave(time.Minute, time.Minute)} {
		t.Run(name, func(t *testing.T) {
			two := labels{"a": output("A"), "b": output("B")}
			d := newDesk(t, setupOf(two))
			d.drive(map[string]lines.Demand{"a": demand})
			d.configure(setupOf(two, lines.Use{Lines: []string{"a", "b"}}))
			d.does("release A", "release B", "request A+B on,off", "write A+B off,off")
		})
	}
}

// TestRepolarised: the level on the wire stays; on and off mean the opposite, and
// nothing that was demanded, remembered or counted under the old meaning counts.
func TestRepolarised(t *testing.T) {
	for _, c := range []struct {
		name   string
		rules  []func(*config.Line)
		on     bool // before
		does   []string
		high   bool
		demand string
	}{
		{name: "on", on: true, does: []string{"release A", "request A off"}, high: true},
		{name: "off", does: []string{"release A", "request A on"}},
		{name: "on, keep", rules: []func(*config.Line){startKeep}, on: true, does: []string{"release A", "request A off"}, high: true},
		{name: "off, start off", rules: []func(*config.Line){startOff}, does: []string{"release A", "request A on", "write A off"}, high: true, demand: "off"},
		{name: "on, start on", rules: []func(*config.Line){startOn}, on: true, does: []string{"release A", "request A off", "write A on"}, demand: "on"},
		{name: "off, start off, minOn", rules: []func(*config.Line){startOff, minOn(time.Second)}, does: []string{"release A", "request A on"}, demand: "off"},
		{name: "on, start on, minOff", rules: []func(*config.Line){startOn, minOff(time.Second)}, on: true, does: []string{"release A", "request A off"}, high: true, demand: "on"},
	} {
		for _, drops := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, drops %v", c.name, drops), func(t *testing.T) {
				d := newDesk(t, setupOf(labels{"a": output("A", c.rules...)}))
				d.pass(time.Minute)
				d.set("a", c.on)
				d.pass(time.Minute)
				d.drops = drops
				d.configure(setupOf(labels{"a": output("A", append(c.rules, activeLow)...)}))
				d.does(c.does...)
				d.wires(map[string]bool{"A": c.high})
				if got := d.Lines()["a"]; got.Demand != c.demand || !got.Since.Equal(d.now) {
					t.Errorf("is %+v, want demand %q, since now", got, c.demand)
				}
			})
		}
	}

	// A later run finds nothing that is remembered of the other polarity.
	d := newDesk(t, setupOf(labels{"a": output("A"), "b": output("B", minOff(time.Hour)), "c": output("C")}, lines.Use{Lines: []string{"c"}, Period: 2 * time.Second}))
	d.set("a", true)
	d.set("b", true)
	d.set("b", false)
	d.set("b", true) // waits
	d.drive(map[string]lines.Demand{"c": lines.Wave(time.Second, time.Second)})
	d.restart(setupOf(labels{"a": output("A", activeLow), "b": output("B", activeLow, minOff(time.Hour)), "c": output("C", activeLow)}, lines.Use{Lines: []string{"c"}, Period: 2 * time.Second}))
	d.does("request A as is", "request B as is", "request C off")
	if d.Lines()["b"].Demand != "" {
		t.Errorf("b is demanded %q", d.Lines()["b"].Demand)
	}
}

// TestRepolarisedTakesItsFailsafeState: the one it took before meant the opposite.
func TestRepolarisedTakesItsFailsafeState(t *testing.T) {
	d := newDesk(t, setupOf(labels{"a": output("A", failsafeAfter(time.Second, true))}))
	d.Link(d.now, false)
	d.pass(time.Minute)
	d.does("request A as is", "write A on")
	d.configure(setupOf(labels{"a": output("A", failsafeAfter(time.Second, true), activeLow)}))
	d.does("release A", "request A off", "write A on")
	d.wires(map[string]bool{"A": false})
}

// TestRepolarisedAgainstItsInterlock: what is on by its new meaning gives way.
func TestRepolarisedAgainstItsInterlock(t *testing.T) {
	lock := locked(0, "a", "b")
	d := newDesk(t, with(setupOf(labels{"a": output("A"), "b": output("B")}), lock))
	d.set("b", true)
	d.configure(with(setupOf(labels{"a": output("A", activeLow), "b": output("B")}), lock))
	d.does("release A", "request A as is", "write A off")
	d.wires(map[string]bool{"A": true, "B": true})
}

// TestRequestedOtherwise: a line that is requested in another way, and means the same,
// keeps its level, its times and its demand; only a pulse ends.
func TestRequestedOtherwise(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(d *desk)
		does  []string
		is    string
		later []string
	}{
		"on":    {begin: func(d *desk) { d.set("a", true) }, does: []string{"release A", "request A on"}, is: "on, demand on, since 2s, test"},
		"off":   {begin: func(d *desk) { d.set("a", true); d.set("a", false) }, does: []string{"release A", "request A off"}, is: "off, demand off, since 2s, test"},
		"found": {begin: func(*desk) {}, does: []string{"release A", "request A off"}, is: "off, demand , since 1m2s, a change of configuration"},
		"waits": {
			begin: func(d *desk) { d.set("a", true); d.set("a", false); d.set("a", true) },
			does:  []string{"release A", "request A off"}, is: "off, demand on, since 2s, test, waits", later: []string{"write A on"},
		},
		"pulse": {
			begin: func(d *desk) { d.drive(map[string]lines.Demand{"a": lines.Pulse(5 * time.Second)}) },
			does:  []string{"release A", "request A on", "write A off"}, is: "off, demand off, since 0s, a change of configuration",
		},
		"wave": {
			begin: func(d *desk) { d.drive(map[string]lines.Demand{"a": lines.Wave(5*time.Second, 95*time.Second)}) },
			does:  []string{"release A", "request A on"}, is: "on, demand on 5s, off 1m35s, since 2s, test", later: []string{"write A off"},
		},
	} {
		for _, drops := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, drops %v", name, drops), func(t *testing.T) {
				d := newDesk(t, setupOf(labels{"a": output("A", minOff(5*time.Second))}))
				d.pass(time.Minute)
				c.begin(d)
				d.pass(2 * time.Second)
				d.drops = drops
				// The start state is none of its business: the line has begun.
				d.configure(setupOf(labels{"a": output("A", minOff(5*time.Second), pullUp, startOff)}))
				d.does(c.does...)
				d.is("a", c.is)
				ended := slices.Contains(d.told, lines.Notice(lines.PulseEnded{Output: "a", Cut: lines.ByChange}))
				if ended != (name == "pulse") {
					t.Errorf("told %v", d.told)
				}
				d.mark()
				d.pass(3*time.Second - 1)
				d.does()
				d.pass(1)
				d.does(c.later...)
			})
		}
	}
}

// TestMovedToAnotherLine: the label is the same, the line is another one.
func TestMovedToAnotherLine(t *testing.T) {
	for name, c := range map[string]struct {
		was  config.Line
		does []string
	}{
		"keep": {output("A"), []string{"release A on", "request B as is"}},
		"off":  {output("A", stopOff), []string{"release A off", "request B as is"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, setupOf(labels{"lamp": c.was}))
			d.set("lamp", true)
			d.configure(setupOf(labels{"lamp": output("B")}))
			d.does(c.does...)
			d.is("lamp", "off, demand , since 0s, as found")
		})
	}
	d := newDesk(t, setupOf(labels{"lamp": output("A")}))
	d.set("lamp", true)
	d.configure(setupOf(labels{"lamp": output("B", startOn)}))
	d.does("release A on", "request B on")
}

// TestOtherDirection: an output that becomes an input takes nothing along, nor back.
func TestOtherDirection(t *testing.T) {
	d := newDesk(t, setupOf(labels{"a": output("A", stopOff)}))
	d.set("a", true)
	d.configure(setupOf(labels{"a": input("A")}))
	d.does("release A off", "request A as is")
	if d.Drives("a") || !d.Reads("a") {
		t.Error("the line is no input")
	}
	d.configure(setupOf(labels{"a": output("A")}))
	d.does("release A", "request A as is")
	d.is("a", "off, demand , since 0s, as found")
}

// TestRetyped: a line that is used in another way keeps its request. Its pulse or wave
// ends, and it does not go on for what was demanded before.
func TestRetyped(t *testing.T) {
	level, pulses := lines.Use{}, lines.Use{Momentary: true}
	blink, quick := lines.Use{Wave: lines.Wave(time.Second, 3*time.Second)}, lines.Use{Wave: lines.Wave(time.Second, time.Second)}
	pwm, short := lines.Use{Period: 4 * time.Second}, lines.Use{Period: 2 * time.Second}
	on, off := lines.Level(true), lines.Level(false)
	for _, c := range []struct {
		was, is lines.Use
		demand  lines.Demand
		does    []string
		then    string
	}{
		{level, pulses, on, []string{"write A off"}, "off"},
		{level, pwm, on, nil, "on"},
		{level, blink, on, nil, "on"},
		{level, pulses, off, nil, "off"},
		{pulses, level, lines.Pulse(time.Minute), []string{"write A off"}, "off"},
		{pulses, pulses, lines.Pulse(time.Minute), nil, "on for 1m0s"},
		{blink, level, blink.Wave, []string{"write A off"}, "off"},
		{blink, quick, blink.Wave, []string{"write A off"}, "off"},
		{blink, blink, blink.Wave, nil, "on 1s, off 3s"},
		{blink, pwm, blink.Wave, []string{"write A off"}, "off"}, // a wave of the new use, which nobody asked for
		{pwm, pwm, lines.Wave(time.Second, 3*time.Second), nil, "on 1s, off 3s"},
		{pwm, short, lines.Wave(time.Second, 3*time.Second), []string{"write A off"}, "off"},
		{pwm, level, on, nil, "on"},
	} {
		t.Run(fmt.Sprintf("%+v to %+v, %+v", c.was, c.is, c.demand), func(t *testing.T) {
			setup := func(use lines.Use) lines.Setup {
				use.Lines = []string{"a"}
				return setupOf(labels{"a": output("A")}, use)
			}
			d := newDesk(t, setup(c.was))
			d.drive(map[string]lines.Demand{"a": c.demand})
			d.configure(setup(c.is))
			d.does(c.does...)
			if got := d.Lines()["a"].Demand; got != c.then {
				t.Errorf("demand %q, want %q", got, c.then)
			}
			cut := slices.Contains(d.told, lines.Notice(lines.PulseEnded{Output: "a", Cut: lines.ByChange}))
			if want := c.demand.IsPulse() && !c.is.Momentary; cut != want {
				t.Errorf("told %v", d.told)
			}
		})
	}

	// What waits to go on waits no longer.
	one := labels{"a": output("A", minOff(time.Minute))}
	d := newDesk(t, setupOf(one))
	d.set("a", true)
	d.set("a", false)
	d.set("a", true)
	d.configure(setupOf(one, lines.Use{Lines: []string{"a"}, Period: time.Minute}))
	d.pass(time.Hour)
	d.does()
}

// TestPulseGoesOnOverAChangeOfTheOthers: it is not about the gate.
func TestPulseGoesOnOverAChangeOfTheOthers(t *testing.T) {
	gate := lines.Use{Lines: []string{"gate"}, Momentary: true}
	d := newDesk(t, setupOf(labels{"gate": output("A"), "lamp": output("B")}, gate))
	d.drive(map[string]lines.Demand{"gate": lines.Pulse(10 * time.Second)})
	d.pass(4 * time.Second)
	d.configure(setupOf(labels{"gate": output("A"), "lamp": output("C", activeLow), "more": output("D", startOn)}, gate))
	d.does("release B off", "request C as is", "request D on")
	d.mark()
	d.pass(6*time.Second - 1)
	d.does()
	d.pass(1)
	d.does("write A off")
}

// TestNewInterlock: of two lines that are on, the one whose label sorts first stays on;
// one that waits makes way.
func TestNewInterlock(t *testing.T) {
	two := labels{"a": output("B", minOn(time.Hour)), "b": output("A", minOn(time.Hour))}
	d := newDesk(t, setupOf(two))
	d.set("a", true)
	d.set("b", true)
	d.configure(with(setupOf(two), locked(time.Second, "b", "a")))
	d.does("write A off")
	d.is("b", "off, demand off, since 0s, interlock")

	waits := labels{"a": output("A", minOff(time.Hour)), "b": output("B")}
	d = newDesk(t, setupOf(waits))
	d.set("a", true)
	d.set("a", false)
	d.set("a", true)
	d.set("b", true)
	d.configure(with(setupOf(waits), locked(time.Second, "a", "b")))
	d.pass(2 * time.Hour)
	d.does()
	d.is("a", "off, demand off, since 2h0m0s, interlock")

	// A line that is configured to start on does not push one aside that is on.
	d = newDesk(t, setupOf(labels{"b": output("B")}))
	d.set("b", true)
	d.configure(with(setupOf(labels{"a": output("A", startOn), "b": output("B")}), locked(0, "a", "b")))
	d.does("request A off")
	d.wires(map[string]bool{"A": false, "B": true})
}

// TestPatternGivesWayInPart: a line of a pattern that is on beside its rival goes off at
// once, though the pattern waits as a whole.
func TestPatternGivesWayInPart(t *testing.T) {
	three := labels{"a": output("A"), "p": output("B"), "q": output("C", minOn(time.Minute))}
	use := lines.Use{Lines: []string{"p", "q"}}
	d := newDesk(t, setupOf(three, use))
	d.set("a", true)
	d.set("p+q", true, true)
	d.set("p+q", true, false) // q waits
	d.configure(with(setupOf(three, use), locked(0, "a", "p")))
	d.does("write B+C off,on")
	d.pass(time.Minute)
	d.does("write B+C off,on", "write B+C off,off")
}

// TestMaxOnOfAPatternInPart: a line that has been on for its longest time goes off at
// once, though the pattern waits as a whole.
func TestMaxOnOfAPatternInPart(t *testing.T) {
	two := labels{"p": output("A", func(l *config.Line) { l.MaxOn = 10 * time.Second }), "q": output("B", minOn(time.Minute))}
	d := newDesk(t, setupOf(two, lines.Use{Lines: []string{"p", "q"}}))
	d.set("p+q", true, false)
	d.pass(5 * time.Second)
	d.set("p+q", true, true)
	d.mark()
	d.pass(5 * time.Second)
	d.does("write A+B off,on")
	d.pass(time.Minute)
	d.does("write A+B off,on", "write A+B off,off")

	// The same if both wait to go off already.
	d = newDesk(t, setupOf(two, lines.Use{Lines: []string{"p", "q"}}))
	d.set("p+q", true, true)
	d.set("p+q", false, false)
	d.mark()
	d.pass(10 * time.Second)
	d.does("write A+B off,on")
}

// TestFailsafeIsConfiguredOtherwise: the new state is taken while the link is away.
func TestFailsafeIsConfiguredOtherwise(t *testing.T) {
	d := newDesk(t, setupOf(labels{"a": output("A", failsafeAfter(time.Second, true))}))
	d.Link(d.now, false)
	d.pass(time.Minute)
	d.wires(map[string]bool{"A": true})
	d.configure(setupOf(labels{"a": output("A", failsafeAfter(time.Second, false))}))
	d.does("write A off")
	d.set("a", true)
	d.configure(setupOf(labels{"b": output("A", failsafeAfter(2*time.Second, false))}))
	d.does()
	d.is("b", "on, demand on, since 0s, test")
}

// TestStartOfALineThatWasNeverRead: it has not begun, so that another start state counts.
func TestStartOfALineThatWasNeverRead(t *testing.T) {
	for name, c := range map[string]struct {
		was, is config.Line
		want    string
	}{
		"on to off":     {output("A", startOn), output("A", startOff), "request A off"},
		"on, relabeled": {output("A", startOn), output("A", startOn), "request A on"},
		"off to on":     {output("A", startOff), output("A", startOn, pullUp), "request A on"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{t: t, now: time.Unix(1_700_000_000, 0), high: map[string]bool{}, fails: map[string]error{"A": errors.New("no chip")}}
			d.start(setupOf(labels{"a": c.was}), lines.Memory{})
			d.fails = map[string]error{}
			d.configure(setupOf(labels{"b": c.is}))
			d.pass(time.Minute)
			if got := d.did[len(d.did)-1]; got != c.want {
				t.Errorf("%v, want %q", d.did, c.want)
			}
		})
	}
}

// TestPulseThatNeverBeganIsOver: the start state does not come back in its place, however
// often the configuration changes.
func TestPulseThatNeverBeganIsOver(t *testing.T) {
	setup := func(label string, rules ...func(*config.Line)) lines.Setup {
		return setupOf(labels{label: output("A", append(rules, startOn)...)}, lines.Use{Lines: []string{label}, Momentary: true})
	}
	d := &desk{t: t, now: time.Unix(1_700_000_000, 0), high: map[string]bool{}, fails: map[string]error{"A": errors.New("no chip")}}
	d.start(setup("a"), lines.Memory{})
	d.drive(map[string]lines.Demand{"a": lines.Pulse(time.Second)})
	d.configure(setup("a", pullUp))
	d.configure(setup("b", pullUp))
	d.fails = map[string]error{}
	d.pass(time.Minute)
	d.does("request A off")
}

// TestGuardOfALineAsFound: nobody demanded it, and it is to go off nevertheless should
// the process vanish.
func TestGuardOfALineAsFound(t *testing.T) {
	d := newDesk(t, setupOf(labels{}))
	d.high["A"] = true
	setup := setupOf(labels{"a": output("A", startKeep, func(l *config.Line) { l.MaxOn = time.Hour })})
	d.Configure(d.now, setup)
	var guards []lines.Guard
	for effects := d.Effects(); len(effects) > 0; effects = d.Effects() {
		for _, effect := range effects {
			switch e := effect.(type) {
			case lines.Request:
				d.Ready(d.now, e.Claim, []bool{true})
			case lines.Guard:
				guards = append(guards, e)
			}
		}
	}
	if want := []lines.Guard{{Claim: "A", Lines: 1, Off: true, At: d.now.Add(time.Hour)}}; !reflect.DeepEqual(guards, want) {
		t.Errorf("guards %+v, want %+v", guards, want)
	}
}
