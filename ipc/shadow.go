package ipc

import (
	"context"
	"errors"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

var errNoPayload = errors.New("payload: want a shadow document, got nothing")

// GetThingShadow reads a shadow document. A shadow that does not exist is a
// *[ServiceError] that is model.ResourceNotFound. It also makes the nucleus
// publish on the shadow's topic …/get/accepted.
func (o operations) GetThingShadow(ctx context.Context, r model.GetThingShadowRequest) (model.GetThingShadowResponse, error) {
	return call[model.GetThingShadowResponse](ctx, o.via, model.GetThingShadow, r)
}

// UpdateThingShadow changes a shadow document. A version that is not the stored
// one is a *[ServiceError] that is model.Conflict. A request without a payload is
// not sent.
func (o operations) UpdateThingShadow(ctx context.Context, r model.UpdateThingShadowRequest) (model.UpdateThingShadowResponse, error) {
	if len(r.Payload) == 0 {
		return model.UpdateThingShadowResponse{}, notSent(model.UpdateThingShadow, errNoPayload)
	}
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
