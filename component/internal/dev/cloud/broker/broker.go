// Package broker is the MQTT broker of the development cloud: MQTT 3.1.1 and 5 on
// mochi-mqtt, with what AWS IoT Core does beyond MQTT: requests on reserved topics,
// topics that clients may not publish to, events of presence.
package broker

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Limits of AWS IoT Core.
const (
	maxPayload       = 128 << 10
	maxPacket        = maxPayload + 16<<10
	maxSessionExpiry = 7 * 24 * 60 * 60 // in s
	maxQoS           = 1
	maxSubscriptions = 50 // of a connection
	maxAtOnce        = 8  // topic filters of a request
)

// Message is a message on a topic.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Time    time.Time // when the broker got it
}

// Broker is an MQTT broker. Its methods may be called from any goroutine.
type Broker struct {
	server   *mqtt.Server
	upgrader upgrader

	mu          sync.Mutex
	request     func(topic string, payload []byte) bool
	connected   map[string]bool // by client identifier
	subscribers int             // number of the last one within this process
}

// New starts a broker without listeners. A nil logger discards.
func New(log *slog.Logger) (*Broker, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumPacketSize, limits.MaximumQos, limits.MaximumSessionExpiryInterval = maxPacket, maxQoS, maxSessionExpiry
	b := &Broker{
		connected: map[string]bool{},
		server:    mqtt.New(&mqtt.Options{Capabilities: limits, Logger: log, InlineClient: true, ClientNetWriteBufferSize: 1}),
	}
	if err := b.server.AddHook(&rules{broker: b}, nil); err != nil {
		return nil, err
	}
	return b, b.server.Serve()
}

// Handle has requests served: f gets every message that was published, and says
// whether its topic was that of a request. It is called once, before clients connect.
func (b *Broker) Handle(f func(topic string, payload []byte) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.request = f
}

// Close disconnects all clients and closes the listeners.
func (b *Broker) Close() error { return b.server.Close() }

// ServeTLS accepts clients with TLS, until the broker is closed. It returns at once.
func (b *Broker) ServeTLS(l net.Listener, cfg *tls.Config) error {
	listener := listeners.NewNet("mqtts", tls.NewListener(l, cfg))
	if err := b.server.AddListener(listener); err != nil {
		return err
	}
	b.server.Listeners.Serve(listener.ID(), b.server.EstablishConnection)
	return nil
}

// ServeHTTP accepts a client over WebSocket. Who may connect is the caller's to say.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := b.upgrader.upgrade(w, r)
	if err != nil {
		return // which was answered
	}
	defer conn.Close()
	b.server.EstablishConnection("websocket", conn) // the end of the connection
}

// Publish distributes a message of the cloud itself. It fails for a topic that none
// can be.
func (b *Broker) Publish(m Message) error {
	if m.Topic == "" || len(m.Topic) > 256 || strings.ContainsAny(m.Topic, "+#\x00") {
		return fmt.Errorf("topic: want 1 to 256 bytes without wildcards, got %q", m.Topic)
	}
	if len(m.Payload) > maxPayload {
		return fmt.Errorf("payload: want at most %d bytes, got %d", maxPayload, len(m.Payload))
	}
	return b.server.Publish(m.Topic, m.Payload, m.Retain, min(m.QoS, maxQoS))
}

// Subscribe calls a function for every message of a filter until cancel is called,
// retained ones first. The function must not block.
func (b *Broker) Subscribe(filter string, deliver func(Message)) (cancel func(), err error) {
	number := b.number()
	if err := b.subscribe(filter, number, deliver); err != nil {
		return nil, err
	}
	return func() { b.server.Unsubscribe(filter, number) }, nil // it fails for a bad filter only
}

func (b *Broker) number() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subscribers++
	return b.subscribers
}

func (b *Broker) subscribe(filter string, number int, deliver func(Message)) error {
	wild := strings.HasPrefix(filter, "#") || strings.HasPrefix(filter, "+")
	err := b.server.Subscribe(filter, number, func(_ *mqtt.Client, _ packets.Subscription, pk packets.Packet) {
		if !wild || !strings.HasPrefix(pk.TopicName, "$") { // [MQTT-4.7.2-1], which the broker heeds for its clients only
			deliver(message(pk))
		}
	})
	if err != nil {
		return fmt.Errorf("filter %q: %w", filter, err)
	}
	return nil
}

func message(pk packets.Packet) Message {
	return Message{
		Topic: pk.TopicName, Payload: pk.Payload, QoS: pk.FixedHeader.Qos, Retain: pk.FixedHeader.Retain,
		Time: time.Unix(pk.Created, 0),
	}
}

// Retained are the messages that wait for subscribers, by topic.
func (b *Broker) Retained() []Message {
	all := b.server.Topics.Retained.GetAll()
	var messages []Message
	for _, topic := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(topic, mqtt.SysPrefix) {
			continue // the broker's own
		}
		messages = append(messages, message(all[topic]))
	}
	return messages
}

// Connected reports whether a client with this identifier is connected.
func (b *Broker) Connected(client string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.connected[client]
}

// SetConnected notes that a client that is part of this process has come or gone.
func (b *Broker) SetConnected(client string, connected bool) {
	b.mu.Lock()
	changed := b.connected[client] != connected
	if connected {
		b.connected[client] = true
	} else {
		delete(b.connected, client)
	}
	b.mu.Unlock()
	if changed {
		b.tellPresence(client, connected)
	}
}

// tellPresence publishes the event of AWS IoT Core about a client
// (awsdocs/aws-iot-docs developerguide/life-cycle-events.md).
func (b *Broker) tellPresence(client string, connected bool) {
	event := map[bool]string{true: "connected", false: "disconnected"}[connected]
	payload, err := json.Marshal(map[string]any{"clientId": client, "eventType": event, "timestamp": time.Now().UnixMilli()})
	if err == nil && !strings.ContainsAny(client, "+#/") {
		b.Publish(Message{Topic: "$aws/events/presence/" + event + "/" + client, Payload: payload}) // the topic is good
	}
}
