package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// longest is the longest name that a property, member or word may have.
var longest = strings.Repeat("n", 64)

// refusing has a property of each kind that takes desired values.
var refusing = `
lines:
  lamp: {line: A, direction: output}
  bell: {line: B, direction: output}
  heater: {line: C, direction: output}
  slow: {chip: c, line: 1, direction: output}
  fast: {chip: c, line: 2, direction: output}
  blinker: {line: D, direction: output}
  gate: {line: E, direction: output}
  flow: {line: F, direction: input}
shadows:
  main:
    properties:
      lamp: {line: lamp}
      bell: {line: bell, pulse: 1s, values: {"ring": on, "": off}}
      blinker: {line: blinker, blink: {on: 1s, off: 1s}, values: {"` + longest + `1": on, "` + longest + `2": off}}
      heater: {line: heater, pwm: {period: 10s}}
      speed: {patterns: {stop: {slow: off, fast: off}, slow: {slow: on, fast: off}, fast: {slow: off, fast: on}}}
      turns: {line: flow, count: falling}
      litres: {line: flow, count: rising, scale: 0.1}
      big: {setting: integer}
      limit: {setting: number, min: -1e15, max: 1e15}
      some: {setting: number, min: 20}
      few: {setting: integer, max: 9.5}
      mode: {setting: string, enum: [eco, auto]}
      step: {setting: number, enum: [0.5, 1000000, 1e15]}
      month: {setting: string, enum: [january, february, march, april, may, june, july, august, september, october, november, december]}
      name: {setting: string, maxLength: 8}
      on: {setting: boolean}
      band: {setting: object, members: {low: {type: number}, high: {type: integer, min: 1, max: 9}, name: {type: string, maxLength: 3}, word: {type: string, enum: [a, b]}, ` + longest + `: {type: integer}}}
`

// TestRefusalsNameWhatWasViolated desires wrong values of each kind: the reason names
// what is accepted and what was found, and none of it is cut off.
func TestRefusalsNameWhatWasViolated(t *testing.T) {
	c, err := Parse([]byte(strings.Replace(refusing, `"": off`, `quiet: off`, 1)), "gw")
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(p Property, value any) error {
		var err error
		switch p.Kind {
		case Level, Pulse, Blink:
			_, err = p.Values.Line(value)
		case PWM:
			_, err = p.ParseDuty(value)
		case Pattern:
			_, err = p.ParsePattern(value)
		case Count:
			_, err = p.ParseCount(value)
		case Setting:
			_, err = p.ParseSetting(value, nil)
		default:
			t.Fatalf("no desired values of %v", p.Kind)
		}
		return err
	}
	number := func(text string) any { return json.Number(text) }
	tried := map[Kind]bool{}
	for _, r := range []struct {
		property string
		value    any
		want     string
	}{
		{"lamp", "on", `want true or false, got "on"`},
		{"bell", true, `want "quiet" or "ring", got true`},
		{"blinker", "on", `want "nnnnnnnn`},
		{"blinker", "on", `, got "on"`},
		{"heater", number("100.1"), "want a number from 0 to 100, got 100.1"},
		{"heater", number("-1"), "want a number from 0 to 100, got -1"},
		{"speed", "fats", `want one of "fast", "slow", "stop", got "fats"`},
		{"turns", number("-1"), "want a number from 0 to 9007199254740992, got -1"},
		{"litres", number("1e15"), "want a number from 0 to 900719925474099.2, got 1e15"},
		{"big", number("9007199254740992"), "want a whole number from -1e15 to 1e15, got 9007199254740992"},
		{"big", number("1.5"), "want a whole number from -1e15 to 1e15, got 1.5"},
		{"limit", number("5e21"), "want a number from -1e15 to 1e15, got 5e21"},
		{"limit", 5e21, "want a number from -1e15 to 1e15, got 5e+21"},
		{"limit", strings.Repeat("9", 500), `want a number from -1e15 to 1e15, got "9999999999`},
		{"some", number("19.9"), "want a number from 20 to 1e15, got 19.9"},
		{"few", number("10"), "want a whole number from -1e15 to 9.5, got 10"},
		{"mode", "echo", `want one of "eco", "auto", got "echo"`},
		{"step", number("2"), "want one of 0.5, 1000000, 1e15, got 2"},
		{"month", "brumaire", `want one of "january", "february", "march", "april", "may", "june", "july", "august" and 4 more, got "brumaire"`},
		{"name", "123456789", "want a text of at most 8 bytes, got 9 bytes"},
		{"name", strings.Repeat("ä", 5), "want a text of at most 8 bytes, got 10 bytes"},
		{"name", 5, "want a text of at most 8 bytes, got 5"},
		{"on", number("1"), "want true or false, got 1"},
		{"band", true, "want an object of high, low, name, nnnnnnnnnnnn"},
		{"band", true, ", got true"},
		{"band", map[string]any{"low": number("1e16")}, "low: want a number from -1e15 to 1e15, got 1e16"},
		{"band", map[string]any{"high": number("10")}, "high: want a whole number from 1 to 9, got 10"},
		{"band", map[string]any{"name": "four"}, "name: want a text of at most 3 bytes, got 4 bytes"},
		{"band", map[string]any{"word": "c"}, `word: want one of "a", "b", got "c"`},
		{"band", map[string]any{longest: number("1e16")}, "…: want a whole number from -1e15 to 1e15, got 1e16"},
		{"band", map[string]any{"hgih": number("5")}, `, got "hgih"`},
	} {
		p, ok := c.Shadows["main"].Properties[r.property]
		if !ok {
			t.Fatalf("no property %s", r.property)
		}
		tried[p.Kind] = true
		err := refuse(p, r.value)
		if err == nil {
			t.Errorf("%s = %v is taken", r.property, r.value)
			continue
		}
		reason := shadow.CutReason(err.Error())
		if !strings.Contains(reason, r.want) {
			t.Errorf("%s = %s: got %s, want %s", r.property, show(r.value), reason, r.want)
		}
		if hint := strings.Index(reason, "; did you mean"); hint < 0 && reason != err.Error() {
			t.Errorf("%s = %s: cut off: %s", r.property, show(r.value), err)
		}
	}
	for _, kind := range []Kind{Level, Pulse, Blink, PWM, Pattern, Count, Setting} {
		if !tried[kind] {
			t.Errorf("no refusal of %v", fmt.Sprint(kind))
		}
	}
}
