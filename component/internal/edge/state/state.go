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

import (
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Format is the version of the file. [Decode] rejects newer ones.
const Format = 2

// State is what is stored. Each entry is under the identity of what it is about, so
// that it outlives a change of labels: a line is its chip and line, a property its
// thing, shadow, key and kind (see [PropertyID]), an alarm what it watches. Each
// section but Format has a line in [sections], which reads it.
type State struct {
	Format     int                 `json:"format"`
	Outputs    map[string]bool     `json:"outputs"`              // by line; true is on (active)
	Waves      map[string]Wave     `json:"waves,omitempty"`      // outputs that go on and off, by line
	Demands    map[string]Demand   `json:"demands,omitempty"`    // what outputs are still to become, by line; those of a pattern are joined by +
	Properties map[string]Property `json:"properties,omitempty"` // by property
	Alarms     map[string]bool     `json:"alarms,omitempty"`     // whether they are raised, by alarm
	Clock      Clock               `json:"clock,omitzero"`

	// Shadows are the keys that may be reported, sorted, by thing/name: a later
	// configuration that lacks some of them has to delete them there.
	Shadows map[string][]string `json:"shadows,omitempty"`

	// Labeled is set instead of all but Format when a file of format 1 was read.
	Labeled *Labeled `json:"-"`

	// Aside tells since when the configuration lacks an entry that is kept for a
	// rollback: outputs, properties and alarms, as section/identity.
	Aside map[string]time.Time `json:"aside,omitempty"`
}

// PropertyID is the identity of a property.
func PropertyID(id shadow.ID, key, kind string) string { return ShadowID(id) + "/" + key + "#" + kind }

// ShadowID is the identity of a shadow: thing/name, with an empty name for the
// classic one. None of the three parts of a [PropertyID] has a slash or a number sign.
func ShadowID(id shadow.ID) string { return id.Thing + "/" + id.Name }

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

// Property is what is remembered of one property.
type Property struct {
	// Read tells that a run with this property has read its shadow: what is reported
	// there is no newer than this entry.
	Read bool `json:"read,omitempty"`
	// Retyped is when the key became one of this kind, in seconds since the epoch, if it
	// was of another kind before and the shadow was not read since; else 0.
	Retyped int64 `json:"retyped,omitempty"`
	// Ahead is when the last request was written, in seconds since the epoch, where the
	// service's clock was ahead of the device's.
	Ahead    int64     `json:"ahead,omitempty"`
	Count    *int64    `json:"count,omitempty"`    // edges of a count
	Command  *Command  `json:"command,omitempty"`  // the last one
	Local    *Local    `json:"local,omitempty"`    // a change that the shadow does not show yet
	Setting  any       `json:"setting,omitempty"`  // the value in force
	Schedule *Schedule `json:"schedule,omitempty"` // the one in force
}

// Command is a requested value that is carried out once.
type Command struct {
	Value   any    `json:"value"`             // as it was requested
	At      int64  `json:"at"`                // when, in seconds since the epoch
	Version int64  `json:"version"`           // of the document in which it was last seen
	Done    bool   `json:"done,omitempty"`    // it is over
	Failure string `json:"failure,omitempty"` // why it was not carried out as a whole
	Cleared bool   `json:"cleared,omitempty"` // and no longer requested
}

// Local is a change of an output by something other than its shadow.
type Local struct {
	Output string `json:"output"`          // the identity of its lines; another output is not changed by it
	Value  any    `json:"value"`           // what the property became
	Made   int64  `json:"made"`            // when, in seconds since the epoch
	Write  bool   `json:"write,omitempty"` // it is to be desired instead

	// The desired value when it was made, nil for none, and since when it was
	// desired, in seconds since the epoch; Unseen if the shadow had not been read.
	Seen   any   `json:"seen,omitempty"`
	At     int64 `json:"at,omitempty"`
	Unseen bool  `json:"unseen,omitempty"`
	// The value that the component had proposed by then and did not know to be
	// stored; nil for none.
	Sent any `json:"sent,omitempty"`
}

// Schedule is when an output is switched, and how far that has come.
type Schedule struct {
	Value   any               `json:"value"`            // as it was requested
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

// ParseShadowID reads the identity of a shadow.
func ParseShadowID(text string) (id shadow.ID, ok bool) {
	thing, name, ok := strings.Cut(text, "/")
	return shadow.ID{Thing: thing, Name: name}, ok && thing != ""
}
