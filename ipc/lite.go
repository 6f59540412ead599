package ipc

import (
	"context"
	"errors"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Lite asks whether the nucleus is lite, which has no shadow manager and never will.
// A classic nucleus may get one at any time.
//
// It asks for the shadows of a thing without a name. A shadow manager refuses that before
// it counts the request or looks for a permission
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/ipc/ListNamedShadowsForThingIPCHandler.java),
// a classic nucleus without one says so, and lite has no words.
func (o operations) Lite(ctx context.Context) (bool, error) {
	_, err := o.ListNamedShadowsForThing(ctx, model.ListNamedShadowsForThingRequest{})
	if service, ok := errors.AsType[*ServiceError](err); ok {
		return service.Message == "" && errors.Is(err, ErrUnsupported), nil
	}
	return false, err
}
