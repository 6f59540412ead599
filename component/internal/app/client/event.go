package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Kind is what a message of the shadow service tells.
type Kind string

// The kinds. An accepted or rejected message answers a request, of its [Event.Verb].
const (
	Accepted  Kind = "accepted"
	Rejected  Kind = "rejected"
	Delta     Kind = "delta"
	Documents Kind = "documents"
	Presence  Kind = "presence" // a client has connected or disconnected
)

// Kinds are all kinds.
var Kinds = []Kind{Documents, Delta, Accepted, Rejected, Presence}

// Event is a message of the shadow service, or about a client.
type Event struct {
	Message
	ID   shadow.ID
	Verb string // get, update, delete; of presence: connected, disconnected
	Kind Kind
}

// shadowFilter matches all messages of one shadow.
func shadowFilter(id shadow.ID) string { return id.Topic("/+/+") }

// ThingFilters match all messages about a thing: of its shadows, classic and named,
// and of its presence, if its client is called as the thing is
// (awsdocs/aws-iot-docs developerguide/life-cycle-events.md).
func ThingFilters(thing string) []string {
	return []string{
		shadow.ID{Thing: thing}.Topic("/+/+"), shadow.ID{Thing: thing, Name: "+"}.Topic("/+/+"),
		"$aws/events/presence/+/" + thing,
	}
}

// ParseEvent reads the topic of a message.
func ParseEvent(m Message) (e Event, ok bool) {
	parts := strings.Split(m.Topic, "/")
	e.Message = m
	switch {
	case len(parts) == 5 && parts[1] == "events" && parts[2] == "presence":
		e.Kind, e.Verb, e.ID.Thing = Presence, parts[3], parts[4]
		return e, true
	case len(parts) < 6 || parts[1] != "things" || parts[3] != "shadow":
		return e, false
	case len(parts) == 8 && parts[4] == "name":
		e.ID.Name = parts[5]
	case len(parts) != 6:
		return e, false
	}
	e.ID.Thing, e.Verb, e.Kind = parts[2], parts[len(parts)-2], Kind(parts[len(parts)-1])
	return e, true
}

// matches reports whether a filter, in which + is any one level, matches a topic.
func matches(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if len(f) != len(t) {
		return false
	}
	for i := range f {
		if f[i] != "+" && f[i] != t[i] {
			return false
		}
	}
	return true
}

// Token is the client token of the request that the message is about, "" if it has none.
func (e Event) Token() string {
	var m struct{ ClientToken string }
	if json.Unmarshal(e.Payload, &m) != nil {
		return ""
	}
	return m.ClientToken
}

// Refusal is what a rejected message says.
func (e Event) Refusal() *Error {
	refusal := &Error{}
	if err := json.Unmarshal(e.Payload, refusal); err != nil {
		refusal.Message = fmt.Sprintf("%q", e.Payload)
	}
	refusal.Message = cmp.Or(refusal.Message, "no reason given")
	return refusal
}

// Documents are the documents before and after a change. Where there was none, the
// one before is the zero document.
func (e Event) Documents() (previous, current shadow.Document, err error) {
	var m struct{ Previous, Current json.RawMessage }
	if err := json.Unmarshal(e.Payload, &m); err != nil {
		return previous, current, fmt.Errorf("message on %s: %w", e.Topic, err)
	}
	if previous, err = shadow.ParseDocument(m.Previous); err == nil {
		current, err = shadow.ParseDocument(m.Current)
	}
	if err != nil {
		err = fmt.Errorf("message on %s: %w", e.Topic, err)
	}
	return previous, current, err
}
