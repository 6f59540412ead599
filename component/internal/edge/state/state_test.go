package state

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	if s, report, err := In(dir).Load(); err != nil || !report.Missing || len(s.Outputs) != 0 || s.Outputs == nil {
		t.Fatalf("before the first save: %+v, %+v, %v", s, report, err)
	}
	for _, outputs := range []map[string]bool{{"lamp": true, "fan": false}, {"lamp": false}} {
		if err := In(dir).Save(State{Outputs: outputs}); err != nil {
			t.Fatal(err)
		}
		s, report, err := In(dir).Load()
		if err != nil || !maps.Equal(s.Outputs, outputs) || report.Missing || report.Broken != nil || report.Damages.Count != 0 {
			t.Errorf("got %+v, %+v, %v; want %v", s, report, err, outputs)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left in the directory: %v, %v", files, err)
	}
}

func number[T any](v T) *T { return &v }

// full is a state with every member, as testdata/format-2.json has it.
var full = State{
	Format:  2,
	Outputs: map[string]bool{"GPIO4": false, "gpiochip0/17": true},
	Waves:   map[string]Wave{"GPIO5": {On: 15 * time.Second, Off: 45 * time.Second}},
	Demands: map[string]Demand{
		"GPIO6":       {Levels: []bool{true}, Kind: "schedule", Name: "main/morning"},
		"GPIO7+GPIO8": {Levels: []bool{true, false}, Kind: "desired", Name: "main", Version: 7},
	},
	Properties: map[string]Property{
		"gw//coffees#count":     {Read: true, Count: number(int64(42))},
		"gw//bell#pulse":        {Read: true, Command: &Command{Value: true, At: 1700000000, Version: 7, Done: true, Failure: "the pulse was interrupted by a restart", Cleared: true}},
		"gw//lights#level":      {Local: &Local{Output: "GPIO4", Value: "on", Made: 1700000001, Write: true, Seen: "off", At: 1700000000, Sent: "on"}},
		"gw//radio#level":       {Local: &Local{Output: "GPIO9", Value: false, Made: 1700000002, Unseen: true}},
		"gw/plant/band#setting": {Read: true, Setting: map[string]any{"low": json.Number("5"), "mode": "eco"}},
		"gw//coffee#schedule": {Read: true, Schedule: &Schedule{
			Value:   map[string]any{"entries": []any{map[string]any{"once": "2026-11-23T05:30:00Z", "set": "on"}}},
			Settled: time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC), LastAt: time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC), LastOn: true,
			Over: map[string]string{"2026-11-23T05:30:00Z": "done"},
		}},
	},
	Alarms:  map[string]bool{"line GPIO27 is hot": true},
	Clock:   Clock{Latest: time.Date(2026, 11, 23, 5, 31, 0, 0, time.UTC), Boot: "6f1c"},
	Shadows: map[string][]string{"gw/": {"bell", "lights"}, "gw/plant": {"band"}},
	Aside:   map[string]time.Time{"properties/gw//coffees#count": time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)},
}

// TestFormat2 holds the file to what other versions of the component read and
// write: a change of it needs another format, or must leave this file as it is.
func TestFormat2(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "format-2.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, damages, err := Decode(golden)
	if err != nil || damages.Count != 0 || !s.Equal(full) || s.Clock != full.Clock {
		t.Errorf("read %+v, %v; want %+v", s, err, full)
	}
	dir := t.TempDir()
	if err := In(dir).Save(full); err != nil {
		t.Fatal(err)
	}
	if written, _ := os.ReadFile(filepath.Join(dir, "state.json")); string(written) != string(golden) {
		t.Errorf("written\n%swant\n%s", written, golden)
	}
}

// TestFormat1 reads files of the version before, whose entries are under labels.
func TestFormat1(t *testing.T) {
	for name, want := range map[string]func(*Labeled) bool{
		"format-1.json": func(l *Labeled) bool {
			return l.Outputs["lamp"] && l.Counts["main/coffees"] == 42 && l.Commands["main/bell"].Version == 7 && l.Locals["main/lights"].Value == "on" && len(l.Shown["gw (classic)"]) == 2
		},
		"format-1-controls.json": func(l *Labeled) bool {
			return l.Settings["main/limit"] == json.Number("72.5") && l.Alarms["hot"] && l.Plans["main/coffee"].LastOn && l.Clock.Boot == "6f1c"
		},
		"format-1-demands.json": func(l *Labeled) bool { return len(l.Demands["high+low"].Levels) == 2 },
	} {
		golden, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if s, _, err := Decode(golden); err != nil || s.Labeled == nil || !want(s.Labeled) {
			t.Errorf("%s: read %+v, %v", name, s.Labeled, err)
		}
	}
}

// TestEachMemberCounts changes one member at a time.
func TestEachMemberCounts(t *testing.T) {
	for name, change := range map[string]func(*State){
		"properties": func(s *State) { s.Properties = map[string]Property{"gw//limit#setting": {Setting: json.Number("73")}} },
		"alarms":     func(s *State) { s.Alarms = map[string]bool{"line GPIO27 is hot": false} },
		"shadows":    func(s *State) { s.Shadows = map[string][]string{"gw/": {"bell"}} },
		"aside":      func(s *State) { s.Aside = nil },
		"boot":       func(s *State) { s.Clock.Boot = "" },
		"demands": func(s *State) {
			s.Demands = map[string]Demand{"GPIO6": {Levels: []bool{false}, Kind: "alarm", Name: "hot"}}
		},
	} {
		changed := full
		if change(&changed); changed.Equal(full) {
			t.Errorf("a change of %s would not be saved", name)
		}
	}
	later := full
	if later.Clock.Latest = later.Clock.Latest.Add(time.Hour); !later.Equal(full) {
		t.Error("that time passes would be saved")
	}
}

// A later version of the component adds members; an earlier one reads past them.
func TestMembersOfALaterVersionAreNoObstacle(t *testing.T) {
	s, damages, err := Decode([]byte(`{"format":2,"outputs":{"GPIO4":true},"novel":{"a":[1]},"properties":{"gw//bell#pulse":{"command":{"value":true,"at":1,"version":2,"novel":3}}}}`))
	if err != nil || damages.Count != 0 || !s.Outputs["GPIO4"] || s.Properties["gw//bell#pulse"].Command.Version != 2 {
		t.Errorf("got %+v, %v", s, err)
	}
}
