package model

// The operations of the MQTT proxy to AWS IoT Core.
var (
	PublishToIoTCore                   = Operation{Name: "PublishToIoTCore"}
	SubscribeToIoTCore                 = Operation{Name: "SubscribeToIoTCore", Event: "IoTCoreMessage"}
	SubscribeToIoTCoreConnectionStatus = Operation{Name: "SubscribeToIoTCoreConnectionStatus", Event: "IoTCoreConnectionStatusEvent"}
)

// QOS is an MQTT quality of service.
type QOS string

// The qualities of service.
const (
	AtMostOnce  QOS = "0"
	AtLeastOnce QOS = "1"
)

// PayloadFormat is the MQTT 5 payload format indicator; "" is none.
type PayloadFormat string

// The payload formats.
const (
	FormatBytes PayloadFormat = "0"
	FormatUTF8  PayloadFormat = "1"
)

// UserProperty is an MQTT 5 user property.
type UserProperty struct {
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
}

// PublishToIoTCoreRequest publishes one MQTT message. Nucleus lite ignores the
// members after Payload.
type PublishToIoTCoreRequest struct {
	TopicName                    string         `json:"topicName"`
	QOS                          QOS            `json:"qos"`
	Payload                      []byte         `json:"payload,omitzero"` // not nil: the classic nucleus needs it
	Retain                       bool           `json:"retain,omitempty"`
	UserProperties               []UserProperty `json:"userProperties,omitempty"`
	MessageExpiryIntervalSeconds *int64         `json:"messageExpiryIntervalSeconds,omitempty"` // nil is never
	CorrelationData              []byte         `json:"correlationData,omitzero"`
	ResponseTopic                string         `json:"responseTopic,omitempty"`
	PayloadFormat                PayloadFormat  `json:"payloadFormat,omitempty"`
	ContentType                  string         `json:"contentType,omitempty"`
}

// PublishToIoTCoreResponse is empty.
type PublishToIoTCoreResponse struct{}

// SubscribeToIoTCoreRequest subscribes to an MQTT topic filter.
type SubscribeToIoTCoreRequest struct {
	TopicName string `json:"topicName"`
	QOS       QOS    `json:"qos"`
}

// SubscribeToIoTCoreResponse confirms the subscription.
type SubscribeToIoTCoreResponse struct{}

// IoTCoreMessage is the event of SubscribeToIoTCore, a union.
type IoTCoreMessage struct {
	Message *MQTTMessage `json:"message,omitempty"`
}

// MQTTMessage is a message of AWS IoT Core. Nucleus lite sends only the first two
// members.
type MQTTMessage struct {
	TopicName                    string         `json:"topicName"`
	Payload                      []byte         `json:"payload,omitzero"`
	Retain                       bool           `json:"retain,omitempty"`
	UserProperties               []UserProperty `json:"userProperties,omitempty"`
	MessageExpiryIntervalSeconds *int64         `json:"messageExpiryIntervalSeconds,omitempty"` // nil is never
	CorrelationData              []byte         `json:"correlationData,omitzero"`
	ResponseTopic                string         `json:"responseTopic,omitempty"`
	PayloadFormat                PayloadFormat  `json:"payloadFormat,omitempty"`
	ContentType                  string         `json:"contentType,omitempty"`
}

// SubscribeToIoTCoreConnectionStatusRequest is empty.
type SubscribeToIoTCoreConnectionStatusRequest struct{}

// SubscribeToIoTCoreConnectionStatusResponse confirms the subscription.
type SubscribeToIoTCoreConnectionStatusResponse struct{}

// IoTCoreConnectionStatusEvent is the event of SubscribeToIoTCoreConnectionStatus,
// a union.
type IoTCoreConnectionStatusEvent struct {
	ConnectionStatusEvent *ConnectionStatusEvent `json:"connectionStatusEvent,omitempty"`
}

// ConnectionStatus is the state of the core device's connection to AWS IoT Core.
type ConnectionStatus string

// The connection states.
const (
	StatusConnected    ConnectionStatus = "CONNECTED"
	StatusDisconnected ConnectionStatus = "DISCONNECTED"
)

// ConnectionStatusEvent tells a connection state: first the present one, then each
// change.
type ConnectionStatusEvent struct {
	Status ConnectionStatus `json:"status"`
}
