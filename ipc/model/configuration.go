package model

import "encoding/json"

// The operations on configuration.
var (
	GetConfiguration                        = Operation{Name: "GetConfiguration"}
	UpdateConfiguration                     = Operation{Name: "UpdateConfiguration"}
	SubscribeToConfigurationUpdate          = Operation{Name: "SubscribeToConfigurationUpdate", Event: "ConfigurationUpdateEvents"}
	SubscribeToValidateConfigurationUpdates = Operation{Name: "SubscribeToValidateConfigurationUpdates", Event: "ValidateConfigurationUpdateEvents"}
	SendConfigurationValidityReport         = Operation{Name: "SendConfigurationValidityReport"}
)

// GetConfigurationRequest asks for configuration.
type GetConfigurationRequest struct {
	ComponentName string   `json:"componentName,omitempty"` // "" is the caller
	KeyPath       []string `json:"keyPath,omitempty"`       // empty is the whole configuration
}

// GetConfigurationResponse carries configuration.
type GetConfigurationResponse struct {
	ComponentName string          `json:"componentName,omitempty"`
	Value         json.RawMessage `json:"value,omitempty"` // an object; {"<last key>": leaf} for a leaf
}

// UpdateConfigurationRequest merges a value into the caller's own configuration.
type UpdateConfigurationRequest struct {
	KeyPath      []string        `json:"keyPath,omitempty"`  // the container; empty is the root
	Timestamp    Timestamp       `json:"timestamp,omitzero"` // when the value was known; older than the stored one is refused or ignored
	ValueToMerge json.RawMessage `json:"valueToMerge,omitempty"`
}

// UpdateConfigurationResponse is empty.
type UpdateConfigurationResponse struct{}

// SubscribeToConfigurationUpdateRequest names a key, which must exist.
type SubscribeToConfigurationUpdateRequest struct {
	ComponentName string   `json:"componentName,omitempty"` // "" is the caller
	KeyPath       []string `json:"keyPath,omitempty"`       // empty is the whole configuration
}

// SubscribeToConfigurationUpdateResponse confirms the subscription.
type SubscribeToConfigurationUpdateResponse struct{}

// ConfigurationUpdateEvents is the event of SubscribeToConfigurationUpdate, a union.
type ConfigurationUpdateEvents struct {
	ConfigurationUpdateEvent *ConfigurationUpdateEvent `json:"configurationUpdateEvent,omitempty"`
}

// ConfigurationUpdateEvent says which key changed, not its value.
type ConfigurationUpdateEvent struct {
	ComponentName string   `json:"componentName"`
	KeyPath       []string `json:"keyPath,omitzero"`
}

// SubscribeToValidateConfigurationUpdatesRequest is empty.
type SubscribeToValidateConfigurationUpdatesRequest struct{}

// SubscribeToValidateConfigurationUpdatesResponse confirms the subscription.
type SubscribeToValidateConfigurationUpdatesResponse struct{}

// ValidateConfigurationUpdateEvents is the event of
// SubscribeToValidateConfigurationUpdates, a union.
type ValidateConfigurationUpdateEvents struct {
	ValidateConfigurationUpdateEvent *ValidateConfigurationUpdateEvent `json:"validateConfigurationUpdateEvent,omitempty"`
}

// ValidateConfigurationUpdateEvent asks whether a configuration is good. It wants
// an answer by SendConfigurationValidityReport.
type ValidateConfigurationUpdateEvent struct {
	Configuration json.RawMessage `json:"configuration,omitempty"` // all of it, as proposed
	DeploymentID  string          `json:"deploymentId"`
}

// ConfigurationValidityStatus is a verdict on a configuration.
type ConfigurationValidityStatus string

// The verdicts.
const (
	ConfigurationAccepted ConfigurationValidityStatus = "ACCEPTED"
	ConfigurationRejected ConfigurationValidityStatus = "REJECTED"
)

// ConfigurationValidityReport is the answer to a ValidateConfigurationUpdateEvent.
type ConfigurationValidityReport struct {
	Status       ConfigurationValidityStatus `json:"status"`
	DeploymentID string                      `json:"deploymentId"`
	Message      string                      `json:"message,omitempty"`
}

// SendConfigurationValidityReportRequest carries the report.
type SendConfigurationValidityReportRequest struct {
	ConfigurationValidityReport ConfigurationValidityReport `json:"configurationValidityReport"`
}

// SendConfigurationValidityReportResponse is empty.
type SendConfigurationValidityReportResponse struct{}
