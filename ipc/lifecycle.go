package ipc

import (
	"context"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// UpdateState reports the state of this component. Success does not mean that the
// nucleus honoured it: it ignores reports that do not fit the present state.
func (o operations) UpdateState(ctx context.Context, r model.UpdateStateRequest) (model.UpdateStateResponse, error) {
	return call[model.UpdateStateResponse](ctx, o.via, model.UpdateState, r)
}

// SubscribeToComponentUpdates tells about deployments before and after. There can be
// one such stream per component.
func (o operations) SubscribeToComponentUpdates(ctx context.Context, r model.SubscribeToComponentUpdatesRequest) (*Stream[model.ComponentUpdatePolicyEvents], error) {
	return subscribe[model.ComponentUpdatePolicyEvents](ctx, o.via, model.SubscribeToComponentUpdates, r)
}

// DeferComponentUpdate answers a PreUpdateEvent, and needs the stream that brought it.
// Only ctx bounds it, not [Config].CallTimeout.
func (o operations) DeferComponentUpdate(ctx context.Context, r model.DeferComponentUpdateRequest) (model.DeferComponentUpdateResponse, error) {
	return call[model.DeferComponentUpdateResponse](ctx, o.via, model.DeferComponentUpdate, r)
}

// PauseComponent freezes the process of a component. Classic nucleus on Linux only.
func (o operations) PauseComponent(ctx context.Context, r model.PauseComponentRequest) (model.PauseComponentResponse, error) {
	return call[model.PauseComponentResponse](ctx, o.via, model.PauseComponent, r)
}

// ResumeComponent thaws the process of a component.
func (o operations) ResumeComponent(ctx context.Context, r model.ResumeComponentRequest) (model.ResumeComponentResponse, error) {
	return call[model.ResumeComponentResponse](ctx, o.via, model.ResumeComponent, r)
}
