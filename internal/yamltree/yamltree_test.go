package yamltree

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	type m = map[string]any
	for _, c := range []struct {
		name, text string
		want       any
	}{
		{"nothing", "", nil},
		{"a comment", "# nothing\n", nil},
		{"null", "null", nil},
		{"a list", "[a, 1]", []any{"a", 1}},
		{"keys as written", `{1: a, 0x10: b, 1.50: c, true: d, on: e, yes: f, No: g, ~: h, null: i, 2001-01-01: j, "": k, "2": l, 'true ': m, <: n}`,
			m{"1": "a", "0x10": "b", "1.50": "c", "true": "d", "on": "e", "yes": "f", "No": "g", "~": "h", "null": "i", "2001-01-01": "j", "": "k", "2": "l", "true ": "m", "<": "n"}},
		{"keys as written, below", "a:\n  - 1: {true: {off: 0}}\n", m{"a": []any{m{"1": m{"true": m{"off": 0}}}}}},
		{"block keys", "? 1\n: one\n? on\n: two\n", m{"1": "one", "on": "two"}},
		{"values", "{a: 1, b: 1.5, c: true, d: on, e: ~, f: 1e3, g: '1', h: 0x10, i: -7, j: 010}",
			m{"a": 1, "b": 1.5, "c": true, "d": "on", "e": nil, "f": 1000., "g": "1", "h": 16, "i": -7, "j": 8}},
		{"values without a form in JSON", "{a: 2001-01-01, b: .inf, c: .nan, d: 18446744073709551615}",
			m{"a": "2001-01-01", "b": ".inf", "c": ".nan", "d": 18446744073709551615.}},
		{"tags", "{a: !!str 1, b: !!float 1, c: !Sub x}", m{"a": "1", "b": 1., "c": "x"}},
		{"an alias", "{a: &x {1: b}, c: *x, d: [*x]}", m{"a": m{"1": "b"}, "c": m{"1": "b"}, "d": []any{m{"1": "b"}}}},
		{"an alias as a key", "{a: &x 1, *x : b}", m{"a": 1, "1": "b"}},
		{"merges", "{base: &b {1: a, on: b}, more: &m {2: c, 1: z}, x: {<<: *b, on: own}, y: {<<: [*b, *m]}, z: {<<: {3: d}}}",
			m{"base": m{"1": "a", "on": "b"}, "more": m{"2": "c", "1": "z"}, "x": m{"1": "a", "on": "own"}, "y": m{"1": "a", "on": "b", "2": "c"}, "z": m{"3": "d"}}},
		{"a merge of merges", "{a: &a {1: x}, b: &b {<<: *a, 2: y}, c: {<<: *b}}", m{"a": m{"1": "x"}, "b": m{"1": "x", "2": "y"}, "c": m{"1": "x", "2": "y"}}},
		{"no merge in quotes", `{"<<": 1}`, m{"<<": 1}},
		{"JSON", `{"a": 1, "b": [1.0, 1e2, "x\/\ud83d\ude00"], "1": {"true": null}, "c": 1e400, "d": 18446744073709551615}`,
			m{"a": 1, "b": []any{1., 100., "x/😀"}, "1": m{"true": nil}, "c": "1e400", "d": 18446744073709551615.}},
		{"JSON with tabs", "{\n\t\"a\":\t1\n}", m{"a": 1}},
		{"JSON with a long key", `{"` + strings.Repeat("k", 2000) + `": 1}`, m{strings.Repeat("k", 2000): 1}},
	} {
		got, err := Read([]byte(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %#v, %v; want %#v", c.name, got, err, c.want)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestReadFaults(t *testing.T) {
	aliases := "a0: &a0 x\n"
	for i := 1; i < 10; i++ {
		aliases += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"a key twice", "a: 1\nb: 2\na: 3\n", "a: want each key once, got it in line 1 and in line 3"},
		{"below", "x:\n  - {y: {}}\n  - z:\n      1: a\n      '1': b\n", "x[1].z.1: want each key once, got it in line 4 and in line 5"},
		{"all of them", "a: {b: 1, b: 2}\nc: 1\nc: 2\nc: 3\n", "a.b: want each key once, got it in line 1 and in line 1\nc: want each key once, got it in line 2 and in line 3\nc: want each key once, got it in line 2 and in line 4"},
		{"in JSON", "{\"a\": {\"x\": 1,\n\"y\": [1,\n2],\n\"x\": 2}}", "a.x: want each key once, got it in line 1 and in line 4"},
		{"a list as a key", "a:\n  [b]: 1\n", "a: want text as a key, got a map or a list in line 2"},
		{"a map as a key", "? {b: c}\n: 1\n", "want text as a key, got a map or a list in line 1"},
		{"a merge of a word", "a:\n  <<: b\n", `a.<<: want a map or a list of maps to merge, got "b" in line 2`},
		{"two merges", "a: &a {b: 1}\nc:\n  <<: *a\n  <<: *a\n", "c.<<: want each key once, got it in line 3 and in line 4"},
		{"a number that is none", "a: !!int x\n", `a: want a value of its tag, got !!int "x" in line 1`},
		{"an alias of itself", "a: &a\n  - *a\n", "want an alias of another value, got *a within itself in line 2"},
		{"aliases of aliases", aliases, "want at most 100000 values by aliases"},
		{"no YAML", "a: [", "neither YAML nor JSON: yaml: line 1:"},
		{"two documents", "a: 1\n---\nb: 2\n", "want one document, got more after it"},
	} {
		if _, err := Read([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	for text, want := range map[string]string{"": "want a map, got nothing", "[a]": "want a map, got a list", "lamp": `want a map, got "lamp"`} {
		if _, err := ReadObject([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("ReadObject(%q): got %v, want %q", text, err, want)
		}
	}
}

// TestFaultsComeWithTheTree lets a caller go on and name other faults as well.
func TestFaultsComeWithTheTree(t *testing.T) {
	tree, err := Read([]byte("a: 1\na: 2\nb: {[c]: 1, d: 3}\n"))
	if want := (map[string]any{"a": 1, "b": map[string]any{"d": 3}}); !reflect.DeepEqual(tree, want) {
		t.Errorf("got %v, want %v", tree, want)
	}
	for _, err := range []error{err, fmt.Errorf("file: %w", err)} {
		if faults := Faults(err); len(faults) != 2 || faults[0].Path != "a" || faults[1].Path != "b" {
			t.Errorf("got %v of %v", faults, err)
		}
	}
}

// FuzzRead holds the reader of YAML to that of JSON, and what it reads to JSON.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"a: 1", `{"a": [1, "x", null, {"b": 1e3}]}`, "a: &x {1: 2}\nb: {<<: *x}", "? [a]\n: b", "a: *a", "{a: .inf, on: 0x1}"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tree, _ := Read(text)
		encoded, err := json.Marshal(tree)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := Read(encoded)
		if err != nil {
			t.Fatalf("%q: read %s: %v", text, encoded, err)
		}
		if second, err := json.Marshal(again); err != nil || string(second) != string(encoded) {
			t.Fatalf("%q: %s and then %s, %v", text, encoded, second, err)
		}
	})
}
