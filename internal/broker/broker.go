// Package broker is an MQTT broker in this process: AWS IoT Core as a core device
// sees it, without a network and without a cloud.
//
// It has filters with wildcards, retained messages, both qualities of service that
// AWS IoT Core has, sessions that outlast connections, message expiry, and it
// carries the members that MQTT 5 added.
package broker

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Message is a message on its way through the broker. Without a quality of service
// it has the lower one.
type Message struct {
	model.MQTTMessage
	QOS model.QOS
}

// Broker is an MQTT broker. Its methods may be called from any goroutine.
type Broker struct {
	mu       sync.Mutex
	retained map[string]stored // by topic
	sessions []*Session
}

// stored is a message that waits in the broker.
type stored struct {
	Message
	expires time.Time // zero is never
}

// New returns a broker without clients and messages.
func New() *Broker { return &Broker{retained: map[string]stored{}} }

// Publish distributes a message as that of a client in the cloud. It fails if the
// topic is empty or has a wildcard.
func (b *Broker) Publish(m Message) error {
	if m.TopicName == "" || strings.ContainsAny(m.TopicName, "+#") {
		return fmt.Errorf("topic: want one without wildcards, got %q", m.TopicName)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := store(m, time.Now())
	if m.Retain {
		b.retain(s)
	}
	// To those who are subscribed already it is a message like any other (MQTT 5, 3.3.1.3).
	s.Retain = false
	for _, c := range b.sessions {
		if qos, ok := c.wants(m.TopicName); ok {
			c.send(lowered(s, qos))
		}
	}
	return nil
}

// retain keeps the message for those who subscribe later; one without payload
// clears what was kept. The caller holds mu.
func (b *Broker) retain(s stored) {
	if len(s.Payload) == 0 {
		delete(b.retained, s.TopicName)
		return
	}
	b.retained[s.TopicName] = s
}

// Subscribe calls a function for every message of a filter, as for a client in the
// cloud, until cancel is called; retained ones come first. The function must not
// block and must not call the broker.
func (b *Broker) Subscribe(filter string, deliver func(Message)) (cancel func(), err error) {
	s := b.Open(deliver)
	s.Connect()
	if err := s.Subscribe(filter, model.AtLeastOnce); err != nil {
		s.Close()
		return nil, err
	}
	return s.Close, nil
}

func store(m Message, now time.Time) stored {
	s := stored{Message: m}
	if e := m.MessageExpiryIntervalSeconds; e != nil {
		s.expires = now.Add(time.Duration(min(*e, math.MaxUint32)) * time.Second)
	}
	return s
}

// remaining is the message with the rest of its expiry interval, or false if that
// is over.
func (s stored) remaining(now time.Time) (Message, bool) {
	m := s.Message
	if s.expires.IsZero() {
		return m, true
	}
	rest := s.expires.Sub(now)
	seconds := int64((rest + time.Second - 1) / time.Second)
	m.MessageExpiryIntervalSeconds = &seconds
	return m, rest > 0
}

func lowered(s stored, qos model.QOS) stored {
	if qos == model.AtMostOnce {
		s.QOS = qos
	}
	return s
}

// Open begins the session of a client, which is not connected yet. deliver gets
// one message at a time, in order; it must not block and must not call the broker.
func (b *Broker) Open(deliver func(Message)) *Session {
	s := &Session{broker: b, deliver: deliver, filters: map[string]model.QOS{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions = append(b.sessions, s)
	return s
}

func (b *Broker) forget(s *Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions = slices.DeleteFunc(b.sessions, func(o *Session) bool { return o == s })
}
