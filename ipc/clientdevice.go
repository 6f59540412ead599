package ipc

import (
	"context"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// SubscribeToCertificateUpdates brings a server certificate and its successors.
func (o operations) SubscribeToCertificateUpdates(ctx context.Context, r model.SubscribeToCertificateUpdatesRequest) (*Stream[model.CertificateUpdateEvent], error) {
	return subscribe[model.CertificateUpdateEvent](ctx, o.via, model.SubscribeToCertificateUpdates, r)
}

// VerifyClientDeviceIdentity says whether a certificate belongs to a known client device.
func (o operations) VerifyClientDeviceIdentity(ctx context.Context, r model.VerifyClientDeviceIdentityRequest) (model.VerifyClientDeviceIdentityResponse, error) {
	return call[model.VerifyClientDeviceIdentityResponse](ctx, o.via, model.VerifyClientDeviceIdentity, r)
}

// GetClientDeviceAuthToken changes the credential of a client device into a token.
func (o operations) GetClientDeviceAuthToken(ctx context.Context, r model.GetClientDeviceAuthTokenRequest) (model.GetClientDeviceAuthTokenResponse, error) {
	return call[model.GetClientDeviceAuthTokenResponse](ctx, o.via, model.GetClientDeviceAuthToken, r)
}

// AuthorizeClientDeviceAction says whether a client device may do something.
func (o operations) AuthorizeClientDeviceAction(ctx context.Context, r model.AuthorizeClientDeviceActionRequest) (model.AuthorizeClientDeviceActionResponse, error) {
	return call[model.AuthorizeClientDeviceActionResponse](ctx, o.via, model.AuthorizeClientDeviceAction, r)
}
