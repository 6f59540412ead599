package devcore

import (
	"github.com/shadowgpio/shadowgpio/internal/broker"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Message is a message between the core device and AWS IoT Core. One without a quality
// of service has the lower one.
type Message struct {
	model.MQTTMessage
	QOS model.QOS
}

// Broker is the MQTT broker of AWS IoT Core, as a core device needs it. [NewBroker]
// makes one in this process; a broker with a network implements the same interface.
type Broker interface {
	// Open begins the session of the core device, which is not connected yet.
	// deliver gets one message at a time, in order, and never blocks.
	Open(deliver func(Message)) BrokerSession
}

// BrokerSession is the session of the core device. Its subscriptions, and messages
// of quality of service 1 that wait for it, outlast its connections. Without a
// connection, Publish, Subscribe and Unsubscribe return [ErrDisconnected].
type BrokerSession interface {
	Connect()
	Disconnect()
	Publish(Message) error
	Subscribe(filter string, qos model.QOS) error
	Unsubscribe(filter string) error
	Close()
}

// ErrDisconnected is the error of a session that has no connection.
var ErrDisconnected error = broker.ErrDisconnected

// InProcessBroker is a [Broker] in this process, without a network. Its own methods
// are the side of the cloud. They may be called from any goroutine.
type InProcessBroker struct{ broker *broker.Broker }

// NewBroker makes a broker without clients and messages.
func NewBroker() *InProcessBroker { return &InProcessBroker{broker.New()} }

// Open begins the session of a client, which is not connected yet. deliver gets one
// message at a time, in order; it must not block and must not call the broker.
func (b *InProcessBroker) Open(deliver func(Message)) BrokerSession {
	return inProcessSession{b.broker.Open(func(m broker.Message) { deliver(Message(m)) })}
}

// Publish distributes a message as that of a client in the cloud. It fails if the
// topic is empty or has a wildcard.
func (b *InProcessBroker) Publish(m Message) error { return b.broker.Publish(broker.Message(m)) }

// Subscribe calls a function for every message of a filter, as for a client in the
// cloud, until cancel is called; retained ones come first. The function must not
// block and must not call the broker.
func (b *InProcessBroker) Subscribe(filter string, deliver func(Message)) (cancel func(), err error) {
	return b.broker.Subscribe(filter, func(m broker.Message) { deliver(Message(m)) })
}

type inProcessSession struct{ *broker.Session }

func (s inProcessSession) Publish(m Message) error { return s.Session.Publish(broker.Message(m)) }
