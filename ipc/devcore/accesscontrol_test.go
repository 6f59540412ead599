package devcore_test

import (
	"fmt"
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
