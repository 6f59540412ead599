// Package model holds the shapes of Greengrass IPC: the names of operations,
// requests, responses, events and errors, and their JSON form.
//
// They follow awslabs/smithy-iot-device-sdk-greengrass-ipc
// greengrass-ipc-model/main.smithy. Both ends of IPC share them. Absent members
// are left out and unknown ones ignored, as both nuclei do.
//
// A blob is a []byte, a document is a json.RawMessage, a timestamp is a [Timestamp].
// A union is a struct of pointers of which one is set; none is when it came with a
// member that is not known here. An enumeration is a string with constants, which
// may hold other values than those. A pointer marks a member whose zero value
// differs from its absence.
package model

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

// Operations lists all operations: those of the service model, and
// SubscribeToIoTCoreConnectionStatus, which newer SDKs have and the published
// model does not. Do not change it.
var Operations = []Operation{
	AuthorizeClientDeviceAction,
	CancelLocalDeployment,
	CreateDebugPassword,
	CreateLocalDeployment,
	DeferComponentUpdate,
	DeleteThingShadow,
	GetClientDeviceAuthToken,
	GetComponentDetails,
	GetConfiguration,
	GetLocalDeploymentStatus,
	GetSecretValue,
	GetThingShadow,
	ListComponents,
	ListLocalDeployments,
	ListNamedShadowsForThing,
	PauseComponent,
	PublishToIoTCore,
	PublishToTopic,
	PutComponentMetric,
	RestartComponent,
	ResumeComponent,
	SendConfigurationValidityReport,
	StopComponent,
	SubscribeToCertificateUpdates,
	SubscribeToComponentUpdates,
	SubscribeToConfigurationUpdate,
	SubscribeToIoTCore,
	SubscribeToIoTCoreConnectionStatus,
	SubscribeToTopic,
	SubscribeToValidateConfigurationUpdates,
	UpdateConfiguration,
	UpdateState,
	UpdateThingShadow,
	ValidateAuthorizationToken,
	VerifyClientDeviceIdentity,
}
