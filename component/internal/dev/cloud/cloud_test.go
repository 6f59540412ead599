package cloud

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	mqtt3 "github.com/eclipse/paho.mqtt.golang"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
)

const patience = 10 * time.Second

func start(t *testing.T) *Cloud {
	t.Helper()
	c, err := Start(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// identity is the TLS configuration of a client with a certificate.
func identity(t *testing.T, c *Cloud, name string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(c.PKI.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	cfg := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	if name == "" {
		return cfg
	}
	pair, err := c.PKI.Client(name)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Certificates = []tls.Certificate{certificate}
	return cfg
}

// client is an MQTT 3.1.1 client whose messages wait in a channel.
type client struct {
	mqtt3.Client
	messages chan string // topic, blank, payload
}

func options(name, address string, cfg *tls.Config) *mqtt3.ClientOptions {
	return mqtt3.NewClientOptions().AddBroker(address).SetClientID(name).SetTLSConfig(cfg).
		SetAutoReconnect(false).SetConnectTimeout(patience).SetCleanSession(true)
}

func connect(t *testing.T, o *mqtt3.ClientOptions, filters ...string) *client {
	t.Helper()
	c := &client{mqtt3.NewClient(o), make(chan string, 64)}
	done(t, c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	for _, filter := range filters {
		done(t, c.Subscribe(filter, 1, func(_ mqtt3.Client, m mqtt3.Message) {
			c.messages <- m.Topic() + " " + string(m.Payload())
		}))
	}
	return c
}

func done(t *testing.T, token mqtt3.Token) {
	t.Helper()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("MQTT: %v", token.Error())
	}
}

// hears waits for the next message, which must begin so.
func hears(t *testing.T, messages <-chan string, want string) string {
	t.Helper()
	select {
	case got := <-messages:
		if !strings.HasPrefix(got, want) {
			t.Fatalf("message %s, want %s", got, want)
		}
		return got
	case <-time.After(patience):
		t.Fatalf("no message, want %s", want)
	}
	return ""
}

func TestDeviceAndApplicationOverMutualTLS(t *testing.T) {
	c := start(t)
	const p = "$aws/things/lamp/shadow"
	device := connect(t, options("lamp", "ssl://"+c.MQTT, identity(t, c, "lamp")), p+"/get/+", p+"/update/delta", p+"/update/rejected")
	done(t, device.Publish(p+"/get", 1, false, `{"clientToken":"1"}`))
	hears(t, device.messages, p+`/get/rejected {"timestamp":`)
	application := connect(t, options("app", "ssl://"+c.MQTT, identity(t, c, "app")), p+"/update/documents")
	done(t, device.Publish(p+"/update", 1, false, `{"state":{"desired":{"on":false},"reported":{"on":false}}}`))
	hears(t, application.messages, p+`/update/documents {"previous":null,"current":`)
	done(t, application.Publish(p+"/update", 1, false, `{"state":{"desired":{"on":true}}}`))
	if delta := hears(t, device.messages, p+`/update/delta {"version":2`); !strings.Contains(delta, `"state":{"on":true}`) {
		t.Error(delta)
	}
	hears(t, application.messages, p+`/update/documents`)
	done(t, device.Publish(p+"/update", 1, false, `{"state":{"reported":{"on":true}}}`))
	if documents := hears(t, application.messages, p+`/update/documents`); !strings.Contains(documents, `"current":{"state":{"desired":{"on":true},"reported":{"on":true}}`) {
		t.Error(documents)
	}
	done(t, device.Publish(p+"/update", 1, false, `{"state":5}`))
	hears(t, device.messages, p+`/update/rejected`)
}

func TestMQTT5(t *testing.T) {
	c := start(t)
	conn, err := tls.Dial("tcp", c.MQTT, identity(t, c, "five"))
	if err != nil {
		t.Fatal(err)
	}
	messages := make(chan string, 8)
	five := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn), OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(m paho.PublishReceived) (bool, error) {
			messages <- m.Packet.Topic + " " + string(m.Packet.Payload)
			return true, nil
		}}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := five.Connect(ctx, &paho.Connect{ClientID: "five", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	const p = "$aws/things/five/shadow/name/a"
	if _, err := five.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: p + "/update/accepted", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := five.Publish(ctx, &paho.Publish{Topic: p + "/update", QoS: 1, Payload: []byte(`{"state":{"reported":{"a":1}}}`)}); err != nil {
		t.Fatal(err)
	}
	hears(t, messages, p+`/update/accepted {"version":1`)
	// What only AWS may publish is refused by code.
	if response, err := five.Publish(ctx, &paho.Publish{Topic: p + "/update/accepted", QoS: 1, Payload: []byte(`{}`)}); err == nil || response.ReasonCode != 0x87 {
		t.Errorf("published to a reserved topic: %+v, %v; want code 0x87", response, err)
	}
	five.Disconnect(&paho.Disconnect{})
}

func TestLastWillsAndPresence(t *testing.T) {
	c := start(t)
	watcher := connect(t, options("watcher", "ssl://"+c.MQTT, identity(t, c, "watcher")),
		"lamp/connected", "$aws/things/lamp/shadow/#", "$aws/events/presence/+/lamp")
	dies := func(topic string) {
		cfg := identity(t, c, "lamp")
		conn, err := tls.Dial("tcp", c.MQTT, cfg)
		if err != nil {
			t.Fatal(err)
		}
		five := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn), OnClientError: func(error) {}})
		if _, err := five.Connect(t.Context(), &paho.Connect{ClientID: "lamp", CleanStart: true, KeepAlive: 30,
			WillMessage: &paho.WillMessage{Topic: topic, QoS: 1, Payload: []byte(`{"state":{"reported":{"connected":false}}}`)}}); err != nil {
			t.Fatal(err)
		}
		hears(t, watcher.messages, "$aws/events/presence/connected/lamp ")
		conn.NetConn().Close()
	}
	dies("lamp/connected")
	hears(t, watcher.messages, `lamp/connected {"state"`)
	hears(t, watcher.messages, "$aws/events/presence/disconnected/lamp ")
	dies("$aws/things/lamp/shadow/update") // which the cloud ignores
	hears(t, watcher.messages, "$aws/events/presence/disconnected/lamp ")
	if records := c.Shadows.Records(); len(records) > 0 {
		t.Errorf("a last will on a reserved topic made %v", records)
	}
}

func TestWebSocketsNeedASignature(t *testing.T) {
	c := start(t)
	open := func(secret string) mqtt3.Token {
		r, err := http.NewRequest("GET", "https://"+c.HTTPS+"/mqtt?X-Amz-Expires=600", nil)
		if err != nil {
			t.Fatal(err)
		}
		target, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: secret}, r,
			digest(nil), "iotdevicegateway", Region, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		o := options("ws", strings.Replace(target, "https://", "wss://", 1), identity(t, c, ""))
		cl := &client{mqtt3.NewClient(o), make(chan string, 8)}
		token := cl.Connect()
		if token.WaitTimeout(patience) && token.Error() == nil {
			t.Cleanup(func() { cl.Disconnect(0) })
			const p = "$aws/things/ws/shadow"
			done(t, cl.Subscribe(p+"/update/accepted", 1, func(_ mqtt3.Client, m mqtt3.Message) { cl.messages <- m.Topic() }))
			done(t, cl.Publish(p+"/update", 1, false, `{"state":{"reported":{"a":1}}}`))
			hears(t, cl.messages, p+"/update/accepted")
		}
		return token
	}
	if token := open(SecretAccessKey); token.Error() != nil {
		t.Error(token.Error())
	}
	if token := open("guessed"); token.Error() == nil {
		t.Error("a wrong signature was let in")
	}
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// call makes a signed request and returns the status, the kind of error and the body.
func call(t *testing.T, c *Cloud, method, path, body string) (status int, kind, answer string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+c.HTTP+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	credentials := aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, digest([]byte(body)), "iotdata", Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("X-Amzn-ErrorType"), string(text)
}

func TestTheDataPlane(t *testing.T) {
	c := start(t)
	retained := url.PathEscape("a/b c")
	for _, s := range []struct {
		method, path, body string
		status             int
		kind, want         string
	}{
		{"GET", "/things/lamp/shadow", "", 404, "ResourceNotFoundException", `{"message":"No shadow exists with name: 'lamp'"}`},
		{"POST", "/things/lamp/shadow", `{"state":{"desired":{"on":true}}}`, 200, "", `{"version":1,`},
		{"POST", "/things/lamp/shadow", `{"state":{},"version":9}`, 409, "ConflictException", `{"message":"Version conflict"}`},
		{"POST", "/things/lamp/shadow", `{`, 400, "InvalidRequestException", `{"message":"Invalid JSON"}`},
		{"POST", "/things/lamp/shadow", `{"state":{"desired":{"a":"` + strings.Repeat("x", 9000) + `"}}}`, 413, "RequestEntityTooLargeException", ""},
		{"POST", "/things/lamp/shadow?name=b", `{"state":{}}`, 200, "", `{"version":1,`},
		{"POST", "/things/lamp/shadow?name=%24a", `{"state":{}}`, 200, "", `{"version":1,`},
		{"GET", "/api/things/shadow/ListNamedShadowsForThing/lamp?pageSize=1", "", 200, "", `{"results":["$a"],"nextToken":"`},
		{"GET", "/api/things/shadow/ListNamedShadowsForThing/nobody", "", 200, "", `{"results":[],"timestamp":`},
		{"GET", "/api/things/shadow/ListNamedShadowsForThing/lamp?pageSize=0", "", 400, "InvalidRequestException", `{"message":"pageSize: want 1 to 100, got \"0\""}`},
		{"DELETE", "/things/lamp/shadow", "", 200, "", `{"version":1,"timestamp":`},
		{"GET", "/things/lamp/shadow?name=", "", 400, "InvalidRequestException", ""},
		{"POST", "/topics/" + retained + "?qos=1&retain=true", "hello", 200, "", ""},
		{"GET", "/retainedMessage/" + retained, "", 200, "", `{"topic":"a/b c","payload":"aGVsbG8=","qos":1,"lastModifiedTime":`},
		{"GET", "/retainedMessage", "", 200, "", `{"retainedTopics":[{"topic":"a/b c","payloadSize":5,"qos":1,`},
		{"GET", "/retainedMessage/other", "", 404, "ResourceNotFoundException", ""},
		{"POST", "/topics/a%2F%23", "x", 400, "InvalidRequestException", ""},
		{"POST", "/topics/a?qos=2", "x", 400, "InvalidRequestException", `{"message":"qos: want 0 to 1, got \"2\""}`},
		{"POST", "/topics/$aws/things/lamp/shadow/update", `{"state":{"desired":{"by":"topic"}}}`, 200, "", ""},
		{"GET", "/things/lamp/shadow", "", 200, "", `{"state":{"desired":{"by":"topic"}`},
		{"PUT", "/things/lamp/shadow", "", 404, "ResourceNotFoundException", ""},
	} {
		status, kind, answer := call(t, c, s.method, s.path, s.body)
		if status != s.status || kind != s.kind || !strings.HasPrefix(answer, s.want) || !json.Valid([]byte(answer)) {
			t.Errorf("%s %s: %d %s %s, want %d %s %s", s.method, s.path, status, kind, answer, s.status, s.kind, s.want)
		}
	}
	response, err := http.Get("http://" + c.HTTP + "/things/lamp/shadow")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 403 || response.Header.Get("X-Amzn-ErrorType") != "ForbiddenException" {
		t.Errorf("without a signature: %s", response.Status)
	}
}

func TestGroupsAndTheIndex(t *testing.T) {
	c := start(t)
	connect(t, options("lamp-1", "ssl://"+c.MQTT, identity(t, c, "lamp-1")))
	for _, s := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/things/lamp-1/shadow", `{"state":{"desired":{"on":true},"reported":{"on":false,"level":5}}}`, 200, `{"version":1`},
		{"POST", "/things/lamp-2/shadow?name=room", `{"state":{"reported":{"level":9}}}`, 200, `{"version":1`},
		{"PUT", "/thing-groups/addThingToThingGroup", `{"thingGroupName":"hall","thingName":"lamp-1"}`, 404, `{"message":"Thing group hall not found"}`},
		{"POST", "/thing-groups/hall", `{}`, 200, `{"thingGroupName":"hall"}`},
		{"PUT", "/thing-groups/addThingToThingGroup", `{"thingGroupName":"hall","thingName":"lamp-1"}`, 200, `{}`},
		{"PUT", "/thing-groups/addThingToThingGroup", `{"thingGroupName":"hall","thingName":"door"}`, 200, `{}`},
		{"GET", "/thing-groups/hall/things?maxResults=1", ``, 200, `{"things":["door"],"nextToken":"door"}`},
		{"GET", "/thing-groups/hall/things?maxResults=1&nextToken=door", ``, 200, `{"things":["lamp-1"]}`},
		{"POST", "/indices/search", `{"queryString":"shadow.reported.level>4 AND connectivity.connected:true"}`, 200,
			`{"things":[{"thingName":"lamp-1","thingGroupNames":["hall"],"shadow":"{\"desired\":{\"on\":true},\"reported\":{\"on\":false,\"level\":5}}","connectivity":{"connected":true}}]}`},
		{"POST", "/indices/search", `{"queryString":"shadow.name.room.reported.level:9"}`, 200, `{"things":[{"thingName":"lamp-2","shadow":"{\"name\":{\"room\":`},
		{"POST", "/indices/search", `{"queryString":"thingName:*","maxResults":2}`, 200, `{"things":[{"thingName":"door","thingGroupNames":["hall"],`},
		{"POST", "/indices/search", `{"queryString":"thingName:*","maxResults":2,"nextToken":"lamp-1"}`, 200, `{"things":[{"thingName":"lamp-2"`},
		{"POST", "/indices/search", `{"queryString":"lamp"}`, 400, `{"message":"query: want FIELD:VALUE, got \"lamp\""}`},
		{"PUT", "/thing-groups/removeThingFromThingGroup", `{"thingGroupName":"hall","thingName":"door"}`, 200, `{}`},
		{"GET", "/thing-groups/hall/things", ``, 200, `{"things":["lamp-1"]}`},
	} {
		status, _, answer := call(t, c, s.method, s.path, s.body)
		if status != s.status || !strings.HasPrefix(answer, s.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", s.method, s.path, s.body, status, answer, s.status, s.want)
		}
	}
}

func TestTheCloudKeepsToThisMachine(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:1", "nonsense", ":8883"} {
		if c, err := Start(Config{Dir: t.TempDir(), MQTT: address}); err == nil {
			c.Close()
			t.Errorf("it listens on %s", address)
		}
	}
}

// TestQuotasOfAConnection closes connections that want more topic filters than the
// cloud gives.
func TestQuotasOfAConnection(t *testing.T) {
	c := start(t)
	filters := func(n int) map[string]byte {
		all := map[string]byte{}
		for i := range n {
			all[fmt.Sprint("a/", i)] = 1
		}
		return all
	}
	for name, test := range map[string]struct {
		subscribe func(*client) // until the connection is closed
		kept      bool
	}{
		"eight at once": {func(cl *client) { done(t, cl.SubscribeMultiple(filters(8), nil)) }, true},
		"nine at once":  {func(cl *client) { cl.SubscribeMultiple(filters(9), nil).Wait() }, false},
		"fifty": {func(cl *client) {
			for range 2 { // the same again is no further one
				for filter := range filters(50) {
					done(t, cl.Subscribe(filter, 1, nil))
				}
			}
		}, true},
		"fifty-one": {func(cl *client) {
			for filter := range filters(51) {
				cl.Subscribe(filter, 1, nil).Wait()
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			lost := make(chan error, 1)
			cl := connect(t, options("quota", "ssl://"+c.MQTT, identity(t, c, "quota")).
				SetConnectionLostHandler(func(_ mqtt3.Client, err error) { lost <- err }))
			test.subscribe(cl)
			if test.kept {
				done(t, cl.Publish("a/b", 1, false, "still there"))
				return
			}
			select {
			case <-lost:
			case <-time.After(patience):
				t.Error("the connection is kept")
			}
		})
	}
}

// TestIdentifiersOfBothDirections has a client subscribe with the identifier of a message
// that it has not acknowledged yet.
func TestIdentifiersOfBothDirections(t *testing.T) {
	c := start(t)
	conn, err := tls.Dial("tcp", c.MQTT, identity(t, c, "slow"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(p packets.Packet) any {
		t.Helper()
		if _, err := p.WriteTo(conn); err != nil {
			t.Fatal(err)
		}
		answer, err := packets.ReadPacket(conn)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Content
	}
	ask(&packets.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: "slow", CleanStart: true, Properties: &packets.Properties{}})
	subscribe := func(id uint16, topic string) packets.Packet {
		return &packets.Subscribe{PacketID: id, Properties: &packets.Properties{}, Subscriptions: []packets.SubOptions{{Topic: topic, QoS: 1}}}
	}
	ask(subscribe(7, "a"))
	if err := c.Broker.Publish(broker.Message{Topic: "a", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	message, err := packets.ReadPacket(conn)
	if err != nil {
		t.Fatal(err)
	}
	id := message.Content.(*packets.Publish).PacketID // is not acknowledged
	if answer, ok := ask(subscribe(id, "b")).(*packets.Suback); !ok || answer.Reasons[0] != 1 {
		t.Errorf("a subscription with the identifier %d: %v", id, answer)
	}
}
