// Package broker is the MQTT broker of the development cloud: MQTT 3.1.1 and 5 on
// mochi-mqtt, with what AWS IoT Core does beyond MQTT: requests on reserved topics,
// topics that clients may not publish to, events of presence.
package broker

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/limit"
)

// Limits of AWS IoT Core.
const (
	maxPayload       = 128 << 10
	maxPacket        = maxPayload + 16<<10
	maxSessionExpiry = 7 * 24 * 60 * 60 // in s
	maxQoS           = 1
	maxSubscriptions = 50 // of a connection
	maxAtOnce        = 8  // topic filters of a request
	maxTopic         = 256
	maxAliases       = 8 // of topics, of a connection
)

// maxWrites is how many messages wait to be encoded for one client. Then they wait in
// the queue of its connection.
const maxWrites = 1024

// Message is a message on a topic.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Time    time.Time // when the broker got it
}

// Broker is an MQTT broker. Its methods may be called from any goroutine.
//
// It bounds what clients can take. A client that connects too slowly, is silent for too
// long or does not read is disconnected. Messages, sessions and last wills beyond what
// the broker keeps are dropped, and the logger is told; see memory.go for the numbers.
type Broker struct {
	server   *mqtt.Server
	upgrader upgrader
	memory   *memory
	notices  *limit.Notices
	queued   atomic.Int64 // bytes that wait for all clients
	settling sync.Mutex   // held by settle

	mu          sync.Mutex
	closed      bool
	listeners   []net.Listener
	conns       map[*conn]bool
	serving     sync.WaitGroup // what accepts and serves connections
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
	limits.MaximumClientWritesPending, limits.TopicAliasMaximum = maxWrites, maxAliases
	b := &Broker{
		connected: map[string]bool{},
		conns:     map[*conn]bool{},
		memory:    newMemory(),
		notices:   limit.NewNotices(log),
		server: mqtt.New(&mqtt.Options{
			Capabilities: limits, Logger: slog.New(errorsOnly{log.Handler()}), InlineClient: true, ClientNetWriteBufferSize: 1,
		}),
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

// errorsOnly passes on what a person has to know: the broker below warns of everything
// that a client does wrong.
type errorsOnly struct{ slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

func (h errorsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attrs)}
}
func (h errorsOnly) WithGroup(name string) slog.Handler { return errorsOnly{h.Handler.WithGroup(name)} }

// Close disconnects all clients and closes the listeners. It returns when that is done.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	var errs []error
	for _, l := range b.listeners {
		errs = append(errs, l.Close())
	}
	conns := slices.Collect(maps.Keys(b.conns))
	b.mu.Unlock()
	for _, c := range conns {
		if cl := c.client.Load(); cl != nil {
			b.server.DisconnectClient(cl, packets.ErrServerShuttingDown) // returns that code
		}
		c.Close()
	}
	b.serving.Wait()
	return errors.Join(append(errs, b.server.Close())...)
}

// ServeTLS accepts clients with TLS, until the broker is closed. It returns at once.
func (b *Broker) ServeTLS(l net.Listener, cfg *tls.Config) error {
	l = tls.NewListener(l, cfg)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errors.Join(net.ErrClosed, l.Close())
	}
	b.listeners = append(b.listeners, l)
	b.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // it is closed
			}
			go b.serve("mqtts", c)
		}
	})
	return nil
}

// ServeHTTP accepts a client over WebSocket. Who may connect is the caller's to say. It
// returns when the connection has ended.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := b.upgrader.upgrade(w, r)
	if err != nil {
		return // which was answered
	}
	b.serve("websocket", c)
}

// serve serves one client until its connection has ended.
func (b *Broker) serve(listener string, below net.Conn) {
	c := newConn(below, &b.queued, func(err error) {
		b.notices.Reached(tellSlow, "remote", below.RemoteAddr(), "reason", err)
	})
	if !b.add(c) {
		c.cut(net.ErrClosed)
		<-c.done
		return
	}
	defer b.serving.Done()
	b.server.EstablishConnection(listener, c) // the end of the connection
	c.Close()
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
	if cl := c.client.Load(); cl != nil {
		b.settle(cl)
	}
	<-c.done
}

// add reports whether the broker still takes clients. If so, Close waits for the client.
func (b *Broker) add(c *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.conns[c] = true
	b.serving.Add(1)
	return true
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
