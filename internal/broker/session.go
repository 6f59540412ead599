package broker

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// ErrDisconnected is what a session answers that has no connection.
var ErrDisconnected = errors.New("not connected")

// waitLimit bounds the messages that wait for one session; the newest are dropped.
const waitLimit = 1000

// Session is what the broker knows of a client. Subscriptions and messages with
// quality of service 1 outlast its connections.
type Session struct {
	broker  *Broker
	deliver func(Message)

	// Guarded by broker.mu.
	connected bool
	filters   map[string]model.QOS
	waiting   []stored
}

// Connect connects the client, which gets what has waited for it.
func (s *Session) Connect() {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	s.connected = true
	now := time.Now()
	for _, w := range s.waiting {
		s.hand(w, now)
	}
	s.waiting = nil
}

// Disconnect takes the connection away. The session stays.
func (s *Session) Disconnect() {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	s.connected = false
}

// Close ends the session.
func (s *Session) Close() { s.broker.forget(s) }

// Publish distributes a message of the client.
func (s *Session) Publish(m Message) error {
	s.broker.mu.Lock()
	connected := s.connected
	s.broker.mu.Unlock()
	if !connected {
		return ErrDisconnected
	}
	return s.broker.Publish(m)
}

// Subscribe adds a filter, or changes its quality of service, and delivers the
// retained messages that it matches. It fails if the filter is none or there is
// no connection.
func (s *Session) Subscribe(filter string, qos model.QOS) error {
	if err := CheckFilter(filter); err != nil {
		return err
	}
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if !s.connected {
		return ErrDisconnected
	}
	s.filters[filter] = qos
	now := time.Now()
	for _, topic := range slices.Sorted(maps.Keys(s.broker.retained)) {
		if !Matches(filter, topic) {
			continue
		}
		kept := s.broker.retained[topic]
		if !s.hand(lowered(kept, qos), now) {
			delete(s.broker.retained, topic)
		}
	}
	return nil
}

// Unsubscribe removes a filter. It fails if there is no connection.
func (s *Session) Unsubscribe(filter string) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if !s.connected {
		return ErrDisconnected
	}
	delete(s.filters, filter)
	return nil
}

// wants is the highest quality of service of the filters that match a topic. The
// caller holds broker.mu.
func (s *Session) wants(topic string) (qos model.QOS, ok bool) {
	for filter, q := range s.filters {
		if Matches(filter, topic) {
			qos, ok = max(qos, q), true
		}
	}
	return qos, ok
}

// send delivers a message, or keeps it for the next connection. The caller holds
// broker.mu.
func (s *Session) send(m stored) {
	switch {
	case s.connected:
		s.hand(m, time.Now())
	case m.QOS == model.AtLeastOnce && len(s.waiting) < waitLimit:
		s.waiting = append(s.waiting, m)
	}
}

// hand delivers a message unless it has expired.
func (s *Session) hand(m stored, now time.Time) bool {
	message, ok := m.remaining(now)
	if ok {
		s.deliver(message)
	}
	return ok
}
