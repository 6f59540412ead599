package faults

import (
	"cmp"
	"encoding/json"
	"strings"
)

// about has the members that say what a request or event is about. Each shape has
// a few of them.
type about struct {
	ThingName     string   `json:"thingName"`
	ShadowName    string   `json:"shadowName"`
	Topic         string   `json:"topic"`
	TopicName     string   `json:"topicName"`
	ComponentName string   `json:"componentName"`
	KeyPath       []string `json:"keyPath"`

	// Of events.
	JSONMessage   *message `json:"jsonMessage"`
	BinaryMessage *message `json:"binaryMessage"`
	Message       *about   `json:"message"`
	Configuration *about   `json:"configurationUpdateEvent"`
}

type message struct {
	Context about `json:"context"`
}

// subject says what a request or event is about, "" for nothing.
func subject(payload []byte) string {
	var a about
	_ = json.Unmarshal(payload, &a) // a member of another type is none of these
	return a.String()
}

func (a *about) String() string {
	if a == nil {
		return ""
	}
	if a.ThingName != "" && a.ShadowName != "" {
		return a.ThingName + "/" + a.ShadowName
	}
	path := strings.TrimPrefix(strings.Join(append([]string{a.ComponentName}, a.KeyPath...), "/"), "/")
	return cmp.Or(a.ThingName, a.Topic, a.TopicName, path,
		a.JSONMessage.String(), a.BinaryMessage.String(), a.Message.String(), a.Configuration.String())
}

func (m *message) String() string {
	if m == nil {
		return ""
	}
	return m.Context.String()
}
