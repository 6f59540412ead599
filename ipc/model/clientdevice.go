package model

// The operations of client device authentication.
var (
	SubscribeToCertificateUpdates = Operation{Name: "SubscribeToCertificateUpdates", Event: "CertificateUpdateEvent"}
	VerifyClientDeviceIdentity    = Operation{Name: "VerifyClientDeviceIdentity"}
	GetClientDeviceAuthToken      = Operation{Name: "GetClientDeviceAuthToken"}
	AuthorizeClientDeviceAction   = Operation{Name: "AuthorizeClientDeviceAction"}
)

// CertificateType is a kind of certificate.
type CertificateType string

// CertificateServer is a server's certificate.
const CertificateServer CertificateType = "SERVER"

// CertificateOptions describe the certificate that is wanted.
type CertificateOptions struct {
	CertificateType CertificateType `json:"certificateType"`
}

// SubscribeToCertificateUpdatesRequest asks for a certificate and its successors.
type SubscribeToCertificateUpdatesRequest struct {
	CertificateOptions CertificateOptions `json:"certificateOptions"`
}

// SubscribeToCertificateUpdatesResponse confirms the subscription.
type SubscribeToCertificateUpdatesResponse struct{}

// CertificateUpdateEvent is the event of SubscribeToCertificateUpdates, a union.
type CertificateUpdateEvent struct {
	CertificateUpdate *CertificateUpdate `json:"certificateUpdate,omitempty"`
}

// CertificateUpdate is a certificate with its keys, all PEM. Do not log it.
type CertificateUpdate struct {
	PrivateKey     string   `json:"privateKey,omitempty"`
	PublicKey      string   `json:"publicKey,omitempty"`
	Certificate    string   `json:"certificate,omitempty"`
	CACertificates []string `json:"caCertificates,omitempty"`
}

// VerifyClientDeviceIdentityRequest carries a client device's credential.
type VerifyClientDeviceIdentityRequest struct {
	Credential ClientDeviceCredential `json:"credential"`
}

// ClientDeviceCredential is a union: exactly one member is set.
type ClientDeviceCredential struct {
	ClientDeviceCertificate string `json:"clientDeviceCertificate,omitempty"` // PEM
}

// VerifyClientDeviceIdentityResponse says whether the client device is known.
type VerifyClientDeviceIdentityResponse struct {
	IsValidClientDevice bool `json:"isValidClientDevice"`
}

// GetClientDeviceAuthTokenRequest carries a client device's credential.
type GetClientDeviceAuthTokenRequest struct {
	Credential CredentialDocument `json:"credential"`
}

// CredentialDocument is a union: exactly one member is set.
type CredentialDocument struct {
	MQTTCredential *MQTTCredential `json:"mqttCredential,omitempty"`
}

// MQTTCredential is what a client device connects with. Do not log it.
type MQTTCredential struct {
	ClientID       string `json:"clientId,omitempty"`
	CertificatePEM string `json:"certificatePem,omitempty"`
	Username       string `json:"username,omitempty"`
	Password       string `json:"password,omitempty"`
}

// GetClientDeviceAuthTokenResponse carries the token. Do not log it.
type GetClientDeviceAuthTokenResponse struct {
	ClientDeviceAuthToken string `json:"clientDeviceAuthToken"`
}

// AuthorizeClientDeviceActionRequest asks whether a client device may do this.
type AuthorizeClientDeviceActionRequest struct {
	ClientDeviceAuthToken string `json:"clientDeviceAuthToken"`
	Operation             string `json:"operation"`
	Resource              string `json:"resource"`
}

// AuthorizeClientDeviceActionResponse is the answer.
type AuthorizeClientDeviceActionResponse struct {
	IsAuthorized bool `json:"isAuthorized"`
}
