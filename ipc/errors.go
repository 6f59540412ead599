package ipc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// States that callers test for with [errors.Is].
var (
	// ErrRefused says that the nucleus does not accept the token. It stays so:
	// a token is good for one run of the nucleus, and only a fresh start of the
	// component brings a new one.
	ErrRefused = errors.New("token refused")
	// ErrClosedBeforeAck says that the nucleus closed the connection instead of
	// answering the handshake. Nucleus lite refuses a token that way, and any
	// nucleus does it when it stops at this moment.
	ErrClosedBeforeAck = errors.New("connection closed before the handshake was answered")
	// ErrDisconnected says that there is no connection, or that it was lost.
	ErrDisconnected = errors.New("disconnected")
	// ErrClosed says that this side closed the connection.
	ErrClosed = errors.New("connection is closed")
	// ErrOverflow says that a stream ended because its events were not taken in time.
	ErrOverflow = errors.New("events were not taken in time")
	// ErrMessageTooLarge says that the nucleus sent a message above
	// [Config].PayloadLimit, which was dropped.
	ErrMessageTooLarge = errors.New("message too large")
	// ErrTooLarge says that a request is larger than [Config].RequestLimit.
	ErrTooLarge = errors.New("request too large")
	// ErrUnsupported says that the nucleus does not have the operation, or not the
	// component that it needs. It is told by a *[ServiceError].
	ErrUnsupported = errors.New("operation not supported by the nucleus")
	// ErrStreamEnded says that the nucleus ended a stream without giving a reason.
	ErrStreamEnded = errors.New("stream ended by the nucleus")
)

// What is known about a call that did not succeed. A call that the nucleus
// refused has neither of them in its chain, but a *[ServiceError].
var (
	// ErrNotSent says that the operation was certainly not executed: no complete
	// request left this process. Repeating it is safe.
	ErrNotSent = errors.New("not sent")
	// ErrOutcomeUnknown says that the request was sent and no usable answer came:
	// the connection was lost, or the time was up. The operation may have been
	// executed, now or later.
	ErrOutcomeUnknown = errors.New("outcome unknown")
)

// CallError is a call without an answer.
type CallError struct {
	Op      string // name of the operation
	Outcome error  // ErrNotSent or ErrOutcomeUnknown
	Err     error  // the cause
}

func (e *CallError) Error() string { return fmt.Sprintf("%s: %v: %v", e.Op, e.Outcome, e.Err) }

// Unwrap returns the outcome and the cause.
func (e *CallError) Unwrap() []error { return []error{e.Outcome, e.Err} }

func notSent(op model.Operation, err error) error {
	return &CallError{Op: op.Name, Outcome: ErrNotSent, Err: err}
}

func outcomeUnknown(op model.Operation, err error) error {
	return &CallError{Op: op.Name, Outcome: ErrOutcomeUnknown, Err: err}
}

// CodeUnknown is the code of an error that came without one.
const CodeUnknown model.ErrorCode = "Unknown"

// ServiceError is the nucleus's refusal of an operation, or its reason to end a
// stream. Ask for one of the model's errors by its code:
//
//	errors.Is(err, model.ResourceNotFound)
//
// A nucleus also sends errors that the model does not declare for the operation, so
// expect any code from any operation.
type ServiceError struct {
	Op           string          // name of the operation
	Code         model.ErrorCode // CodeUnknown when the nucleus gave none
	Message      string          // for people; "" is common
	ResourceType string          // of a ResourceNotFoundError, e.g. "shadow"
	ResourceName string          // of a ResourceNotFoundError
	Context      json.RawMessage // of a ServiceError, e.g. {"reasonCode": …}; nil when absent
}

func (e *ServiceError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("%s: %s", e.Op, e.Code)
	}
	return fmt.Sprintf("%s: %s: %s", e.Op, e.Code, e.Message)
}

// Unwrap returns the code, so that errors.Is(err, model.Conflict) asks for it.
func (e *ServiceError) Unwrap() error { return e.Code }

// Is makes the error [ErrUnsupported] in each of the forms in which a nucleus says
// so. Nucleus lite says it by a ServiceError without text, which counts only for
// operations that lite does not have.
func (e *ServiceError) Is(target error) bool {
	if target != ErrUnsupported {
		return false
	}
	switch e.Code {
	case unsupportedOperation:
		return true
	case model.ServiceFailure:
		return strings.HasSuffix(strings.TrimSuffix(e.Message, "."), "is not supported by Greengrass") ||
			e.Message == "" && e.Context == nil && !liteHas[e.Op]
	}
	return false
}

// unsupportedOperation is the code of the classic nucleus for an unknown operation
// (aws/aws-iot-device-sdk-java-v2 sdk/greengrass/event-stream-rpc-server).
const unsupportedOperation model.ErrorCode = "Unsupported Operation"

// liteHas are the operations of nucleus lite
// (aws-greengrass/aws-greengrass-lite modules/ggipcd/src/services).
var liteHas = map[string]bool{
	model.PublishToTopic.Name:                 true,
	model.SubscribeToTopic.Name:               true,
	model.PublishToIoTCore.Name:               true,
	model.SubscribeToIoTCore.Name:             true,
	model.GetConfiguration.Name:               true,
	model.UpdateConfiguration.Name:            true,
	model.SubscribeToConfigurationUpdate.Name: true,
	model.UpdateState.Name:                    true,
	model.RestartComponent.Name:               true,
	model.CreateLocalDeployment.Name:          true,
	model.ValidateAuthorizationToken.Name:     true,
}

// newServiceError reads what the nucleus says, in any of the forms there are:
// five members (classic), two members (lite), an object of its own for unknown
// operations, plain text. It requires nothing.
func newServiceError(op model.Operation, m *eventstream.Message) *ServiceError {
	e := &ServiceError{Op: op.Name, Code: CodeUnknown, Message: string(m.Payload)}
	if m.ContentType != "" && !isJSON(m.ContentType) {
		return e
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(m.Payload, &members); err != nil {
		e.Code = firstOf(model.ErrorCode(typeName(m.ModelType)), CodeUnknown)
		return e
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(members[name], &s) // another type counts as absent
		return s
	}
	e.Code = model.ErrorCode(firstOf(typeName(text("_errorCode")), typeName(m.ModelType), text("error"), string(CodeUnknown)))
	e.Message = firstOf(text("message"), text("_message"))
	e.ResourceType = text("resourceType")
	e.ResourceName = text("resourceName")
	e.Context = members["context"]
	return e
}

func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), eventstream.ContentJSON)
}

// typeName is a shape's name without its namespace.
func typeName(id string) string { return id[strings.LastIndexByte(id, '#')+1:] }

func firstOf[S ~string](values ...S) S {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// ProtocolError says that the nucleus broke the rules of the protocol, or that it
// says we did. On stream 0 it ends the connection, on another stream that one.
type ProtocolError struct {
	Stream int32
	Reason string
	Err    error // cause, or nil
}

func (e *ProtocolError) Error() string {
	s := "protocol error"
	if e.Stream != 0 {
		s = fmt.Sprintf("protocol error on stream %d", e.Stream)
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", s, e.Reason, e.Err)
	}
	return s + ": " + e.Reason
}

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

// disconnected makes err the cause of a connection's end.
func disconnected(err error) error {
	if errors.Is(err, ErrDisconnected) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDisconnected, err)
}

// contextError is why ctx ended, with the standard error in its chain.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
