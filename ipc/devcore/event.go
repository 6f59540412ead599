package devcore

import (
	"encoding/json"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// EventKind says what an [Event] tells of.
type EventKind int

// The kinds of events.
const (
	Connected     EventKind = iota // a component's connection passed the handshake
	Disconnected                   // it ended; Reason says why
	ShadowUpdated                  // an update was accepted and stored
	ShadowDeleted                  // a shadow was deleted
	ShadowRead                     // a get was answered
	ShadowRefused                  // a get, update or delete was refused
	ShadowFailed                   // the shadow manager failed inside, see Quirks
	StateReported                  // a component reported its state

	LinkUp           // the core device is connected to AWS IoT Core
	LinkDown         // it is not any more
	MessagePublished // AWS IoT Core took a message
	MetricPut        // a component emitted a metric
	UpdateDeferred   // a component wants to be left alone; Reason is its message
	FaultMade        // the core has failed on purpose
	CoreAway         // the core has gone away for a restart; Reason says for how long
	CoreBack         // it listens again
	kinds
)

func (k EventKind) String() string {
	if k < 0 || k >= kinds {
		return "unknown"
	}
	return [kinds]string{
		"connected", "disconnected", "shadow updated", "shadow deleted", "shadow read", "shadow refused",
		"shadow failed", "state reported", "link up", "link down", "message published", "metric put", "update deferred",
		"fault made", "core away", "core back",
	}[k]
}

// Event is something that happened in the core. Members that do not belong to
// its kind are empty.
type Event struct {
	Time       time.Time
	Kind       EventKind
	Component  string // who caused it
	Connection uint64 // number of the connection; 0 without one

	// Of shadow events.
	Operation     string // of the model, as "UpdateThingShadow"
	Thing, Shadow string
	Version       int64           // after the change
	Token         string          // client token of an update
	Sent          json.RawMessage // the update as it was sent
	Document      json.RawMessage // state, metadata and version after the change
	Delta         json.RawMessage // open differences after the change; nil if none
	Code          int             // of a refusal, as in the rejected message; 0 if throttled

	State      model.LifecycleState // of StateReported
	Fault      faults.Hit           // of FaultMade
	Topic      string               // of MessagePublished
	Payload    []byte               // of MessagePublished
	Metric     model.Metric         // of MetricPut
	Deployment string               // of UpdateDeferred
	Reason     string               // of Disconnected, ShadowRefused, ShadowFailed, UpdateDeferred and CoreAway
}

// observe hands an event to the observer. The changes of one shadow come in the
// order of its versions, since they are observed while its lock is held. A
// ShadowRead takes no lock: it may come after a change that it did not see.
func (c *Core) observe(e Event) {
	if c.cfg.Observe == nil {
		return
	}
	e.Time = time.Now()
	c.observer.Lock()
	defer c.observer.Unlock()
	c.cfg.Observe(e)
}
