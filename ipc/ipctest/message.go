package ipctest

import (
	"encoding/json"

	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Response is an answer: the last message of its stream unless the operation streams.
func Response(id int32, op model.Operation, payload string) *eventstream.Message {
	m := &eventstream.Message{
		StreamID: id, ContentType: eventstream.ContentJSON, ModelType: op.ResponseType(), Payload: []byte(payload),
	}
	if op.Event == "" {
		m.Flags = eventstream.TerminateStream
	}
	return m
}

// Event is an event of a stream.
func Event(id int32, op model.Operation, payload string) *eventstream.Message {
	return &eventstream.Message{
		StreamID: id, ContentType: eventstream.ContentJSON, ModelType: op.EventType(), Payload: []byte(payload),
	}
}

// TopicEvent is an event of SubscribeToTopic: a binary message.
func TopicEvent(id int32, topic, message string) *eventstream.Message {
	payload, err := json.Marshal(model.SubscriptionResponseMessage{BinaryMessage: &model.BinaryMessage{
		Message: []byte(message), Context: &model.MessageContext{Topic: topic},
	}})
	if err != nil {
		panic(err) // of strings and bytes
	}
	return Event(id, model.SubscribeToTopic, string(payload))
}

// Failure is an error of the model.
func Failure(id int32, code model.ErrorCode, message string) *eventstream.Message {
	payload, err := json.Marshal(map[string]string{
		"message": message, "_service": model.Service, "_message": message, "_errorCode": string(code),
	})
	if err != nil {
		panic(err) // of strings
	}
	return &eventstream.Message{
		Type: eventstream.ApplicationError, Flags: eventstream.TerminateStream, StreamID: id,
		ContentType: eventstream.ContentJSON, ModelType: code.ErrorType(), Payload: payload,
	}
}

// Terminate is the bare end of a stream.
func Terminate(id int32) *eventstream.Message {
	return &eventstream.Message{Flags: eventstream.TerminateStream, StreamID: id}
}
