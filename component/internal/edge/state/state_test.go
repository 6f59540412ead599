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

// full is a state with every member, as testdata/format-1.json has it.
var full = State{
	Format:  1,
	Outputs: map[string]bool{"fan": false, "lamp": true},
	Waves:   map[string]Wave{"heater": {On: 15 * time.Second, Off: 45 * time.Second}},
	Counts:  map[string]int64{"main/coffees": 42},
	Commands: map[string]Command{
		"main/bell": {Value: true, At: 1700000000, Version: 7, Done: true, Failure: "the pulse was interrupted by a restart", Cleared: true},
	},
	Locals: map[string]Local{
		"main/lights": {Value: "on", Made: 1700000001, Write: true, Seen: "off", At: 1700000000, Sent: "on"},
		"main/radio":  {Value: false, Made: 1700000002, Unseen: true},
	},
	Shown: map[string][]string{"gw (classic)": {"bell", "lights"}},
}

// controls is a state with what has been added since, as testdata/format-1-controls.json has it.
var controls = State{
	Format:   1,
	Outputs:  map[string]bool{"siren": true},
	Settings: map[string]any{"main/limit": json.Number("72.5"), "main/band": map[string]any{"low": json.Number("5"), "mode": "eco"}},
	Alarms:   map[string]bool{"hot": true},
	Plans: map[string]Schedule{"main/coffee": {
		Value:   map[string]any{"entries": []any{map[string]any{"once": "2026-11-23T05:30:00Z", "set": "on"}}},
		Settled: time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC), LastAt: time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC), LastOn: true,
		Over: map[string]string{"2026-11-23T05:30:00Z": "done"},
	}},
	Clock: Clock{Latest: time.Date(2026, 11, 23, 5, 31, 0, 0, time.UTC), Boot: "6f1c"},
}

// demands is a state with what has been added after that, as testdata/format-1-demands.json has it.
var demands = State{
	Format:  1,
	Outputs: map[string]bool{"high": false, "low": true, "pump": false},
	Demands: map[string]Demand{
		"pump":     {Levels: []bool{true}, Kind: "schedule", Name: "main/morning"},
		"high+low": {Levels: []bool{true, false}, Kind: "desired", Name: "main", Version: 7},
	},
}

// TestFormat1 holds the file to what other versions of the component read and
// write: a change of it needs another format, or must leave these files as they are.
func TestFormat1(t *testing.T) {
	for name, full := range map[string]State{"format-1.json": full, "format-1-controls.json": controls, "format-1-demands.json": demands} {
		golden, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		s, damages, err := Decode(golden)
		if err != nil || damages.Count != 0 || !s.Equal(full) || s.Clock != full.Clock {
			t.Errorf("%s: read %+v, %+v, %v; want %+v", name, s, damages, err, full)
		}
		dir := t.TempDir()
		if err := In(dir).Save(full); err != nil {
			t.Fatal(err)
		}
		if written, _ := os.ReadFile(filepath.Join(dir, "state.json")); string(written) != string(golden) {
			t.Errorf("%s: written\n%swant\n%s", name, written, golden)
		}
	}
}

// TestEachMemberCounts changes one member at a time.
func TestEachMemberCounts(t *testing.T) {
	for name, change := range map[string]func(*State){
		"settings":  func(s *State) { s.Settings = map[string]any{"main/limit": json.Number("73")} },
		"alarms":    func(s *State) { s.Alarms = map[string]bool{"hot": false} },
		"schedules": func(s *State) { s.Plans = map[string]Schedule{"main/coffee": {}} },
		"boot":      func(s *State) { s.Clock.Boot = "" },
		"demands": func(s *State) {
			s.Demands = map[string]Demand{"siren": {Levels: []bool{false}, Kind: "alarm", Name: "hot"}}
		},
	} {
		changed := controls
		if change(&changed); changed.Equal(controls) {
			t.Errorf("a change of %s would not be saved", name)
		}
	}
	later := controls
	if later.Clock.Latest = later.Clock.Latest.Add(time.Hour); !later.Equal(controls) {
		t.Error("that time passes would be saved")
	}
}

// A later version of the component adds members; an earlier one reads past them.
func TestMembersOfALaterVersionAreNoObstacle(t *testing.T) {
	s, damages, err := Decode([]byte(`{"format":1,"outputs":{"lamp":true},"novel":{"a":[1]},"commands":{"main/bell":{"value":true,"at":1,"version":2,"novel":3}}}`))
	if err != nil || damages.Count != 0 || !s.Outputs["lamp"] || s.Commands["main/bell"].Version != 2 {
		t.Errorf("got %+v, %v", s, err)
	}
}
