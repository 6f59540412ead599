package ipc

import (
	"context"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// CreateLocalDeployment begins a deployment on this device; an empty request is refused.
func (o operations) CreateLocalDeployment(ctx context.Context, r model.CreateLocalDeploymentRequest) (model.CreateLocalDeploymentResponse, error) {
	return call[model.CreateLocalDeploymentResponse](ctx, o.via, model.CreateLocalDeployment, r)
}

// CancelLocalDeployment cancels a deployment.
func (o operations) CancelLocalDeployment(ctx context.Context, r model.CancelLocalDeploymentRequest) (model.CancelLocalDeploymentResponse, error) {
	return call[model.CancelLocalDeploymentResponse](ctx, o.via, model.CancelLocalDeployment, r)
}

// GetLocalDeploymentStatus says where a deployment is.
func (o operations) GetLocalDeploymentStatus(ctx context.Context, r model.GetLocalDeploymentStatusRequest) (model.GetLocalDeploymentStatusResponse, error) {
	return call[model.GetLocalDeploymentStatusResponse](ctx, o.via, model.GetLocalDeploymentStatus, r)
}

// ListLocalDeployments describes the latest deployments.
func (o operations) ListLocalDeployments(ctx context.Context, r model.ListLocalDeploymentsRequest) (model.ListLocalDeploymentsResponse, error) {
	return call[model.ListLocalDeploymentsResponse](ctx, o.via, model.ListLocalDeployments, r)
}
