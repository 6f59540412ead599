package model

import "encoding/json"

// The operations of local publish/subscribe.
var (
	PublishToTopic   = Operation{Name: "PublishToTopic"}
	SubscribeToTopic = Operation{Name: "SubscribeToTopic", Event: "SubscriptionResponseMessage"}
)

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
	Message []byte          `json:"message,omitzero"`  // not nil: the classic nucleus needs it
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
