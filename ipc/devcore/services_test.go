package devcore_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

func binary(topic, text string) model.PublishToTopicRequest {
	return model.PublishToTopicRequest{Topic: topic, PublishMessage: model.PublishMessage{
		BinaryMessage: &model.BinaryMessage{Message: []byte(text)}}}
}

// TestPublishAndSubscribe gives each subscription its own connection and looks
// what it gets before a message that all get.
func TestPublishAndSubscribe(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	self, other := core.IssueToken("self"), core.IssueToken("other")
	type receiver struct {
		client *servertest.Client
		want   []string
	}
	subscribe := func(token, topic string, mode model.ReceiveMode, want ...string) receiver {
		c := servertest.Dial(t, socket).Login(token)
		answer(t, c, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: topic, ReceiveMode: mode}, &struct{}{})
		answer(t, c, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: "end", ReceiveMode: model.ReceiveAll}, &struct{}{})
		return receiver{c, want}
	}
	all := []string{"a/b 1", "a/c 2", "a/b 3", "a/b/c 4", "a/ 5", "$x 6"}
	receivers := map[string]receiver{
		"plain, own messages by default":   subscribe(self, "a/b", "", "a/b 1", "a/b 3"),
		"plain, from others":               subscribe(self, "a/b", model.ReceiveFromOthers, "a/b 3"),
		"wildcard, from others by default": subscribe(self, "a/+", "", "a/b 3"),
		"wildcard, all":                    subscribe(self, "a/+", model.ReceiveAll, "a/b 1", "a/c 2", "a/b 3"),
		"everything":                       subscribe(self, "#", model.ReceiveAll, append(all, "end .")...),
		"below":                            subscribe(self, "a/#", model.ReceiveAll, "a/b 1", "a/c 2", "a/b 3", "a/b/c 4"),
		"trailing slash":                   subscribe(self, "a/", "", "a/ 5"),
		"leading wildcard":                 subscribe(self, "+", model.ReceiveAll, "a/ 5", "$x 6", "end ."),
		"nothing":                          subscribe(self, "b/#", model.ReceiveAll),
	}
	publishers := map[string]*servertest.Client{
		self:  servertest.Dial(t, socket).Login(self),
		other: servertest.Dial(t, socket).Login(other),
	}
	for _, p := range []struct{ token, topic, text string }{
		{self, "a/b", "1"}, {self, "a/c", "2"}, {other, "a/b", "3"}, {self, "a/b/c", "4"}, {self, "a/", "5"}, {self, "$x", "6"}, {self, "end", "."},
	} {
		answer(t, publishers[p.token], model.PublishToTopic, binary(p.topic, p.text), &struct{}{})
	}
	for name, r := range receivers {
		var got []string
		ends := 1
		if slices.Contains(r.want, "end .") {
			ends = 2 // one for each subscription
		}
		for ends > 0 {
			event := r.client.Event()
			if event.Topic() == "end" {
				ends--
				if ends == 1 {
					got = append(got, "end .")
				}
				continue
			}
			got = append(got, event.Topic()+" "+string(event.Payload()))
		}
		if !slices.Equal(got, r.want) {
			t.Errorf("%s: got %q, want %q", name, got, r.want)
		}
	}
}

// TestUnsubscribe looks that nothing is left of a subscription that has ended.
func TestUnsubscribe(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	for _, topic := range []string{"one", "two", "three"} {
		answer(t, c, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: topic}, &struct{}{})
	}
	want := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(servertest.Patience); devcore.Subscriptions(core) != n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d subscriptions, want %d", devcore.Subscriptions(core), n)
			}
		}
	}
	want(3)
	c.Send(&eventstream.Message{StreamID: 2, Flags: eventstream.TerminateStream})
	want(2)
	answer(t, c, model.PublishToTopic, binary("two", "nobody's"), &struct{}{})
	c.Conn.Close()
	want(0)
}

// TestHugeUpdate has a refusal that names few of its many faults, so that
// everybody lives on.
func TestHugeUpdate(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	watcher := servertest.Dial(t, socket).Login(core.IssueToken("watcher"))
	answer(t, watcher, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: "$aws/things/gw/shadow/update/rejected"}, &struct{}{})
	payload := []byte(`{"state":{"k0":1`)
	for i := range 30000 {
		payload = fmt.Appendf(payload, `,"k%d":1`, i+1)
	}
	payload = append(payload, "}}"...)
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	request := model.UpdateThingShadowRequest{ThingName: "gw", Payload: payload}
	got := refusal(t, c, model.UpdateThingShadow, request)
	if len(got) > 4000 || !strings.HasSuffix(got, ". …") {
		t.Errorf("got a refusal of %d bytes", len(got))
	}
	if event := watcher.Event(); len(event.Payload()) > 4000 {
		t.Errorf("published %d bytes", len(event.Payload()))
	}
}

// TestMessageForms looks at the bytes of events: the form of a message is kept,
// and so are the numbers in it.
func TestMessageForms(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	answer(t, c, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: "my/topic"}, &struct{}{})
	publisher := servertest.Dial(t, socket).Login(core.IssueToken("b"))
	for payload, want := range map[string]string{
		`{"topic":"my/topic","publishMessage":{"binaryMessage":{"message":"aGVsbG8="}}}`:               `{"binaryMessage":{"message":"aGVsbG8=","context":{"topic":"my/topic"}}}`,
		`{"topic":"my/topic","publishMessage":{"binaryMessage":{"message":""}}}`:                       `{"binaryMessage":{"message":"","context":{"topic":"my/topic"}}}`,
		`{"topic":"my/topic","publishMessage":{"jsonMessage":{"message":{"led":true}}}}`:               `{"jsonMessage":{"message":{"led":true},"context":{"topic":"my/topic"}}}`,
		`{"topic":"my/topic","publishMessage":{"jsonMessage":{"message":{"n":[1,1.0,1e2,"</>"]}}}}`:    `{"jsonMessage":{"message":{"n":[1,1.0,1e2,"</>"]},"context":{"topic":"my/topic"}}}`,
		`{"topic":"my/topic","publishMessage":{"jsonMessage":{"message":{},"context":{"topic":"x"}}}}`: `{"jsonMessage":{"message":{},"context":{"topic":"my/topic"}}}`,
	} {
		answer(t, publisher, model.PublishToTopic, payload, &struct{}{})
		if got := c.Read(); string(got.Payload) != want {
			t.Errorf("%s: got %s", payload, got.Payload)
		}
	}
}

func TestPublishRefusals(t *testing.T) {
	core, socket := serve(t, devcore.Config{Authorize: func(_, service, operation, resource string) bool {
		return service == "aws.greengrass.ipc.pubsub" && strings.HasPrefix(operation, "aws.greengrass#") && resource != "secret"
	}})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	const message = `{"binaryMessage":{"message":"eA=="}}`
	for payload, want := range map[string]string{
		`{"topic":"a/+","publishMessage":` + message + `}`:    "InvalidArgumentsError Publish topic must not contain a wildcard.",
		`{"topic":"a/#","publishMessage":` + message + `}`:    "InvalidArgumentsError Publish topic must not contain a wildcard.",
		`{"topic":"a*","publishMessage":` + message + `}`:     "InvalidArgumentsError Publish topic must not contain a wildcard.",
		`{"publishMessage":` + message + `}`:                  "InvalidArgumentsError Publish topic must not be null",
		`{"topic":"","publishMessage":` + message + `}`:       "UnauthorizedError Resource cannot be empty",
		`{"topic":"/","publishMessage":` + message + `}`:      "ServiceError Index 0 out of bounds for length 0",
		`{"topic":"secret","publishMessage":` + message + `}`: "UnauthorizedError Principal a is not authorized to perform aws.greengrass.ipc.pubsub:aws.greengrass#PublishToTopic on resource secret",
		`{"topic":"a"}`:                                       "ServiceError",
		`{"topic":"a","publishMessage":{}}`:                   "ServiceError",
		`{"topic":"a","publishMessage":{"jsonMessage":{}}}`:   "ServiceError",
		`{"topic":"a","publishMessage":{"binaryMessage":{}}}`: "ServiceError",
		`{"topic":"a","publishMessage":{"jsonMessage":{"message":{}},"binaryMessage":{"message":""}}}`: "ServiceError",
	} {
		if got := refusal(t, c, model.PublishToTopic, payload); got != want {
			t.Errorf("%s: got %s, want %s", payload, got, want)
		}
	}
	for _, payload := range []string{
		`{"topic":"a","publishMessage":{"jsonMessage":{"message":5}}}`,
		`{"topic":"a","publishMessage":{"jsonMessage":{"message":[1]}}}`,
		`{"topic":"a","publishMessage":{"binaryMessage":{"message":"not base64"}}}`,
		`{"topic":5}`,
	} {
		if got := c.Call(model.PublishToTopic, payload); got.ContentType != eventstream.ContentText || string(got.Payload) != "InternalServerError" {
			t.Errorf("%s: got %v %s", payload, got, got.Payload)
		}
	}
	for payload, want := range map[string]string{
		`{"topic":""}`:       "UnauthorizedError Resource cannot be empty",
		`{"topic":" "}`:      "InvalidArgumentsError Subscribe topic must not be empty",
		`{"topic":"secret"}`: "UnauthorizedError Principal a is not authorized to perform aws.greengrass.ipc.pubsub:aws.greengrass#SubscribeToTopic on resource secret",
	} {
		if got := refusal(t, c, model.SubscribeToTopic, payload); got != want {
			t.Errorf("%s: got %s, want %s", payload, got, want)
		}
	}
}

// TestShadowRequestsOverTopics publishes requests and looks at all that the
// shadow topics carry then.
func TestShadowRequestsOverTopics(t *testing.T) {
	core, socket := serve(t, devcore.Config{
		RateLimits: devcore.RateLimits{PerThing: 1}, // does not apply
		Authorize:  func(_, service, _, _ string) bool { return service != "aws.greengrass.ShadowManager" },
	})
	watcher := servertest.Dial(t, socket).Login(core.IssueToken("watcher"))
	answer(t, watcher, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: "$aws/things/#", ReceiveMode: model.ReceiveFromOthers}, &struct{}{})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	const gw = "$aws/things/gw/shadow"
	for _, p := range []struct {
		topic, text string
		want        []string // suffixes of what follows the request
	}{
		{gw + "/update", `{"state":{"desired":{"a":1}}}`, []string{"/update/delta", "/update/documents", "/update/accepted"}},
		{gw + "/update", `{"state":`, []string{"/update/rejected"}},
		{gw + "/update", ``, []string{"/update/rejected"}},
		{gw + "/get", `anything`, []string{"/get/accepted"}},
		{gw + "/delete", ``, []string{"/delete/accepted"}},
		{gw + "/get", ``, []string{"/get/rejected"}},
		{gw + "/name/n/update", `{"state":{"reported":{"a":1}}}`, []string{"/name/n/update/documents", "/name/n/update/accepted"}},
		{gw + "/name/n/get", ``, []string{"/name/n/get/accepted"}},
		{gw + "/name/a.b/get", ``, []string{"/name/a.b/get/rejected"}},
		{gw + "/name/a/b/get", ``, []string{"/name/a/b/get/rejected"}},
		{gw + "/update/accepted", `{}`, nil},
		{gw + "/update/delta", `{}`, nil},
		{gw + "/something", `{}`, nil},
		{gw + "/name/update", `{}`, nil},
		{gw, `{}`, nil},
		{"$aws/things/a/b/shadow/get", ``, nil}, // the shadow manager does not subscribe to it
		{"$aws/things/end", ``, nil},
	} {
		answer(t, c, model.PublishToTopic, binary(p.topic, p.text), &struct{}{})
		if got := watcher.Event().Topic(); got != p.topic {
			t.Fatalf("got %s, want %s", got, p.topic)
		}
		for _, suffix := range p.want {
			event := watcher.Event()
			if event.Topic() != gw+suffix || event.BinaryMessage == nil {
				t.Fatalf("%s: got %s, want %s", p.topic, event.Topic(), gw+suffix)
			}
		}
	}
	if row, ok := core.Shadows().Row("gw", "n"); !ok || row.Version != 1 {
		t.Errorf("got %+v", row)
	}
	// JSON messages are requests, too.
	answer(t, c, model.PublishToTopic, `{"topic":"`+gw+`/name/n/update","publishMessage":{"jsonMessage":{"message":{"state":{"reported":{"a":2}}}}}}`, &struct{}{})
	if row, _ := core.Shadows().Row("gw", "n"); row.Version != 2 || string(row.State) != `{"reported":{"a":2}}` {
		t.Errorf("got %+v", row)
	}
}

func TestNames(t *testing.T) {
	core, socket := serve(t, devcore.Config{RateLimits: devcore.RateLimits{Total: 1000, PerThing: 1000}})
	watcher := servertest.Dial(t, socket).Login(core.IssueToken("watcher"))
	answer(t, watcher, model.SubscribeToTopic, model.SubscribeToTopicRequest{Topic: "#", ReceiveMode: model.ReceiveAll}, &struct{}{})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	long := strings.Repeat("n", 129)
	for _, n := range []struct{ request, want, topic string }{
		{`{}`, "InvalidArgumentsError ThingName is missing", "$aws/things/null/shadow/get/rejected"},
		{`{"thingName":null,"shadowName":"s"}`, "InvalidArgumentsError ThingName is missing", "$aws/things/null/shadow/name/s/get/rejected"},
		{`{"thingName":""}`, "InvalidArgumentsError ThingName is missing", "$aws/things//shadow/get/rejected"},
		{`{"thingName":"  "}`, "InvalidArgumentsError ThingName is missing", "$aws/things/  /shadow/get/rejected"},
		{`{"thingName":"` + long + `"}`, "InvalidArgumentsError ThingName has a maximum length of 128", "$aws/things/" + long + "/shadow/get/rejected"},
		{`{"thingName":"a.b"}`, "InvalidArgumentsError ThingName must match pattern [a-zA-Z0-9:_-]+", "$aws/things/a.b/shadow/get/rejected"},
		{`{"thingName":"a/b"}`, "InvalidArgumentsError ThingName must match pattern [a-zA-Z0-9:_-]+", "$aws/things/a/b/shadow/get/rejected"},
		{`{"thingName":"a#"}`, "InvalidArgumentsError ThingName must match pattern [a-zA-Z0-9:_-]+", ""},
		{`{"thingName":"a\n"}`, "InvalidArgumentsError ThingName must match pattern [a-zA-Z0-9:_-]+", "$aws/things/a\n/shadow/get/rejected"},
		{`{"thingName":"a","shadowName":"` + long[:65] + `"}`, "InvalidArgumentsError ShadowName has a maximum length of 64", "$aws/things/a/shadow/name/" + long[:65] + "/get/rejected"},
		{`{"thingName":"a","shadowName":"$s"}`, "InvalidArgumentsError ShadowName must match pattern [a-zA-Z0-9:_-]+", "$aws/things/a/shadow/name/$s/get/rejected"},
		{`{"thingName":"a","shadowName":" "}`, "ResourceNotFoundError No shadow found", "$aws/things/a/shadow/get/rejected"},
		{`{"thingName":"` + long[:128] + `","shadowName":"a:b_c-1"}`, "ResourceNotFoundError No shadow found", "$aws/things/" + long[:128] + "/shadow/name/a:b_c-1/get/rejected"},
	} {
		if got := refusal(t, c, model.GetThingShadow, n.request); got != n.want {
			t.Errorf("%s: got %s, want %s", n.request, got, n.want)
		}
		if n.topic == "" {
			continue
		}
		if got := watcher.Event().Topic(); got != n.topic {
			t.Errorf("%s: published on %q, want %q", n.request, got, n.topic)
		}
	}
}

// TestThrottling uses up the limit with all kinds of requests.
func TestThrottling(t *testing.T) {
	core, socket := serve(t, devcore.Config{RateLimits: devcore.RateLimits{Total: 100000, PerThing: 1000}})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	d := servertest.Dial(t, socket).Login(core.IssueToken("b"))
	get := model.GetThingShadowRequest{ThingName: "gw"}
	core.Shadows().HoldRate("gw", 996, time.Minute)
	refusal(t, c, model.DeleteThingShadow, get)
	refusal(t, d, model.GetThingShadow, model.GetThingShadowRequest{ThingName: "gw", ShadowName: "n"})
	answer(t, d, model.ListNamedShadowsForThing, get, &struct{}{})
	if got := refusal(t, c, model.UpdateThingShadow, get); got != "InvalidArgumentsError Missing update payload" {
		t.Errorf("update: got %s", got)
	}
	for _, op := range []model.Operation{model.GetThingShadow, model.UpdateThingShadow, model.DeleteThingShadow} {
		if got := refusal(t, c, op, get); got != "ServiceError Too Many Requests" {
			t.Errorf("%s: got %s", op.Name, got)
		}
	}
	if got := refusal(t, d, model.ListNamedShadowsForThing, get); got != "ServiceError Too Many Requests" {
		t.Errorf("list: got %s", got)
	}
	refusal(t, c, model.GetThingShadow, model.GetThingShadowRequest{ThingName: "another"})
}

func TestConfiguration(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	dir := t.TempDir()
	files := map[string]string{
		"a.yaml": "logLevel: info\nlines:\n  Lamp: {line: GPIO17, offset: 4, on: true, list: [a, {b: 1}], none: null}\n_hidden: 1\nempty: {}\n",
		"b.json": `{"n": 1, "f": 1.0, "big": 12345678901234567890}`,
	}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := core.LoadConfiguration("component."+name[:1], file); err != nil {
			t.Fatal(err)
		}
	}
	c := servertest.Dial(t, socket).Login(core.IssueToken("component.a"))
	const lamp = `{"line":"GPIO17","list":["a",{"b":1}],"none":null,"offset":4,"on":true}`
	for request, want := range map[string]string{
		`{}`:                                  `{"empty":{},"lines":{"Lamp":` + lamp + `},"logLevel":"info"}`,
		`{"keyPath":[]}`:                      `{"empty":{},"lines":{"Lamp":` + lamp + `},"logLevel":"info"}`,
		`{"keyPath":null}`:                    `{"empty":{},"lines":{"Lamp":` + lamp + `},"logLevel":"info"}`,
		`{"keyPath":["lines"]}`:               `{"Lamp":` + lamp + `}`,
		`{"keyPath":["LINES","lamp"]}`:        lamp,
		`{"keyPath":["lines","Lamp","on"]}`:   `{"on":true}`,
		`{"keyPath":["lines","Lamp","none"]}`: `{"none":null}`,
		`{"keyPath":["lines","Lamp","list"]}`: `{"list":["a",{"b":1}]}`,
		`{"keyPath":["empty"]}`:               `{}`,
		`{"keyPath":["loglevel"]}`:            `{"logLevel":"info"}`,
		`{"componentName":"component.b"}`:     `{"big":12345678901234567890,"f":1.0,"n":1}`,
	} {
		var got model.GetConfigurationResponse
		answer(t, c, model.GetConfiguration, request, &got)
		if string(got.Value) != want {
			t.Errorf("%s: got %s, want %s", request, got.Value, want)
		}
		if name := got.ComponentName; name != "component.a" && !strings.Contains(request, name) {
			t.Errorf("%s: configuration of %q", request, name)
		}
	}
	for _, request := range []string{
		`{"keyPath":["nothing"]}`, `{"keyPath":["logLevel","x"]}`, `{"keyPath":["lines","Lamp","list","0"]}`,
		`{"keyPath":["lines.Lamp"]}`, `{"componentName":"nobody"}`, `{"componentName":"nobody","keyPath":["a"]}`,
	} {
		if got := refusal(t, c, model.GetConfiguration, request); got != "ResourceNotFoundError Key not found" {
			t.Errorf("%s: got %s", request, got)
		}
	}
	plain := servertest.Dial(t, socket).Login(core.IssueToken("component.c"))
	var got model.GetConfigurationResponse
	answer(t, plain, model.GetConfiguration, `{}`, &got)
	if string(got.Value) != `{}` {
		t.Errorf("a component without configuration: got %s", got.Value)
	}
	if err := core.SetConfiguration("component.c", json.RawMessage(`{"a":{"b":1}}`)); err != nil {
		t.Fatal(err)
	}
	answer(t, plain, model.GetConfiguration, `{"keyPath":["a","b"]}`, &got)
	if string(got.Value) != `{"b":1}` {
		t.Errorf("got %s", got.Value)
	}
	for _, value := range []any{5, "x", []int{1}, nil, json.RawMessage(`{`), json.RawMessage(`null`), func() {}} {
		if err := core.SetConfiguration("component.c", value); err == nil {
			t.Errorf("%v: no error", value)
		}
	}
	if err := core.LoadConfiguration("component.c", filepath.Join(dir, "missing")); err == nil {
		t.Error("missing file: no error")
	}
}

func TestUpdateState(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	for _, state := range []model.LifecycleState{model.StateRunning, model.StateErrored} {
		answer(t, c, model.UpdateState, model.UpdateStateRequest{State: state}, &struct{}{})
	}
	for _, request := range []string{`{"state":"STOPPING"}`, `{"state":"running"}`, `{}`} {
		if got := refusal(t, c, model.UpdateState, request); got != "ServiceError" {
			t.Errorf("%s: got %s", request, got)
		}
	}
}

func TestAbsentOperations(t *testing.T) {
	core, socket := serve(t, devcore.Config{})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	for _, op := range []model.Operation{
		model.ListLocalDeployments, model.GetLocalDeploymentStatus, model.CreateLocalDeployment, model.CancelLocalDeployment,
		model.CreateDebugPassword, model.GetSecretValue, model.SubscribeToCertificateUpdates,
		model.VerifyClientDeviceIdentity, model.GetClientDeviceAuthToken, model.AuthorizeClientDeviceAction,
	} {
		want := "ServiceError Operation aws.greengrass#" + op.Name + " is not supported by Greengrass"
		if got := refusal(t, c, op, `{}`); got != want {
			t.Errorf("got %s", got)
		}
	}
	got := c.Call(model.Operation{Name: "MakeCoffee"}, `{}`)
	if got.ModelType != "" || !strings.Contains(string(got.Payload), "Unsupported Operation") {
		t.Errorf("got %v %s", got, got.Payload)
	}
}
