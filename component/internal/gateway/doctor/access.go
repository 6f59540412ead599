package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// The services that have policies for what the component does.
const (
	shadowService = "aws.greengrass.ShadowManager"
	pubsubService = "aws.greengrass.ipc.pubsub"
	proxyService  = "aws.greengrass.ipc.mqttproxy"
)

// stateless is an update that is refused for its form, whatever the shadow holds.
const stateless = `{"clientToken":"shadowgpio-doctor"}`

// need is a call that the component makes, and what its policy must say.
type need struct {
	service   string
	operation model.Operation
	resource  string
	try       func(context.Context) error
}

// shadows makes each call on the shadows that the component makes.
func (x *examination) shadows(ctx context.Context) {
	if x.conn == nil {
		x.skip("shadows", "%s", x.why)
		return
	}
	needs, topics := x.needs, x.overTopics(ctx)
	if topics {
		needs = x.needsOfTopics
	}
	var denied []need
	for _, label := range slices.Sorted(maps.Keys(x.config.Shadows)) {
		id := x.config.Shadows[label].ID
		for _, n := range needs(id) {
			check := "shadow " + label
			err := n.try(ctx)
			switch {
			case throttled(err):
				x.skip(check, "%s on %s: the shadow manager has too many requests just now; ask again later", n.operation.Name, n.resource)
			case errors.Is(err, context.DeadlineExceeded):
				x.skip(check, "%s on %s: no answer; the nucleus has no link to AWS IoT Core, perhaps", n.operation.Name, n.resource)
			case errors.Is(err, ipc.ErrUnsupported):
				x.noShadowManager(check)
				return
			case errors.Is(err, model.Unauthorized):
				denied = append(denied, n)
				x.report(check, AccessDenied, fmt.Sprintf("%s on %s is not allowed", n.operation.ID(), n.resource), x.wantPolicy(), "")
			case err != nil:
				x.report(check, ShadowFailed, err.Error(), "an answer of the shadow manager", "sudo grep -i shadowmanager "+x.Root+"/logs/greengrass.log | tail -n 20")
			default:
				x.ok(check, "%s on %s is allowed", n.operation.Name, n.resource)
			}
		}
	}
	x.cureAccess(denied)
	if topics {
		x.ok("synchronisation", "not needed: the shadows are those of the cloud")
		return
	}
	x.synced(ctx)
}

// overTopics says whether the component reaches the shadows over the topics of AWS IoT
// Core, as package agent chooses.
func (x *examination) overTopics(ctx context.Context) bool {
	if x.config.Transport != config.Auto {
		return x.config.Transport == config.IoTCore
	}
	lite, err := x.conn.Lite(ctx)
	return err == nil && lite
}

// linkTime is how long a nucleus may take to subscribe in the cloud.
const linkTime = 5 * time.Second

// needsOfTopics are needs where the topics of AWS IoT Core are the way. The requests are
// answered to tokens that the component does not wait for.
func (x *examination) needsOfTopics(id shadow.ID) []need {
	publish := func(suffix, payload string) need {
		topic := id.Topic(suffix)
		return need{proxyService, model.PublishToIoTCore, topic, func(ctx context.Context) error {
			x.pace(ctx)
			_, err := x.conn.PublishToIoTCore(ctx, model.PublishToIoTCoreRequest{TopicName: topic, QOS: model.AtMostOnce, Payload: []byte(payload)})
			return err
		}}
	}
	subscription := func(suffix string) need {
		topic := id.Topic(suffix)
		return need{proxyService, model.SubscribeToIoTCore, topic, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, linkTime)
			defer cancel()
			stream, err := x.conn.SubscribeToIoTCore(ctx, model.SubscribeToIoTCoreRequest{TopicName: topic, QOS: model.AtLeastOnce})
			if err != nil {
				return err
			}
			return stream.Close()
		}}
	}
	return []need{publish("/get", stateless), publish("/update", stateless), subscription("/+/accepted"), subscription("/+/rejected")}
}

// needs are the calls for one shadow, as package agent makes them.
func (x *examination) needs(id shadow.ID) []need {
	resource := id.Topic("")
	subscription := func(suffix string) need {
		topic := id.Topic(suffix)
		return need{pubsubService, model.SubscribeToTopic, topic, func(ctx context.Context) error { return x.subscribe(ctx, topic) }}
	}
	return []need{
		{shadowService, model.GetThingShadow, resource, func(ctx context.Context) error { return x.get(ctx, id) }},
		{shadowService, model.UpdateThingShadow, resource, func(ctx context.Context) error { return x.update(ctx, id) }},
		subscription("/update/accepted"),
		subscription("/delete/accepted"),
	}
}

// throttled says that the shadow manager refused for the rate of requests alone
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/model/ErrorMessage.java).
func throttled(err error) bool {
	service, ok := errors.AsType[*ipc.ServiceError](err)
	return ok && service.Code == model.ServiceFailure && service.Message == "Too Many Requests"
}

// The shadow manager takes 20 requests a second for a thing, of which the component
// uses 16 at most. The others are ours, so that it is not throttled for our sake.
const (
	freeRequests = 4
	requestPause = time.Second / 4
)

// pace waits before a request to the shadow manager.
func (x *examination) pace(ctx context.Context) {
	x.requested++
	if x.requested <= freeRequests {
		return
	}
	select {
	case <-time.After(requestPause):
	case <-ctx.Done():
	}
}

func (x *examination) get(ctx context.Context, id shadow.ID) error {
	x.pace(ctx)
	response, err := x.conn.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name})
	if errors.Is(err, model.ResourceNotFound) {
		return nil // the component makes it
	}
	x.stamps.addDocument(id, response.Payload)
	return err
}

func (x *examination) update(ctx context.Context, id shadow.ID) error {
	x.pace(ctx)
	_, err := x.conn.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name, Payload: []byte(stateless)})
	if errors.Is(err, model.InvalidArguments) {
		return nil // refused for its form, which is asked after the permission
	}
	return err
}

func (x *examination) subscribe(ctx context.Context, topic string) error {
	stream, err := x.conn.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{Topic: topic, ReceiveMode: model.ReceiveAll})
	if err != nil {
		return err
	}
	return stream.Close()
}

// wantPolicy says what makes the nucleus allow it, and the trap that hides in what is there.
func (x *examination) wantPolicy() string {
	want := "an entry in the component's accessControl"
	if strings.Contains(x.policyText, "{iot:thingName}") {
		want += `; the {iot:thingName} that is there counts only where aws.greengrass.Nucleus has "interpolateComponentConfiguration": true`
	}
	return want
}

// cureAccess puts one policy block for all that is missing under the last refusal,
// since blocks that are merged one after the other replace each other's lists.
func (x *examination) cureAccess(denied []need) {
	if len(denied) == 0 {
		return
	}
	for i := len(x.findings) - 1; i >= 0; i-- {
		if f := &x.findings[i]; f.Kind == AccessDenied {
			if f.Cure = "# the block below"; denied != nil {
				f.Cure, denied = pasteable(x.policyBlock(denied)), nil
			}
		}
	}
}

// policy is one entry of accessControl.
type policy struct {
	Description string   `json:"policyDescription"`
	Operations  []string `json:"operations"`
	Resources   []string `json:"resources"`
}

// policyBlock is the update of the configuration that allows what is denied, as a
// line for the local tool. Policies of one service add up, so those that are there stay.
func (x *examination) policyBlock(denied []need) string {
	services := map[string]map[string]policy{}
	for _, n := range denied {
		id := x.name + ":doctor:" + n.operation.Name
		byID := services[n.service]
		if byID == nil {
			byID = map[string]policy{}
			services[n.service] = byID
		}
		p := byID[id]
		p.Description, p.Operations = "what shadowgpio doctor found missing", []string{n.operation.ID()}
		p.Resources = append(p.Resources, n.resource)
		byID[id] = p
	}
	block := map[string]any{x.name: map[string]any{"MERGE": map[string]any{"accessControl": services}}}
	text, err := json.MarshalIndent(block, "", "  ")
	if err != nil {
		panic("doctor: policies cannot be encoded: " + err.Error()) // they are strings
	}
	return script(x.cli("deployment create --update-config '%s'", strings.ReplaceAll(string(text), "\n", lineEnd)), "# for a deployment of the cloud, put what MERGE holds into its configurationUpdate.merge")
}
