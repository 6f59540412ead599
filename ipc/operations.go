package ipc

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// connector is whoever has a connection for a call: a Conn, or a Session.
type connector interface {
	connection() (*Conn, error)
}

// operations are the operations of the service, for Conn and Session alike.
type operations struct{ via connector }

// GetThingShadow reads a shadow document. A shadow that does not exist is a
// *[ServiceError] with code ResourceNotFoundError. It also makes the nucleus
// publish on the shadow's topic …/get/accepted.
func (o operations) GetThingShadow(ctx context.Context, r model.GetThingShadowRequest) (model.GetThingShadowResponse, error) {
	return call[model.GetThingShadowResponse](ctx, o.via, model.GetThingShadow, r)
}

// UpdateThingShadow changes a shadow document. A version that is not the stored
// one is a *[ServiceError] with code ConflictError.
func (o operations) UpdateThingShadow(ctx context.Context, r model.UpdateThingShadowRequest) (model.UpdateThingShadowResponse, error) {
	return call[model.UpdateThingShadowResponse](ctx, o.via, model.UpdateThingShadow, r)
}

// DeleteThingShadow deletes a shadow document.
func (o operations) DeleteThingShadow(ctx context.Context, r model.DeleteThingShadowRequest) (model.DeleteThingShadowResponse, error) {
	return call[model.DeleteThingShadowResponse](ctx, o.via, model.DeleteThingShadow, r)
}

// ListNamedShadowsForThing reads one page of the names of a thing's shadows.
func (o operations) ListNamedShadowsForThing(ctx context.Context, r model.ListNamedShadowsForThingRequest) (model.ListNamedShadowsForThingResponse, error) {
	return call[model.ListNamedShadowsForThingResponse](ctx, o.via, model.ListNamedShadowsForThing, r)
}

// PublishToTopic publishes a message to the components of the core device. It
// succeeds without subscribers too. A nil binary message is sent as an empty one.
func (o operations) PublishToTopic(ctx context.Context, r model.PublishToTopicRequest) (model.PublishToTopicResponse, error) {
	if b := r.PublishMessage.BinaryMessage; b != nil && b.Message == nil {
		r.PublishMessage.BinaryMessage = &model.BinaryMessage{Message: []byte{}, Context: b.Context}
	}
	return call[model.PublishToTopicResponse](ctx, o.via, model.PublishToTopic, r)
}

// SubscribeToTopic subscribes to a topic, or a filter with the wildcards + and #,
// of the core device. It returns when the nucleus has confirmed; ctx has no
// influence on the stream afterwards. Set the request's ReceiveMode, or the
// nucleus chooses it by the look of the topic.
func (o operations) SubscribeToTopic(ctx context.Context, r model.SubscribeToTopicRequest) (*Stream[model.SubscriptionResponseMessage], error) {
	return subscribe[model.SubscriptionResponseMessage](ctx, o.via, model.SubscribeToTopic, r)
}

// GetConfiguration reads the configuration of a component.
func (o operations) GetConfiguration(ctx context.Context, r model.GetConfigurationRequest) (model.GetConfigurationResponse, error) {
	return call[model.GetConfigurationResponse](ctx, o.via, model.GetConfiguration, r)
}

// UpdateState reports the state of this component. Success does not mean that the
// nucleus honoured it: it ignores reports that do not fit the present state.
func (o operations) UpdateState(ctx context.Context, r model.UpdateStateRequest) (model.UpdateStateResponse, error) {
	return call[model.UpdateStateResponse](ctx, o.via, model.UpdateState, r)
}

// call is the one way of an operation that is answered once.
func call[Resp any](ctx context.Context, via connector, op model.Operation, request any) (Resp, error) {
	var resp Resp
	c, err := via.connection()
	if err != nil {
		return resp, notSent(op, err)
	}
	s := newStream(op, nil)
	payload, err := c.exchange(ctx, s, request)
	if err != nil {
		return resp, err
	}
	if len(payload) == 0 {
		return resp, nil
	}
	if err := json.Unmarshal(payload, &resp); err != nil {
		var zero Resp
		return zero, outcomeUnknown(op, &ProtocolError{Stream: s.id, Reason: "response that cannot be read", Err: err})
	}
	return resp, nil
}

// subscribe is the one way of an operation that is answered by events. Nothing is
// read from its response: all are empty.
func subscribe[Event any](ctx context.Context, via connector, op model.Operation, request any) (*Stream[Event], error) {
	c, err := via.connection()
	if err != nil {
		return nil, notSent(op, err)
	}
	events := make(inbox[Event], InboxSize)
	s := newStream(op, events)
	if _, err := c.exchange(ctx, s, request); err != nil {
		return nil, err
	}
	return &Stream[Event]{conn: c, stream: s, events: events}, nil
}

// encodeJSON leaves <, > and & of topics readable.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
