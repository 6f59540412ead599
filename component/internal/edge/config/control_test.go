package config

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
)

const control = `
lines:
  tank:  {line: TANK, direction: input}
  meter: {line: METER, direction: input}
  siren: {line: SIREN, direction: output}
  red:   {line: RED, direction: output}
shadows:
  pump/1:
    properties:
      full:   {line: tank}
      turns:  {line: meter, count: rising}
      limit:  {setting: number, min: "20", max: 120, default: "80"}
      steps:  {setting: integer, enum: [1, 2, "4"], default: 2.0}
      mode:   {setting: string, enum: [eco, boost], default: eco}
      name:   {setting: string, maxLength: 8}
      on:     {setting: boolean, default: "true"}
      band:   {setting: object, members: {low: {type: number, max: 5}, text: {type: string, default: a}}}
      lamp:   {patterns: {a: {red: on}, b: {red: off}}}
      siren:  {line: siren}
      worn:   {alarm: worn}
      times:  {schedule: siren, maxSize: 256}
alarms:
  full: {line: tank, for: 5s, output: siren, set: "off", cleared: keep}
  worn: {property: pump/1/turns, above: pump/1/limit, hysteresis: 2, latched: true}
  many: {property: pump/1/turns, below: "12.5"}
  eco:  {property: pump/1/mode, equal: eco}
  odd:  {property: pump/1/mode, equal: pump/1/name}
  off:  {property: pump/1/on, is: off}
`

func TestParseControl(t *testing.T) {
	c, err := Parse([]byte(control), "gw")
	if err != nil {
		t.Fatal(err)
	}
	schemaAgrees(t, schematest.Load(t, "configuration"), []byte(control), nil)
	turns, limit, mode := Path{"pump/1", "turns"}, Path{"pump/1", "limit"}, Path{"pump/1", "mode"}
	for label, want := range map[string]Alarm{
		"full": {Line: "tank", Limit: true, For: 5 * time.Second, Output: "siren", Keep: true},
		"worn": {Property: turns, Test: Above, Setting: limit, Margin: 2, Latched: true, Set: true},
		"many": {Property: turns, Test: Below, Limit: 12.5, Set: true},
		"eco":  {Property: mode, Test: Equal, Limit: "eco", Set: true},
		"odd":  {Property: mode, Test: Equal, Setting: Path{"pump/1", "name"}, Set: true},
		"off":  {Property: Path{"pump/1", "on"}, Limit: false, Set: true},
	} {
		if got := c.Alarms[label]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", label, got, want)
		}
	}
	number := Domain{Type: NumberValue, Min: -MaxSetting, Max: 5, MaxLength: DefaultMaxLength}
	text := Domain{Type: StringValue, Min: -MaxSetting, Max: MaxSetting, MaxLength: DefaultMaxLength, Default: "a"}
	properties := c.Shadows["pump/1"].Properties
	for key, want := range map[string]Domain{
		"limit": {Type: NumberValue, Min: 20, Max: 120, MaxLength: DefaultMaxLength, Default: 80.0},
		"steps": {Type: IntegerValue, Min: -MaxSetting, Max: MaxSetting, MaxLength: DefaultMaxLength, Enum: []any{1.0, 2.0, 4.0}, Default: 2.0},
		"name":  {Type: StringValue, Min: -MaxSetting, Max: MaxSetting, MaxLength: 8},
		"on":    {Type: BooleanValue, Min: -MaxSetting, Max: MaxSetting, MaxLength: DefaultMaxLength, Default: true},
		"band":  {Type: ObjectValue, Min: -MaxSetting, Max: MaxSetting, MaxLength: DefaultMaxLength, Members: map[string]Domain{"low": number, "text": text}},
	} {
		if got := properties[key].Domain; !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %#v\nwant %#v", key, got, want)
		}
	}
	if p := properties["times"]; p.Drives != "siren" || p.MaxSize != 256 || len(p.Lines()) != 0 || p.Output {
		t.Errorf("schedule is %+v", p)
	}
}

func TestControlFaults(t *testing.T) {
	schema := schematest.Load(t, "configuration")
	for _, c := range []struct{ replace, by, want string }{
		{"default: \"80\"", "default: 130", `shadows.pump/1.properties.limit.default: want what the setting takes, a number from 20 to 120, got 130`},
		{"min: \"20\"", "min: 200", `shadows.pump/1.properties.limit.min: want at most max, 120, got 200`},
		{"min: \"20\"", "maxLength: 5", `shadows.pump/1.properties.limit.maxLength: want no maxLength of type number, got 5`},
		{"[1, 2, \"4\"]", "[1, 2.5]", `shadows.pump/1.properties.steps.enum[1]: want what the setting takes, a whole number from -1e15 to 1e15, got 2.5`},
		{"[1, 2, \"4\"]", "[1, 2, 1]", `shadows.pump/1.properties.steps.enum[2]: want each value once, got 1`},
		{"[eco, boost]", "[]", `shadows.pump/1.properties.mode.enum: want a list of at least one value, got []`},
		{"default: eco", "default: turbo", `shadows.pump/1.properties.mode.default: want what the setting takes, one of "eco", "boost", got "turbo"`},
		{"maxLength: 8", "maxLength: 8.5", `shadows.pump/1.properties.name.maxLength: want a whole number from 1 to 1024, got 8.5`},
		{"maxLength: 8", "default: \"12345678901234567890123456789012345678901234567890123456789012345\"", `want what the setting takes, a text of at most 64 bytes, got`},
		{"setting: boolean, default: \"true\"", "setting: bool", `shadows.pump/1.properties.on.setting: want one of boolean, number, integer, string, object, got "bool"`},
		{", members: {low: {type: number, max: 5}, text: {type: string, default: a}}", "", `shadows.pump/1.properties.band.setting: want object beside members, such as members: {low: {type: number}}, got none`},
		{"low: {type: number, max: 5}", "low: {max: 5}", `shadows.pump/1.properties.band.members.low.type: want one of boolean, number, integer, string, got nothing`},
		{"low: {type: number", "low: {typ: number", `want one of the keys default, enum, max, maxLength, min, type, got unknown key "typ"; did you mean "type"?`},
		{"setting: object", "setting: number", `shadows.pump/1.properties.band.members: want no members of type number, got `},
		{"worn:   {alarm: worn}", "worn:   {alarm: wron}", `shadows.pump/1.properties.worn.alarm: want the label of an alarm, got "wron"; did you mean "worn"?`},
		{"worn:   {alarm: worn}", "worn:   {alarm: worn, line: tank}", `shadows.pump/1.properties.worn.line: want no such key beside alarm, got a key of`},
		{"schedule: siren", "schedule: tank", `shadows.pump/1.properties.times.schedule: want an output, got "tank"; it is an input`},
		{"schedule: siren", "schedule: red", `shadows.pump/1.properties.times.schedule: want an output of its own, got "red"; it is set by the patterns of shadows.pump/1.properties.lamp`},
		{"line: tank, for: 5s", "line: siren", `alarms.full.line: want an input, got "siren"; it is an output`},
		{"line: tank, for: 5s", "for: 5s", `alarms.full: want a line or a property to watch, got neither`},
		{"line: tank, for: 5s", "line: tank, property: pump/1/turns", `alarms.full: want a line or a property to watch, got both`},
		{"line: tank, for: 5s", "property: pump/1/siren", `alarms.full.property: want an input, a count or another number that is measured, or a setting that is no object, got "pump/1/siren"; it is a level of an output`},
		{"line: tank, for: 5s", "property: pump/1/worn", `it is a alarm`},
		{"line: tank, for: 5s", "property: pump/1/ful", `alarms.full.property: want a property as shadow/property, got "pump/1/ful"; did you mean "pump/1/full"?`},
		{"line: tank, for: 5s", "line: tank, above: 5", `alarms.full.above: want no above with boolean values, got 5`},
		{"above: pump/1/limit", "above: pump/1/mode", `alarms.worn.above: want a setting with number values, got "pump/1/mode"`},
		{"above: pump/1/limit", "above: pump/1/limits", `alarms.worn.above: want a property as shadow/property, got "pump/1/limits"; did you mean "pump/1/limit"?`},
		{"above: pump/1/limit", "above: 1, below: 2", `alarms.worn: want one of above, below, got all of them; an alarm has one limit`},
		{"above: pump/1/limit", "is: on", `alarms.worn.hysteresis: want no such key beside is, got a key of above, below`},
		{"above: pump/1/limit, hysteresis: 2", "is: on", `alarms.worn.is: want above, below or equal with number values, got is`},
		{"below: \"12.5\"", "below: true", `alarms.many.below: want a number from -1e+15 to 1e+15, got true`},
		{"output: siren", "output: red", `alarms.full.output: want an output of its own, got "red"`},
		{"maxSize: 256", "maxSize: 4096", `want at most 8192 bytes of desired and reported state`},
	} {
		text := strings.Replace(control, c.replace, c.by, 1)
		_, err := Parse([]byte(text), "gw")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.by, err, c.want)
		}
		schemaAgrees(t, schema, []byte(text), err)
	}
}

// TestSettingsFitTheirSize desires the largest values that settings take.
func TestSettingsFitTheirSize(t *testing.T) {
	c, err := Parse([]byte(control), "gw")
	if err != nil {
		t.Fatal(err)
	}
	p := c.Shadows["pump/1"].Properties
	for key, value := range map[string]any{"limit": math.Nextafter(20, 21), "name": "12345678", "steps": 4.0, "mode": "boost", "on": false} {
		adopted, err := p[key].ParseSetting(value, nil)
		if err != nil || size(adopted) > size(p[key].largest()) {
			t.Errorf("%s: %v takes %d bytes (%v), counted are %d", key, value, size(adopted), err, size(p[key].largest()))
		}
	}
	for _, value := range []any{"123456789", `"""""`, "äöüßä"} {
		if _, err := p["name"].ParseSetting(value, nil); err == nil {
			t.Errorf("%v is taken, though it has more than 8 bytes: %s", value, fmt.Sprint(size(value)))
		}
	}
}
