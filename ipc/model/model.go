// Package model holds the shapes of Greengrass IPC: the names of operations,
// requests, responses, events and errors, and their JSON form.
//
// They follow awslabs/smithy-iot-device-sdk-greengrass-ipc
// greengrass-ipc-model/main.smithy. Both ends of IPC share them. Absent members
// are left out and unknown ones ignored, as both nuclei do.
package model

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Namespace prefixes the id of every operation, shape and error on the wire.
const Namespace = "aws.greengrass#"

// Service is the id of the service, as errors name it.
const Service = Namespace + "GreengrassCoreIPC"

// Operation describes one operation of the service.
type Operation struct {
	Name  string // without the namespace
	Event string // shape of its events; "" unless the operation streams
}

// ID is the operation as the "operation" header names it.
func (o Operation) ID() string { return Namespace + o.Name }

// RequestType is the "service-model-type" of the request.
func (o Operation) RequestType() string { return Namespace + o.Name + "Request" }

// ResponseType is the "service-model-type" of the response.
func (o Operation) ResponseType() string { return Namespace + o.Name + "Response" }

// EventType is the "service-model-type" of an event.
func (o Operation) EventType() string { return Namespace + o.Event }

// The operations.
var (
	GetThingShadow           = Operation{Name: "GetThingShadow"}
	UpdateThingShadow        = Operation{Name: "UpdateThingShadow"}
	DeleteThingShadow        = Operation{Name: "DeleteThingShadow"}
	ListNamedShadowsForThing = Operation{Name: "ListNamedShadowsForThing"}
	PublishToTopic           = Operation{Name: "PublishToTopic"}
	SubscribeToTopic         = Operation{Name: "SubscribeToTopic", Event: "SubscriptionResponseMessage"}
	GetConfiguration         = Operation{Name: "GetConfiguration"}
	UpdateState              = Operation{Name: "UpdateState"}
)

// GetThingShadowRequest asks for a shadow document.
type GetThingShadowRequest struct {
	ThingName  string `json:"thingName"`
	ShadowName string `json:"shadowName,omitempty"` // "" is the classic shadow
}

// GetThingShadowResponse carries the document.
type GetThingShadowResponse struct {
	Payload []byte `json:"payload"` // JSON text
}

// UpdateThingShadowRequest changes a shadow document.
type UpdateThingShadowRequest struct {
	ThingName  string `json:"thingName"`
	ShadowName string `json:"shadowName,omitempty"` // "" is the classic shadow
	Payload    []byte `json:"payload"`              // JSON text of the update document
}

// UpdateThingShadowResponse carries what was accepted.
type UpdateThingShadowResponse struct {
	Payload []byte `json:"payload"` // JSON text: state as sent, metadata, version
}

// DeleteThingShadowRequest deletes a shadow document.
type DeleteThingShadowRequest struct {
	ThingName  string `json:"thingName"`
	ShadowName string `json:"shadowName,omitempty"` // "" is the classic shadow
}

// DeleteThingShadowResponse has an empty payload.
type DeleteThingShadowResponse struct {
	Payload []byte `json:"payload"`
}

// ListNamedShadowsForThingRequest asks for one page of names.
type ListNamedShadowsForThingRequest struct {
	ThingName string `json:"thingName"`
	NextToken string `json:"nextToken,omitempty"`
	PageSize  *int   `json:"pageSize,omitempty"` // 1 to 100; nil is 25
}

// ListNamedShadowsForThingResponse is one page of names.
type ListNamedShadowsForThingResponse struct {
	Results   []string  `json:"results"`
	Timestamp Timestamp `json:"timestamp"`
	NextToken string    `json:"nextToken,omitempty"` // present when the page is full
}

// ReceiveMode says whose messages a subscription gets.
type ReceiveMode string

// The receive modes. Always send one: without it a nucleus takes "all" for a
// plain topic but "others" for a topic with a wildcard
// (aws/aws-iot-device-sdk-js-v2 issue 407).
const (
	ReceiveAll        ReceiveMode = "RECEIVE_ALL_MESSAGES"
	ReceiveFromOthers ReceiveMode = "RECEIVE_MESSAGES_FROM_OTHERS"
)

// PublishToTopicRequest publishes one message on the local core device.
type PublishToTopicRequest struct {
	Topic          string         `json:"topic"`
	PublishMessage PublishMessage `json:"publishMessage"`
}

// PublishToTopicResponse is empty.
type PublishToTopicResponse struct{}

// PublishMessage is a union: exactly one member is set.
type PublishMessage struct {
	JSONMessage   *JSONMessage   `json:"jsonMessage,omitempty"`
	BinaryMessage *BinaryMessage `json:"binaryMessage,omitempty"`
}

// JSONMessage is a message that is a JSON object.
type JSONMessage struct {
	Message json.RawMessage `json:"message,omitempty"`
	Context *MessageContext `json:"context,omitempty"` // set by the nucleus
}

// BinaryMessage is a message of bytes.
type BinaryMessage struct {
	Message []byte          `json:"message"`
	Context *MessageContext `json:"context,omitempty"` // set by the nucleus
}

// MessageContext says where a message was published.
type MessageContext struct {
	Topic string `json:"topic"`
}

// SubscribeToTopicRequest subscribes to a topic or a topic filter.
type SubscribeToTopicRequest struct {
	Topic       string      `json:"topic"`
	ReceiveMode ReceiveMode `json:"receiveMode,omitempty"`
}

// SubscribeToTopicResponse confirms the subscription.
type SubscribeToTopicResponse struct{}

// SubscriptionResponseMessage is the event of SubscribeToTopic, a union.
type SubscriptionResponseMessage = PublishMessage

// Topic is the topic that the message was published on, "" if the event has none.
func (m PublishMessage) Topic() string {
	switch {
	case m.JSONMessage != nil && m.JSONMessage.Context != nil:
		return m.JSONMessage.Context.Topic
	case m.BinaryMessage != nil && m.BinaryMessage.Context != nil:
		return m.BinaryMessage.Context.Topic
	}
	return ""
}

// Payload is the message as bytes: JSON text of a JSON message, the bytes of a
// binary one, nil for an empty union.
func (m PublishMessage) Payload() []byte {
	switch {
	case m.JSONMessage != nil:
		return m.JSONMessage.Message
	case m.BinaryMessage != nil:
		return m.BinaryMessage.Message
	}
	return nil
}

// GetConfigurationRequest asks for configuration.
type GetConfigurationRequest struct {
	ComponentName string   `json:"componentName,omitempty"` // "" is the caller
	KeyPath       []string `json:"keyPath,omitempty"`       // empty is the whole configuration
}

// GetConfigurationResponse carries configuration.
type GetConfigurationResponse struct {
	ComponentName string          `json:"componentName,omitempty"`
	Value         json.RawMessage `json:"value,omitempty"` // an object; {"<last key>": leaf} for a leaf
}

// LifecycleState is a state that a component reports of itself.
type LifecycleState string

// The states a component can report.
const (
	StateRunning LifecycleState = "RUNNING"
	StateErrored LifecycleState = "ERRORED"
)

// UpdateStateRequest reports the state of the calling component.
type UpdateStateRequest struct {
	State LifecycleState `json:"state"`
}

// UpdateStateResponse is empty.
type UpdateStateResponse struct{}

// Timestamp is a time on the wire: a JSON number of seconds since the epoch,
// with fraction and possibly an exponent.
type Timestamp time.Time

// MarshalJSON always writes a fraction: nucleus lite refuses an integer literal
// (aws-greengrass/aws-greengrass-lite modules/ggipcd/src/services/config/update_configuration.c).
func (t Timestamp) MarshalJSON() ([]byte, error) {
	seconds := float64(time.Time(t).UnixMilli()) / 1000
	return strconv.AppendFloat(nil, seconds, 'f', 3, 64), nil
}

// maxSeconds is the largest time taken, of either sign: beyond the year 250000.
const maxSeconds = 1 << 43

// UnmarshalJSON reads any JSON number of seconds, to the millisecond. It leaves t
// alone for null.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	var seconds *float64
	if err := json.Unmarshal(data, &seconds); err != nil || seconds == nil {
		return err
	}
	if math.Abs(*seconds) > maxSeconds {
		return fmt.Errorf("timestamp %s is out of range", data)
	}
	*t = Timestamp(time.UnixMilli(int64(math.Round(*seconds * 1000))))
	return nil
}

// ErrorCode is the name of a modelled error, without the namespace.
type ErrorCode string

// The error codes that operations answer with.
const (
	Unauthorized      ErrorCode = "UnauthorizedError"
	ServiceFailure    ErrorCode = "ServiceError"
	ResourceNotFound  ErrorCode = "ResourceNotFoundError"
	InvalidArguments  ErrorCode = "InvalidArgumentsError"
	Conflict          ErrorCode = "ConflictError"
	ComponentNotFound ErrorCode = "ComponentNotFoundError"
)

// ErrorType is the "service-model-type" of the error.
func (c ErrorCode) ErrorType() string { return Namespace + string(c) }

// ErrorPayload is the JSON form of an error. The classic nucleus sends all
// members that apply, lite only the two that begin with an underscore and have
// no Service.
type ErrorPayload struct {
	Message      *string   `json:"message,omitempty"`
	Context      any       `json:"context,omitempty"`
	ResourceType string    `json:"resourceType,omitempty"`
	ResourceName string    `json:"resourceName,omitempty"`
	Service      string    `json:"_service,omitempty"`
	LiteMessage  string    `json:"_message"`
	Code         ErrorCode `json:"_errorCode,omitempty"`

	// Error is the only name that the classic nucleus gives an operation it does
	// not know: {"error": "Unsupported Operation", "message": …}.
	Error string `json:"error,omitempty"`
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
