package ipc

import (
	"context"
	"errors"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// PublishToTopic publishes a message to the components of the core device. It
// succeeds without subscribers too. A nil binary message is sent as an empty one.
// A request that has not one of the two kinds of message is not sent.
func (o operations) PublishToTopic(ctx context.Context, r model.PublishToTopicRequest) (model.PublishToTopicResponse, error) {
	m, err := complete(r.PublishMessage)
	if err != nil {
		return model.PublishToTopicResponse{}, notSent(model.PublishToTopic, err)
	}
	r.PublishMessage = m
	return call[model.PublishToTopicResponse](ctx, o.via, model.PublishToTopic, r)
}

// complete makes a message one that the classic nucleus takes, or says why it cannot.
func complete(m model.PublishMessage) (model.PublishMessage, error) {
	switch {
	case m.JSONMessage != nil && m.BinaryMessage != nil:
		return m, errors.New("publishMessage: want jsonMessage or binaryMessage, got both")
	case m.JSONMessage != nil && m.JSONMessage.Message == nil:
		return m, errors.New("publishMessage.jsonMessage.message: want a JSON object, got nothing")
	case m.JSONMessage == nil && m.BinaryMessage == nil:
		return m, errors.New("publishMessage: want jsonMessage or binaryMessage, got neither")
	case m.BinaryMessage != nil && m.BinaryMessage.Message == nil:
		m.BinaryMessage = &model.BinaryMessage{Message: []byte{}, Context: m.BinaryMessage.Context}
	}
	return m, nil
}

// SubscribeToTopic subscribes to a topic, or a filter with the wildcards + and #,
// of the core device. It returns when the nucleus has confirmed; ctx has no
// influence on the stream afterwards. Set the request's ReceiveMode, or the
// nucleus chooses it by the look of the topic.
func (o operations) SubscribeToTopic(ctx context.Context, r model.SubscribeToTopicRequest) (*Stream[model.SubscriptionResponseMessage], error) {
	return subscribe[model.SubscriptionResponseMessage](ctx, o.via, model.SubscribeToTopic, r)
}
