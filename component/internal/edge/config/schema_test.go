package config

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
)

// schemaAgrees holds the schema to what Parse says of a configuration: it passes
// what is accepted, and refuses types, words and keys that are wrong in themselves.
func schemaAgrees(t *testing.T, schema schematest.Schema, text []byte, parsed error) {
	t.Helper()
	verdict := schema.Check(text)
	if parsed == nil && verdict != nil {
		t.Errorf("the schema refuses what is valid: %v\n%s", verdict, text)
	}
	for _, fault := range Faults(parsed) {
		if wrongInItself(fault) && verdict == nil {
			t.Errorf("the schema accepts %v\n%s", fault, text)
		}
	}
}

func wrongInItself(e *FieldError) bool {
	text := strings.HasPrefix(e.Got, `"`)
	return slices.ContainsFunc([]string{
		"one of ", "a map", "a list", "true or false", "text or", "no such key beside", "keys of at least", "a value, since",
		"a shadow name", "a thing name, 1 to", "another shadow than", "at least two", "a chip name", "both times", "a period",
	}, func(want string) bool { return strings.HasPrefix(e.Want, want) }) ||
		strings.HasPrefix(e.Want, "no such key on") && !strings.HasSuffix(e.Path, ".override") ||
		e.Got == "nothing" ||
		!text && (strings.HasPrefix(e.Want, "a duration") || strings.HasPrefix(e.Want, "a number"))
}

func TestSchemaAgreesOnFiles(t *testing.T) {
	schema := schematest.Load(t, "configuration")
	for _, text := range []string{full, kinds} {
		_, err := Parse([]byte(text), "gw")
		schemaAgrees(t, schema, []byte(text), err)
	}
	files, err := filepath.Glob("../../../examples/*/configuration.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples: ", err)
	}
	for _, file := range append(files, "../../dev/board/board.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Parse(text, "gw"); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		schemaAgrees(t, schema, text, err)
	}
}

// TestSchemaAgreesOnRandomConfigurations changes a valid configuration here and
// there.
func TestSchemaAgreesOnRandomConfigurations(t *testing.T) {
	schema := schematest.Load(t, "configuration")
	accepted := 0
	const rounds = 3000
	for seed := range uint64(rounds) {
		text, err := json.Marshal(randomConfiguration(rand.New(rand.NewPCG(seed, 0))))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(text, "gw")
		schemaAgrees(t, schema, text, err)
		if err == nil {
			accepted++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if accepted < rounds/50 || accepted > rounds/2 {
		t.Errorf("%d of %d were accepted, which tests one side only", accepted, rounds)
	}
}

var someValues = []any{
	nil, "", "off", "on", true, false, 1, 0, -1, 2.5, "1s", "20ms", "0s", "+1.5m", "1000h", "input", "output", "rising", "both", "none", "toggle", "lamp", "door",
	"GPIO1", "17", 17, "True", "0.5", "1e3", "x y", "2%", "thermal.cpu", "uptime", 3, "info", "INFO", "cloudWins", "restore", "keep", "pull-up", "open-drain", "ack",
	map[string]any{}, []any{}, []any{"lamp", "fan"}, map[string]any{"on": "1s", "off": "2s"}, map[string]any{"period": "10s"}, map[string]any{"after": "1m", "set": false},
	map[string]any{"a": "on", "b": "off"}, map[string]any{"a": map[string]any{"lamp": "on", "fan": "off"}, "b": map[string]any{"lamp": "off", "fan": false}},
}

func randomConfiguration(r *rand.Rand) map[string]any {
	declared := map[string][]string{"": {"", "unknown"}}
	var visit func(Object)
	visit = func(o Object) {
		for _, k := range o.Keys {
			declared[o.Name] = append(declared[o.Name], k.Name)
			for s := &k.Shape; s != nil; s = s.Elem {
				if s.Object != nil {
					visit(*s.Object)
				}
			}
		}
	}
	visit(Configuration())
	change := func(object string, m map[string]any) map[string]any {
		if r.IntN(3) == 0 {
			keys := declared[object]
			if r.IntN(20) == 0 {
				keys = declared[""]
			}
			m[keys[r.IntN(len(keys))]] = someValues[r.IntN(len(someValues))]
		}
		return m
	}
	lines, properties := map[string]any{}, map[string]any{}
	for i, label := range []string{"lamp", "fan", "door"} {
		direction := "output"
		if label == "door" {
			direction = "input"
		}
		lines[label] = change("line", map[string]any{"line": fmt.Sprint("L", i), "direction": direction})
		if r.IntN(2) == 0 {
			properties["show-"+label] = change("property", change("property", map[string]any{"line": label}))
		}
	}
	return change("configuration", map[string]any{
		"lines":      lines,
		"shadows":    map[string]any{"m": change("shadow", map[string]any{"properties": properties})},
		"controls":   map[string]any{"c": change("control", map[string]any{"input": "door", "output": "lamp", "action": "set"})},
		"interlocks": map[string]any{"i": change("interlock", map[string]any{"lines": []any{"lamp", "fan"}})},
	})
}
