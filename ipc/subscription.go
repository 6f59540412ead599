package ipc

import (
	"context"
	"sync"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Update is one step in the life of a [Subscription]: [Live], [Lost], and between
// them [Message] for a topic or [Event] for the other subscriptions.
type Update interface{ isUpdate() }

// Live says that the nucleus has confirmed the subscription. What was published
// before may have been missed, so this is the moment to read the state of things
// anew; what is published from now on follows as messages until [Lost].
type Live struct{}

// Message is a message that was published on a topic.
type Message struct {
	Topic   string
	Payload []byte // JSON text if the publisher sent a JSON message
	Binary  bool   // the publisher sent bytes, not a JSON message
}

// Event is an event of a subscription other than to a topic. The method that made
// the subscription says of which type.
type Event[T any] struct{ Value T }

// Lost says that the subscription does not exist at present and why: the
// connection ended, the nucleus refused or ended the subscription (a
// *[ServiceError]), the updates were not taken in time ([ErrOverflow]), or a message
// was dropped ([ErrMessageTooLarge]). It is tried again by itself. Lost may come without
// a Live before it, and again while the nucleus goes on refusing.
type Lost struct{ Err error }

func (Live) isUpdate()     {}
func (Message) isUpdate()  {}
func (Event[T]) isUpdate() {}
func (Lost) isUpdate()     {}

// Subscription is a subscription that a session makes anew on every connection
// until it is closed.
//
// Its updates must be taken. When they are not, [InboxSize] messages wait; more
// end the subscription for this time, which shows as Lost with [ErrOverflow]
// after the messages that came before, and then Live again.
type Subscription struct {
	updates chan Update
	cancel  context.CancelFunc
	task    sync.WaitGroup
}

// Updates returns the one ordered sequence of updates. It is closed after Close.
func (s *Subscription) Updates() <-chan Update { return s.updates }

// Close ends the subscription and waits for its goroutine. That waits for nothing
// but the writing of its request, if this is under way: up to five seconds with a
// nucleus that does not read. Further calls do nothing. The error is always nil.
func (s *Subscription) Close() error {
	s.cancel()
	s.task.Wait()
	return nil
}

// Topic subscribes to a topic, or a filter with the wildcards + and #, for as long
// as the Subscription is not closed, over all connections of the session. It may
// be called before Run. Without a ReceiveMode in the request, all messages are
// received.
func (s *Session) Topic(r model.SubscribeToTopicRequest) *Subscription {
	if r.ReceiveMode == "" {
		r.ReceiveMode = model.ReceiveAll
	}
	return follow(s,
		func(ctx context.Context, c *Conn) (*Stream[model.SubscriptionResponseMessage], error) {
			return c.SubscribeToTopic(ctx, r)
		},
		func(m model.SubscriptionResponseMessage) Update {
			return Message{Topic: m.Topic(), Payload: m.Payload(), Binary: m.BinaryMessage != nil}
		})
}

// IoTCore is [Session.Topic] for an MQTT topic filter of AWS IoT Core. Its events
// are Event[model.IoTCoreMessage]. Live waits until the device is online.
func (s *Session) IoTCore(r model.SubscribeToIoTCoreRequest) *Subscription {
	return follow(s, func(ctx context.Context, c *Conn) (*Stream[model.IoTCoreMessage], error) {
		return c.SubscribeToIoTCore(ctx, r)
	}, asEvent)
}

// IoTCoreConnectionStatus is [Session.Topic] for the connection of the nucleus to
// AWS IoT Core. Its events are Event[model.IoTCoreConnectionStatusEvent]. On a
// nucleus without it there is a Lost with [ErrUnsupported] on each connection.
func (s *Session) IoTCoreConnectionStatus() *Subscription {
	return follow(s, func(ctx context.Context, c *Conn) (*Stream[model.IoTCoreConnectionStatusEvent], error) {
		return c.SubscribeToIoTCoreConnectionStatus(ctx, model.SubscribeToIoTCoreConnectionStatusRequest{})
	}, asEvent)
}

// ConfigurationUpdates is [Session.Topic] for changes of configuration. Its events
// are Event[model.ConfigurationUpdateEvents]. After Live, read the configuration.
func (s *Session) ConfigurationUpdates(r model.SubscribeToConfigurationUpdateRequest) *Subscription {
	return follow(s, func(ctx context.Context, c *Conn) (*Stream[model.ConfigurationUpdateEvents], error) {
		return c.SubscribeToConfigurationUpdate(ctx, r)
	}, asEvent)
}

// ConfigurationValidations is [Session.Topic] for questions whether a configuration
// is good, each of which has to be answered by SendConfigurationValidityReport. Its
// events are Event[model.ValidateConfigurationUpdateEvents].
func (s *Session) ConfigurationValidations() *Subscription {
	return follow(s, func(ctx context.Context, c *Conn) (*Stream[model.ValidateConfigurationUpdateEvents], error) {
		return c.SubscribeToValidateConfigurationUpdates(ctx, model.SubscribeToValidateConfigurationUpdatesRequest{})
	}, asEvent)
}

// ComponentUpdates is [Session.Topic] for deployments. Its events are
// Event[model.ComponentUpdatePolicyEvents]; answer each PreUpdateEvent by
// DeferComponentUpdate.
func (s *Session) ComponentUpdates() *Subscription {
	return follow(s, func(ctx context.Context, c *Conn) (*Stream[model.ComponentUpdatePolicyEvents], error) {
		return c.SubscribeToComponentUpdates(ctx, model.SubscribeToComponentUpdatesRequest{})
	}, asEvent)
}

// CertificateUpdates is [Session.Topic] for the server certificate of this component
// and its successors. Its events are Event[model.CertificateUpdateEvent]; the first
// comes soon after Live.
func (s *Session) CertificateUpdates(r model.SubscribeToCertificateUpdatesRequest) *Subscription {
	return follow(s, func(ctx context.Context, c *Conn) (*Stream[model.CertificateUpdateEvent], error) {
		return c.SubscribeToCertificateUpdates(ctx, r)
	}, asEvent)
}

func asEvent[T any](v T) Update { return Event[T]{v} }
