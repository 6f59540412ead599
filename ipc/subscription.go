package ipc

import (
	"context"
	"errors"
	"sync"
	"time"

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
// *[ServiceError]), or the updates were not taken in time ([ErrOverflow]). It is
// tried again by itself. Lost may come without a Live before it, and again while
// the nucleus goes on refusing.
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

func asEvent[T any](v T) Update { return Event[T]{v} }

// follow starts the goroutine of a subscription.
func follow[T any](s *Session, open func(context.Context, *Conn) (*Stream[T], error), convert func(T) Update) *Subscription {
	ctx, cancel := context.WithCancel(context.Background())
	sub := &Subscription{updates: make(chan Update), cancel: cancel}
	f := &follower[T]{session: s, open: open, convert: convert, updates: sub.updates}
	sub.task.Go(func() { f.run(ctx) })
	return sub
}

// subscriptionState is where a subscription is.
type subscriptionState uint8

const (
	wanted     subscriptionState = iota // there is no stream
	requested                           // the request is on its way
	subscribed                          // the nucleus has confirmed
)

func (s subscriptionState) String() string {
	return [...]string{"wanted", "requested", "subscribed"}[s]
}

// lose says whether the loss of a subscription in this state is to be told. The
// end of the connection is not, to those who know already that they have nothing.
func (s subscriptionState) lose(err error) (next subscriptionState, tell bool) {
	return wanted, s == subscribed || s == requested && !errors.Is(err, ErrDisconnected) && !errors.Is(err, ErrClosed)
}

// follower is the goroutine of a subscription.
type follower[T any] struct {
	session *Session
	open    func(context.Context, *Conn) (*Stream[T], error)
	convert func(T) Update
	updates chan<- Update
	state   subscriptionState
}

func (f *follower[T]) run(ctx context.Context) {
	defer close(f.updates)
	for {
		conn := f.session.next(ctx)
		if conn == nil {
			return
		}
		f.state = requested
		stream, err := f.open(ctx, conn)
		if err == nil {
			err = f.drain(ctx, stream)
		}
		var tell bool
		f.state, tell = f.state.lose(err)
		if tell && !f.send(ctx, Lost{err}) {
			return
		}
		if !f.session.pause(ctx, conn, err) {
			return
		}
	}
}

// drain hands on what a stream brings, and says why it ended.
func (f *follower[T]) drain(ctx context.Context, stream *Stream[T]) error {
	defer func() { _ = stream.Close() }()
	f.state = subscribed
	if !f.send(ctx, Live{}) {
		return ctx.Err()
	}
	for {
		select {
		case v, ok := <-stream.Events():
			if !ok {
				return stream.Err()
			}
			if !f.send(ctx, f.convert(v)) {
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send says whether the update was taken; it was not if the subscription is closed.
func (f *follower[T]) send(ctx context.Context, u Update) bool {
	select {
	case f.updates <- u:
		return true
	case <-ctx.Done():
		return false
	}
}

// next waits for a connection; nil when ctx ended.
func (s *Session) next(ctx context.Context) *Conn {
	for ctx.Err() == nil {
		_, changed := s.Watch()
		if conn, err := s.connection(); err == nil && conn.Err() == nil {
			return conn
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// pause waits until a subscription that was lost may be tried again: at once after
// an overflow, on the next connection if this one ended or the nucleus does not
// have the operation, slowly if it does not want it. It returns false when ctx ended.
func (s *Session) pause(ctx context.Context, conn *Conn, reason error) bool {
	if errors.Is(reason, ErrOverflow) {
		return ctx.Err() == nil
	}
	t := time.NewTimer(s.jittered(s.resubDelay))
	defer t.Stop()
	retry := t.C
	if errors.Is(reason, ErrUnsupported) {
		retry = nil
	}
	select {
	case <-conn.Done():
	case <-retry:
	case <-ctx.Done():
		return false
	}
	return true
}
