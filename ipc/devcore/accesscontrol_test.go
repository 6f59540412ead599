package devcore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

func TestAccessControl(t *testing.T) {
	tests := []struct {
		reason, resource, topic string
		allowed                 bool
	}{
		{"literal", "a/b", "a/b", true},
		{"other literal", "a/b", "a/c", false},
		{"run with slashes", "a/*", "a/b/c", true},
		{"run in the middle", "a/*/c", "a/x/y/c", true},
		{"overlapping ends", "ab*b", "ab", false},
		{"escaped star", "a/${*}", "a/*", true},
		{"escaped star is literal", "a/${*}", "a/b", false},
		{"escaped question mark", "a${?}", "a?", true},
		{"bare question mark", "a?", "a?", false},
		{"escaped dollar", "${$}aws", "$aws", true},
		{"plain dollar", "$aws/x", "$aws/x", true},
		{"unknown escape", "${x}", "${x}", false},
		{"MQTT wildcard is literal", "a/#", "a/b", false},
		{"request with wildcard", "a/#", "a/#", true},
		{"request wider than policy", "a/b", "a/#", false},
		{"thing name", "x/{iot:thingName}", "x/gw", true},
		{"empty request", "*", "", false},
	}
	core, socket := serve(t, devcore.Config{EnforceAccessControl: true, InterpolateThingName: true, ThingName: "gw"})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	configure := func(policy string) {
		t.Helper()
		text := fmt.Sprintf(`{"accessControl":{"aws.greengrass.ipc.pubsub":{"p":%s}}}`, policy)
		if err := core.SetConfiguration("a", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	allowed := func(topic string) bool {
		e, err := c.Answer(model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: topic}, &struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		return e == nil
	}
	for _, test := range tests {
		configure(fmt.Sprintf(`{"OPERATIONS":["aws.greengrass#SubscribeToTopic"],"resources":[%q]}`, test.resource))
		if got := allowed(test.topic); got != test.allowed {
			t.Errorf("%s: allowed is %t", test.reason, got)
		}
	}
	for _, policy := range []string{
		`{"operations":["*"],"resources":["*"],"extra":1}`, `{"operations":["*"],"resources":["*"],"policyDescription":null}`,
		`{"operations":["*"],"resources":[]}`, `{"operations":["aws.greengrass#PublishToTopic"],"resources":["*"]}`,
	} {
		if configure(policy); allowed("a") {
			t.Errorf("%s: allowed", policy)
		}
	}
}

func TestNoAccessControl(t *testing.T) {
	core, socket := serve(t, devcore.Config{EnforceAccessControl: true})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	want := "UnauthorizedError Principal a is not authorized to perform aws.greengrass.ipc.pubsub:aws.greengrass#SubscribeToTopic on resource x"
	if got := refusal(t, c, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: "x"}); got != want {
		t.Error(got)
	}
}

// TestAccessControlMQTT has MQTT wildcards in the policies of the MQTT proxy, and
// compares what is asked for as it is.
func TestAccessControlMQTT(t *testing.T) {
	core, socket := serve(t, devcore.Config{EnforceAccessControl: true, InterpolateThingName: true, ThingName: "gw"})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	for _, test := range []struct {
		resource, topic string
		allowed         bool
	}{
		{"a/b", "a/b", true},
		{"a/+", "a/b", true},
		{"a/+", "a/", true},
		{"a/+", "a/b/c", false},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/b/c", false},
		{"+", "a", true},
		{"+", "a/b", false},
		{"+/b", "a/b", true},
		{"+/+/c", "a/b/c", true},
		{"a/#", "a/b/c", true},
		{"a/#", "a", true},
		{"a/#", "ab", false},
		{"a/#", "a/+", true},
		{"+/#", "a/b", true},
		{"#", "a/b", true},
		{"*", "a/b", true},
		{"a*c/#", "a/b/c/d", true},
		{"a/*/+", "a/b/c/d", true},
		{"a/*/+", "a/b", false},
		{"a+", "ab", false},
		{"a#", "ab", false},
		{"a/#/b", "a/x/b", false},
		{"a/${*}", "a/b", false},
		{"x/{iot:thingName}/+", "x/gw/y", true},
		{"x/{iot:thingName}/+", "x/other/y", false},
	} {
		configure(t, core, "a", fmt.Sprintf(`{"accessControl":{"aws.greengrass.ipc.mqttproxy":{"p":{"operations":["aws.greengrass#SubscribeToIoTCore"],"resources":[%q]}}}}`, test.resource))
		e, err := c.Answer(model.SubscribeToIoTCore, model.SubscribeToIoTCoreRequest{TopicName: test.topic, QOS: model.AtMostOnce}, &struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		if (e == nil) != test.allowed {
			t.Errorf("%s for %s: allowed is %t, %+v", test.resource, test.topic, e == nil, e)
		}
	}
	if got := refusal(t, c, model.PublishToIoTCore, toCloud("x/gw/y", "0", "")); got != "UnauthorizedError Not Authorized" {
		t.Errorf("another operation: %s", got)
	}
}

// TestAccessControlOfServices lets each operation pass with its own service and
// resource, and with nothing else.
func TestAccessControlOfServices(t *testing.T) {
	core, socket := serve(t, devcore.Config{EnforceAccessControl: true})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	x := model.RestartComponentRequest{ComponentName: "x"}
	for _, test := range []struct {
		op                        model.Operation
		request                   any
		service, resource, behind string // the answer of one that has passed
	}{
		{model.RestartComponent, x, "aws.greengrass.Cli", "x", "ResourceNotFoundError Component with name x not found in Greengrass"},
		{model.StopComponent, x, "aws.greengrass.Cli", "x", "ResourceNotFoundError Component with name x not found in Greengrass"},
		{model.GetComponentDetails, x, "aws.greengrass.Cli", "x", "ResourceNotFoundError Component with name x not found in Greengrass"},
		{model.PauseComponent, x, "aws.greengrass.ipc.lifecycle", "x", "ResourceNotFoundError"},
		{model.ResumeComponent, x, "aws.greengrass.ipc.lifecycle", "x", "ResourceNotFoundError"},
	} {
		refused := fmt.Sprintf("UnauthorizedError Principal a is not authorized to perform %s:%s on resource %s", test.service, test.op.ID(), test.resource)
		for _, policy := range []struct{ service, operation, resource, want string }{
			{test.service, test.op.ID(), test.resource, test.behind},
			{test.service, "*", "*", test.behind},
			{test.service, test.op.ID(), "other", refused},
			{test.service, test.op.Name, "*", refused},
			{"aws.greengrass.ipc.pubsub", "*", "*", refused},
		} {
			inner := fmt.Sprintf(`{%q:{"p":{"operations":[%q],"resources":[%q]}}}`, policy.service, policy.operation, policy.resource)
			for _, form := range []string{inner, fmt.Sprintf("%q", inner)} { // an object, and the text of one
				configure(t, core, "a", `{"accessControl":`+form+`}`)
				if got := refusal(t, c, test.op, test.request); got != policy.want {
					t.Errorf("%s with %s: got %s", test.op.Name, form, got)
				}
			}
		}
	}
	if got := refusal(t, c, model.ListComponents, struct{}{}); got != "UnauthorizedError Principal a is not authorized to perform aws.greengrass.Cli:aws.greengrass#ListComponents on resource *" {
		t.Error(got)
	}
	for _, name := range []string{"aws.greengrass.Cli", "greengrass-cli#1"} {
		cli := servertest.Dial(t, socket).Login(core.IssueToken(name))
		var list model.ListComponentsResponse
		if answer(t, cli, model.ListComponents, struct{}{}, &list); list.Components == nil || len(list.Components) > 0 {
			t.Errorf("%s: got %+v", name, list)
		}
		if got := refusal(t, cli, model.StopComponent, `{}`); got != "InvalidArgumentsError Component name cannot be empty" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestAccessControlIsReadOnce looks that policies are read when they change, and not
// for each request.
func TestAccessControlIsReadOnce(t *testing.T) {
	var log logBuffer
	core, socket := serve(t, devcore.Config{EnforceAccessControl: true, Logger: log.logger()})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	subscribe := func() { c.Call(model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: "t"}) }
	for text, accessControl := range map[string]string{
		"ALL policies of the component are ignored":                `{"aws.greengrass.ipc.pubsub":{"p":{"operation":["*"]}}}`,
		"policy names an operation that the service does not have": `{"aws.greengrass.ipc.pubsub":{"p":{"operations":["aws.greengrass#GetThingShadow"],"resources":["*"]}}}`,
		"policy without operations is ignored":                     `{"aws.greengrass.ipc.pubsub":{"p":{"resources":["*"]}}}`,
		"accessControl names an unknown service":                   `{"aws.greengrass.pubsub":{"p":{"operations":["*"],"resources":["*"]}}}`,
		"resource of a policy is ignored":                          `{"aws.greengrass.ipc.pubsub":{"p":{"operations":["*"],"resources":["a?"]}}}`,
	} {
		configure(t, core, "a", `{"accessControl":`+accessControl+`}`)
		subscribe()
		subscribe()
		configure(t, core, "a", `{"other":1,"accessControl":`+accessControl+`}`)
		subscribe()
		if n := strings.Count(log.String(), text); n != 1 {
			t.Errorf("%s: logged %d times:\n%s", text, n, log.String())
		}
	}
}

// TestLenientAccessControl refuses only those that have policies.
func TestLenientAccessControl(t *testing.T) {
	core, socket := serve(t, devcore.Config{EnforceAccessControl: true, LenientAccessControl: true})
	configure(t, core, "strict", `{"accessControl":{}}`)
	configure(t, core, "free", `{"x":1}`)
	for component, want := range map[string]bool{"strict": false, "free": true, "unknown": true} {
		c := servertest.Dial(t, socket).Login(core.IssueToken(component))
		e, err := c.Answer(model.PublishToIoTCore, toCloud("t", "0", ""), &struct{}{})
		if err != nil || (e == nil) != want {
			t.Errorf("%s: %+v, %v", component, e, err)
		}
	}
}
