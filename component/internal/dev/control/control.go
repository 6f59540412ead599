// Package control is the socket on which shadowctl's commands reach a running
// development environment: protocol, server, client. It is HTTP with JSON on a Unix
// socket of this user. A core device has nothing like it, so it is no part of IPC.
package control

import (
	"encoding/json"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// maxRequest is how many bytes a request may have.
const maxRequest = 1 << 20

// The longest times that a request may name.
const (
	MaxAway  = 24 * time.Hour // of the core device
	MaxDelay = time.Minute    // of a request to the cloud
)

// Rule is a rule of faults in force.
type Rule struct {
	ID      int    `json:"id,omitempty"`
	Rule    string `json:"rule"`
	Matched int    `json:"matched"` // requests or events on which it was tried
	Faults  int    `json:"faults"`  // that it made
}

// Faults are the rules in force.
type Faults struct {
	Seed  uint64 `json:"seed"`
	Rules []Rule `json:"rules"`
}

// Component is a component that the core device runs.
type Component struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Paused  bool   `json:"paused"`
}

// Sides are the two documents of one shadow. A document is absent if there is no shadow.
type Sides struct {
	Thing  string          `json:"thing"`
	Shadow string          `json:"shadow,omitempty"`
	Device json.RawMessage `json:"device,omitempty"`
	Cloud  json.RawMessage `json:"cloud,omitempty"`
}

// ShadowName names a shadow; the classic one has no name of its own.
type ShadowName struct {
	Thing  string `json:"thing"`
	Shadow string `json:"shadow,omitempty"`
}

func (n ShadowName) String() string { return shadow.ID{Thing: n.Thing, Name: n.Shadow}.String() }

// Synchronized is what a deployment changed of the synchronization with the cloud.
type Synchronized struct {
	Begun  []ShadowName `json:"begun,omitempty"`
	Ending []ShadowName `json:"ending,omitempty"` // once the component has withdrawn its reports
}

// Deployment is a deployment of one component's configuration. It has either Full, or
// Merge with or without Reset.
type Deployment struct {
	Component string          `json:"component"`
	Reset     []string        `json:"reset,omitempty"` // JSON pointers
	Merge     json.RawMessage `json:"merge,omitempty"`
	Full      json.RawMessage `json:"full,omitempty"`
	Notify    bool            `json:"notify"`
	Restart   bool            `json:"restart"` // the component, afterwards
}

// The bodies that have no use beyond the protocol.
type (
	cleared struct {
		Cleared int `json:"cleared"`
	}
	away struct {
		Away string `json:"away"` // a duration
	}
	delay struct {
		Delay string `json:"delay"` // a duration
	}
	link struct {
		Up bool `json:"up"`
	}
	refusal struct {
		Error string `json:"error"`
	}
	nothing struct{}
)
