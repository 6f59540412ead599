package ipc

import (
	"context"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// UpdateConfiguration merges a value into this component's own configuration. Give it
// the present time: the classic nucleus refuses an older one than the stored with
// FailedUpdateConditionCheckError, perhaps after part of the merge, and nucleus lite
// drops it and reports success. A time in the future blocks later updates.
func (o operations) UpdateConfiguration(ctx context.Context, r model.UpdateConfigurationRequest) (model.UpdateConfigurationResponse, error) {
	return call[model.UpdateConfigurationResponse](ctx, o.via, model.UpdateConfiguration, r)
}

// SubscribeToConfigurationUpdate tells which keys of a configuration change, one event
// for each leaf and without its value. The key has to exist.
func (o operations) SubscribeToConfigurationUpdate(ctx context.Context, r model.SubscribeToConfigurationUpdateRequest) (*Stream[model.ConfigurationUpdateEvents], error) {
	return subscribe[model.ConfigurationUpdateEvents](ctx, o.via, model.SubscribeToConfigurationUpdate, r)
}

// SubscribeToValidateConfigurationUpdates asks this component whether a new
// configuration is good. Subscribe only to answer every event by
// [Conn.SendConfigurationValidityReport] within 20 seconds: the deployment waits for
// it. There can be one such stream per component.
func (o operations) SubscribeToValidateConfigurationUpdates(ctx context.Context, r model.SubscribeToValidateConfigurationUpdatesRequest) (*Stream[model.ValidateConfigurationUpdateEvents], error) {
	return subscribe[model.ValidateConfigurationUpdateEvents](ctx, o.via, model.SubscribeToValidateConfigurationUpdates, r)
}

// SendConfigurationValidityReport answers a question of
// SubscribeToValidateConfigurationUpdates. An answer that comes too late is a
// *[ServiceError] with code InvalidArgumentsError.
func (o operations) SendConfigurationValidityReport(ctx context.Context, r model.SendConfigurationValidityReportRequest) (model.SendConfigurationValidityReportResponse, error) {
	return call[model.SendConfigurationValidityReportResponse](ctx, o.via, model.SendConfigurationValidityReport, r)
}
