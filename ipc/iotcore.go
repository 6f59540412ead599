package ipc

import (
	"context"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// PublishToIoTCore hands a message to the MQTT client of the nucleus. With the classic
// nucleus success means that it was put into the spooler, not that it was delivered.
// A nil payload is sent as an empty one.
func (o operations) PublishToIoTCore(ctx context.Context, r model.PublishToIoTCoreRequest) (model.PublishToIoTCoreResponse, error) {
	if r.Payload == nil {
		r.Payload = []byte{}
	}
	return call[model.PublishToIoTCoreResponse](ctx, o.via, model.PublishToIoTCore, r)
}

// SubscribeToIoTCore subscribes to an MQTT topic filter. The classic nucleus confirms
// when the cloud has, so this blocks while the device is offline: only ctx bounds it,
// not [Config].CallTimeout. Own messages come back.
func (o operations) SubscribeToIoTCore(ctx context.Context, r model.SubscribeToIoTCoreRequest) (*Stream[model.IoTCoreMessage], error) {
	return subscribe[model.IoTCoreMessage](ctx, o.via, model.SubscribeToIoTCore, r)
}

// SubscribeToIoTCoreConnectionStatus tells whether the nucleus is connected to AWS IoT
// Core: first the present state, then each change. Few nuclei have it; the others
// refuse with an error that is [ErrUnsupported].
func (o operations) SubscribeToIoTCoreConnectionStatus(ctx context.Context, r model.SubscribeToIoTCoreConnectionStatusRequest) (*Stream[model.IoTCoreConnectionStatusEvent], error) {
	return subscribe[model.IoTCoreConnectionStatusEvent](ctx, o.via, model.SubscribeToIoTCoreConnectionStatus, r)
}
