package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Standing is how a property of a thing stands to what is desired of it.
type Standing string

// The standings.
const (
	InStep  Standing = "in step"  // reported as desired
	Waiting Standing = "waiting"  // desired a short while ago, not answered yet
	Stale   Standing = "stale"    // desired a long time ago, and not answered
	Refusal Standing = "refused"  // the device has refused it, or its line failed
	Differs Standing = "differs"  // it was answered, and is not as desired
	Absent  Standing = "absent"   // there is no such shadow
	Unknown Standing = "unknown"  // the service could not be asked
	Free    Standing = "reported" // nothing is desired
)

// Standings are all standings.
var Standings = []Standing{InStep, Waiting, Free, Differs, Refusal, Stale, Absent, Unknown}

// Drift reports whether a standing needs somebody to look.
func (s Standing) Drift() bool { return s != InStep && s != Waiting && s != Free }

// Row is one property of one thing.
type Row struct {
	Thing    string     `json:"thing"`
	Property string     `json:"property,omitempty"`
	Standing Standing   `json:"standing"`
	Desired  any        `json:"desired,omitempty"`
	Reported any        `json:"reported,omitempty"`
	Since    *time.Time `json:"since,omitempty"` // the time of the desired value, in whole seconds
	Reason   string     `json:"reason,omitempty"`
}

// Survey asks for the shadows of things.
type Survey struct {
	Service     client.Service
	Shadow      string
	Properties  []string      // none are all that are desired
	Stale       time.Duration // after which an unanswered value is stale
	Concurrency int
	Asked       func() // is called for each thing, one at a time; nil is not
}

// Take returns the rows of all things, in their order. It ends early with ctx only.
func (s Survey) Take(ctx context.Context, things []string) ([]Row, error) {
	rows := make([][]Row, len(things))
	err := inParallel(ctx, len(things), s.Concurrency, func(i int) { rows[i] = s.one(ctx, things[i]) }, s.Asked)
	return slices.Concat(rows...), err
}

func (s Survey) one(ctx context.Context, thing string) []Row {
	doc, err := client.Document(ctx, s.Service, shadow.ID{Thing: thing, Name: s.Shadow})
	switch {
	case err != nil:
		return []Row{{Thing: thing, Standing: Unknown, Reason: err.Error()}}
	case doc.Version == 0:
		return []Row{{Thing: thing, Standing: Absent, Reason: "the device has never reported"}}
	}
	return s.rows(thing, doc, time.Now())
}

func (s Survey) rows(thing string, doc shadow.Document, now time.Time) (rows []Row) {
	keys := s.Properties
	if len(keys) == 0 {
		keys = slices.Sorted(maps.Keys(doc.Desired))
	}
	for _, key := range keys {
		row := Row{Thing: thing, Property: key, Desired: doc.Desired[key], Reported: doc.Reported[key], Standing: Free}
		if row.Desired != nil {
			at := time.Unix(doc.DesiredAt[key], 0).UTC()
			row.Since = &at
			row.Standing, row.Reason = s.standing(key, doc, now.Sub(at))
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		rows = []Row{{Thing: thing, Standing: Free}}
	}
	return rows
}

func (s Survey) standing(key string, doc shadow.Document, age time.Duration) (Standing, string) {
	ack, answered := client.AckOf(doc, key)
	answered = answered && ack.Code != shadow.InProgress && doc.AckAt[key] >= doc.DesiredAt[key]
	met := client.Holds(doc.Reported[key], doc.Desired[key])
	switch {
	case answered && ack.Code != shadow.Done:
		return Refusal, fmt.Sprintf("%d %s", ack.Code, ack.Reason)
	case met:
		return InStep, ""
	case answered:
		return Differs, "answered, and changed since"
	case age > s.Stale:
		return Stale, fmt.Sprintf("not answered for %v", age.Round(time.Second))
	}
	return Waiting, ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
