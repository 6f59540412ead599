package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/app/client/aws"
	"github.com/shadowgpio/shadowgpio/component/internal/app/wsconn"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// flaky is a broker that hands each connection to serve, with its number from 1, and
// ends it when that returns.
func flaky(t *testing.T, serve func(number int, next func() any, send func(packets.Packet))) *client.MQTT {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: wsconn.Protocols}
	var mu sync.Mutex
	number := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		conn := wsconn.New(ws)
		defer conn.Close()
		mu.Lock()
		number++
		n := number
		mu.Unlock()
		serve(n, func() any {
			for {
				p, err := packets.ReadPacket(conn)
				if err != nil {
					return nil
				} else if p.Type != packets.PINGREQ {
					return p.Content
				}
				new(packets.Pingresp).WriteTo(conn)
			}
		}, func(p packets.Packet) { p.WriteTo(conn) })
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(strings.Replace(server.URL, "http", "ws", 1))
	if err != nil {
		t.Fatal(err)
	}
	m, err := client.DialMQTT(t.Context(), client.MQTTConfig{URL: u})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestASubscriptionOutlastsAStorm loses a connection before the subscription was made
// anew: the one after it gets it.
func TestASubscriptionOutlastsAStorm(t *testing.T) {
	subscribed := make(chan struct{})
	m := flaky(t, func(number int, next func() any, send func(packets.Packet)) {
		next() // CONNECT
		send(&packets.Connack{Properties: &packets.Properties{}})
		subscribe, ok := next().(*packets.Subscribe)
		if !ok || number == 2 || number == 3 {
			return
		}
		send(&packets.Suback{PacketID: subscribe.PacketID, Properties: &packets.Properties{}, Reasons: []byte{0}})
		if number == 1 {
			<-subscribed
			return
		}
		send(&packets.Publish{Topic: "a/b", Payload: []byte("here"), Properties: &packets.Properties{}})
		next() // DISCONNECT
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := m.Subscribe(ctx, "a/+")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	close(subscribed)
	for {
		message, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !message.Missed() {
			return
		}
	}
}

// TestOneConnectionForManyThings asks more things at a time than AWS IoT Core takes
// topic filters of a connection.
func TestOneConnectionForManyThings(t *testing.T) {
	m := benches["MQTT over a signed WebSocket"](t).service.(*client.MQTT)
	var asking sync.WaitGroup
	for i := range 200 {
		asking.Go(func() {
			if _, err := m.Get(t.Context(), shadow.ID{Thing: fmt.Sprint(i)}); !client.NotFound(err) {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	var topics []string
	for i := range 51 {
		topics = append(topics, fmt.Sprintf("a/%d", i))
	}
	if _, err := m.Subscribe(t.Context(), topics...); err == nil || !strings.Contains(err.Error(), "takes 50 of a connection") {
		t.Errorf("51 topic filters: %v", err)
	}
	s, err := m.Subscribe(t.Context(), topics[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// TestMessagesOfSeveralFiltersComeInOrder publishes on two topics in turn.
func TestMessagesOfSeveralFiltersComeInOrder(t *testing.T) {
	b := benches["MQTT over a signed WebSocket"](t)
	s, err := b.service.(*client.MQTT).Subscribe(t.Context(), "$aws/things/T/shadow/update/accepted", "$aws/things/T/shadow/name/a/update/accepted")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 50 {
		b.update(shadow.ID{Thing: "T"}, fmt.Sprintf(`{"state":{"reported":{"n":%d}}}`, i))
		b.update(shadow.ID{Thing: "T", Name: "a"}, fmt.Sprintf(`{"state":{"reported":{"n":%d}}}`, i))
	}
	for i := range 100 {
		message, err := s.Next(t.Context())
		if err != nil || strings.Contains(message.Topic, "/name/") != (i%2 == 1) {
			t.Fatalf("message %d on %q, %v", i, message.Topic, err)
		}
	}
}

// TestAnotherClientTakesOver has two clients of one name not throw each other out for ever.
func TestAnotherClientTakesOver(t *testing.T) {
	c := startCloud(t)
	open := func() *client.MQTT {
		m, err := account(t, aws.Options{Endpoint: "http://" + c.HTTP, ClientID: "one"}).MQTT(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	first := open()
	s, err := first.Subscribe(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	second := open()
	for err == nil {
		_, err = s.Next(t.Context())
	}
	if !strings.Contains(err.Error(), `another client has connected as "one"`) {
		t.Error(err)
	}
	if _, err := first.Get(t.Context(), shadow.ID{Thing: "T"}); err == nil || !strings.Contains(err.Error(), "another client") {
		t.Errorf("a request of the first: %v", err)
	}
	if _, err := second.Get(t.Context(), shadow.ID{Thing: "T"}); !client.NotFound(err) {
		t.Errorf("a request of the second: %v", err)
	}
}

// TestGetIsAskedAgain loses the connection before the answer to a get, which is asked again,
// and before that to an update, which is not.
func TestGetIsAskedAgain(t *testing.T) {
	id := shadow.ID{Thing: "T"}
	m := flaky(t, func(number int, next func() any, send func(packets.Packet)) {
		next() // CONNECT
		send(&packets.Connack{Properties: &packets.Properties{}})
		for {
			switch p := next().(type) {
			case nil:
				return
			case *packets.Subscribe:
				send(&packets.Suback{PacketID: p.PacketID, Properties: &packets.Properties{}, Reasons: []byte{0}})
			case *packets.Publish:
				if number != 2 {
					return
				}
				send(&packets.Puback{PacketID: p.PacketID, Properties: &packets.Properties{}})
				payload := append([]byte(`{"version":7,`), p.Payload[1:]...)
				send(&packets.Publish{Topic: p.Topic + "/accepted", Payload: payload, Properties: &packets.Properties{}})
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if doc, err := client.Document(ctx, m, id); err != nil || doc.Version != 7 {
		t.Fatalf("%+v, %v", doc, err)
	}
	// The second connection is lost as the third, and nobody knows what became of it.
	if version, err := m.Update(ctx, id, shadow.Update{Desired: map[string]any{"a": 1}}); err != nil || version != 7 {
		t.Fatal(version, err)
	}
}

// silent is a service that never answers.
type silent struct{ client.Service }

func (silent) Get(ctx context.Context, _ shadow.ID) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestNoAnswer gives up a request after a while, and keeps apart what the caller has
// ended.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := client.Paced(silent{}, rate.Inf)
		_, err := p.Get(t.Context(), shadow.ID{Thing: "T"})
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "has not answered within 30s") {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Get(ctx, shadow.ID{Thing: "T"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
