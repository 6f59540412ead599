package agent

import (
	"context"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// shadowManager is the [transport] of a classic nucleus with its shadow manager:
// operations for requests, local topics for messages.
type shadowManager struct{ session *ipc.Session }

func (m *shadowManager) follow(f *feed) {
	topic := func(suffix string) *ipc.Subscription {
		return m.session.Topic(model.SubscribeToTopicRequest{Topic: f.id.Topic(suffix), ReceiveMode: model.ReceiveAll})
	}
	f.listen([2]*ipc.Subscription{topic("/update/accepted"), topic("/delete/accepted")}, nil, func(i int, u ipc.Update) (missed bool) {
		switch message, ok := u.(ipc.Message); {
		case !ok:
		case i == 0:
			return f.accepted(message.Payload)
		default:
			f.tell(engine.Deleted{ID: f.id})
		}
		return false
	})
}

func (m *shadowManager) get(ctx context.Context, id shadow.ID) ([]byte, error) {
	response, err := m.session.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name})
	return response.Payload, err
}

func (m *shadowManager) update(ctx context.Context, id shadow.ID, _ string, update []byte) ([]byte, error) {
	response, err := m.session.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name, Payload: update})
	return response.Payload, err
}
