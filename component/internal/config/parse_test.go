package config

import (
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
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
		"door": {Ref: gpio.Ref{Chip: "pinctrl-bcm2711", Line: "27"}, Direction: gpio.Input, Bias: gpio.BiasPullUp, Debounce: 20 * time.Millisecond},
	}
	if !maps.Equal(c.Lines, wantLines) {
		t.Errorf("lines\n got %+v\nwant %+v", c.Lines, wantLines)
	}
	if got, want := c.Shadows["main"].ID, (shadow.ID{Thing: "gw"}); got != want {
		t.Errorf("main is %v, want %v", got, want)
	}
	if got, want := c.Shadows["other"].ID, (shadow.ID{Thing: "pump-3", Name: "host"}); got != want {
		t.Errorf("other is %v, want %v", got, want)
	}
	if got, want := c.Shadows["main"].Properties["lights"], (Property{"lamp", true, Words("on", "off")}); got != want {
		t.Errorf("lights is %+v, want %+v", got, want)
	}
	if got, want := c.Shadows["other"].Properties["door"], (Property{"door", false, Words("open", "closed")}); got != want {
		t.Errorf("door is %+v, want %+v", got, want)
	}
}

// A deployment turns numbers and booleans into text, or text into numbers.
func TestParseTakesWhatDeploymentsMakeOfScalars(t *testing.T) {
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
		if got, want := c.Lines["a"], (Line{Ref: gpio.Ref{Chip: "gpiochip0", Line: "17"}, Direction: gpio.Output, ActiveLow: true}); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestParseAcceptsAnEmptyConfiguration(t *testing.T) {
	for _, text := range []string{"", "{}", "# nothing yet\n", "lines:\nshadows:\n", "accessControl: {}"} {
		if _, err := Parse([]byte(text), "gw"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseNamesEveryFault(t *testing.T) {
	const outputs = "lines: {lamp: {line: A, direction: output}, fan: {line: B, direction: output}, door: {line: C, direction: input}}\n"
	for _, c := range []struct {
		name, text string
		want       []string // each a part of one fault, in order
	}{
		{"unknown key", "liens: {}", []string{`liens: want one of the keys accessControl, lines, logLevel, shadows, thingName, got unknown key "liens"; did you mean "lines"?`}},
		{"unknown key below", "lines: {a: {line: X, direction: input, debonce: 1s}}", []string{`lines.a.debonce: want one of`, `did you mean "debounce"?`}},
		{"wrong types", "logLevel: 5\nlines: [1]\nshadows: true", []string{
			`lines: want a map, got [1]`, `logLevel: want one of debug, info, warn, error, got 5`, `shadows: want a map, got true`}},
		{"wrong level", "logLevel: loud", []string{`logLevel: want one of debug, info, warn, error, got "loud"`}},
		{"line without anything", "lines: {a: {}}", []string{`lines.a.direction: want input or output, got nothing`, `lines.a.line: want a line name or an offset, got nothing`}},
		{"wrong direction", "lines: {a: {line: X, direction: sideways}}", []string{`lines.a.direction: want one of input, output, got "sideways"`}},
		{"offset without chip", "lines: {a: {line: 4, direction: input}}", []string{`lines.a.chip: want a chip name, label or path, which an offset needs`}},
		{"numbers that are no offset", "lines: {a: {line: -3, chip: c, direction: input}, b: {line: 3.7, chip: c, direction: input}, c: {line: .nan, chip: c, direction: input}}", []string{
			`lines.a.line: want text or a whole number from 0, got -3`, `lines.b.line: want text or a whole number from 0, got 3.7`, `lines.c.line: want text`}},
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
		{"several at once", "lines: {a: {line: X, direction: input, debounce: long}}\nshadows: {m: {properties: {p: {line: b}}}}\nlogLevle: info", []string{
			`lines.a.debounce: `, `logLevle: `, `shadows.m.properties.p.line: `}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Parse([]byte(c.text), "gw")
			if err == nil {
				t.Fatalf("accepted as %+v", cfg)
			}
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
		hint := nearest(got, known)
		if (want == "") != (hint == "") || !strings.Contains(hint, want) {
			t.Errorf("nearest to %q: got %q, want %q", got, hint, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add(`{"lines":{"a":{"line":1e3}}}`)
	f.Add("lines: {a: {line: X, direction: output}}\nshadows: {m: {properties: {p: {line: a, values: {1: on, 2: off}}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]byte(text), "gw")
		if err != nil {
			return
		}
		for _, s := range c.Shadows {
			for key, p := range s.Properties {
				if _, ok := c.Lines[p.Line]; !ok {
					t.Errorf("property %s has no line", key)
				}
			}
		}
	})
}
