package ipc

import (
	"context"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// GetSecretValue reads a secret.
func (o operations) GetSecretValue(ctx context.Context, r model.GetSecretValueRequest) (model.GetSecretValueResponse, error) {
	return call[model.GetSecretValueResponse](ctx, o.via, model.GetSecretValue, r)
}

// ValidateAuthorizationToken says whether a token is good. Only the stream manager may ask.
func (o operations) ValidateAuthorizationToken(ctx context.Context, r model.ValidateAuthorizationTokenRequest) (model.ValidateAuthorizationTokenResponse, error) {
	return call[model.ValidateAuthorizationTokenResponse](ctx, o.via, model.ValidateAuthorizationToken, r)
}

// CreateDebugPassword makes a login to the debug console.
func (o operations) CreateDebugPassword(ctx context.Context, r model.CreateDebugPasswordRequest) (model.CreateDebugPasswordResponse, error) {
	return call[model.CreateDebugPasswordResponse](ctx, o.via, model.CreateDebugPassword, r)
}
