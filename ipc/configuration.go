package ipc

import (
	"context"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// GetConfiguration reads the configuration of a component.
func (o operations) GetConfiguration(ctx context.Context, r model.GetConfigurationRequest) (model.GetConfigurationResponse, error) {
	return call[model.GetConfigurationResponse](ctx, o.via, model.GetConfiguration, r)
}

// UpdateConfiguration merges a value into this component's own configuration. A
// zero Timestamp is sent as the present time, which is the right one unless the value
// has been waiting: the classic nucleus refuses an older one than the stored with
// FailedUpdateConditionCheckError, perhaps after part of the merge, and nucleus lite
// drops it and reports success. A time in the future blocks later updates.
func (o operations) UpdateConfiguration(ctx context.Context, r model.UpdateConfigurationRequest) (model.UpdateConfigurationResponse, error) {
	if r.Timestamp.IsZero() {
		r.Timestamp.Time = time.Now()
	}
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
// *[ServiceError] that is model.InvalidArguments.
func (o operations) SendConfigurationValidityReport(ctx context.Context, r model.SendConfigurationValidityReportRequest) (model.SendConfigurationValidityReportResponse, error) {
	return call[model.SendConfigurationValidityReportResponse](ctx, o.via, model.SendConfigurationValidityReport, r)
}
