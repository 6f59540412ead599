package devcore

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// DefaultValidationTimeout is how long components may take to judge a
// configuration.
const DefaultValidationTimeout = 20 * time.Second

// InvalidConfigurationError says that a deployment was refused because of a
// configuration. Nothing was changed.
type InvalidConfigurationError struct{ Message string }

func (e *InvalidConfigurationError) Error() string { return e.Message }

// validations asks components for their verdict on a configuration
// (aws-greengrass/aws-greengrass-nucleus
// builtin/services/configstore/ConfigStoreIPCEventStreamAgent.java): of a component
// only the first stream is asked, and the end of any of them ends the subscription.
type validations struct {
	mu      sync.Mutex
	streams map[string]*server.Stream // by component
	open    map[question]chan verdict
}

// question is what a component was asked about a deployment.
type question struct{ component, deployment string }

// verdict is a report, in which absence means something.
type verdict struct {
	Status       model.ConfigurationValidityStatus `json:"status"`
	DeploymentID *string                           `json:"deploymentId"`
	Message      *string                           `json:"message"`
}

func (v *validations) register(s *server.Server) {
	v.streams, v.open = map[string]*server.Stream{}, map[question]chan verdict{}
	server.HandleStream(s, model.SubscribeToValidateConfigurationUpdates, v.subscribe)
	server.Handle(s, model.SendConfigurationValidityReport, v.report)
}

func (v *validations) subscribe(call *server.Call, stream *server.Stream, _ *model.SubscribeToValidateConfigurationUpdatesRequest) (resp model.SubscribeToValidateConfigurationUpdatesResponse, err error) {
	v.mu.Lock()
	if v.streams[call.Component] == nil {
		v.streams[call.Component] = stream
	}
	v.mu.Unlock()
	stream.OnClose(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.streams, call.Component)
	})
	return resp, nil
}

// reportRequest tells a missing report from an empty one.
type reportRequest struct {
	ConfigurationValidityReport *verdict `json:"configurationValidityReport"`
}

func (v *validations) report(call *server.Call, req *reportRequest) (resp model.SendConfigurationValidityReportResponse, err error) {
	r := req.ConfigurationValidityReport
	if r == nil {
		return resp, &server.Error{Code: model.ServiceFailure}
	}
	if r.DeploymentID == nil {
		return resp, &server.Error{Code: model.InvalidArguments, Message: "Cannot accept configuration validity report, the deployment ID provided was null"}
	}
	q := question{call.Component, *r.DeploymentID}
	v.mu.Lock()
	defer v.mu.Unlock()
	answer := v.open[q]
	if answer == nil {
		return resp, &server.Error{Code: model.InvalidArguments, Message: "Validation request either timed out or was never made"}
	}
	delete(v.open, q)
	answer <- *r
	return resp, nil
}

// ask puts one question, or returns nil if the component wants none.
func (v *validations) ask(component, deployment string, tree map[string]any) (chan verdict, error) {
	configuration, err := server.Marshal(visible(tree))
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	stream := v.streams[component]
	if stream == nil {
		return nil, nil
	}
	answer := make(chan verdict, 1)
	v.open[question{component, deployment}] = answer
	return answer, stream.Send(model.ValidateConfigurationUpdateEvents{
		ValidateConfigurationUpdateEvent: &model.ValidateConfigurationUpdateEvent{Configuration: configuration, DeploymentID: deployment},
	})
}

// discard withdraws the questions of a deployment.
func (v *validations) discard(deployment string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.open, func(q question, _ chan verdict) bool { return q.deployment == deployment })
}

// validate asks all components that change and are subscribed, and waits for all of
// them. No answer in time is a refusal, whatever the developer guide says (deployment/DynamicComponentConfigurationValidator.java).
// Unlike the nucleus it does not wait for components that were not asked.
func (v *validations) validate(ctx context.Context, deployment string, plans []plan, timeout time.Duration) error {
	defer v.discard(deployment)
	asked := map[string]chan verdict{}
	for _, p := range plans {
		answer, err := v.ask(p.component, deployment, p.tree)
		if err != nil {
			return &InvalidConfigurationError{"Error requesting validation from component " + p.component}
		}
		if answer != nil {
			asked[p.component] = answer
		}
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	var refused strings.Builder
	for _, p := range plans {
		answer := asked[p.component]
		if answer == nil {
			continue
		}
		select {
		case r := <-answer:
			if r.Status == model.ConfigurationRejected {
				fmt.Fprintf(&refused, " { name = %s, message = %s }", p.component, orNull(r.Message))
			}
		case <-late.C:
			return &InvalidConfigurationError{"Error while waiting for validation report for one or more components:null"}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if refused.Len() > 0 {
		return &InvalidConfigurationError{"Components reported that their to-be-deployed configuration is invalid" + refused.String()}
	}
	return nil
}

// orNull is how a text that may be missing appears in a text of the nucleus.
func orNull(text *string) string {
	if text == nil {
		return "null"
	}
	return *text
}
