package devcore_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server/servertest"
)

// cloud is a broker that keeps what the core device publishes.
type cloud struct {
	*devcore.InProcessBroker
	got chan devcore.Message
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{devcore.NewBroker(), make(chan devcore.Message, 1000)}
	if _, err := c.Subscribe("#", func(m devcore.Message) { c.got <- m }); err != nil {
		t.Fatal(err)
	}
	return c
}

// has returns what the core device has published, as topic=payload.
func (c *cloud) has() string {
	var texts []string
	for len(c.got) > 0 {
		m := <-c.got
		texts = append(texts, fmt.Sprintf("%s=%s", m.TopicName, m.Payload))
	}
	return strings.Join(texts, " ")
}

func (c *cloud) publish(t testing.TB, topic, payload string) {
	t.Helper()
	if err := c.Publish(devcore.Message{QOS: model.AtLeastOnce, MQTTMessage: model.MQTTMessage{TopicName: topic, Payload: []byte(payload)}}); err != nil {
		t.Fatal(err)
	}
	<-c.got
}

func toCloud(topic, qos, payload string) model.PublishToIoTCoreRequest {
	return model.PublishToIoTCoreRequest{TopicName: topic, QOS: model.QOS(qos), Payload: []byte(payload)}
}

func subscribeCloud(t testing.TB, c *servertest.Client, filter string) {
	t.Helper()
	answer(t, c, model.SubscribeToIoTCore, model.SubscribeToIoTCoreRequest{TopicName: filter, QOS: model.AtLeastOnce}, &struct{}{})
}

func fromCloud(t testing.TB, c *servertest.Client) string {
	t.Helper()
	m := event[model.IoTCoreMessage](t, c, model.SubscribeToIoTCore).Message
	return fmt.Sprintf("%s=%s", m.TopicName, m.Payload)
}

// TestIoTCoreMembers carries every member of a message from one component to another.
func TestIoTCoreMembers(t *testing.T) {
	cloud := newCloud(t)
	core, socket := serve(t, devcore.Config{Broker: cloud})
	a, b := servertest.Dial(t, socket).Login(core.IssueToken("a")), servertest.Dial(t, socket).Login(core.IssueToken("b"))
	subscribeCloud(t, b, "t/+")
	answer(t, a, model.PublishToIoTCore, `{"topicName":"t/x","qos":"1","payload":"aGk=","retain":true,"responseTopic":"r","correlationData":"AQI=",
		"payloadFormat":"1","contentType":"text/plain","messageExpiryIntervalSeconds":60,"userProperties":[{"key":"k","value":"v"}]}`, &struct{}{})
	const want = `{"message":{"topicName":"t/x","payload":"aGk=","userProperties":[{"key":"k","value":"v"}],"messageExpiryIntervalSeconds":60,` +
		`"correlationData":"AQI=","responseTopic":"r","payloadFormat":"1","retain":%t}}`
	if got := string(b.Read().Payload); got != fmt.Sprintf(want, false) {
		t.Errorf("got  %s\nwant %s", got, fmt.Sprintf(want, false))
	}
	late := servertest.Dial(t, socket).Login(core.IssueToken("late"))
	b.Send(&eventstream.Message{StreamID: 1, Flags: eventstream.TerminateStream})
	configurationOf(t, b) // the end of the stream has been served
	subscribeCloud(t, late, "t/x")
	if got := string(late.Read().Payload); got != fmt.Sprintf(want, true) {
		t.Errorf("retained: got %s", got)
	}
	answer(t, a, model.PublishToIoTCore, toCloud("t/x", "0", ""), &struct{}{})
	if got := string(late.Read().Payload); got != `{"message":{"topicName":"t/x","payload":"","payloadFormat":"0","retain":false}}` {
		t.Errorf("empty: got %s", got)
	}
	if m := <-cloud.got; m.QOS != model.AtLeastOnce || !m.MQTTMessage.Retain && m.ContentType != "" {
		t.Errorf("the cloud got %+v", m)
	}
}

func configurationOf(t testing.TB, c *servertest.Client) {
	t.Helper()
	answer(t, c, model.GetConfiguration, struct{}{}, &struct{}{})
}

// TestIoTCoreFanOut has one session for all components: each subscription gets its
// copy, and only filters that no other covers are subscribed to in the cloud.
func TestIoTCoreFanOut(t *testing.T) {
	cloud := newCloud(t)
	core, socket := serve(t, devcore.Config{Broker: cloud})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	retain := devcore.Message{QOS: model.AtLeastOnce, MQTTMessage: model.MQTTMessage{TopicName: "t/a", Payload: []byte("kept"), Retain: true}}
	if err := cloud.Publish(retain); err != nil {
		t.Fatal(err)
	}
	<-cloud.got
	subscribeCloud(t, c, "t/#") // stream 1
	if got := fromCloud(t, c); got != "t/a=kept" {
		t.Error(got)
	}
	subscribeCloud(t, c, "t/a") // stream 2, covered: the retained message does not come again
	cloud.publish(t, "t/a", "1")
	for range 2 {
		if got := fromCloud(t, c); got != "t/a=1" {
			t.Error(got)
		}
	}
	// "t/#" leaves, but still covers "t/a" in the cloud.
	c.Send(&eventstream.Message{StreamID: 1, Flags: eventstream.TerminateStream})
	configurationOf(t, c) // stream 3
	cloud.publish(t, "t/b", "nobody")
	cloud.publish(t, "t/a", "2")
	if got := fromCloud(t, c); got != "t/a=2" {
		t.Error(got)
	}
	c.Send(&eventstream.Message{StreamID: 2, Flags: eventstream.TerminateStream})
	configurationOf(t, c)
	subscribeCloud(t, c, "t/a") // subscribed anew, so the retained message comes
	if got := fromCloud(t, c); got != "t/a=kept" {
		t.Error(got)
	}
}

func TestIoTCoreRefusals(t *testing.T) {
	long := strings.Repeat("x", 257)
	core, socket := serve(t, devcore.Config{
		SpoolLimit: 100 << 10,
		Authorize:  func(_, _, _, resource string) bool { return resource != "secret" },
	})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	publish := func(request any, want string) {
		t.Helper()
		if got := refusal(t, c, model.PublishToIoTCore, request); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	const service = "ServiceError Publish to topic "
	publish(`{"qos":"0","payload":""}`, "InvalidArgumentsError Topic is required")
	publish(`{"topicName":"","qos":"0","payload":""}`, "UnauthorizedError Not Authorized")
	publish(`{"topicName":"secret"}`, "UnauthorizedError Not Authorized")
	publish(`{"topicName":"t","qos":"9"}`, "InvalidArgumentsError Payload is required")
	publish(`{"topicName":"t","payload":""}`, "InvalidArgumentsError QoS is required")
	publish(`{"topicName":"t","payload":"","qos":"2"}`, "InvalidArgumentsError Invalid QoS value: 2")
	publish(toCloud("a/+", "0", ""), service+"a/+ failed: Publish topics must not contain wildcard characters of '#' or '+'")
	publish(toCloud("1/2/3/4/5/6/7/8/9", "0", ""), service+"1/2/3/4/5/6/7/8/9 failed: The request topic must have no more than 7 forward slashes (/)")
	publish(toCloud(long, "0", ""), service+long+" failed: The topic size of request must be no larger than 256 bytes of UTF-8 encoded characters. This excludes the first 3 mandatory segments for Basic Ingest topics ($AWS/rules/rule-name/)")
	reserved := "$" + strings.Repeat("x", 512)
	publish(toCloud(reserved, "0", ""), service+reserved+" failed: Reserved topic total length is greater than 512 bytes of UTF-8 encoded characters and is most likely over the IoT Core limit of 256 bytes (excluding prefixes).")
	publish(toCloud("t", "1", strings.Repeat("x", 128<<10+1)), service+"t failed: The publishing message size 131073 bytes exceeds the configured limit of 131072 bytes")
	publish(toCloud("t", "1", strings.Repeat("x", 101<<10)), service+"t failed: Message is larger than the size of message spool.")
	for _, topic := range []string{"$aws/rules/my_rule/1/2/3/4/5/6/7/8", "$aws/things/x/1/2/3/4/5/6/7/8/9", strings.Repeat("é", 256)} {
		answer(t, c, model.PublishToIoTCore, toCloud(topic, "0", ""), &struct{}{})
	}
	subscribe := func(request any, want string) {
		t.Helper()
		if got := refusal(t, c, model.SubscribeToIoTCore, request); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	subscribe(`{"qos":"0"}`, "InvalidArgumentsError Topic is required")
	subscribe(`{"topicName":"secret","qos":"0"}`, "UnauthorizedError Not Authorized")
	subscribe(`{"topicName":"t"}`, "InvalidArgumentsError QoS is required")
	subscribe(`{"topicName":"/1/2/3/4/5/6/7/8","qos":"1"}`, "ServiceError Subscribe to topic /1/2/3/4/5/6/7/8 failed with error com.aws.greengrass.mqttclient.MqttRequestException: The request topic must have no more than 7 forward slashes (/)")
	subscribe(`{"topicName":"a/#/b","qos":"1"}`, `ServiceError Subscribe to topic a/#/b failed with error topic filter "a/#/b": # is not the last level`)
	subscribeCloud(t, c, "$share/group/1/2/3/4/5/6/7/8")
}

// TestLink takes the link away and gives it back.
func TestLink(t *testing.T) {
	cloud := newCloud(t)
	var seen recorder
	core, socket := serve(t, devcore.Config{Broker: cloud, SpoolLimit: 8, Observe: seen.observe})
	watcher := servertest.Dial(t, socket).Login(core.IssueToken("w"))
	status := func(want model.ConnectionStatus) {
		t.Helper()
		if e := event[model.IoTCoreConnectionStatusEvent](t, watcher, model.SubscribeToIoTCoreConnectionStatus); e.ConnectionStatusEvent.Status != want {
			t.Errorf("got %s, want %s", e.ConnectionStatusEvent.Status, want)
		}
	}
	answer(t, watcher, model.SubscribeToIoTCoreConnectionStatus, struct{}{}, &struct{}{})
	status(model.StatusConnected)
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	subscribeCloud(t, c, "down/#")

	core.SetLink(false)
	core.SetLink(false)
	status(model.StatusDisconnected)
	if core.Link() {
		t.Error("the link is up")
	}
	if got := refusal(t, c, model.PublishToIoTCore, toCloud("t", "0", "x")); got != "ServiceError Publish to topic t failed: Device is offline. Dropping QoS 0 message." {
		t.Error(got)
	}
	answer(t, c, model.PublishToIoTCore, toCloud("t", "1", "1234"), &struct{}{})
	answer(t, c, model.PublishToIoTCore, toCloud("t", "1", "5678"), &struct{}{})
	if got := refusal(t, c, model.PublishToIoTCore, toCloud("t", "1", "9")); got != "ServiceError Publish to topic t failed: Message spool is full. Message could not be added." {
		t.Error(got)
	}
	if got := cloud.has(); got != "" {
		t.Errorf("the cloud got %s", got)
	}
	cloud.publish(t, "down/x", "waits")

	// A subscription is answered when the link is up; other requests go on.
	waiting := c.Request(model.SubscribeToIoTCore, model.SubscribeToIoTCoreRequest{TopicName: "later", QOS: model.AtMostOnce})
	c.Send(waiting)
	configurationOf(t, c)
	gone := c.Request(model.SubscribeToIoTCore, model.SubscribeToIoTCoreRequest{TopicName: "given/up", QOS: model.AtMostOnce})
	c.Send(gone, &eventstream.Message{StreamID: gone.StreamID, Flags: eventstream.TerminateStream})
	configurationOf(t, c)

	core.SetLink(true)
	status(model.StatusConnected)
	if got := fromCloud(t, c); got != "down/x=waits" {
		t.Error(got)
	}
	if m := c.Read(); m.StreamID != waiting.StreamID || m.ModelType != model.SubscribeToIoTCore.ResponseType() {
		t.Errorf("got %v", m)
	}
	if got := cloud.has(); got != "t=1234 t=5678" {
		t.Errorf("the cloud got %s", got)
	}
	cloud.publish(t, "given/up", "x")
	cloud.publish(t, "later", "x")
	if got := fromCloud(t, c); got != "later=x" {
		t.Error(got)
	}
	var kinds []string
	for _, e := range seen.all() {
		if e.Kind == devcore.LinkUp || e.Kind == devcore.LinkDown || e.Kind == devcore.MessagePublished {
			kinds = append(kinds, strings.TrimSpace(fmt.Sprintf("%v %s %s%s", e.Kind, e.Component, e.Topic, e.Payload)))
		}
	}
	if got := strings.Join(kinds, ", "); got != "link down, link up, message published a t1234, message published a t5678" {
		t.Errorf("observed %s", got)
	}
}

// TestSpoolKeepsQoS0 keeps messages of quality of service 0 until others need the room.
func TestSpoolKeepsQoS0(t *testing.T) {
	cloud := newCloud(t)
	core, socket := serve(t, devcore.Config{Broker: cloud, SpoolLimit: 4, KeepQoS0WhenOffline: true})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	core.SetLink(false)
	for _, m := range [][2]string{{"0", "a"}, {"1", "b"}, {"0", "c"}, {"0", "d"}, {"1", "ef"}} {
		answer(t, c, model.PublishToIoTCore, toCloud("t", m[0], m[1]), &struct{}{})
	}
	core.SetLink(true)
	if got := cloud.has(); got != "t=b t=d t=ef" {
		t.Errorf("the cloud got %s", got)
	}
	answer(t, c, model.PublishToIoTCore, toCloud("t", "0", "wxyz"), &struct{}{})
	if got := cloud.has(); got != "t=wxyz" {
		t.Errorf("the spool is not empty: %s", got)
	}
	core.SetLink(false)
	answer(t, c, model.PublishToIoTCore, toCloud("t", "1", "lost"), &struct{}{})
	core.Restart(0)
	core.SetLink(true)
	if got := cloud.has(); got != "" {
		t.Errorf("after a restart the cloud got %s", got)
	}
}

// TestLinkStorm loses and doubles no message of quality of service 1 while the link
// comes and goes.
func TestLinkStorm(t *testing.T) {
	const publishers, each = 4, 100
	cloud := newCloud(t)
	core, socket := serve(t, devcore.Config{Broker: cloud})
	var working sync.WaitGroup
	for p := range publishers {
		c := servertest.Dial(t, socket).Login(core.IssueToken(fmt.Sprint(p)))
		working.Go(func() {
			for n := range each {
				e, err := c.Answer(model.PublishToIoTCore, toCloud(fmt.Sprint(p), "1", fmt.Sprint(n)), &struct{}{})
				if e != nil || err != nil {
					t.Error(e, err)
				}
			}
		})
	}
	for range 50 {
		core.SetLink(!core.Link())
		subscriber := servertest.Dial(t, socket).Login(core.IssueToken("s"))
		subscriber.Send(subscriber.Request(model.SubscribeToIoTCore, model.SubscribeToIoTCoreRequest{TopicName: "#", QOS: model.AtLeastOnce}))
		subscriber.Conn.Close()
	}
	working.Wait()
	core.SetLink(true)
	next := map[string]int{}
	for len(cloud.got) > 0 {
		m := <-cloud.got
		if want := fmt.Sprint(next[m.TopicName]); string(m.Payload) != want {
			t.Fatalf("publisher %s: got message %s, want %s", m.TopicName, m.Payload, want)
		}
		next[m.TopicName]++
	}
	for p := range publishers {
		if n := next[fmt.Sprint(p)]; n != each {
			t.Errorf("publisher %d: %d messages, want %d", p, n, each)
		}
	}
}

// TestLite has no shadow manager and no spool, and nothing waits for the link.
func TestLite(t *testing.T) {
	cloud := newCloud(t)
	core, socket := serve(t, devcore.Config{Broker: cloud, Lite: true})
	c := servertest.Dial(t, socket).Login(core.IssueToken("a"))
	for op, request := range map[model.Operation]any{
		model.GetThingShadow: model.GetThingShadowRequest{ThingName: "gw"}, model.ListNamedShadowsForThing: struct{}{},
		model.SubscribeToIoTCoreConnectionStatus: struct{}{}, model.SubscribeToComponentUpdates: struct{}{},
	} {
		if got := refusal(t, c, op, request); got != "ServiceError" {
			t.Errorf("%s: got %q, want a ServiceError without a text", op.Name, got)
		}
	}
	subscribeCloud(t, c, "down/#")
	core.SetLink(false)
	if got := refusal(t, c, model.PublishToIoTCore, toCloud("t", "1", "x")); got != "ServiceError Failed to publish the message." {
		t.Error(got)
	}
	if got := refusal(t, c, model.SubscribeToIoTCore, toCloud("later", "1", "")); got != "ServiceError Failed to bind the subscription." {
		t.Error(got)
	}
	cloud.publish(t, "down/x", "lost")
	core.SetLink(true)
	if got := cloud.has(); got != "" {
		t.Errorf("the cloud got %s", got)
	}
	cloud.publish(t, "down/x", "heard")
	if got := fromCloud(t, c); got != "down/x=heard" {
		t.Error(got)
	}
}
