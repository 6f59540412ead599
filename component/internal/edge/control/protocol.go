// Package control is the socket of a running component, through which the other
// commands of shadowgpio ask it what it is doing, and have it desire values.
//
// The protocol is JSON, one object a line. The component speaks first:
//
//	{"component":"shadowgpio","protocol":1}
//
// Each line of the client is a [Request], and has one [Response]; "watch" has one
// for each change until the client closes the connection. Members that are not
// known are ignored, so that either end may be the older one.
//
// Whoever may write to the socket may do all of it: it belongs to the user and
// group of the component, with mode 0660.
package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
)

// SocketName is the name of the socket in the work directory.
const SocketName = "control.socket"

// protocol is the version of the protocol. Another one is not understood.
const protocol = 1

// longestLine is the longest line of a client in bytes; what a component sends is
// not bounded.
const longestLine = 64 << 10

type greeting struct {
	Component string `json:"component"`
	Protocol  int    `json:"protocol"`
}

// What a request asks for.
const (
	opStatus  = "status"
	opJournal = "journal"
	opWatch   = "watch"
	opDesire  = "desire"
)

// Request is what a client asks.
type Request struct {
	Op string `json:"op"`

	Last int `json:"last,omitempty"` // of journal: how many entries

	// Of desire: label of the shadow, key, and the value, null to withdraw it.
	Shadow   string          `json:"shadow,omitempty"`
	Property string          `json:"property,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
}

// Response is the answer, or of watch one change.
type Response struct {
	Error   string          `json:"error,omitempty"`
	Status  *Status         `json:"status,omitempty"` // whole
	Change  *Status         `json:"change,omitempty"` // only lines and shadows that differ; the rest is whole
	Journal []journal.Entry `json:"journal,omitempty"`
	Version int64           `json:"version,omitempty"` // of the document that desires the value
}

// Status is what a component tells of itself.
type Status struct {
	engine.Snapshot
	PID     int     `json:"pid"`
	Nucleus Nucleus `json:"nucleus"`
	// Held are the outputs that would stay as they are should the component vanish,
	// by their labels; those of a pattern are joined by +.
	Held []string `json:"held,omitempty"`
	// LogDropped is how many lines of the log nobody read.
	LogDropped int64 `json:"logDropped,omitempty"`
	// JournalDropped is how many changes of outputs the files of the journal lack, since
	// the disk did not keep up.
	JournalDropped int64 `json:"journalDropped,omitempty"`
}

// Nucleus is the connection to the nucleus.
type Nucleus struct {
	State string     `json:"state"`           // connected, connecting, …
	Since *time.Time `json:"since,omitempty"` // connected, or away
	Error string     `json:"error,omitempty"` // why it is not connected
}

// Source is a component, as the server sees it. It is safe for concurrent use.
type Source interface {
	// Status is what is now.
	Status(context.Context) (Status, error)
	// Changed returns a channel that gets a value after each change from now on;
	// several may be one. stop ends that.
	Changed() (changed <-chan struct{}, stop func())
	// Journal returns the entries after the one of that number, the oldest first,
	// and the number of the last one.
	Journal(after int64) (entries []journal.Entry, last int64)
	// Desire writes a desired value as an application does, and returns the version
	// of the document.
	Desire(ctx context.Context, shadow, property string, value json.RawMessage) (version int64, err error)
}
