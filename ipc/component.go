package ipc

import (
	"context"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// GetComponentDetails describes one component.
func (o operations) GetComponentDetails(ctx context.Context, r model.GetComponentDetailsRequest) (model.GetComponentDetailsResponse, error) {
	return call[model.GetComponentDetailsResponse](ctx, o.via, model.GetComponentDetails, r)
}

// ListComponents describes all components.
func (o operations) ListComponents(ctx context.Context, r model.ListComponentsRequest) (model.ListComponentsResponse, error) {
	return call[model.ListComponentsResponse](ctx, o.via, model.ListComponents, r)
}

// RestartComponent has a component restarted; it returns when that was begun. A
// component that restarts itself may lose its connection before the answer.
func (o operations) RestartComponent(ctx context.Context, r model.RestartComponentRequest) (model.RestartComponentResponse, error) {
	return call[model.RestartComponentResponse](ctx, o.via, model.RestartComponent, r)
}

// StopComponent has a component stopped; it returns when that was begun.
func (o operations) StopComponent(ctx context.Context, r model.StopComponentRequest) (model.StopComponentResponse, error) {
	return call[model.StopComponentResponse](ctx, o.via, model.StopComponent, r)
}
