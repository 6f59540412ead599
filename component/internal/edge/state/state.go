// Package state keeps what must survive a restart of the component and is not in
// a shadow: what the outputs last were, counts, commands, local changes, settings,
// alarms and schedules.
//
// It is one small JSON file in the work directory, replaced atomically and
// synced to disk (package durable). The engine bounds how often it is written.
//
// # Damage
//
// Each entry of each section is read on its own. An entry that is damaged is left
// out and named; the others are used. A file that is no whole JSON object is set
// aside, and the entries before the damage are used. A file that cannot be read, or
// that a newer version wrote, is left alone.
package state

import "time"

// format is the version of the file. [Decode] rejects newer ones.
const format = 1

// State is what is stored. Lines are named by their labels, properties as
// "shadow/key" by the label of the shadow. Each section but Format has a line in
// [sections], which reads it.
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
