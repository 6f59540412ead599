package server

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Error is a modelled error that an operation answers with. Any other error of
// an operation becomes a ServiceError with its text.
type Error struct {
	Code    model.ErrorCode
	Message string // "" leaves the message out

	// Members of some codes.
	Context                    any
	ResourceType, ResourceName string
}

func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.Code)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// ErrMalformed in the error of an operation says that the request is no request
// of that operation. The classic nucleus answers that with an error that is not
// modelled, the plain text "InternalServerError".
var ErrMalformed = errors.New("malformed request")

const textInternal = "InternalServerError"

// errorMessage is the message that ends a stream with an error.
func errorMessage(stream int32, err error) *eventstream.Message {
	m := &eventstream.Message{
		Type:     eventstream.ApplicationError,
		Flags:    eventstream.TerminateStream,
		StreamID: stream,
	}
	if errors.Is(err, ErrMalformed) {
		m.ContentType, m.Payload = eventstream.ContentText, []byte(textInternal)
		return m
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Code: model.ServiceFailure, Message: err.Error()}
	}
	payload := model.ErrorPayload{
		Context:      e.Context,
		ResourceType: e.ResourceType,
		ResourceName: e.ResourceName,
		Service:      model.Service,
		LiteMessage:  e.Message,
		Code:         e.Code,
	}
	if e.Message != "" {
		payload.Message = &e.Message
	}
	m.ContentType, m.ModelType = eventstream.ContentJSON, e.Code.ErrorType()
	m.Payload = mustMarshal(payload)
	return m
}

// unsupportedMessage answers an operation that nobody has heard of. The classic
// nucleus does not use a modelled error here.
func unsupportedMessage(stream int32, operation string) *eventstream.Message {
	name, _ := json.Marshal(operation + " is an unsupported operation.")
	return &eventstream.Message{
		Type:        eventstream.ApplicationError,
		Flags:       eventstream.TerminateStream,
		StreamID:    stream,
		ContentType: eventstream.ContentJSON,
		Payload:     fmt.Appendf(nil, `{ "error": "Unsupported Operation", "message": %s }`, name),
	}
}
