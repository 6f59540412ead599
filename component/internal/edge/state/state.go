// Package state keeps what must survive a restart of the component and is not in
// a shadow: what the outputs last were, counts, commands, local changes, settings,
// alarms and schedules.
//
// It is one small JSON file in the work directory, replaced atomically and
// synced to disk (package durable). The engine bounds how often it is written.
package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
)

// format is the version of the file. A reader refuses newer ones.
const format = 1

// State is what is stored. Lines are named by their labels, properties as
// "shadow/key" by the label of the shadow.
type State struct {
	Format   int                 `json:"format"`
	Outputs  map[string]bool     `json:"outputs"`             // by line; true is on (active)
	Waves    map[string]Wave     `json:"waves,omitempty"`     // outputs that go on and off, by line
	Demands  map[string]Demand   `json:"demands,omitempty"`   // what outputs are still to become, by line; those of a pattern are joined by +
	Counts   map[string]int64    `json:"counts,omitempty"`    // edges, by property
	Commands map[string]Command  `json:"commands,omitempty"`  // the last one of a property
	Locals   map[string]Local    `json:"locals,omitempty"`    // changes that the shadow does not show yet, by property
	Settings map[string]any      `json:"settings,omitempty"`  // values in force, by property
	Alarms   map[string]bool     `json:"alarms,omitempty"`    // whether they are raised, by label
	Plans    map[string]Schedule `json:"schedules,omitempty"` // by property
	Clock    Clock               `json:"clock,omitzero"`
	// What may be reported, by shadow, sorted: a later configuration that lacks
	// some of it has to delete it there.
	Shown map[string][]string `json:"shown,omitempty"`
}

// Wave is an output that goes on and off. Times are in nanoseconds.
type Wave struct {
	On  time.Duration `json:"on"`
	Off time.Duration `json:"off"`
}

// Demand is what the lines of an output could not become yet, and what asked for it.
type Demand struct {
	Levels  []bool `json:"levels"`
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`
	Version int64  `json:"version,omitempty"`
}

// Command is a desired value that is carried out once.
type Command struct {
	Value   any    `json:"value"`             // as it was desired
	At      int64  `json:"at"`                // when, in seconds since the epoch
	Version int64  `json:"version"`           // of the document in which it was first seen
	Done    bool   `json:"done,omitempty"`    // it is over
	Failure string `json:"failure,omitempty"` // why it was not carried out as a whole
	Cleared bool   `json:"cleared,omitempty"` // and no longer desired
}

// Local is a change of an output by something else than its shadow.
type Local struct {
	Value any   `json:"value"`           // what the property became
	Made  int64 `json:"made"`            // when, in seconds since the epoch
	Write bool  `json:"write,omitempty"` // it is to be desired instead

	// What was desired when it was made, nil for nothing, and since when, in
	// seconds since the epoch; Unseen if the shadow had not been read.
	Seen   any   `json:"seen,omitempty"`
	At     int64 `json:"at,omitempty"`
	Unseen bool  `json:"unseen,omitempty"`
	// What we had desired by then, and did not know to be stored; nil for nothing.
	Sent any `json:"sent,omitempty"`
}

// Schedule is when an output is switched, and how far that has come.
type Schedule struct {
	Value   any               `json:"value"`            // as it was desired
	Settled time.Time         `json:"settled,omitzero"` // no run up to here is still to come; zero before the clock was set
	LastAt  time.Time         `json:"lastAt,omitzero"`  // the run that was carried out last; zero for none
	LastOn  bool              `json:"lastOn,omitempty"` // what it set
	Over    map[string]string `json:"over,omitempty"`   // what became of entries for one moment, as they were written
}

// Clock is what is known of the wall clock. It is saved with other changes only.
type Clock struct {
	Latest time.Time `json:"latest"`         // what it showed when this was saved
	Boot   string    `json:"boot,omitempty"` // the run of the kernel in which it was set
}

// Equal reports whether both hold the same.
func (s State) Equal(other State) bool {
	return maps.Equal(s.Outputs, other.Outputs) && maps.Equal(s.Waves, other.Waves) && maps.Equal(s.Counts, other.Counts) &&
		maps.EqualFunc(s.Demands, other.Demands, func(a, b Demand) bool { return reflect.DeepEqual(a, b) }) &&
		maps.EqualFunc(s.Commands, other.Commands, func(a, b Command) bool {
			same := reflect.DeepEqual(a.Value, b.Value)
			a.Value, b.Value = nil, nil
			return same && a == b
		}) &&
		maps.EqualFunc(s.Shown, other.Shown, slices.Equal) &&
		maps.EqualFunc(s.Settings, other.Settings, func(a, b any) bool { return reflect.DeepEqual(a, b) }) &&
		maps.Equal(s.Alarms, other.Alarms) && s.Clock.Boot == other.Clock.Boot &&
		maps.EqualFunc(s.Plans, other.Plans, func(a, b Schedule) bool { return reflect.DeepEqual(a, b) }) &&
		maps.EqualFunc(s.Locals, other.Locals, func(a, b Local) bool { return reflect.DeepEqual(a, b) })
}

// File is the state file of a work directory. Load and Save must not run at the
// same time.
type File struct{ path string }

// In returns the state file of a directory, which must exist.
func In(dir string) File { return File{filepath.Join(dir, "state.json")} }

func (f File) String() string { return f.path }

// Load reads the state; where there is none it is empty. A file that cannot be
// understood is renamed out of the way, so that it neither stops the component
// nor is lost: the error says where it is, and the state is empty.
func (f File) Load() (State, error) {
	empty := State{Format: format, Outputs: map[string]bool{}}
	f.sweep()
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return empty, fmt.Errorf("state not read: %w", err)
	}
	s, err := Decode(text)
	if err != nil {
		return empty, f.setAside(err)
	}
	return s, nil
}

// sweep deletes what saves left behind that were killed in the middle. A file that
// stays does no harm.
func (f File) sweep() {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(f.path), "."+filepath.Base(f.path)+"*"))
	for _, path := range left {
		os.Remove(path)
	}
}

// Decode understands the text of a state file, and changes none.
func Decode(text []byte) (State, error) {
	var s State
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // values of a shadow stay as they were written
	if err := decoder.Decode(&s); err != nil {
		return State{}, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return State{}, errors.New("want one JSON object, got more behind it")
	}
	if s.Format != format {
		return State{}, fmt.Errorf("want format %d, got %d", format, s.Format)
	}
	if s.Outputs == nil {
		s.Outputs = map[string]bool{}
	}
	return s, nil
}

func (f File) setAside(cause error) error {
	aside := fmt.Sprintf("%s.%s", f.path, time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(f.path, aside); err != nil {
		return fmt.Errorf("state not understood: %w; nor could it be set aside: %w", cause, err)
	}
	return fmt.Errorf("state not understood: %w; set aside as %s", cause, aside)
}

// Save replaces the state, and returns when no power cut can bring the old one
// back. Its Format is set here.
func (f File) Save(s State) error {
	s.Format = format
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := durable.Write(f.path, append(text, '\n')); err != nil {
		return fmt.Errorf("state not saved: %w", err)
	}
	return nil
}
