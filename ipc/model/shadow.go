package model

import "strings"

// The shadow operations.
var (
	GetThingShadow           = Operation{Name: "GetThingShadow"}
	UpdateThingShadow        = Operation{Name: "UpdateThingShadow"}
	DeleteThingShadow        = Operation{Name: "DeleteThingShadow"}
	ListNamedShadowsForThing = Operation{Name: "ListNamedShadowsForThing"}
)

// GetThingShadowRequest asks for a shadow document.
type GetThingShadowRequest struct {
	ThingName  string `json:"thingName"`
	ShadowName string `json:"shadowName,omitempty"` // "" is the classic shadow
}

// GetThingShadowResponse carries the document.
type GetThingShadowResponse struct {
	Payload []byte `json:"payload,omitzero"` // JSON text
}

// UpdateThingShadowRequest changes a shadow document.
type UpdateThingShadowRequest struct {
	ThingName  string `json:"thingName"`
	ShadowName string `json:"shadowName,omitempty"` // "" is the classic shadow
	Payload    []byte `json:"payload,omitzero"`     // JSON text of the update document; required
}

// UpdateThingShadowResponse carries what was accepted.
type UpdateThingShadowResponse struct {
	Payload []byte `json:"payload,omitzero"` // JSON text: state as sent, metadata, version
}

// DeleteThingShadowRequest deletes a shadow document.
type DeleteThingShadowRequest struct {
	ThingName  string `json:"thingName"`
	ShadowName string `json:"shadowName,omitempty"` // "" is the classic shadow
}

// DeleteThingShadowResponse has an empty payload.
type DeleteThingShadowResponse struct {
	Payload []byte `json:"payload,omitzero"`
}

// ListNamedShadowsForThingRequest asks for one page of names.
type ListNamedShadowsForThingRequest struct {
	ThingName string `json:"thingName"`
	NextToken string `json:"nextToken,omitempty"`
	PageSize  *int   `json:"pageSize,omitempty"` // 1 to 100; nil is 25
}

// ListNamedShadowsForThingResponse is one page of names.
type ListNamedShadowsForThingResponse struct {
	Results   []string  `json:"results,omitzero"`
	Timestamp Timestamp `json:"timestamp,omitzero"`
	NextToken string    `json:"nextToken,omitempty"` // present when the page is full
}

// ShadowTopic is the prefix of a shadow's topics, which is also its name as a
// resource of access control: "$aws/things/<thing>/shadow" for the classic
// shadow, "$aws/things/<thing>/shadow/name/<shadow>" for a named one.
func ShadowTopic(thing, shadow string) string {
	if shadow == "" {
		return "$aws/things/" + thing + "/shadow"
	}
	return strings.Join([]string{"$aws/things", thing, "shadow/name", shadow}, "/")
}
