package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// REST is the data plane of AWS IoT over HTTPS. It follows shadows by asking again
// and again.
type REST struct{ client *iotdataplane.Client }

// NewREST makes a service of the configuration of an AWS client; endpoint is a URL,
// or "" for that of the configuration.
func NewREST(cfg aws.Config, endpoint string) *REST {
	return &REST{iotdataplane.NewFromConfig(cfg, func(o *iotdataplane.Options) {
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
	})}
}

func (r *REST) Get(ctx context.Context, id shadow.ID) ([]byte, error) {
	out, err := r.client.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: &id.Thing, ShadowName: shadowName(id)})
	if err != nil {
		return nil, operation("get", id, restError(err))
	}
	return out.Payload, nil
}

func (r *REST) Update(ctx context.Context, id shadow.ID, u shadow.Update) (version int64, err error) {
	payload, err := u.Encode()
	if err != nil {
		return 0, operation("update", id, err)
	}
	out, err := r.client.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: &id.Thing, ShadowName: shadowName(id), Payload: payload})
	if err != nil {
		return 0, operation("update", id, restError(err))
	}
	version, err = shadow.ParseVersion(out.Payload)
	return version, operation("update", id, err)
}

func (r *REST) Delete(ctx context.Context, id shadow.ID) error {
	_, err := r.client.DeleteThingShadow(ctx, &iotdataplane.DeleteThingShadowInput{ThingName: &id.Thing, ShadowName: shadowName(id)})
	return operation("delete", id, restError(err))
}

func (r *REST) List(ctx context.Context, thing string) (names []string, err error) {
	in := &iotdataplane.ListNamedShadowsForThingInput{ThingName: &thing}
	for {
		out, err := r.client.ListNamedShadowsForThing(ctx, in)
		if err != nil {
			return nil, restError(err)
		}
		names = append(names, out.Results...)
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			slices.Sort(names)
			return names, nil
		}
	}
}

func (r *REST) Follow(ctx context.Context, id shadow.ID) (Follower, error) {
	return r.follow(ctx, id, r)
}

func (r *REST) follow(_ context.Context, id shadow.ID, by Service) (Follower, error) {
	f := &poller{service: by, id: id, first: firstPoll}
	if pace, ok := by.(*Pace); ok && pace.limiter.Limit() != rate.Inf {
		f.first = sparedPoll
	}
	return f, nil
}

// Close does nothing: there is no connection to keep.
func (r *REST) Close() error { return nil }

// shadowName is nil for the classic shadow, whose name AWS wants left out.
func shadowName(id shadow.ID) *string {
	if id.Name == "" {
		return nil
	}
	return &id.Name
}

// restError makes an [*Error] of a refusal. Everything else, such as no network or
// no credentials, stays as it is.
func restError(err error) error {
	var response *smithyhttp.ResponseError
	if err == nil || !errors.As(err, &response) || response.HTTPStatusCode() == 0 {
		return err
	}
	code, message := response.HTTPStatusCode(), http.StatusText(response.HTTPStatusCode())
	if refusal, ok := errors.AsType[smithy.APIError](err); ok && refusal.ErrorMessage() != "" {
		message = refusal.ErrorMessage()
	}
	return &Error{Code: code, Message: unquoted(message)}
}

// unquoted is the message in a text that is an error document of the shadow service,
// which some answers carry whole.
func unquoted(text string) string {
	var document struct{ Message string }
	if json.Unmarshal([]byte(text), &document) == nil && document.Message != "" {
		return document.Message
	}
	return text
}
