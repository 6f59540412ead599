package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
	"github.com/shadowgpio/shadowgpio/gpio"
)

const full = `
logLevel: debug
thingName: ""
lines:
  lamp:
    line: GPIO17
    direction: output
    activeLow: true
    drive: open-drain
    bias: pull-up
    start: keep
    stop: off
  door:
    chip: pinctrl-bcm2711
    line: 27
    direction: input
    bias: pull-up
    debounce: 20ms
shadows:
  main:
    name: ""
    properties:
      lights: {line: lamp, values: {"on": on, "off": off}}
      locked: {line: door}
  other:
    thing: pump-3
    name: host
    properties:
      door: {line: door, values: {open: on, closed: off}}
accessControl: {aws.greengrass.ShadowManager: {}}
`

func TestParse(t *testing.T) {
	c, err := Parse([]byte(full), "gw")
	if err != nil {
		t.Fatal(err)
	}
	if c.LogLevel != slog.LevelDebug {
		t.Errorf("log level %v", c.LogLevel)
	}
	wantLines := map[string]Line{
		"lamp": {Ref: gpio.Ref{Line: "GPIO17"}, Direction: gpio.Output, ActiveLow: true, Drive: gpio.OpenDrain, Bias: gpio.BiasPullUp, Start: StartKeep, Stop: StopOff},
		"door": {Ref: gpio.Ref{Chip: "pinctrl-bcm2711", Line: "27"}, Direction: gpio.Input, Bias: gpio.BiasPullUp, Debounce: 20 * time.Millisecond, Poll: DefaultPoll},
	}
	if !reflect.DeepEqual(c.Lines, wantLines) {
		t.Errorf("lines\n got %+v\nwant %+v", c.Lines, wantLines)
	}
	if got, want := c.Shadows["main"].ID, (shadow.ID{Thing: "gw"}); got != want {
		t.Errorf("main is %v, want %v", got, want)
	}
	if got, want := c.Shadows["other"].ID, (shadow.ID{Thing: "pump-3", Name: "host"}); got != want {
		t.Errorf("other is %v, want %v", got, want)
	}
	if got, want := c.Shadows["main"].Properties["lights"], shows("lamp", true, Words("on", "off")); !reflect.DeepEqual(got, want) {
		t.Errorf("lights is %+v, want %+v", got, want)
	}
	if got, want := c.Shadows["other"].Properties["door"], shows("door", false, Words("open", "closed")); !reflect.DeepEqual(got, want) {
		t.Errorf("door is %+v, want %+v", got, want)
	}
}

const kinds = `
holdFor: 0s
lines:
  bell:    {line: BELL, direction: output, failsafe: {after: 10m, set: off}, minOn: 100ms, minOff: "1s", maxOn: 1h}
  beacon:  {line: BEACON, direction: output}
  heater:  {line: HEATER, direction: output}
  slow:    {line: SLOW, direction: output}
  fast:    {line: FAST, direction: output}
  forward: {line: FORWARD, direction: output}
  reverse: {line: REVERSE, direction: output}
  meter:   {line: METER, direction: input, onDelay: 1s, offDelay: 2s, poll: 5ms}
interlocks:
  motor: {lines: [forward, reverse], deadTime: 500ms}
controls:
  button: {input: meter, action: toggle, output: beacon}
  both:   {input: meter, edge: both, action: set, output: forward}
shadows:
  main:
    properties:
      bell:   {line: bell, pulse: 500ms}
      beacon: {line: beacon, blink: {on: 1s, off: 2s}, override: cloudWins}
      heater: {line: heater, pwm: {period: 10s}, override: holdsUntilNextDesired}
      speed:  {patterns: {stop: {slow: off, fast: off}, slow: {slow: on, fast: off}}}
      litres: {line: meter, count: falling, scale: "0.1", interval: 2s}
      flow:   {line: meter, rate: rising, scale: 6, per: 1m, timeout: 30s}
      cycle:  {line: meter, period: both}
      used:   {line: meter, changed: rising}
      open:   {line: meter, lastPulse: on}
      busy:   {line: meter, duty: 5s, decimals: 0, deadband: 2%}
      temperature: {reading: thermal.cpu, interval: 10s, unit: °F, median: 3, average: 4, scale: 1.8, offset: 32, clamp: {min: -40, max: 250}, decimals: 1,
                    deadband: 0.5, minInterval: 20s, maxInterval: 15m}
      load:   {reading: cpu.load1}
`

func TestParseKinds(t *testing.T) {
	c, err := Parse([]byte(kinds), "gw")
	if err != nil {
		t.Fatal(err)
	}
	if c.HoldFor != 0 {
		t.Errorf("held for %v, want not at all", c.HoldFor)
	}
	wantBell := Line{
		Ref: gpio.Ref{Line: "BELL"}, Direction: gpio.Output, Failsafe: &Failsafe{After: 10 * time.Minute},
		MinOn: 100 * time.Millisecond, MinOff: time.Second, MaxOn: time.Hour,
	}
	if got := c.Lines["bell"]; !reflect.DeepEqual(got, wantBell) {
		t.Errorf("bell\n got %+v\nwant %+v", got, wantBell)
	}
	wantMeter := Line{
		Ref: gpio.Ref{Line: "METER"}, Direction: gpio.Input, OnDelay: time.Second, OffDelay: 2 * time.Second, Poll: 5 * time.Millisecond,
	}
	if got := c.Lines["meter"]; !reflect.DeepEqual(got, wantMeter) {
		t.Errorf("meter\n got %+v\nwant %+v", got, wantMeter)
	}
	if got, want := c.Interlocks["motor"], (Interlock{[]string{"forward", "reverse"}, 500 * time.Millisecond}); !reflect.DeepEqual(got, want) {
		t.Errorf("motor is %+v, want %+v", got, want)
	}
	for label, want := range map[string]Control{
		"button": {"meter", gpio.RisingEdges, Toggle, "beacon"},
		"both":   {"meter", gpio.BothEdges, Set, "forward"},
	} {
		if got := c.Controls[label]; got != want {
			t.Errorf("%s is %+v, want %+v", label, got, want)
		}
	}
	want := map[string]func(*Property){
		"bell":   func(p *Property) { p.Kind, p.Pulse = Pulse, 500*time.Millisecond },
		"beacon": func(p *Property) { p.Kind, p.On, p.Off, p.Override = Blink, time.Second, 2*time.Second, CloudWins },
		"heater": func(p *Property) { p.Kind, p.Period, p.Override = PWM, 10*time.Second, HoldsUntilNextDesired },
		"speed": func(p *Property) {
			p.Kind, p.Line = Pattern, ""
			p.Patterns = map[string]map[string]bool{"stop": {"slow": false, "fast": false}, "slow": {"slow": true, "fast": false}}
		},
		"litres": func(p *Property) {
			p.Kind, p.Line, p.Edges, p.Scale, p.Interval = Count, "meter", gpio.FallingEdges, 0.1, 2*time.Second
		},
		"flow": func(p *Property) {
			p.Kind, p.Line, p.Edges, p.Scale, p.Per, p.Timeout = Rate, "meter", gpio.RisingEdges, 6, time.Minute, 30*time.Second
			p.Rules = reading.Rules{Median: 1, Average: 1, Decimals: reading.MaxDecimals}
		},
		"cycle": func(p *Property) {
			p.Kind, p.Line, p.Edges = Period, "meter", gpio.BothEdges
			p.Rules = reading.Rules{Median: 1, Average: 1, Scale: 1, Decimals: reading.MaxDecimals}
		},
		"open": func(p *Property) {
			p.Kind, p.Line, p.Pulsed = LastPulse, "meter", true
			p.Rules = reading.Rules{Median: 1, Average: 1, Scale: 1, Decimals: DefaultDecimals}
		},
		"busy": func(p *Property) {
			p.Kind, p.Line, p.Timeout = Duty, "meter", 5*time.Second
			p.Rules = reading.Rules{Median: 1, Average: 1, Scale: 1, Decimals: 0, DeadbandPercent: 2}
		},
		"temperature": func(p *Property) {
			p.Kind, p.Sensor, p.Interval, p.Unit, p.Line, p.Scale = Reading, "thermal.cpu", 10*time.Second, "°F", "", 1.8
			p.Rules = reading.Rules{
				Median: 3, Average: 4, Scale: 1.8, Offset: 32, Min: new(-40.0), Max: new(250.0), Decimals: 1,
				Deadband: 0.5, MinInterval: 20 * time.Second, MaxInterval: 15 * time.Minute,
			}
		},
		"load": func(p *Property) {
			p.Kind, p.Sensor, p.Interval, p.Line = Reading, "cpu.load1", DefaultSample, ""
			p.Rules = reading.Rules{Median: 1, Average: 1, Scale: 1, Decimals: DefaultDecimals}
		},
		"used": func(p *Property) { p.Kind, p.Line, p.Edges = Changed, "meter", gpio.RisingEdges },
	}
	for key, set := range want {
		p := shows(key, true, Values{})
		set(&p)
		p.Output = p.Kind.isOutput()
		if got := c.Shadows["main"].Properties[key]; !reflect.DeepEqual(got, p) {
			t.Errorf("%s\n got %+v\nwant %+v", key, got, p)
		}
	}
	if got := c.Shadows["main"].Properties["speed"].Lines(); !reflect.DeepEqual(got, []string{"fast", "slow"}) {
		t.Errorf("the lines of speed are %v", got)
	}
}

func TestParseDesired(t *testing.T) {
	c, err := Parse([]byte(kinds), "gw")
	if err != nil {
		t.Fatal(err)
	}
	properties := c.Shadows["main"].Properties
	read := map[string]func(any) (any, error){
		"heater": func(v any) (any, error) { return properties["heater"].ParseDuty(v) },
		"speed":  func(v any) (any, error) { return properties["speed"].ParsePattern(v) },
		"litres": func(v any) (any, error) { return properties["litres"].ParseCount(v) },
	}
	for _, c := range []struct {
		property string
		value    any
		want     any // an error as its text
	}{
		{"heater", json.Number("33.3"), 33.3},
		{"heater", json.Number("0"), 0.0},
		{"heater", 100.0, 100.0},
		{"heater", json.Number("100.1"), errors.New("want a number from 0 to 100, got 100.1")},
		{"heater", json.Number("1e999"), errors.New("want a number from 0 to 100, got 1e999")},
		{"heater", "33", errors.New(`want a number from 0 to 100, got "33"`)},
		{"heater", nil, errors.New("want a number from 0 to 100, got null")},
		{"speed", "slow", "slow"},
		{"speed", "fats", errors.New(`want one of "slow", "stop", got "fats"`)},
		{"speed", true, errors.New(`want one of "slow", "stop", got true`)},
		{"litres", json.Number("1.2"), int64(12)},
		{"litres", json.Number("0"), int64(0)},
		{"litres", json.Number("0.26"), int64(3)},
		{"litres", json.Number("-1"), errors.New("want a number from 0 to 900719925474099.2, got -1")},
		{"litres", json.Number("1e17"), errors.New("want a number from 0 to 900719925474099.2, got 1e17")},
		{"litres", math.NaN(), errors.New("want a number from 0 to 900719925474099.2, got NaN")},
		{"litres", false, errors.New("want a number from 0 to 900719925474099.2, got false")},
	} {
		got, err := read[c.property](c.value)
		if err != nil {
			got = err
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s=%v: got %v, want %v", c.property, c.value, got, c.want)
		}
	}
	for edges, want := range map[int64]any{0: int64(0), 3: 0.3, 10: int64(1), 12345678901: 1234567890.1} {
		if got := properties["litres"].CountValue(edges); got != want {
			t.Errorf("%d edges are shown as %v, want %v", edges, got, want)
		}
	}
}

func shows(line string, output bool, values Values) Property {
	return Property{
		Line: line, Output: output, Values: values,
		Scale: 1, Per: DefaultPer, Timeout: DefaultTimeout, Interval: DefaultInterval,
	}
}

// A deployment turns numbers and booleans into text, or text into numbers.
func TestParseTakesWhatDeploymentsMakeOfScalars(t *testing.T) {
	schema := schematest.Load(t, "configuration")
	for _, text := range []string{
		`{"lines":{"a":{"chip":"gpiochip0","line":"17","direction":"output","activeLow":"true"}}}`,
		`{"lines":{"a":{"chip":"gpiochip0","line":17,"direction":"output","activeLow":true}}}`,
		`{"lines":{"a":{"chip":"gpiochip0","line":17.0,"direction":"output","activeLow":"True"}}}`,
	} {
		c, err := Parse([]byte(text), "gw")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, want := c.Lines["a"], (Line{Ref: gpio.Ref{Chip: "gpiochip0", Line: "17"}, Direction: gpio.Output, ActiveLow: true}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
		schemaAgrees(t, schema, []byte(text), nil)
	}
}

func TestParseAcceptsAnEmptyConfiguration(t *testing.T) {
	schema := schematest.Load(t, "configuration")
	for _, text := range []string{"", "{}", "# nothing yet\n", "lines:\nshadows:\n", "accessControl: {}"} {
		if _, err := Parse([]byte(text), "gw"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		schemaAgrees(t, schema, []byte(text), nil)
	}
}

func TestParseNamesEveryFault(t *testing.T) {
	const outputs = "lines: {lamp: {line: A, direction: output}, fan: {line: B, direction: output}, door: {line: C, direction: input}}\n"
	schema := schematest.Load(t, "configuration")
	const patterns = "shadows:\n  m: {properties: {p: {patterns: {x: {lamp: on, fan: off}, y: {lamp: off, fan: on}}}}}\n"
	for _, c := range []struct {
		name, text string
		want       []string // each a part of one fault, in order
	}{
		{"unknown key", "liens: {}", []string{`liens: want one of the keys accessControl, alarms, controls, holdFor, interlocks, lines, logLevel, shadows, thingName, transport, got unknown key "liens"; did you mean "lines"?`}},
		{"unknown key below", "lines: {a: {line: X, direction: input, debonce: 1s}}", []string{`lines.a.debonce: want one of`, `did you mean "debounce"?`}},
		{"wrong types", "logLevel: 5\nlines: [1]\nshadows: true", []string{
			`lines: want a map, got [1]`, `logLevel: want one of debug, info, warn, error, got 5`, `shadows: want a map, got true`}},
		{"wrong level", "logLevel: loud", []string{`logLevel: want one of debug, info, warn, error, got "loud"`}},
		{"line without anything", "lines: {a: {}}", []string{`lines.a.direction: want input or output, got nothing`, `lines.a.line: want a line name or an offset, got nothing`}},
		{"wrong direction", "lines: {a: {line: X, direction: sideways}}", []string{`lines.a.direction: want one of input, output, got "sideways"`}},
		{"offset without chip", "lines: {a: {line: 4, direction: input}}", []string{`lines.a.chip: want a chip name, label or path, which an offset needs`}},
		{"numbers that are no offset", "lines: {a: {line: -3, chip: c, direction: input}, b: {line: 3.7, chip: c, direction: input}}", []string{
			`lines.a.line: want text or a whole number from 0, got -3`, `lines.b.line: want text or a whole number from 0, got 3.7`}},
		{"keys twice and a list as a key", "lines:\n  1: {line: X, direction: input}\n  '1': {line: Y, direction: input}\n  2: {[a]: b, line: Z, direction: sideways}", []string{
			`lines.1: want each key once, got it in line 2 and in line 3`, `lines.2: want text as a key, got a map or a list in line 4`, `lines.2.direction: want one of`}},
		{"label without a character", `{"lines": {"": {"line": "X", "direction": "input"}}}`, []string{`lines: want keys of at least one character, got ""`}},
		{"duration without unit", "lines: {a: {line: X, direction: input, debounce: 20}}", []string{`lines.a.debounce: want a duration from 0s to 10s, such as 20ms, got 20`}},
		{"duration out of range", `lines: {a: {line: X, direction: input, debounce: 12s}}`, []string{`lines.a.debounce: want a duration from 0s to 10s, such as 20ms, got "12s"`}},
		{"keys of the other direction", "lines: {a: {line: X, direction: input, drive: push-pull, stop: keep}, b: {line: Y, direction: output, debounce: 1s}}", []string{
			`lines.a.drive: want no such key on an input, got a key of an output`, `lines.a.stop: `, `lines.b.debounce: want no such key on an output, got a key of an input`}},
		{"line used twice", "lines: {a: {line: X, direction: input}, b: {line: X, direction: output}}", []string{`lines.b.line: want a line of its own, got "X"; it is the line of lines.a`}},
		{"property without line", outputs + "shadows: {m: {properties: {p: {}}}}", []string{`shadows.m.properties.p.line: want the label of a line, got ""`}},
		{"property of unknown line", outputs + "shadows: {m: {properties: {p: {line: lmap}}}}", []string{`shadows.m.properties.p.line: want the label of a line, got "lmap"; did you mean "lamp"?`}},
		{"two properties on one output", outputs + "shadows: {m: {properties: {p: {line: lamp}, q: {line: lamp}}}}", []string{`shadows.m.properties.q.line: want an output of its own, got "lamp"; it is the output of shadows.m.properties.p`}},
		{"one shadow twice", "shadows: {a: {name: x}, b: {name: x}}", []string{`shadows.b: want a shadow of its own, got gw/x; it is the shadow of shadows.a`}},
		{"bad names", "shadows: {a: {name: 'x/y'}, b: {thing: 'a b'}}", []string{`shadows.a.name: want a shadow name`, `shadows.b.thing: want a thing name`}},
		{"reserved shadow", "shadows: {a: {name: AWSManagedGreengrassV2Deployment}}", []string{`shadows.a.name: want another shadow than the nucleus's own`}},
		{"reserved property", outputs + "shadows: {m: {properties: {ack: {line: lamp}, state: {line: fan}}}}", []string{`properties.ack: want another property name`, `properties.state: want another property name`}},
		{"one word only", outputs + `shadows: {m: {properties: {p: {line: lamp, values: {"on": on}}}}}`, []string{`shadows.m.properties.p.values: want one word for on and one for off`}},
		{"two words for one state", outputs + `shadows: {m: {properties: {p: {line: lamp, values: {a: on, b: on, c: off}}}}}`, []string{`shadows.m.properties.p.values: want one word for on and one for off`}},
		{"value of a value", outputs + `shadows: {m: {properties: {p: {line: lamp, values: {a: high, b: off}}}}}`, []string{`values.a: want one of off, on, got "high"`}},
		{"hold too long", "holdFor: 1000h", []string{`holdFor: want a duration from 0s to 168h, such as 20ms, got "1000h"`}},
		{"times out of range", "lines: {a: {line: X, direction: output, minOn: -1s, minOff: 200h, maxOn: x}, b: {line: Y, direction: input, onDelay: 25h, offDelay: 1, poll: 0s}}", []string{
			`lines.a.maxOn: want a duration from 0s to 168h`, `lines.a.minOff: want`, `lines.a.minOn: want`, `lines.b.offDelay: want a duration from 0s to 24h`, `lines.b.onDelay: want`, `lines.b.poll: want a duration from 1ms to 1m`}},
		{"output keys on an input", "lines: {b: {line: Y, direction: input, minOn: 1s, failsafe: {after: 1m, set: on}}}", []string{
			`lines.b.failsafe: want no such key on an input, got a key of an output`, `lines.b.minOn: want no such key on an input`}},
		{"on shorter at most than at least", "lines: {a: {line: X, direction: output, minOn: 5s, maxOn: 2s}}", []string{`lines.a.maxOn: want at least minOn, 5s, got 2s`}},
		{"failsafe without its parts", "lines: {a: {line: X, direction: output, failsafe: {}}}", []string{`lines.a.failsafe.after: want how long the nucleus has to be away`, `lines.a.failsafe.set: want on or off, got nothing`}},
		{"failsafe with wrong parts", "lines: {a: {line: X, direction: output, failsafe: {after: 1ms, set: dim}}}", []string{`lines.a.failsafe.after: want a duration from 1s to 168h`, `lines.a.failsafe.set: want one of off, on, got "dim"`}},
		{"interlock without lines", outputs + "interlocks: {m: {deadTime: 1s}}", []string{`interlocks.m.lines: want a list of outputs, got nothing`}},
		{"interlock of one", outputs + "interlocks: {m: {lines: [lamp]}}", []string{`interlocks.m.lines: want at least two outputs, got ["lamp"]`}},
		{"interlock of no list", outputs + "interlocks: {m: {lines: lamp}}", []string{`interlocks.m.lines: want a list, got "lamp"`}},
		{"interlock of an input and nothing", outputs + "interlocks: {m: {lines: [door, fann]}}", []string{
			`interlocks.m.lines[0]: want an output, got "door"; it is an input`, `interlocks.m.lines[1]: want the label of a line, got "fann"; did you mean "fan"?`}},
		{"output in two interlocks", outputs + "interlocks: {a: {lines: [lamp, fan]}, b: {lines: [fan, lamp]}}", []string{`interlocks.b.lines[0]: want an output that is in no other place of an interlock; "fan" is in interlocks.a`}},
		{"output twice in an interlock", outputs + "interlocks: {a: {lines: [lamp, lamp]}}", []string{`interlocks.a.lines[1]: want an output that is in no other place of an interlock; "lamp" is in interlocks.a`}},
		{"interlocked and both on", "lines: {a: {line: X, direction: output, start: on, stop: on, failsafe: {after: 1m, set: on}}, b: {line: Y, direction: output, start: on, stop: on, failsafe: {after: 1m, set: on}}}\ninterlocks: {m: {lines: [a, b]}}", []string{
			`interlocks.m: want at most one line with start: on, got a and b`, `interlocks.m: want at most one line with stop: on`, `interlocks.m: want at most one line with failsafe: {set: on}`}},
		{"control without its parts", outputs + "controls: {c: {}}", []string{
			`controls.c.action: want one of toggle, set, reset, got nothing`, `controls.c.input: want the label of an input, got nothing`, `controls.c.output: want the label of an output, got nothing`}},
		{"control with wrong parts", outputs + "controls: {c: {input: lamp, output: door, edge: none, action: flip}}", []string{
			`controls.c.action: want one of toggle, set, reset, got "flip"`, `controls.c.edge: want one of rising, falling, both, got "none"`, `controls.c.input: want an input, got "lamp"; it is an output`, `controls.c.output: want an output, got "door"; it is an input`}},
		{"control of a pattern's line", outputs + patterns + "controls: {c: {input: door, output: fan, action: set}}", []string{`controls.c.output: want an output of its own, got "fan"; it is set by the patterns of shadows.m.properties.p`}},
		{"two kinds", outputs + "shadows: {m: {properties: {p: {line: lamp, pulse: 1s, blink: {on: 1s, off: 1s}}}}}", []string{`shadows.m.properties.p: want one of blink, pulse, got all of them; a property shows one thing`}},
		{"keys of another kind", outputs + "shadows: {m: {properties: {p: {line: lamp, pulse: 1s, scale: 2, override: cloudWins}, q: {line: door, count: both, values: {a: on, b: off}}}}}", []string{
			`shadows.m.properties.p.override: want no such key beside pulse, got a key of a level, blink, pwm`, `shadows.m.properties.p.scale: want no such key beside pulse, got a key of count, rate`, `shadows.m.properties.q.values: want no such key beside count`}},
		{"kinds of the other direction", outputs + "shadows: {m: {properties: {p: {line: door, pulse: 1s}, q: {line: lamp, count: both}, r: {line: door, override: cloudWins}}}}", []string{
			`shadows.m.properties.p.line: want an output, as pulse needs one, got "door"; it is an input`, `shadows.m.properties.q.line: want an input, as count needs one, got "lamp"; it is an output`, `shadows.m.properties.r.override: want no such key on an input`}},
		{"override of an input", outputs + "shadows: {m: {properties: {r: {line: door, override: updatesDesired}}}}", []string{`shadows.m.properties.r.override: want no such key on an input`}},
		{"kind without a value", outputs + "shadows: {m: {properties: {p: {line: lamp, pulse: }}}}", []string{`shadows.m.properties.p.pulse: want a value, since it says what kind of property this is, got null`}},
		{"scale out of range", outputs + "shadows: {m: {properties: {p: {line: door, count: both, scale: 1e308}, q: {line: door, count: both, scale: -1}}}}", []string{`properties.p.scale: want a number from 1e-09 to 1e+09, got 1e+308`, `properties.q.scale: want a number`}},
		{"pulse against the rules", "lines: {a: {line: X, direction: output, minOn: 2s}, b: {line: Y, direction: output, maxOn: 1s}}\nshadows: {m: {properties: {p: {line: a, pulse: 1s}, q: {line: b, blink: {on: 2s, off: 1s}}}}}", []string{
			`properties.p.pulse: want at least 2s, the minOn of a, got 1s`, `properties.q.blink.on: want at most 1s, the maxOn of b, got 2s`}},
		{"dead time out of range", outputs + "interlocks: {m: {lines: [lamp, fan], deadTime: 200h}}", []string{`interlocks.m.deadTime: want a duration from 0s to 168h`}},
		{"override of patterns", outputs + "shadows: {m: {properties: {p: {override: cloudWins, patterns: {a: {lamp: on}, b: {lamp: off}}}}}}", []string{`properties.p.override: want no such key beside patterns`}},
		{"wrong override", outputs + "shadows: {m: {properties: {p: {line: lamp, override: never}}}}", []string{`override: want one of updatesDesired, cloudWins, holdsUntilNextDesired, got "never"`}},
		{"times of kinds", outputs + "shadows: {m: {properties: {p: {line: lamp, pulse: 1ms}, q: {line: fan, blink: {on: 1s}}}}}", []string{
			`properties.p.pulse: want a duration from 10ms to 168h, such as 20ms, got "1ms"`, `properties.q.blink: want both times, such as {on: 500ms, off: 500ms}, got {"on":"1s"}`}},
		{"pwm without period", outputs + "shadows: {m: {properties: {p: {line: lamp, pwm: {}}}}}", []string{`properties.p.pwm: want a period, such as {period: 10s}`}},
		{"times against the rules of the line", "lines: {a: {line: X, direction: output, minOn: 2s, minOff: 2s, maxOn: 4s}, b: {line: Y, direction: output, minOn: 2s, minOff: 2s}, c: {line: Z, direction: output, minOn: 2s, minOff: 2s}}\nshadows: {m: {properties: {p: {line: a, pulse: 5s}, q: {line: b, blink: {on: 1s, off: 1s}}, r: {line: c, pwm: {period: 3s}}}}}", []string{
			`properties.p.pulse: want at most 4s, the maxOn of a, got 5s`, `properties.q.blink.off: want at least 2s, the minOff of b, got 1s`, `properties.q.blink.on: want at least 2s, the minOn of b, got 1s`, `properties.r.pwm.period: want at least 4s, the minOn and minOff together of c, got 3s`}},
		{"patterns of one word", outputs + "shadows: {m: {properties: {p: {patterns: {a: {lamp: on}}}}}}", []string{`properties.p.patterns: want at least two words, each with the states of the same lines`}},
		{"patterns of different lines", outputs + "shadows: {m: {properties: {p: {patterns: {a: {lamp: on, fan: off}, b: {lamp: off}}}}}}", []string{`properties.p.patterns.b: want the lines of the other patterns, fan and lamp`}},
		{"patterns of equal states", outputs + "shadows: {m: {properties: {p: {patterns: {a: {lamp: on, fan: off}, b: {lamp: on, fan: off}}}}}}", []string{`properties.p.patterns.b: want other states than those of "a"`}},
		{"patterns of nothing", outputs + "shadows: {m: {properties: {p: {patterns: {a: {}, b: {}}}}}}", []string{`properties.p.patterns.b: want other states than those of "a"`}},
		{"patterns of inputs", outputs + "shadows: {m: {properties: {p: {patterns: {a: {door: on}, b: {door: off}}}}}}", []string{`properties.p.patterns.a.door: want an output, got "door"; it is an input`, `properties.p.patterns.b.door: `}},
		{"patterns with more", outputs + "shadows: {m: {properties: {p: {line: door, values: {x: on, y: off}, patterns: {a: {lamp: on}, b: {lamp: off}}}}}}", []string{
			`properties.p.line: want no such key beside patterns`, `properties.p.values: want no such key beside patterns`}},
		{"pattern against an interlock", outputs + "interlocks: {i: {lines: [lamp, fan]}}\nshadows: {m: {properties: {p: {patterns: {a: {lamp: on, fan: on}, b: {lamp: off, fan: on}}}}}}", []string{`properties.p.patterns.a: want at most one line of interlocks.i on, got lamp and fan`}},
		{"pattern and another property", outputs + patterns + "  n: {name: n, properties: {q: {line: fan}}}", []string{`shadows.n.properties.q.line: want an output of its own, got "fan"; it is the output of shadows.m.properties.p`}},
		{"pattern with a maxOn", "lines: {a: {line: X, direction: output, maxOn: 5s}}\nshadows: {m: {properties: {p: {patterns: {x: {a: on}, y: {a: off}}}}}}", []string{`properties.p.patterns: want a line without maxOn, got "a"`}},
		{"pattern over two chips", "lines: {a: {line: 1, chip: c0, direction: output}, b: {line: 1, chip: c1, direction: output}}\nshadows: {m: {properties: {p: {patterns: {x: {a: on, b: off}, y: {a: off, b: off}}}}}}", []string{`properties.p.patterns: want lines of one chip, got a on "c0" and b on "c1"`}},
		{"measures", outputs + "shadows: {m: {properties: {p: {line: door, count: sideways}, q: {line: door, rate: both, scale: 0, per: 0s}, r: {line: door, period: rising, scale: x, timeout: 1ns, interval: 1ms}}}}", []string{
			`properties.p.count: want one of`, `got "sideways"`, `properties.q.per: want a duration from 1ms`, `properties.q.scale: want a number from 1e-09 to 1e+09, got 0`, `properties.r.interval: want a duration from 100ms`, `properties.r.scale: `, `properties.r.timeout: want a duration from 10ms`}},
		{"several at once", "lines: {a: {line: X, direction: input, debounce: long}}\nshadows: {m: {properties: {p: {line: b}}}}\nlogLevle: info", []string{
			`lines.a.debounce: `, `logLevle: `, `shadows.m.properties.p.line: `}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Parse([]byte(c.text), "gw")
			if err == nil {
				t.Fatalf("accepted as %+v", cfg)
			}
			schemaAgrees(t, schema, []byte(c.text), err)
			rest := err.Error()
			for _, want := range c.want {
				at := strings.Index(rest, want)
				if at < 0 {
					t.Fatalf("no %q in order in\n%v", want, err)
				}
				rest = rest[at+len(want):]
			}
			var fault *FieldError
			if !errors.As(err, &fault) {
				t.Errorf("no *FieldError in %v", err)
			}
		})
	}
}

func TestParseRefusesWhatIsNoConfiguration(t *testing.T) {
	for _, text := range []string{"{", "- a", "lamp", "a: 1\na: 2", "{}\n---\n{}"} {
		if _, err := Parse([]byte(text), "gw"); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestParseNeedsAThing(t *testing.T) {
	_, err := Parse([]byte("shadows: {a: {}}"), "")
	if err == nil || !strings.Contains(err.Error(), "AWS_IOT_THING_NAME") {
		t.Errorf("got %v, want a fault that says where the thing name comes from", err)
	}
}

func TestParseRefusesAShadowThatCannotFit(t *testing.T) {
	var lines, properties strings.Builder
	for i := range 120 {
		label := strings.Repeat("x", 20) + string(rune('a'+i%26)) + strings.Repeat("y", i/26)
		lines.WriteString("  " + label + ": {line: " + label + ", direction: output}\n")
		properties.WriteString("      " + label + ": {line: " + label + "}\n")
	}
	text := "lines:\n" + lines.String() + "shadows:\n  m:\n    properties:\n" + properties.String()
	_, err := Parse([]byte(text), "gw")
	if err == nil || !strings.Contains(err.Error(), "at most 8192 bytes") {
		t.Errorf("got %v, want the size named", err)
	}
}

func TestValues(t *testing.T) {
	words := Words("open", "closed")
	for _, c := range []struct {
		values Values
		value  any
		on, ok bool
	}{
		{Values{}, true, true, true},
		{Values{}, false, false, true},
		{Values{}, "true", false, false},
		{Values{}, 1.0, false, false},
		{Values{}, nil, false, false},
		{words, "open", true, true},
		{words, "closed", false, true},
		{words, "Open", false, false},
		{words, true, false, false},
		{words, []any{"open"}, false, false},
	} {
		on, err := c.values.Line(c.value)
		if on != c.on || (err == nil) != c.ok {
			t.Errorf("%v of %v: got %v, %v", c.value, c.values, on, err)
		}
		if err == nil && c.values.Value(on) != c.value {
			t.Errorf("%v is shown as %v", c.value, c.values.Value(on))
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"debounce", "direction", "drive"}
	for got, want := range map[string]string{
		"debonce": "debounce", "Direction": "direction", "driv": "drive", "zebra-crossing": "",
	} {
		hint := Nearest(got, known)
		if (want == "") != (hint == "") || !strings.Contains(hint, want) {
			t.Errorf("nearest to %q: got %q, want %q", got, hint, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add(kinds)
	f.Add(`{"lines":{"a":{"line":1e3}}}`)
	f.Add("lines: {a: {line: X, direction: output}}\nshadows: {m: {properties: {p: {line: a, values: {1: on, 2: off}}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]byte(text), "gw")
		if err != nil {
			return
		}
		for _, s := range c.Shadows {
			for key, p := range s.Properties {
				if len(p.Lines()) == 0 && (p.Kind == Pattern || p.Kind.hasLine()) {
					t.Errorf("property %s has no line", key)
				}
				for _, line := range p.Lines() {
					if _, ok := c.Lines[line]; !ok {
						t.Errorf("property %s has no line", key)
					}
				}
			}
		}
	})
}
