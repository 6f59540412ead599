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
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); !known[name] {
			t.Errorf("%s has no line in sections", field.Name)
		}
	}
	if len(fields) != len(known) {
		t.Errorf("%d members, and %d sections with the format", len(fields), len(known))
	}
}

// whole has an undamaged entry in each section; %s is where a test puts a damaged one.
const whole = `{"format":1,"outputs":{"lamp":true%s},"waves":{"fan":{"on":1000,"off":2000}%s},"demands":{"pump":{"levels":[true],"kind":"desired"}%s},` +
	`"counts":{"main/n":7%s},"commands":{"main/bell":{"value":true,"at":1,"version":2}%s},"locals":{"main/lights":{"value":"on","made":1}%s},` +
	`"settings":{"main/limit":61%s},"alarms":{"hot":true%s},"schedules":{"main/coffee":{"value":{}}%s},"clock":{"latest":"2026-11-23T05:31:00Z","boot":"6f1c"},"shown":{"gw (classic)":["bell"]%s}}`

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
		{"counts", `-1`, "want 0 to 9007199254740992, got -1"},
		{"counts", `1.5`, "want int64, got number 1.5"},
		{"counts", `99999999999999999999`, "want int64, got number 99999999999999999999"},
		{"counts", `9007199254740993`, "want 0 to"},
		{"counts", `"7"`, "want int64, got string"},
		{"commands", `{"at":1,"version":1}`, "want a value"},
		{"commands", `{"value":true,"at":-5,"version":1}`, "at: want 0 to"},
		{"commands", `{"value":true,"at":5,"version":-1}`, "version: want 0 or more, got -1"},
		{"commands", `{"value":true,"at":"5"}`, "at: want int64, got string"},
		{"locals", `{"value":true,"made":300000000000000}`, "made: want 0 to"},
		{"locals", `7`, "want state.Local, got number"},
		{"settings", `null`, "want a value, got null"},
		{"settings", `"` + strings.Repeat("x", maxEntry) + `"`, "want at most 65536 bytes"},
		{"alarms", `"true"`, "want bool, got string"},
		{"schedules", `{"value":{},"settled":"9999-01-01T00:00:00Z"}`, "settled: want a time from 1970 to 2200"},
		{"schedules", `{"value":{},"lastAt":"0001-01-02T00:00:00Z"}`, "lastAt: want a time from 1970 to 2200"},
		{"schedules", `{"value":{},"settled":"yesterday"}`, "cannot parse"},
		{"schedules", `{"value":{},"over":{"a":1}}`, "want string, got number"},
		{"shown", `"bell"`, "want []string, got string"},
		{"shown", `[1]`, "want string, got number"},
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
		`{"format":1,"outputs":[1,{"a":[2]}],"counts":{"main/n":7}}`:                                  "outputs",
		`{"format":1,"outputs":"x","counts":{"main/n":7}}`:                                            "outputs",
		`{"format":1,"clock":{"latest":"9999-12-31T00:00:00Z"},"counts":{"main/n":7}}`:                "clock",
		`{"clock":5,"counts":{"main/n":7},"format":1}`:                                                "clock",
		`{"format":1,"outputs":{"` + strings.Repeat("k", maxKey+1) + `":true},"counts":{"main/n":7}}`: `outputs["` + strings.Repeat("k", 100) + `"]`,
	} {
		s, damages, err := Decode([]byte(text))
		if err != nil || s.Counts["main/n"] != 7 || s.Clock != (Clock{}) || len(s.Outputs) != 0 || s.Outputs == nil {
			t.Errorf("%.60s: got %+v, %v", text, s, err)
		}
		if damages.Count != 1 || damages.First[0].Path != path {
			t.Errorf("%.60s: damages %+v, want %s", text, damages, path)
		}
	}
	if s, damages, err := Decode([]byte(`{"format":1,"outputs":null,"shown":{"gw (classic)":null}}`)); err != nil || damages.Count != 0 || len(s.Shown) != 1 {
		t.Errorf("nothing in a section: %+v, %+v, %v", s, damages, err)
	}
}

// TestWhatIsWholeIsSalvaged cuts a file short at each byte: the entries before the
// cut are there, and no other.
func TestWhatIsWholeIsSalvaged(t *testing.T) {
	text := wholeWith("counts", "8")
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
		for key, count := range s.Counts {
			if all.Counts[key] != count {
				t.Errorf("%s: count %s is %d", text[:n], key, count)
			}
		}
	}
	if want := all.Entries(); before != want {
		t.Errorf("without its last byte the file has %d entries, want %d", before, want)
	}
	for _, tail := range []string{"", "\x00\x00", " 2"} { // the number may have been 12
		if s, _, err := Decode([]byte(`{"format":1,"counts":{"main/n":7,"main/m":1` + tail)); err == nil || len(s.Counts) != 1 || s.Counts["main/n"] != 7 {
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
	for _, text := range []string{`{"format":99,"outputs":{"lamp":true}}`, `{"outputs":{"lamp":true},"format":2,"counts":[`} {
		s, _, err := Decode([]byte(text))
		if newer, ok := errors.AsType[*NewerError](err); !ok || newer.Format < 2 || len(s.Outputs) != 0 {
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
		"entries":  `{"format":1,"counts":{` + keys.String() + `"z":1}}`,
		"damages":  `{"format":1,"outputs":{` + keys.String() + `"z":1}}`,
		"depth":    fill(`{"format":1,"settings":{"a":`, "[", ""),
		"values":   fill(`{"format":1,"settings":{"a":[`, "{},", "0]}}"),
		"unknown":  fill(`{"format":1,"novel":[`, "{},", "0]}"),
		"nothing":  fill("", "\x00", ""),
		"one text": fill(`{"format":1,"outputs":{"`, "k", ""),
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
	f.Add([]byte(`{"format":1,"outputs":null}`))
	f.Add([]byte(wholeWith("counts", "-1")))
	f.Add([]byte(wholeWith("schedules", `{"value":1e9,"settled":"2026-01-01T00:00:00+05:30","over":{}}`)))
	f.Add([]byte(wholeWith("settings", `{"low":1e400,"mode":"\ud800"}`))[:200])
	f.Fuzz(func(t *testing.T, text []byte) {
		s, _, err := Decode(text)
		if err != nil && s.Entries() == 0 {
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
