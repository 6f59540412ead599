package broker

import (
	"sync"

	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// The bounds of the messages that wait for a core device; the newest are dropped.
const (
	waitLimit = 1000
	waitBytes = 8 << 20
)

// CoreDevice makes the broker that of a development core, which is the client with
// this identifier.
func (b *Broker) CoreDevice(client string) devcore.Broker { return coreDevice{b, client} }

type coreDevice struct {
	broker *Broker
	client string
}

func (d coreDevice) Open(deliver func(devcore.Message)) devcore.BrokerSession {
	return &session{broker: d.broker, client: d.client, number: d.broker.number(), deliver: deliver, filters: map[string]model.QOS{}}
}

// session is a client within this process, whose subscriptions outlast its
// connections.
type session struct {
	broker  *Broker
	client  string
	number  int // of its subscriptions
	deliver func(devcore.Message)

	mu        sync.Mutex // held while a message is delivered, so that they come in order
	connected bool
	filters   map[string]model.QOS
	waiting   []devcore.Message
	bytes     int // of those
}

func (s *session) Connect() {
	s.mu.Lock()
	s.connected = true
	for _, m := range s.waiting {
		s.deliver(m)
	}
	s.waiting, s.bytes = nil, 0
	s.mu.Unlock()
	s.broker.SetConnected(s.client, true)
}

func (s *session) Disconnect() {
	s.mu.Lock()
	s.connected = false
	s.mu.Unlock()
	s.broker.SetConnected(s.client, false)
}

func (s *session) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connected {
		return devcore.ErrDisconnected
	}
	return nil
}

func (s *session) Publish(m devcore.Message) error {
	if err := s.ready(); err != nil {
		return err
	}
	var qos byte
	if m.QOS == model.AtLeastOnce {
		qos = 1
	}
	return s.broker.Publish(Message{Topic: m.TopicName, Payload: m.Payload, QoS: qos, Retain: m.Retain})
}

func (s *session) Subscribe(filter string, qos model.QOS) error {
	if err := s.ready(); err != nil {
		return err
	}
	s.mu.Lock()
	s.filters[filter] = qos
	s.mu.Unlock()
	return s.broker.subscribe(filter, s.number, s.receive)
}

func (s *session) Unsubscribe(filter string) error {
	if err := s.ready(); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.filters, filter)
	s.mu.Unlock()
	return s.broker.server.Unsubscribe(filter, s.number)
}

func (s *session) receive(m Message) {
	got := devcore.Message{MQTTMessage: model.MQTTMessage{TopicName: m.Topic, Payload: m.Payload, Retain: m.Retain}, QOS: model.AtMostOnce}
	if m.QoS > 0 {
		got.QOS = model.AtLeastOnce
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.connected:
		s.deliver(got)
	case got.QOS != model.AtLeastOnce:
	case len(s.waiting) == waitLimit || s.bytes+len(got.Payload) > waitBytes:
		s.broker.notices.Reached(tellCoreQueue, "client", s.client, "messages", waitLimit, "bytes", waitBytes)
	default:
		s.waiting = append(s.waiting, got)
		s.bytes += len(got.Payload)
	}
}

// Close ends the session, and the connection.
func (s *session) Close() {
	s.mu.Lock()
	filters := s.filters
	s.filters, s.connected = map[string]model.QOS{}, false
	s.mu.Unlock()
	s.broker.SetConnected(s.client, false)
	for filter := range filters {
		s.broker.server.Unsubscribe(filter, s.number) // it fails for a bad filter only
	}
}
