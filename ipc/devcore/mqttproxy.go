package devcore

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// maxPublish is the default of the nucleus for the bytes of a payload.
const maxPublish = 128 << 10

// mqttProxy passes messages between components and AWS IoT Core as the classic
// nucleus does (aws-greengrass/aws-greengrass-nucleus
// builtin/services/mqttproxy/MqttProxyIPCAgent.java, mqttclient/MqttClient.java):
// what is published goes through the spool; all components share one session, in
// which a filter is subscribed to only if no other covers it.
type mqttProxy struct {
	core     *Core
	session  BrokerSession
	keepQoS0 bool
	deaf     atomic.Bool // what waited for the link is dropped: lite begins a new session

	// link is held while the link, the subscriptions in the cloud, or the spool
	// change. It is taken before mu, which is all that deliveries take.
	link     sync.Mutex
	up       bool
	cloud    map[string]bool // filters that are subscribed to in the cloud
	spool    spool
	watchers []*server.Stream // of the connection status

	mu            sync.Mutex
	subscriptions []*cloudSubscription
}

// cloudSubscription is one SubscribeToIoTCore.
type cloudSubscription struct {
	filter string
	qos    model.QOS
	stream *server.Stream
	done   chan error // one slot: the cloud has answered
	asked  bool       // guarded by link: an answer was or need not be asked for
}

func newMQTTProxy(c *Core) *mqttProxy {
	p := &mqttProxy{core: c, keepQoS0: c.cfg.KeepQoS0WhenOffline, cloud: map[string]bool{}, up: true}
	p.spool.limit = c.cfg.SpoolLimit
	p.session = c.cfg.Broker.Open(p.deliver)
	p.session.Connect()
	return p
}

func (p *mqttProxy) register(s *server.Server) {
	server.Handle(s, model.PublishToIoTCore, p.publishToIoTCore)
	server.HandleStream(s, model.SubscribeToIoTCore, p.subscribeToIoTCore)
	server.HandleStream(s, model.SubscribeToIoTCoreConnectionStatus, p.subscribeToStatus)
}

// authorize says only that it refuses.
func (p *mqttProxy) authorize(call *server.Call, topic *string) error {
	if topic == nil {
		return &server.Error{Code: model.InvalidArguments, Message: "Topic is required"}
	}
	if *topic == "" || p.core.authorize(call.Component, serviceMQTTProxy, call.Operation, *topic) != nil {
		return &server.Error{Code: model.Unauthorized, Message: "Not Authorized"}
	}
	return nil
}

func checkQOS(qos *model.QOS) error {
	switch {
	case qos == nil:
		return &server.Error{Code: model.InvalidArguments, Message: "QoS is required"}
	case *qos != model.AtMostOnce && *qos != model.AtLeastOnce:
		return &server.Error{Code: model.InvalidArguments, Message: "Invalid QoS value: " + string(*qos)}
	}
	return nil
}

// publishToIoTCoreRequest tells missing members from empty ones.
type publishToIoTCoreRequest struct {
	model.PublishToIoTCoreRequest
	TopicName *string    `json:"topicName"`
	QOS       *model.QOS `json:"qos"`
}

// message is what is published; a content type is lost on the way.
func (r *publishToIoTCoreRequest) message() Message {
	format := r.PayloadFormat
	if format == "" {
		format = model.FormatBytes
	}
	return Message{QOS: *r.QOS, MQTTMessage: model.MQTTMessage{
		TopicName:                    *r.TopicName,
		Payload:                      r.Payload,
		Retain:                       r.Retain,
		UserProperties:               r.UserProperties,
		MessageExpiryIntervalSeconds: r.MessageExpiryIntervalSeconds,
		CorrelationData:              r.CorrelationData,
		ResponseTopic:                r.ResponseTopic,
		PayloadFormat:                format,
	}}
}

func (p *mqttProxy) publishToIoTCore(call *server.Call, req *publishToIoTCoreRequest) (resp model.PublishToIoTCoreResponse, err error) {
	if err := p.authorize(call, req.TopicName); err != nil {
		return resp, err
	}
	if req.Payload == nil {
		return resp, &server.Error{Code: model.InvalidArguments, Message: "Payload is required"}
	}
	if err := checkQOS(req.QOS); err != nil {
		return resp, err
	}
	if p.core.cfg.Lite && !p.core.Link() {
		return resp, liteRefusal(errLitePublish)
	}
	if err := p.publish(spooled{req.message(), call.Component}); err != nil {
		return resp, &server.Error{Code: model.ServiceFailure, Message: fmt.Sprintf("Publish to topic %s failed: %v", *req.TopicName, err)}
	}
	return resp, nil
}

// publish puts a message into the spool, and what is there on its way.
func (p *mqttProxy) publish(m spooled) error {
	if n := len(m.Payload); n > maxPublish {
		return fmt.Errorf("The publishing message size %d bytes exceeds the configured limit of %d bytes", n, maxPublish) //lint:ignore ST1005 text of the wire
	}
	if err := checkPublishTopic(m.TopicName); err != nil {
		return err
	}
	p.link.Lock()
	defer p.link.Unlock()
	if !p.up && m.QOS == model.AtMostOnce && !p.keepQoS0 {
		return errors.New("Device is offline. Dropping QoS 0 message.") //lint:ignore ST1005 text of the wire
	}
	if err := p.spool.add(m); err != nil {
		return err
	}
	p.drain()
	return nil
}

// drain publishes what is in the spool while the link is up. The caller holds link.
func (p *mqttProxy) drain() {
	for p.up {
		m, ok := p.spool.first()
		if !ok {
			return
		}
		if err := p.session.Publish(m.Message); err != nil {
			p.core.log.Warn("message not published, it stays in the spool", "topic", m.TopicName, "err", err)
			return
		}
		p.spool.pop()
		p.core.observe(Event{Kind: MessagePublished, Component: m.component, Topic: m.TopicName, Payload: m.Payload})
	}
}

// clearSpool loses what is in the spool.
func (p *mqttProxy) clearSpool() {
	p.link.Lock()
	defer p.link.Unlock()
	p.spool = spool{limit: p.spool.limit}
}

// deliver gives a message to every subscription of every component that it is for.
func (p *mqttProxy) deliver(m Message) {
	if p.deaf.Load() {
		return
	}
	if m.PayloadFormat == "" {
		m.PayloadFormat = model.FormatBytes
	}
	// The classic nucleus always says whether the message was retained.
	var event struct {
		Message struct {
			model.MQTTMessage
			Retain bool `json:"retain"`
		} `json:"message"`
	}
	event.Message.MQTTMessage, event.Message.Retain = m.MQTTMessage, m.Retain
	payload, err := server.Marshal(event)
	if err != nil {
		p.core.log.Error("message cannot be delivered", "topic", m.TopicName, "err", err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.subscriptions {
		if supersetOf(s.filter, m.TopicName) {
			s.stream.Send(payload)
		}
	}
}

// subscribeToIoTCoreRequest tells missing members from empty ones.
type subscribeToIoTCoreRequest struct {
	TopicName *string    `json:"topicName"`
	QOS       *model.QOS `json:"qos"`
}

// subscribeToIoTCore answers when the cloud has, so not before the link is up.
func (p *mqttProxy) subscribeToIoTCore(call *server.Call, stream *server.Stream, req *subscribeToIoTCoreRequest) (resp model.SubscribeToIoTCoreResponse, err error) {
	if err := p.authorize(call, req.TopicName); err != nil {
		return resp, err
	}
	if err := checkQOS(req.QOS); err != nil {
		return resp, err
	}
	if p.core.cfg.Lite && !p.core.Link() {
		return resp, liteRefusal(errLiteSubscribe)
	}
	topic := *req.TopicName
	refused := func(class string, err error) error {
		return &server.Error{Code: model.ServiceFailure, Message: fmt.Sprintf("Subscribe to topic %s failed with error %s%v", topic, class, err)}
	}
	if err := checkSubscribeTopic(topic); err != nil {
		return resp, refused("com.aws.greengrass.mqttclient.MqttRequestException: ", err)
	}
	s := &cloudSubscription{filter: topic, qos: *req.QOS, stream: stream, done: make(chan error, 1)}
	p.add(s)
	stream.OnClose(func() { p.remove(s) })
	select {
	case err = <-s.done:
	default:
		call.Async()
		select {
		case err = <-s.done:
		case <-call.Context.Done():
			return resp, call.Context.Err()
		}
	}
	if err != nil {
		return resp, refused("", err)
	}
	return resp, nil
}

func (p *mqttProxy) add(s *cloudSubscription) {
	p.link.Lock()
	defer p.link.Unlock()
	p.mu.Lock()
	p.subscriptions = append(p.subscriptions, s)
	p.mu.Unlock()
	p.ask(s)
}

// ask subscribes in the cloud, unless that sends all messages of the filter already
// or cannot be reached. The caller holds link.
func (p *mqttProxy) ask(s *cloudSubscription) {
	var err error
	for filter := range p.cloud {
		s.asked = s.asked || supersetOf(filter, s.filter)
	}
	if !s.asked {
		if !p.up {
			return
		}
		if err = p.session.Subscribe(s.filter, s.qos); errors.Is(err, ErrDisconnected) {
			return
		}
		s.asked = true
		if err == nil {
			p.cloud[s.filter] = true
		} else {
			p.forget(s)
		}
	}
	s.done <- err
}

func (p *mqttProxy) forget(s *cloudSubscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subscriptions = slices.DeleteFunc(p.subscriptions, func(o *cloudSubscription) bool { return o == s })
}

func (p *mqttProxy) remove(s *cloudSubscription) {
	p.link.Lock()
	defer p.link.Unlock()
	p.forget(s)
	p.prune()
}

// prune ends the subscriptions in the cloud that nobody needs. The caller holds
// link.
func (p *mqttProxy) prune() {
	if !p.up {
		return
	}
	p.mu.Lock()
	subscriptions := slices.Clone(p.subscriptions)
	p.mu.Unlock()
	for filter := range p.cloud {
		needed := slices.ContainsFunc(subscriptions, func(s *cloudSubscription) bool { return supersetOf(filter, s.filter) })
		if !needed && p.session.Unsubscribe(filter) == nil {
			delete(p.cloud, filter)
		}
	}
}
