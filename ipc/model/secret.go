package model

// The operations on secrets, tokens and passwords.
var (
	GetSecretValue             = Operation{Name: "GetSecretValue"}
	ValidateAuthorizationToken = Operation{Name: "ValidateAuthorizationToken"}
	CreateDebugPassword        = Operation{Name: "CreateDebugPassword"}
)

// GetSecretValueRequest names a secret, and either a version, or a stage, or
// neither, which is the stage AWSCURRENT.
type GetSecretValueRequest struct {
	SecretID     string `json:"secretId"` // ARN or name
	VersionID    string `json:"versionId,omitempty"`
	VersionStage string `json:"versionStage,omitempty"`
	Refresh      bool   `json:"refresh,omitempty"` // ask the cloud
}

// GetSecretValueResponse carries a secret.
type GetSecretValueResponse struct {
	SecretID     string      `json:"secretId"`
	VersionID    string      `json:"versionId"`
	VersionStage []string    `json:"versionStage,omitzero"`
	SecretValue  SecretValue `json:"secretValue"`
}

// SecretValue is a union: exactly one member is set. Do not log it.
type SecretValue struct {
	SecretString *string `json:"secretString,omitempty"`
	SecretBinary []byte  `json:"secretBinary,omitzero"`
}

// ValidateAuthorizationTokenRequest asks about the token of another component;
// only the stream manager may.
type ValidateAuthorizationTokenRequest struct {
	Token string `json:"token"`
}

// ValidateAuthorizationTokenResponse says whether the token is good.
type ValidateAuthorizationTokenResponse struct {
	IsValid bool `json:"isValid"`
}

// CreateDebugPasswordRequest is empty.
type CreateDebugPasswordRequest struct{}

// CreateDebugPasswordResponse carries a login to the debug console. Do not log it.
type CreateDebugPasswordResponse struct {
	Password              string    `json:"password"`
	Username              string    `json:"username"`
	PasswordExpiration    Timestamp `json:"passwordExpiration,omitzero"`
	CertificateSHA256Hash string    `json:"certificateSHA256Hash,omitempty"`
	CertificateSHA1Hash   string    `json:"certificateSHA1Hash,omitempty"`
}
