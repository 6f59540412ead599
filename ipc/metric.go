package ipc

import (
	"context"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// PutComponentMetric emits metrics. The nucleus refuses components not named aws.… .
func (o operations) PutComponentMetric(ctx context.Context, r model.PutComponentMetricRequest) (model.PutComponentMetricResponse, error) {
	return call[model.PutComponentMetricResponse](ctx, o.via, model.PutComponentMetric, r)
}
