package shadowdoc

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const then, today = 1700000000, 1700000100

func parsed(t testing.TB, text string) Value {
	t.Helper()
	v, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// build makes a document by updates, so that its metadata is as it would be.
func build(t testing.TB, states ...string) *Document {
	t.Helper()
	var d *Document
	for _, state := range states {
		c, err := Apply(d, update(t, `{"state":`+state+`}`), then, DefaultSizeLimit, Fixed)
		if err != nil {
			t.Fatalf("%s: %v", state, err)
		}
		d = c.After
	}
	return d
}

func update(t testing.TB, payload string) *Update {
	t.Helper()
	u, err := ParseUpdate([]byte(payload))
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return u
}

const (
	absent  = "absent"
	failure = "failure"
)

// section is what is stored of reported after a patch.
func section(d *Document) string {
	if d.Reported == nil {
		return absent
	}
	return string(Append(nil, d.Reported))
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ stored, patch, want, why string }{
		{`{"a":1,"b":2}`, `{"a":null}`, `{"b":2}`, "null deletes"},
		{`{"a":1}`, `{"a":null}`, absent, "an empty section is dropped"},
		{`{"a":1}`, `{"z":null}`, `{"a":1}`, "deleting what is not there"},
		{absent, `{"a":null}`, `{"a":null}`, "the first write is stored as sent"},
		{absent, `{"a":null,"b":{},"c":1}`, `{"a":null,"b":{},"c":1}`, "the first write is stored as sent"},
		{`{"o":{"x":1}}`, `{"o":{"x":null}}`, `{"o":{}}`, "an empty parent stays"},
		{`{"o":{}}`, `{"o":null}`, `{"o":{}}`, "and cannot be deleted"},
		{`{"o":{}}`, `{"o":{"y":1}}`, `{"o":{"y":1}}`, "but filled"},
		{`{"o":{"x":1}}`, `{"o":null}`, absent, "parents can be deleted"},
		{`{"o":{"x":1},"z":1}`, `{"o":{}}`, `{"z":1}`, "an empty object deletes"},
		{`{"a":1}`, `{"n":{"x":null,"y":{"z":null}}}`, `{"a":1}`, "a tree of nulls adds nothing"},
		{`{"a":1}`, `{"n":{"x":null,"y":2}}`, `{"a":1,"n":{"y":2}}`, "nulls are taken out of what is new"},
		{`{"a":[1,2,3]}`, `{"a":[9]}`, `{"a":[9]}`, "arrays are replaced"},
		{`{"a":[1]}`, `{"a":[]}`, `{"a":[]}`, "an empty array is a value"},
		{`{"a":[1]}`, `{"a":[null,{}]}`, `{"a":[null,{}]}`, "with all that is in them"},
		{`{"a":"x"}`, `{"a":{"y":null,"z":1}}`, `{"a":{"y":null,"z":1}}`, "a change of type keeps nulls"},
		{`{"a":"x"}`, `{"a":[1]}`, failure, "a value cannot become an array"},
		{`{"a":{"b":1}}`, `{"a":[1]}`, failure, "an object neither"},
		{`{"a":[1]}`, `{"a":"x"}`, `{"a":"x"}`, "an array can become a value"},
		{`{"a":[1]}`, `{"a":{"x":1}}`, `{"a":{"x":1}}`, "or an object"},
		{`{"a":{"x":1}}`, `{"a":5}`, `{"a":5}`, "an object can become a value"},
		{`{"state":"on","x":1}`, `{"state":null,"x":2}`, `{"state":"on","x":1}`, "null for a key named state: nothing is applied"},
		{`{"state":{"a":1},"y":2}`, `{"state":null,"y":3}`, `{"state":{},"y":2}`, "an object of that name is emptied"},
		{`{"state":{"state":{"a":1},"b":1}}`, `{"state":null}`, `{"state":{"state":{},"b":1}}`, "the innermost one"},
		{`{"x":1,"y":2}`, `{"state":null}`, absent, "without such a key the section is wiped"},
		{`{"x":1,"y":2}`, `{"state":null,"z":1}`, absent, "whatever else is sent"},
		{`{"led":{"state":"on","y":1}}`, `{"led":{"state":null}}`, `{"led":{"y":1}}`, "only at the top"},
		{`{"state":{"a":1},"x":1}`, `{"state":{},"x":2}`, `{"state":{"a":1},"x":1}`, "an empty object of that name: nothing is applied"},
		{`{"state":"on","x":1}`, `{"state":{},"x":2}`, failure, "and over a value it fails"},
		{`{"a":1}`, `{"":1," ":2,"a.b":3,"c/d":4,"$x":5,"ü":6}`, `{"a":1,"":1," ":2,"a.b":3,"c/d":4,"$x":5,"ü":6}`, "any name is a key"},
		{`{"a":1}`, `null`, absent, "a section is deleted by null"},
		{`{"a":1}`, `{}`, absent, "and by an empty object"},
		{`{"a":1}`, `{"a":100e-2}`, `{"a":1.0}`, "doubles are written anew"},
	} {
		states := []string{`{"desired":{"k":1},"reported":` + c.stored + `}`}
		switch {
		case c.stored == absent:
			states = []string{`{"desired":{"k":1}}`}
		case strings.Contains(c.stored, ":{}"):
			states = []string{`{"desired":{"k":1},"reported":{"k":1}}`, `{"reported":{"o":{"x":1},"k":null}}`, `{"reported":{"o":{"x":null}}}`}
		}
		d := build(t, states...)
		if got := section(d); got != c.stored {
			t.Fatalf("%s: built %s", c.stored, got)
		}
		got := failure
		change, err := Apply(d, update(t, `{"state":{"reported":`+c.patch+`}}`), today, DefaultSizeLimit, Faithful)
		if err == nil {
			got = section(change.After)
		} else if !Internal(err) || change != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s + %s: got %s, want %s: %s", c.stored, c.patch, got, c.want, c.why)
		}
		if now := section(d); now != c.stored {
			t.Errorf("%s + %s: the document before it changed to %s", c.stored, c.patch, now)
		}
	}
}

func TestMergeOfState(t *testing.T) {
	for _, c := range []struct{ state, want, why string }{
		{`null`, `{}`, "null empties the document"},
		{`{}`, `{"desired":{"a":1},"reported":{"b":2}}`, "an empty state changes nothing"},
		{`{"desired":null}`, `{"reported":{"b":2}}`, "one section"},
		{`{"desired":null,"reported":{}}`, `{}`, "both sections"},
		{`{"other":1,"desired":{"a":3}}`, `{"desired":{"a":3},"reported":{"b":2}}`, "an unknown section is not stored"},
		{`{"delta":{"a":9},"desired":{"a":3}}`, `{"desired":{"a":3},"reported":{"b":2}}`, "nor a delta"},
		{`{"state":null,"desired":{"a":3}}`, `{}`, "a section named state that is null empties the document"},
		{`{"state":{},"desired":{"a":3}}`, `{"desired":{"a":1},"reported":{"b":2}}`, "an empty one undoes the update"},
	} {
		d := build(t, `{"desired":{"a":1},"reported":{"b":2}}`)
		change, err := Apply(d, update(t, `{"state":`+c.state+`}`), today, DefaultSizeLimit, Faithful)
		if err != nil {
			t.Errorf("%s: %v", c.state, err)
			continue
		}
		if got := string(Append(nil, change.After.State())); got != c.want {
			t.Errorf("%s: got %s, want %s: %s", c.state, got, c.want, c.why)
		}
		if change.After.Version != 2 {
			t.Errorf("%s: version %d", c.state, change.After.Version)
		}
	}
}

func TestDelta(t *testing.T) {
	for _, c := range []struct{ desired, reported, want string }{
		{`{"a":1}`, `null`, `{"a":1}`},
		{`null`, `{"a":1}`, `null`},
		{`{"a":1,"b":2}`, `{"a":1,"c":9}`, `{"b":2}`},
		{`{"a":1}`, `{"a":1,"b":2}`, `null`},
		{`{"a":true}`, `{"a":1}`, `{"a":true}`},
		{`{"a":1}`, `{"a":"1"}`, `{"a":1}`},
		{`{"l":{"r":1,"g":2,"n":{"p":1,"q":2}}}`, `{"l":{"r":1,"g":3,"n":{"p":1}}}`, `{"l":{"g":2,"n":{"q":2}}}`},
		{`{"s":[1,2,3]}`, `{"s":[1,2]}`, `{"s":[1,2,3]}`},
		{`{"s":[1,2]}`, `{"s":[1.0,2]}`, `{"s":[1,2]}`},
		{`{"s":[{"a":1,"b":2}]}`, `{"s":[{"b":2,"a":1}]}`, `null`},
		{`{"o":{}}`, `{"o":{"x":1}}`, `{"o":null}`},
		{`{"o":null}`, `{"o":0}`, `{"o":null}`},
		{`{"o":{}}`, `null`, `{"o":{}}`},
		{`{"o":{}}`, `{"o":null}`, `null`},
		{`{"o":{}}`, `{"p":1}`, `null`},
		{`{"o":1}`, `{"o":{}}`, `{"o":1}`},
		{`{"m":"auto"}`, `{"m":{"x":1}}`, `{"m":"auto"}`},
		{`{"m":{"x":1}}`, `{"m":"auto"}`, `{"m":{"x":1}}`},
		{`{"n":250}`, `{"n":250.0}`, `null`},
		{`{"n":250}`, `{"n":2.5e2}`, `null`},
		{`{"n":250}`, `{"n":250.5}`, `{"n":250}`},
		{`{"n":9007199254740993}`, `{"n":9007199254740992}`, `{"n":9007199254740993}`},
		{`{"n":9007199254740992}`, `{"n":9007199254740992.0}`, `null`},
		{`{"n":-0.0}`, `{"n":0}`, `null`},
		{`{"n":1e300}`, `{"n":2e300}`, `{"n":1.0E300}`},
		{`{"n":1e300}`, `{"n":1e300}`, `null`},
		{`{"n":18446744073709551617}`, `{"n":1}`, `{"n":18446744073709551617}`},
		{`{"n":true}`, `{"n":true}`, `null`},
		{`{"n":"a"}`, `{"n":"a"}`, `null`},
	} {
		d, err := NewDocument(1, parsed(t, `{"desired":`+c.desired+`,"reported":`+c.reported+`}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := "null"
		if delta := d.Delta(); delta != nil {
			got = string(Append(nil, delta))
		}
		if got != c.want {
			t.Errorf("desired %s, reported %s: got %s, want %s", c.desired, c.reported, got, c.want)
		}
	}
}

func TestVersions(t *testing.T) {
	stored := build(t, `{"reported":{"a":1}}`, `{}`, `{}`) // version 3
	for _, c := range []struct {
		document *Document
		version  string
		want     string // version after, or the refusal
	}{
		{nil, ``, "1"},
		{nil, `1`, "1"},
		{nil, `1.9`, "1"},
		{nil, `0`, "400 Invalid version"},
		{nil, `2`, "400 Invalid version"},
		{nil, `4294967297`, "1"}, // 2³²+1: compared as 32 bits
		{stored, ``, "4"},
		{stored, `3`, "4"},
		{stored, `3.9`, "4"},
		{stored, `2`, "409 Version conflict"},
		{stored, `4`, "409 Version conflict"},
		{stored, `0`, "409 Version conflict"},
		{stored, `1e300`, "409 Version conflict"},
		{stored, `-1`, "400 Invalid JSON: version: must have a minimum value of 0"},
		{stored, `null`, "400 Invalid JSON: version: null found, number expected"},
		{stored, `"3"`, "400 Invalid JSON: version: string found, number expected"},
		{stored, `true`, "400 Invalid JSON: version: boolean found, number expected"},
	} {
		payload := `{"state":{"reported":{"a":2}}}`
		if c.version != "" {
			payload = `{"state":{"reported":{"a":2}},"version":` + c.version + `}`
		}
		if got := outcome(c.document, payload, DefaultSizeLimit); got != c.want {
			t.Errorf("%s: got %s, want %s", payload, got, c.want)
		}
	}
}

// outcome is the version after an update, or its refusal.
func outcome(d *Document, payload string, limit int) string {
	u, err := ParseUpdate([]byte(payload))
	var c *Change
	if err == nil {
		c, err = Apply(d, u, today, limit, Faithful)
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return fmt.Sprintf("%d %s", r.Code, r.Message)
	}
	if err != nil {
		return fmt.Sprintf("%T", err)
	}
	return fmt.Sprint(c.After.Version)
}

func TestForm(t *testing.T) {
	const required = "state.reported: is missing but it is required. state.desired: is missing but it is required. "
	unknown := func(name string) string {
		return "state." + name + ": is not defined in the schema and the schema does not allow additional properties"
	}
	var eighteen []string
	for i := range 18 { // and the two that are required are all that is told
		eighteen = append(eighteen, unknown(fmt.Sprint("x", i)))
	}
	told18 := strings.Join(eighteen, ". ")
	many := func(n int) string {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"x%d":%d`, i, i))
		}
		return `{"state":{` + strings.Join(members, ",") + `}}`
	}
	for _, c := range []struct{ payload, want string }{
		{`null`, ""},
		{`{}`, ""},
		{" \n\t", ""},
		{``, ""},
		{`[]`, "$: array found, object expected"},
		{`5`, "$: integer found, object expected"},
		{`5.5`, "$: number found, object expected"},
		{`"x"`, "$: string found, object expected"},
		{`true`, "$: boolean found, object expected"},
		{`{"a":1}`, "state: is missing but it is required"},
		{`{"state":5}`, "state: integer found, but [object, null] is required"},
		{`{"state":[]}`, "state: array found, but [object, null] is required"},
		{`{"state":{"desired":5}}`, "state.desired: integer found, but [object, null] is required"},
		{`{"state":{"reported":1.5}}`, "state.reported: number found, but [object, null] is required"},
		{`{"state":{"reported":[1],"desired":true}}`, "state.desired: boolean found, but [object, null] is required. state.reported: array found, but [object, null] is required"},
		{`{"state":{"x":1}}`, required + unknown("x")},
		{`{"state":{"x":1,"delta":2,"y":null}}`, required + unknown("x") + ". " + unknown("y")},
		{`{"state":{"a$.b":1}}`, required + unknown("ab")},
		{many(18), required + told18},
		{many(19), required + told18 + ". …"},
		{many(1000), required + told18 + ". …"},
		{`{"state":{"#x":1}}`, "ok"},
		{`{"state":{"x":1,"desired":{}}}`, "ok"},
		{`{"state":{"delta":1}}`, "ok"},
		{`{"state":null}`, "ok"},
		{`{"state":{},"clientToken":5}`, "clientToken: integer found, string expected"},
		{`{"state":{},"clientToken":null}`, "clientToken: null found, string expected"},
		{`{"state":{},"clientToken":""}`, "ok"},
		{`{"state":{},"clientToken":"` + strings.Repeat("x", 64) + `"}`, "ok"},
		{`{"state":{},"clientToken":"` + strings.Repeat("x", 65) + `"}`, "clientToken: may only be 64 characters long"},
		{`{"state":{},"clientToken":"` + strings.Repeat("😀", 64) + `"}`, "ok"},
		{`{"state":{},"timestamp":"x","metadata":[],"anything":null}`, "ok"},
		{`{"version":"3","clientToken":5}`, "state: is missing but it is required. clientToken: integer found, string expected. version: string found, number expected"},
		{`{"state":5,"version":-0.5}`, "state: integer found, but [object, null] is required. version: must have a minimum value of 0"},
		{`{"state":{}} tail`, "ok"},
		{"\ufeff{\"state\":{}}", "ok"},
		{`{"state":5,"state":{}}`, "ok"},
		{`{"state"`, "syntax"},
		{`{`, "syntax"},
		{`{"state":{},}`, "syntax"},
		{`{'state':{}}`, "syntax"},
		{`{"state":{"desired":{"a":01}}}`, "syntax"},
		{"{\"state\":{\"desired\":{\"a\":\"\xff\"}}}", "syntax"},
		{strings.Repeat("[", 1001) + strings.Repeat("]", 1001), "syntax"},
		{strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "$: array found, object expected"},
		{`{"version":` + strings.Repeat("1", 1001) + `}`, "syntax"},
	} {
		u, err := ParseUpdate([]byte(c.payload))
		got := "ok"
		if refusal, ok := errors.AsType[*Refusal](err); ok {
			got = strings.TrimPrefix(refusal.Message, "Invalid JSON: ")
			if refusal.Code != 400 || got == refusal.Message {
				t.Errorf("%s: got %d %q", c.payload, refusal.Code, refusal.Message)
			}
		} else if _, ok := errors.AsType[*SyntaxError](err); ok {
			got = "syntax"
		} else if err != nil || u == nil {
			t.Errorf("%s: %v, %v", c.payload, u, err)
		}
		if got != c.want {
			t.Errorf("%.80s: got %q, want %q", c.payload, got, c.want)
		}
	}
}

func TestDepth(t *testing.T) {
	const tooDeep = "400 JSON contains too many levels of nesting; maximum is 6"
	objects := func(n int, inner string) string {
		return strings.Repeat(`{"x":`, n) + inner + strings.Repeat(`}`, n)
	}
	for _, c := range []struct{ section, want string }{
		{objects(6, `1`), "1"},
		{objects(6, `{}`), "1"},
		{objects(6, `[]`), "1"},
		{objects(6, `null`), "1"},
		{objects(7, `1`), tooDeep},
		{objects(6, `[1]`), tooDeep},
		{objects(1, `[[[[[1]]]]]`), "1"},
		{objects(1, `[[[[[[1]]]]]]`), tooDeep},
		{objects(1, `[[[[[[]]]]]]`), "1"},
	} {
		for _, name := range []string{"desired", "reported"} {
			payload := `{"state":{"` + name + `":` + c.section + `}}`
			if got := outcome(nil, payload, DefaultSizeLimit); got != c.want {
				t.Errorf("%s: got %s, want %s", payload, got, c.want)
			}
		}
	}
	if got := outcome(nil, `{"state":{"desired":{"a":1},"other":`+objects(9, `1`)+`}}`, DefaultSizeLimit); got != "1" {
		t.Errorf("an unknown section: got %s", got)
	}
}

func TestSize(t *testing.T) {
	d := build(t, `{"desired":{"b":"12345"},"reported":{"a":"12345"}}`)
	if d.Size() != 26 {
		t.Errorf("got size %d", d.Size())
	}
	const tooBig = "413 The payload exceeds the maximum size allowed"
	for _, c := range []struct {
		state string
		limit int
		want  string
	}{
		{`{"reported":{"a":"54321"}}`, 26, "2"},
		{`{"reported":{"a":"654321"}}`, 26, tooBig},
		{`{"reported":{"a":"1"}}`, 20, tooBig},
		{`{"reported":null}`, 13, "2"},
		{`{"reported":{"a":"ü123"}}`, 26, "2"},
		{`{"reported":{"a":"ü1234"}}`, 26, tooBig},
		{`{"reported":{"a":"\u2028"}}`, 24, "2"}, // three bytes, not escaped
		{`{"reported":{"a":"😀"}}`, 33, "2"},      // two escapes of six bytes
		{`{"reported":{"a":"😀"}}`, 32, tooBig},
		{`{"reported":{"a":1.00000000000000000000}}`, 22, "2"}, // 1.0
	} {
		if got := outcome(d, `{"state":`+c.state+`}`, c.limit); got != c.want {
			t.Errorf("%s with limit %d: got %s, want %s", c.state, c.limit, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for literal, want := range map[string]string{
		"1": "1", "-0": "0", "0": "0", "1.0": "1.0", "250.0": "250.0", "1e2": "100.0", "0.10": "0.1", "-0.0": "-0.0",
		"123456789012345678901234567890": "123456789012345678901234567890",
		"1e7":                            "1.0E7", "9999999.0": "9999999.0", "1e10": "1.0E10", "12345678.9": "1.23456789E7",
		"0.001": "0.001", "0.0001": "1.0E-4", "5e-324": "4.9E-324", "1.7976931348623157e308": "1.7976931348623157E308",
		"1e400": `"Infinity"`, "-1e400": `"-Infinity"`, "21.5": "21.5",
	} {
		if got := string(Append(nil, parsed(t, literal))); got != want {
			t.Errorf("%s: got %s, want %s", literal, got, want)
		}
	}
}

func TestStrings(t *testing.T) {
	const text = `"\u0001\b\f\n\r\t\u001f \" \\ \/ </> é ü \u00e9 \u2028 \u007f"`
	const want = `"\u0001\b\f\n\r\t\u001F \" \\ / </> é ü é ` + "\u2028 \u007f" + `"`
	if got := string(Append(nil, parsed(t, text))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMetadata(t *testing.T) {
	entry := `{"timestamp":1700000100}`
	old := `{"timestamp":1700000000}`
	for _, c := range []struct{ before, state, reply, stored string }{
		{`{"reported":{"a":1,"b":2}}`, `{"reported":{"a":1}}`, `{"reported":{"a":` + entry + `}}`, `{"reported":{"a":` + entry + `,"b":` + old + `}}`},
		{`{"reported":{"a":1,"b":2}}`, `{"reported":{"a":null}}`, `{"reported":{"a":` + entry + `}}`, `{"reported":{"b":` + old + `}}`},
		{`{"reported":{"a":1,"b":2}}`, `{"reported":{"a":{}}}`, `{"reported":{"a":{}}}`, `{"reported":{"b":` + old + `}}`},
		{`{"reported":{"o":{"a":1,"b":2}}}`, `{"reported":{"o":{"b":3}}}`, `{"reported":{"o":{"b":` + entry + `}}}`, `{"reported":{"o":{"a":` + old + `,"b":` + entry + `}}}`},
		{`{"reported":{"s":[1,2]}}`, `{"reported":{"s":[{"x":1}]}}`, `{"reported":{"s":[{"x":` + entry + `}]}}`, `{"reported":{"s":[{"x":` + entry + `}]}}`},
		{`{"desired":{"a":1},"reported":{"a":1}}`, `{"desired":null}`, `{"desired":` + entry + `}`, `{"reported":{"a":` + old + `}}`},
		{`{"desired":{"a":1},"reported":{"a":1}}`, `{"desired":{}}`, `{"desired":{}}`, `{"desired":{"a":` + old + `},"reported":{"a":` + old + `}}`},
		{`{"desired":{"a":1}}`, `null`, entry, `{}`},
		{`{"desired":{"a":1}}`, `{}`, `{}`, `{"desired":{"a":` + old + `}}`},
		{`{"reported":{"timestamp":1}}`, `{"reported":{"timestamp":2}}`, `{"reported":{"timestamp":` + entry + `}}`, `{"reported":{"timestamp":` + entry + `}}`},
		{`{"reported":{"o":{"timestamp":1}}}`, `{"reported":{"o":{"x":2}}}`, `{"reported":{"o":{"x":` + entry + `}}}`, `{"reported":{"o":{"timestamp":` + old + `,"x":` + entry + `}}}`},
		{`{"reported":{"a":"x"}}`, `{"reported":{"a":{"y":null,"z":1}}}`, `{"reported":{"a":{"y":` + entry + `,"z":` + entry + `}}}`, `{"reported":{"a":{"y":` + entry + `,"z":` + entry + `}}}`},
	} {
		change, err := Apply(build(t, c.before), update(t, `{"state":`+c.state+`}`), today, DefaultSizeLimit, Faithful)
		if err != nil {
			t.Errorf("%s + %s: %v", c.before, c.state, err)
			continue
		}
		if got := string(Append(nil, change.metadata)); got != c.reply {
			t.Errorf("%s + %s: reply has\n\t%s, want\n\t%s", c.before, c.state, got, c.reply)
		}
		if got := string(Append(nil, change.After.Metadata())); got != c.stored {
			t.Errorf("%s + %s: stored is\n\t%s, want\n\t%s", c.before, c.state, got, c.stored)
		}
	}
}

// TestQuirks has the updates on which the shadow manager fails inside.
func TestQuirks(t *testing.T) {
	for _, c := range []struct {
		before, state string
		stored        bool // in spite of the failure
		delta         string
	}{
		{`{"desired":{"led":{"on":true}},"reported":{"led":{"on":true}}}`, `{"desired":{"led":{"on":null}}}`, true, `{"led":null}`},
		{`{"reported":{"r":false}}`, `{"desired":{"r":null},"reported":{"r":true}}`, true, `{"r":null}`},
		{`{"reported":{"r":"on"}}`, `{"reported":{"r":["on"]}}`, false, `null`},
		{`{"desired":{"r":{"x":1}}}`, `{"desired":{"r":[1]}}`, false, `{"r":[1]}`},
	} {
		u := update(t, `{"state":`+c.state+`}`)
		change, err := Apply(build(t, c.before), u, today, DefaultSizeLimit, Faithful)
		if !Internal(err) || (change != nil) != c.stored {
			t.Errorf("%s + %s: got %v, %v", c.before, c.state, change, err)
		}
		change, err = Apply(build(t, c.before), u, today, DefaultSizeLimit, Fixed)
		if err != nil {
			t.Errorf("%s + %s, fixed: %v", c.before, c.state, err)
			continue
		}
		got := "null"
		if d := change.After.Delta(); d != nil {
			got = string(Append(nil, d))
		}
		if got != c.delta {
			t.Errorf("%s + %s, fixed: delta %s, want %s", c.before, c.state, got, c.delta)
		}
		change.Delta(today)
	}
}

func TestCloudObjections(t *testing.T) {
	for payload, want := range map[string]int{
		`{"state":{"desired":{"a":[1]}}}`:                                              0,
		`{"state":{"desired":{"a":null}}}`:                                             0,
		`{"state":{"desired":{"a":[null]}}}`:                                           1,
		`{"state":{"desired":{},"x":1}}`:                                               1,
		`{"state":null,"clientToken":"` + strings.Repeat("ü", 33) + `"}`:               1,
		`{"state":{"x":1,"desired":{"a":[{"b":[null]}]}},"clientToken":"` + "t" + `"}`: 2,
	} {
		if got := update(t, payload).CloudObjections(); len(got) != want {
			t.Errorf("%s: got %q", payload, got)
		}
	}
}
