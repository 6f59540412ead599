package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// TestSectionsAreTheMembersOfState finds a section that nothing reads.
func TestSectionsAreTheMembersOfState(t *testing.T) {
	known := map[string]bool{"format": true}
	for _, s := range sections {
		known[s.name] = true
	}
	fields := reflect.VisibleFields(reflect.TypeFor[State]())
	for _, field := range fields {
		switch name, _, _ := strings.Cut(field.Tag.Get("json"), ","); {
		case name == "-": // not in the file
			fields = fields[:len(fields)-1]
		case !known[name]:
			t.Errorf("%s has no line in sections", field.Name)
		}
	}
	if len(fields) != len(known) {
		t.Errorf("%d members, and %d sections with the format", len(fields), len(known))
	}
}

// whole has an undamaged entry in each section; %s is where a test puts a damaged one.
const whole = `{"format":2,"outputs":{"GPIO4":true%s},"waves":{"GPIO5":{"on":1000,"off":2000}%s},"demands":{"GPIO6":{"levels":[true],"kind":"desired"}%s},` +
	`"properties":{"gw//n#count":{"count":7}%s},"alarms":{"line GPIO27 is hot":true%s},"clock":{"latest":"2026-11-23T05:31:00Z","boot":"6f1c"},"ended":true,` +
	`"shadows":{"gw/":["bell"]%s},"aside":{"alarms/line GPIO27 is hot":"2026-11-20T00:00:00Z"%s}}`

// wholeWith is whole with another entry in one section.
func wholeWith(section, entry string) string {
	var gaps []any
	for _, s := range sections {
		if !s.keyed {
			continue
		}
		if s.name == section {
			gaps = append(gaps, `,"x":`+entry)
		} else {
			gaps = append(gaps, "")
		}
	}
	return fmt.Sprintf(whole, gaps...)
}

func decodeWhole(t *testing.T) State {
	t.Helper()
	s, damages, err := Decode([]byte(wholeWith("", "")))
	if err != nil || damages.Count != 0 {
		t.Fatalf("undamaged: %+v, %v", damages, err)
	}
	for _, section := range sections {
		if section.keyed && section.count(&s) != 1 {
			t.Fatalf("%s has %d entries", section.name, section.count(&s))
		}
	}
	return s
}

// TestDamageCostsTheEntry has one entry damaged at a time: it is named, and all
// others are there.
func TestDamageCostsTheEntry(t *testing.T) {
	undamaged := decodeWhole(t)
	for _, c := range []struct{ section, entry, reason string }{
		{"outputs", `1`, "want bool, got number"},
		{"outputs", `null`, "want a value, got null"},
		{"outputs", `{"on":[true,{"a":1}]}`, "want bool, got object"},
		{"waves", `{"on":-1,"off":5}`, "want on and off from 1ns"},
		{"waves", `{"on":1}`, "want on and off from 1ns"},
		{"waves", `{"on":1,"off":9223372036854775807}`, "want on and off from 1ns"},
		{"waves", `[]`, "want state.Wave, got array"},
		{"demands", `{"levels":[],"kind":"alarm"}`, "want levels and a kind"},
		{"demands", `{"levels":[true]}`, "want levels and a kind"},
		{"demands", `{"levels":[1],"kind":"alarm"}`, "levels: want bool, got number"},
		{"properties", `{"count":-1}`, "count: want 0 to 9007199254740992, got -1"},
		{"properties", `{"count":1.5}`, "count: want int64, got number 1.5"},
		{"properties", `{"count":99999999999999999999}`, "count: want int64, got number 99999999999999999999"},
		{"properties", `{"count":9007199254740993}`, "count: want 0 to"},
		{"properties", `{"count":"7"}`, "count: want int64, got string"},
		{"properties", `{"command":{"at":1,"version":1}}`, "want a value"},
		{"properties", `{"command":{"value":true,"at":-5,"version":1}}`, "at: want 0 to"},
		{"properties", `{"command":{"value":true,"at":5,"version":-1}}`, "version: want 0 or more, got -1"},
		{"properties", `{"command":{"value":true,"at":"5"}}`, "command.at: want int64, got string"},
		{"properties", `{"local":{"output":"GPIO4","value":true,"made":300000000000000}}`, "made: want 0 to"},
		{"properties", `7`, "want state.Property, got number"},
		{"properties", `null`, "want a value, got null"},
		{"properties", `{"setting":"` + strings.Repeat("x", maxEntry) + `"}`, "want at most 65536 bytes"},
		{"alarms", `"true"`, "want bool, got string"},
		{"properties", `{"schedule":{"value":{},"settled":"9999-01-01T00:00:00Z"}}`, "settled: want a time from 1970 to 2200"},
		{"properties", `{"schedule":{"value":{},"lastAt":"0001-01-02T00:00:00Z"}}`, "lastAt: want a time from 1970 to 2200"},
		{"properties", `{"schedule":{"value":{},"settled":"yesterday"}}`, "cannot parse"},
		{"properties", `{"schedule":{"value":{},"over":{"a":1}}}`, "want string, got number"},
		{"shadows", `"bell"`, "want []string, got string"},
		{"shadows", `[1]`, "want string, got number"},
	} {
		s, damages, err := Decode([]byte(wholeWith(c.section, c.entry)))
		if err != nil || !s.Equal(undamaged) || s.Clock != undamaged.Clock {
			t.Errorf("%s %.60s: read %+v, %v", c.section, c.entry, s, err)
		}
		if damages.Count != 1 || len(damages.First) != 1 {
			t.Errorf("%s %.60s: damages %+v, want one", c.section, c.entry, damages)
			continue
		}
		if d := damages.First[0]; d.Path != c.section+`["x"]` || !strings.Contains(d.Reason, c.reason) {
			t.Errorf("%s %.60s: got %+v, want %q", c.section, c.entry, d, c.reason)
		}
	}
}

// A section of the wrong type costs that section.
func TestDamagedSection(t *testing.T) {
	for text, path := range map[string]string{
		`{"format":2,"outputs":[1,{"a":[2]}],"properties":{"gw//n#count":{"count":7}}}`:                                  "outputs",
		`{"format":2,"outputs":"x","properties":{"gw//n#count":{"count":7}}}`:                                            "outputs",
		`{"format":2,"clock":{"latest":"9999-12-31T00:00:00Z"},"properties":{"gw//n#count":{"count":7}}}`:                "clock",
		`{"clock":5,"properties":{"gw//n#count":{"count":7}},"format":2}`:                                                "clock",
		`{"format":2,"outputs":{"` + strings.Repeat("k", maxKey+1) + `":true},"properties":{"gw//n#count":{"count":7}}}`: `outputs["` + strings.Repeat("k", 100) + `"]`,
	} {
		s, damages, err := Decode([]byte(text))
		if err != nil || count(s, "gw//n#count") != 7 || s.Clock != (Clock{}) || len(s.Outputs) != 0 || s.Outputs == nil {
			t.Errorf("%.60s: got %+v, %v", text, s, err)
		}
		if damages.Count != 1 || damages.First[0].Path != path {
			t.Errorf("%.60s: damages %+v, want %s", text, damages, path)
		}
	}
	if s, damages, err := Decode([]byte(`{"format":2,"outputs":null,"shadows":{"gw/":null}}`)); err != nil || damages.Count != 0 || len(s.Shadows) != 1 {
		t.Errorf("nothing in a section: %+v, %+v, %v", s, damages, err)
	}
}

// TestWhatIsWholeIsSalvaged cuts a file short at each byte: the entries before the
// cut are there, and no other.
func TestWhatIsWholeIsSalvaged(t *testing.T) {
	text := wholeWith("properties", `{"count":8}`)
	all, _, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	before := 0
	for n := range len(text) {
		s, damages, err := Decode([]byte(text[:n]))
		if err == nil || damages.Count != 0 {
			t.Fatalf("%s: got %+v, %v", text[:n], damages, err)
		}
		if s.Entries() < before {
			t.Errorf("%s: %d entries, %d with one byte less", text[:n], s.Entries(), before)
		}
		before = s.Entries()
		for key := range s.Properties {
			if count(all, key) != count(s, key) {
				t.Errorf("%s: count %s is %d", text[:n], key, count(s, key))
			}
		}
	}
	if want := all.Entries(); before != want {
		t.Errorf("without its last byte the file has %d entries, want %d", before, want)
	}
	for _, tail := range []string{"", "\x00\x00", " 2"} { // the number may have been 12
		if s, _, err := Decode([]byte(`{"format":2,"properties":{"gw//n#count":{"count":7},"gw//m#count":{"count":1` + tail)); err == nil || len(s.Properties) != 1 || count(s, "gw//n#count") != 7 {
			t.Errorf("with %q at its end: got %+v, %v", tail, s, err)
		}
	}
	for _, tail := range []string{"{", "\x00\x00\x00\x00", "garbage", text} {
		if s, _, err := Decode([]byte(text + tail)); err == nil || !s.Equal(all) {
			t.Errorf("with %.9q at its end: got %+v, %v", tail, s, err)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, text := range []string{`{"format":99,"outputs":{"lamp":true}}`, `{"outputs":{"lamp":true},"format":3,"counts":[`} {
		s, _, err := Decode([]byte(text))
		if newer, ok := errors.AsType[*NewerError](err); !ok || newer.Format < 3 || len(s.Outputs) != 0 {
			t.Errorf("%s: got %+v, %v", text, s, err)
		}
	}
	for _, text := range []string{`{"outputs":{"lamp":true}}`, `{"format":0,"outputs":{"lamp":true}}`, `{"format":"1","outputs":{"lamp":true}}`, `{"format":-1}`, `[]`, `7`, "", "null"} {
		s, _, err := Decode([]byte(text))
		if _, ok := errors.AsType[*NewerError](err); ok || err == nil || s.Entries() != 0 {
			t.Errorf("%s: got %+v, %v", text, s, err)
		}
	}
}

// What a file of the largest size can make of memory is bounded, whatever it holds.
func TestMemoryIsBounded(t *testing.T) {
	fill := func(start, unit, end string) string {
		return start + strings.Repeat(unit, (maxSize-len(start)-len(end))/len(unit)) + end
	}
	var keys strings.Builder
	for i := 0; keys.Len() < maxSize-100; i++ {
		fmt.Fprintf(&keys, `"%d":1,`, i)
	}
	for name, text := range map[string]string{
		"entries":  `{"format":2,"alarms":{` + keys.String() + `"z":1}}`,
		"damages":  `{"format":2,"outputs":{` + keys.String() + `"z":1}}`,
		"depth":    fill(`{"format":2,"properties":{"a":`, "[", ""),
		"values":   fill(`{"format":2,"properties":{"a":[`, "{},", "0]}}"),
		"unknown":  fill(`{"format":2,"novel":[`, "{},", "0]}"),
		"nothing":  fill("", "\x00", ""),
		"one text": fill(`{"format":2,"outputs":{"`, "k", ""),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, damages, _ := Decode([]byte(text))
		runtime.ReadMemStats(&after)
		if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 64 {
			t.Errorf("%s: %d MB", name, grown)
		}
		if s.Entries() > maxEntries || len(damages.First) > maxNamed {
			t.Errorf("%s: %d entries, %d damages", name, s.Entries(), len(damages.First))
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/format-*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		golden, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(golden)
	}
	f.Add([]byte(`{"format":2,"outputs":null}`))
	f.Add([]byte(wholeWith("properties", `{"count":-1}`)))
	f.Add([]byte(wholeWith("properties", `{"schedule":{"value":1e9,"settled":"2026-01-01T00:00:00+05:30","over":{}}}`)))
	f.Add([]byte(wholeWith("properties", `{"setting":{"low":1e400,"mode":"\ud800"}}`))[:200])
	f.Fuzz(func(t *testing.T, text []byte) {
		s, _, err := Decode(text)
		if err != nil && s.Entries() == 0 || s.Labeled != nil {
			return
		}
		encoded, err := Encode(s)
		if err != nil {
			t.Fatalf("%+v is not encoded: %v", s, err)
		}
		again, damages, err := Decode(encoded)
		if err != nil || damages.Count != 0 || !again.Equal(s) || !reflect.DeepEqual(again.Clock, s.Clock) {
			t.Errorf("%+v, encoded and decoded, is %+v, %+v, %v", s, again, damages, err)
		}
	})
}

// count is the count of a property, -1 for none.
func count(s State, id string) int64 {
	if n := s.Properties[id].Count; n != nil {
		return *n
	}
	return -1
}
