package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/gorilla/websocket"

	"github.com/shadowgpio/shadowgpio/component/internal/app/wsconn"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// MQTTConfig says how to connect to AWS IoT Core.
type MQTTConfig struct {
	// URL is mqtts://HOST:PORT with a client certificate, wss://HOST/mqtt or, for
	// development, ws://HOST/mqtt with Sign.
	URL *url.URL
	TLS *tls.Config // certificates; nil is those that the system trusts
	// Locate, if set, is asked for the host and port before each connection; those of URL
	// are for the first one then. An error is one of that attempt.
	Locate func(context.Context) (host string, err error)
	// Sign signs the URL of a WebSocket, anew for each connection.
	Sign     func(context.Context, *url.URL) (*url.URL, error)
	ClientID string // "" is one of its own
}

const (
	keepAlive      = 30 // s
	connectTimeout = 15 * time.Second
	byeTimeout     = time.Second

	// Between attempts to connect again, a random time that grows.
	firstPause = 250 * time.Millisecond
	lastPause  = 30 * time.Second

	// maxFilters is how many topic filters AWS IoT Core takes of a connection, which
	// it closes at one more (AWS General Reference, AWS IoT Core endpoints and quotas).
	maxFilters = 50
)

// MQTT is AWS IoT Core over MQTT 5. It connects again by itself when a connection is
// lost.
type MQTT struct {
	manager *autopaho.ConnectionManager
	life    context.Context // of the connection, and of what tidies up behind subscriptions
	end     context.CancelCauseFunc
	tidying sync.WaitGroup
	places  chan struct{} // is full when the connection has all the filters that it may have
	links   chan Link
	ours    string // begins the client tokens of [MQTT.Ask]

	mu            sync.Mutex
	closed        bool
	lost          int             // connections that were lost
	link          context.Context // ends with the present connection, or the next
	cut           context.CancelCauseFunc
	filters       map[string]*filter
	subscriptions map[*Subscription]bool
}

// filter is a topic filter that subscriptions share.
type filter struct {
	topic string
	users int // subscriptions, and who is about to be one
	// pending is whether the connection is a new one that does not know the filter yet.
	pending bool

	// turn is held by who subscribes or unsubscribes; what follows is changed in turn.
	turn   chan struct{}
	placed bool // it has a place: the cloud may know of it
	on     int  // how many connections were lost before the one that knows of it; -1 is none
}

// DialMQTT connects. The first attempt counts: it fails with what was wrong.
func DialMQTT(ctx context.Context, cfg MQTTConfig) (*MQTT, error) {
	m := &MQTT{
		filters: map[string]*filter{}, subscriptions: map[*Subscription]bool{}, places: make(chan struct{}, maxFilters),
		links: make(chan Link, maxLinks), ours: rand.Text() + "-",
	}
	m.life, m.end = context.WithCancelCause(context.Background())
	m.link, m.cut = context.WithCancelCause(m.life)
	if cfg.ClientID == "" {
		cfg.ClientID = "shadowctl-" + rand.Text()
	}
	failed := make(chan error, 1)
	pauses := autopaho.NewExponentialBackoff(firstPause, lastPause, 2*firstPause, 2)
	var err error
	m.manager, err = autopaho.NewConnection(context.WithoutCancel(ctx), autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{cfg.URL},
		KeepAlive:                     keepAlive,
		CleanStartOnInitialConnection: true,
		ConnectTimeout:                connectTimeout,
		ReconnectBackoff: func(attempt int) time.Duration {
			if m.losses() > 0 {
				attempt++ // only the very first is made at once
			}
			return pauses(attempt)
		},
		AttemptConnection: cfg.attempt,
		OnConnectionUp: func(*autopaho.ConnectionManager, *paho.Connack) {
			if m.losses() > 0 {
				m.tell(Link{Up: true})
			}
			m.resubscribe()
		},
		OnConnectionDown: func() bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.lost++
			m.cut(errLost)
			m.link, m.cut = context.WithCancelCause(m.life)
			return m.life.Err() == nil
		},
		OnConnectError: func(err error) {
			select {
			case failed <- err:
			default:
			}
			if m.losses() > 0 {
				m.tell(Link{Err: fmt.Errorf("connect to %s: %w", cfg.URL.Host, err)})
			}
		},
		ClientConfig: paho.ClientConfig{
			ClientID:          cfg.ClientID,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){m.receive},
			OnClientError:     func(err error) { m.tell(Link{Err: err}) },
			OnServerDisconnect: func(d *paho.Disconnect) {
				m.tell(Link{Err: serverDisconnect(d)})
				// To connect again would throw out the other one, and so on without end.
				if d.ReasonCode == packets.DisconnectSessionTakenOver {
					m.end(fmt.Errorf("another client has connected as %q", cfg.ClientID))
				}
			},
		},
	})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(m.life, func() { m.manager.Disconnect(context.Background()) })
	connected := make(chan error, 1)
	go func() { connected <- m.manager.AwaitConnection(ctx) }()
	select {
	case err = <-connected:
	case err = <-failed:
	}
	if err != nil {
		m.Close() // the first error counts
		return nil, fmt.Errorf("connect to %s: %w", cfg.URL.Host, err)
	}
	return m, nil
}

// Link is what happened to the connection: it was lost, an attempt to connect again
// failed, or there is one again.
type Link struct {
	Up  bool
	Err error // why not
}

// maxLinks bounds what waits for who reads [MQTT.Links].
const maxLinks = 16

// Links tells what happens to the connection after the first one. Nobody has to read it:
// what does not fit is dropped.
func (m *MQTT) Links() <-chan Link { return m.links }

func (m *MQTT) tell(l Link) {
	if m.life.Err() != nil {
		return
	}
	select {
	case m.links <- l:
	default:
	}
}

// serverDisconnect is the error of a connection that the server ended.
func serverDisconnect(d *paho.Disconnect) error {
	text := fmt.Sprintf("the server disconnected, reason code 0x%02x", d.ReasonCode)
	if d.Properties != nil && d.Properties.ReasonString != "" {
		text += ": " + d.Properties.ReasonString
	}
	return errors.New(text)
}

// attempt makes a connection that several goroutines may write to.
func (cfg MQTTConfig) attempt(ctx context.Context, _ autopaho.ClientConfig, _ *url.URL) (net.Conn, error) {
	if cfg.Locate != nil {
		host, err := cfg.Locate(ctx)
		if err != nil {
			return nil, err
		}
		at := *cfg.URL
		at.Host = host
		cfg.URL = &at
	}
	if cfg.URL.Scheme == "mqtts" {
		dialer := tls.Dialer{Config: cfg.TLS}
		conn, err := dialer.DialContext(ctx, "tcp", cfg.URL.Host)
		if err != nil {
			return nil, err
		}
		return packets.NewThreadSafeConn(conn), nil
	}
	at := cfg.URL
	if cfg.Sign != nil {
		var err error
		if at, err = cfg.Sign(ctx, cfg.URL); err != nil {
			return nil, err
		}
	}
	dialer := websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS, Subprotocols: wsconn.Protocols[:1], HandshakeTimeout: connectTimeout,
	}
	ws, response, err := dialer.DialContext(ctx, at.String(), nil)
	switch {
	case err != nil && response != nil:
		return nil, fmt.Errorf("%w: %s", err, response.Status)
	case err != nil:
		return nil, err
	}
	return packets.NewThreadSafeConn(wsconn.New(ws)), nil
}

// Close ends the connection, and all subscriptions.
func (m *MQTT) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.end(net.ErrClosed)
	m.tidying.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), byeTimeout)
	defer cancel()
	return m.manager.Disconnect(ctx)
}

// tidy does something until the end of the connection. The caller holds mu.
func (m *MQTT) tidy(do func()) {
	if !m.closed {
		m.tidying.Go(do)
	}
}

// losses is how many connections were lost.
func (m *MQTT) losses() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost
}

// connected waits for a connection, and does something that ends with it.
func (m *MQTT) connected(ctx context.Context, do func(ctx context.Context, lost int) error) error {
	if err := m.manager.AwaitConnection(ctx); err != nil {
		return cmp.Or(context.Cause(ctx), context.Cause(m.life))
	}
	m.mu.Lock()
	link, lost := m.link, m.lost
	m.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(link, func() { cancel(context.Cause(link)) })()
	err := do(ctx, lost)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (m *MQTT) receive(p paho.PublishReceived) (bool, error) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.subscriptions {
		if slices.ContainsFunc(s.filters, func(f *filter) bool { return matches(f.topic, p.Packet.Topic) }) {
			s.deliver(Message{Topic: p.Packet.Topic, Payload: p.Packet.Payload, At: now})
		}
	}
	return true, nil
}

// Message is what a subscription delivers.
type Message struct {
	Topic   string // "" tells that messages may have been missed
	Payload []byte
	At      time.Time // when it came
}

// Missed reports whether the message stands for those that may have been missed: the
// connection was lost meanwhile, or they came faster than they were taken.
func (m Message) Missed() bool { return m.Topic == "" }

// inbox bounds the messages that wait for one subscription.
const inbox = 256

// Subscription delivers the messages of topic filters in their order, to one goroutine.
type Subscription struct {
	mqtt     *MQTT
	filters  []*filter
	since    int // how many connections were lost when it was told of the last of them
	messages chan Message
	missed   chan struct{} // one that is full tells that messages were missed
}

// deliver does not block.
func (s *Subscription) deliver(m Message) {
	select {
	case s.messages <- m:
	default:
		s.miss()
	}
}

func (s *Subscription) miss() {
	select {
	case s.missed <- struct{}{}:
	default:
	}
}

// Next waits for a message.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	select {
	case m := <-s.messages:
		return m, nil
	case <-s.missed:
		return Message{At: time.Now()}, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	case <-s.mqtt.life.Done():
		return Message{}, context.Cause(s.mqtt.life)
	}
}

// Subscribe subscribes to topic filters; the subscription must be closed. It waits while
// the connection has all the filters that it may have.
func (m *MQTT) Subscribe(ctx context.Context, topics ...string) (*Subscription, error) {
	if len(topics) > maxFilters {
		return nil, fmt.Errorf("subscribe to %d topic filters: AWS IoT Core takes %d of a connection", len(topics), maxFilters)
	}
	s := &Subscription{mqtt: m, messages: make(chan Message, inbox), missed: make(chan struct{}, 1)}
	m.mu.Lock()
	for _, topic := range topics {
		f := m.filters[topic]
		if f == nil {
			f = &filter{topic: topic, turn: make(chan struct{}, 1), on: -1}
			m.filters[topic] = f
		}
		f.users++
		s.filters = append(s.filters, f)
	}
	s.since = m.lost
	m.subscriptions[s] = true
	m.mu.Unlock()
	for _, f := range s.filters {
		if err := m.ensure(ctx, f); err != nil {
			s.Close()
			return nil, fmt.Errorf("subscribe to %s: %w", f.topic, err)
		}
	}
	return s, nil
}

// ensure has the connection know a filter that is used.
func (m *MQTT) ensure(ctx context.Context, f *filter) error {
	return m.connected(ctx, func(ctx context.Context, lost int) error {
		select {
		case f.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-f.turn }()
		if f.on == lost || !m.used(f) {
			return nil
		}
		if !f.placed {
			select {
			case m.places <- struct{}{}:
				f.placed = true
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		_, err := m.manager.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: f.topic, QoS: 1}}})
		if err == nil {
			f.on = lost
		}
		return err
	})
}

func (m *MQTT) used(f *filter) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f.users > 0
}

// Close ends the subscription.
func (s *Subscription) Close() {
	m := s.mqtt
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.subscriptions[s] {
		return
	}
	delete(m.subscriptions, s)
	for _, f := range s.filters {
		if f.users--; f.users == 0 {
			m.tidy(func() { m.forget(f) })
		}
	}
}

// forget unsubscribes from a filter that nobody uses, unless somebody came meanwhile.
func (m *MQTT) forget(f *filter) {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	if m.used(f) {
		return
	}
	if f.placed {
		ctx, cancel := context.WithTimeout(m.life, byeTimeout)
		// Where it fails, the connection is lost, and the subscription with it.
		m.manager.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{f.topic}})
		cancel()
		f.placed, f.on = false, -1
		<-m.places
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.users == 0 && m.filters[f.topic] == f {
		delete(m.filters, f.topic)
	}
}

// resubscribe makes the subscriptions anew for a connection that knows nothing of those
// of the last one.
func (m *MQTT) resubscribe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.filters {
		f.pending = true
		m.tidy(func() { m.again(f) })
	}
}

// again subscribes to a filter until that is done or nobody uses it, and tells its
// subscriptions that they may have missed something.
func (m *MQTT) again(f *filter) {
	for pause := firstPause; m.ensure(m.life, f) != nil; pause = min(2*pause, lastPause) {
		select {
		case <-time.After(pause):
		case <-m.life.Done():
			return
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f.pending = false
	for s := range m.subscriptions {
		ours := slices.Contains(s.filters, f)
		complete := !slices.ContainsFunc(s.filters, func(f *filter) bool { return f.pending })
		if ours && complete && s.since < m.lost {
			s.since = m.lost
			s.miss()
		}
	}
}

// errLost is an unknown outcome.
var errLost = errors.New("the connection was lost before the answer came; it may have been carried out")

// request sends a request to the shadow service, and waits for its answer.
func (m *MQTT) request(ctx context.Context, id shadow.ID, verb, token string, payload []byte) ([]byte, error) {
	s, err := m.Subscribe(ctx, shadowFilter(id))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	err = m.connected(ctx, func(ctx context.Context, _ int) error {
		_, err := m.manager.Publish(ctx, &paho.Publish{Topic: id.Topic("/" + verb), QoS: 1, Payload: payload})
		return err
	})
	if err != nil {
		return nil, err
	}
	for {
		message, err := s.Next(ctx)
		switch {
		case err != nil:
			return nil, err
		case message.Missed():
			return nil, errLost
		}
		e, ok := ParseEvent(message)
		if !ok || e.ID != id || e.Verb != verb || e.Token() != token {
			continue
		}
		switch e.Kind {
		case Accepted:
			return message.Payload, nil
		case Rejected:
			return nil, e.Refusal()
		}
	}
}

// Ask requests a shadow without waiting for it. The answer comes to the subscriptions that
// match; [MQTT.Asked] knows it.
func (m *MQTT) Ask(ctx context.Context, id shadow.ID) error {
	payload, err := json.Marshal(map[string]string{"clientToken": m.ours + rand.Text()})
	if err != nil {
		return err
	}
	return operation("get", id, m.connected(ctx, func(ctx context.Context, _ int) error {
		_, err := m.manager.Publish(ctx, &paho.Publish{Topic: id.Topic("/get"), QoS: 1, Payload: payload})
		return err
	}))
}

// Asked reports whether a message answers [MQTT.Ask].
func (m *MQTT) Asked(e Event) bool { return e.Verb == "get" && strings.HasPrefix(e.Token(), m.ours) }

// ask is a request whose document is its token alone.
func (m *MQTT) ask(ctx context.Context, id shadow.ID, verb string) ([]byte, error) {
	token := rand.Text()
	payload, err := json.Marshal(map[string]string{"clientToken": token})
	if err == nil {
		payload, err = m.request(ctx, id, verb, token, payload)
	}
	return payload, operation(verb, id, err)
}

// Get asks again after a connection that was lost: that changes nothing.
func (m *MQTT) Get(ctx context.Context, id shadow.ID) (payload []byte, err error) {
	for again := true; again; again = errors.Is(err, errLost) {
		payload, err = m.ask(ctx, id, "get")
	}
	return payload, err
}

func (m *MQTT) Delete(ctx context.Context, id shadow.ID) error {
	_, err := m.ask(ctx, id, "delete")
	return err
}

func (m *MQTT) Update(ctx context.Context, id shadow.ID, u shadow.Update) (version int64, err error) {
	if u.ClientToken == "" {
		u.ClientToken = rand.Text()
	}
	payload, err := u.Encode()
	if err == nil {
		payload, err = m.request(ctx, id, "update", u.ClientToken, payload)
	}
	if err == nil {
		version, err = shadow.ParseVersion(payload)
	}
	return version, operation("update", id, err)
}

// List is not to be had over MQTT.
func (m *MQTT) List(context.Context, string) ([]string, error) {
	return nil, errors.New("list shadows: not possible over MQTT, only over REST")
}

func (m *MQTT) Follow(ctx context.Context, id shadow.ID) (Follower, error) {
	return m.follow(ctx, id, m)
}

func (m *MQTT) follow(ctx context.Context, id shadow.ID, by Service) (Follower, error) {
	s, err := m.Subscribe(ctx, shadowFilter(id))
	if err != nil {
		return nil, operation("follow", id, err)
	}
	return &mqttFollower{by: by, id: id, Subscription: s}, nil
}

// mqttFollower takes documents from the messages of changes, and reads the shadow
// first and after a doubt.
type mqttFollower struct {
	by Service // reads
	id shadow.ID
	*Subscription
	begun   bool
	version int64 // of the last document
}

func (f *mqttFollower) Next(ctx context.Context) (shadow.Document, error) {
	for f.begun {
		message, err := f.Subscription.Next(ctx)
		if err != nil {
			return shadow.Document{}, err
		}
		if message.Missed() {
			break
		}
		e, ok := ParseEvent(message)
		switch {
		case !ok || e.ID != f.id:
		case e.Kind == Accepted && e.Verb == "delete":
			f.version = 0
			return shadow.Document{}, nil
		case e.Kind == Documents:
			_, doc, err := e.Documents()
			if err != nil {
				return doc, err
			}
			if doc.Version > f.version { // messages may come out of order
				f.version = doc.Version
				return doc, nil
			}
		}
	}
	doc, err := Document(ctx, f.by, f.id)
	if err == nil {
		f.begun, f.version = true, doc.Version
	}
	return doc, err
}
