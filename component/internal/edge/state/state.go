// Package state keeps everything that must survive a restart of the component and has
// no place in a shadow: the last levels of outputs, counts, commands, local changes,
// settings, alarms and schedules.
//
// The state is one small JSON file in the work directory, replaced atomically and
// synced to disk (package durable). The engine limits how often it is written.
//
// # Damage
//
// Each entry of each section is read independently. A damaged entry is left out and
// named; the others are used. If the file is not one whole JSON object, it is set
// aside, and the entries before the damage are used. A file is left alone if it cannot
// be read or a newer version wrote it.
package state

import (
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Format is the version of the file. [Decode] rejects newer ones.
const Format = 2

// State is the content of the file. Entries are keyed by identity, so they survive a
// change of labels. The identity of a line consists of chip and line; of a property:
// thing, shadow, key and kind (see [PropertyID]); of an alarm: its watched value, limit
// and label. Each section except Format has a line in [sections], which reads it.
type State struct {
	Format     int                 `json:"format"`
	Outputs    map[string]bool     `json:"outputs"`              // by line; true is on (active)
	Waves      map[string]Wave     `json:"waves,omitempty"`      // outputs turning on and off repeatedly, by line
	Demands    map[string]Demand   `json:"demands,omitempty"`    // unfinished demands on outputs, by line; the lines of a pattern are joined by +
	Properties map[string]Property `json:"properties,omitempty"` // by property
	Alarms     map[string]bool     `json:"alarms,omitempty"`     // whether each alarm is raised, by alarm
	Clock      Clock               `json:"clock,omitzero"`

	// Ended means that the run stopped in order. Otherwise its last reports are in doubt.
	Ended bool `json:"ended,omitempty"`

	// Shadows lists the keys possibly reported, sorted, by thing/name. A later
	// configuration without some of them has to delete them there.
	Shadows map[string][]string `json:"shadows,omitempty"`

	// Labeled is set by a file of format 1, in place of the other sections.
	Labeled *Labeled `json:"-"`

	// Aside has the time at which the configuration dropped an entry. The entry is kept
	// for a rollback. Keys are section/identity, for outputs, properties and alarms.
	Aside map[string]time.Time `json:"aside,omitempty"`
}

// PropertyID returns the identity of a property.
func PropertyID(id shadow.ID, key, kind string) string { return ShadowID(id) + "/" + key + "#" + kind }

// ShadowID returns the identity of a shadow: thing/name, with an empty name for the
// classic shadow. None of the three parts of a [PropertyID] has a slash or a number
// sign.
func ShadowID(id shadow.ID) string { return id.Thing + "/" + id.Name }

// Wave is an output turning on and off repeatedly. Times are in nanoseconds.
type Wave struct {
	On  time.Duration `json:"on"`
	Off time.Duration `json:"off"`
}

// Demand is an unfinished demand on the lines of an output, with its cause.
type Demand struct {
	Levels  []bool `json:"levels"`
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`
	Version int64  `json:"version,omitempty"`
}

// Property is the remembered state of one property.
type Property struct {
	// Read means a run with this property has read its shadow: the reported value there
	// is no newer than this entry.
	Read bool `json:"read,omitempty"`
	// Retyped is when the key changed to this kind, in seconds since the epoch, until
	// the shadow is read; else 0.
	Retyped int64 `json:"retyped,omitempty"`
	// Ahead is when the last request was written, in seconds since the epoch, if the
	// service's clock was ahead of the device's; else 0.
	Ahead int64 `json:"ahead,omitempty"`
	// Withdraw means the shadow may still report a value of the key's old kind.
	Withdraw bool      `json:"withdraw,omitempty"`
	Count    *int64    `json:"count,omitempty"`    // edges of a count
	Command  *Command  `json:"command,omitempty"`  // the last command
	Local    *Local    `json:"local,omitempty"`    // a change not yet in the shadow
	Rejected *Rejected `json:"rejected,omitempty"` // the last request, if an interlock rejected it
	Setting  any       `json:"setting,omitempty"`  // the value in force
	Schedule *Schedule `json:"schedule,omitempty"` // the schedule in force
}

// Command is a requested value carried out once.
type Command struct {
	Value   any    `json:"value"`             // as requested
	At      int64  `json:"at"`                // when requested, in seconds since the epoch
	Version int64  `json:"version"`           // of the newest document with the command
	Done    bool   `json:"done,omitempty"`    // the command has ended
	Failure string `json:"failure,omitempty"` // why the command failed or ended early

	// Rejected is why an interlock rejected the command; "" if none did. The end of the
	// conflict must not start it.
	Rejected string `json:"rejected,omitempty"`

	Cleared bool `json:"cleared,omitempty"` // the request has been withdrawn or cleared

	// ClearedAt is when, in seconds since the epoch; 0 if not Cleared.
	ClearedAt int64 `json:"clearedAt,omitempty"`
	// Unclear means that a synchronization might bring it back.
	Unclear bool `json:"unclear,omitempty"`

	// Code acknowledges the end, if it is not one of the codes of the kind; else 0.
	Code    shadow.Code `json:"code,omitempty"`
	ID      string      `json:"id,omitempty"`      // of the request, "" for none
	Earlier []Ended     `json:"earlier,omitempty"` // commands with an ID before this one, the newest last
}

// Ended is a command that has ended.
type Ended struct {
	ID      string      `json:"id"`
	Code    shadow.Code `json:"code,omitempty"`
	Failure string      `json:"failure,omitempty"`
}

// Rejected is a requested value that an interlock rejected. It stays rejected until
// somebody requests it anew.
type Rejected struct {
	Output string `json:"output"` // the identity of the lines; the rejection applies to no other output
	Value  any    `json:"value"`
	At     int64  `json:"at"` // when requested, in seconds since the epoch
	Reason string `json:"reason"`
}

// Local is a change of an output independent of its shadow.
type Local struct {
	Output string `json:"output"`          // the identity of the lines; the change applies to no other output
	Value  any    `json:"value"`           // the new value of the property
	Made   int64  `json:"made"`            // when, in seconds since the epoch
	Write  bool   `json:"write,omitempty"` // to be written as desired

	// Yields means a control, an alarm or a schedule made the change. Under the override
	// "cloudWins" it gives way to the shadow, as a change by maxOn does not.
	Yields bool `json:"yields,omitempty"`

	// Seen is the desired value at the time of the change, nil for none. At is when
	// somebody wrote Seen, in seconds since the epoch. Unseen means the shadow had not
	// been read.
	Seen   any   `json:"seen,omitempty"`
	At     int64 `json:"at,omitempty"`
	Unseen bool  `json:"unseen,omitempty"`
	// Sent is the value proposed by the component and not known to be stored by then;
	// nil for none.
	Sent any `json:"sent,omitempty"`
}

// Schedule is a schedule of an output, with its progress.
type Schedule struct {
	Value   any               `json:"value"`            // as requested
	Settled time.Time         `json:"settled,omitzero"` // no run is left up to this time; zero before the clock was set
	LastAt  time.Time         `json:"lastAt,omitzero"`  // the last run carried out; zero for none
	LastOn  bool              `json:"lastOn,omitempty"` // the level set by the last run
	Over    map[string]string `json:"over,omitempty"`   // outcomes of entries for one moment, keyed by their text
}

// Clock is the last known wall clock. Other changes save it.
type Clock struct {
	Latest time.Time `json:"latest"`         // the wall time at the save
	Boot   string    `json:"boot,omitempty"` // the boot ID of the kernel in which the clock was set
}

// ParseShadowID parses the identity of a shadow.
func ParseShadowID(text string) (id shadow.ID, ok bool) {
	thing, name, ok := strings.Cut(text, "/")
	return shadow.ID{Thing: thing, Name: name}, ok && thing != ""
}
