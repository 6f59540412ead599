package devcore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// pubsub is local publish/subscribe with the rules of the classic nucleus
// (aws-greengrass/aws-greengrass-nucleus builtin/services/pubsub): a multi-level
// wildcard does not match its parent, a leading wildcard does match topics that
// begin with "$", trailing slashes do not count.
type pubsub struct {
	core *Core

	mu            sync.Mutex
	subscriptions []*subscription
}

type subscription struct {
	filter     []string // levels
	component  string
	fromOthers bool // not what the component itself publishes
	stream     *server.Stream
}

func (p *pubsub) register(s *server.Server) {
	server.Handle(s, model.PublishToTopic, p.publishToTopic)
	server.HandleStream(s, model.SubscribeToTopic, p.subscribeToTopic)
}

// publishRequest leaves members unread whose absence means something.
type publishRequest struct {
	Topic          *string `json:"topic"`
	PublishMessage *struct {
		JSONMessage *struct {
			Message json.RawMessage `json:"message"`
		} `json:"jsonMessage"`
		BinaryMessage *struct {
			Message []byte `json:"message"`
		} `json:"binaryMessage"`
	} `json:"publishMessage"`
}

// message takes the one message out of the union.
func (r *publishRequest) message() (model.PublishMessage, error) {
	var m model.PublishMessage
	u := r.PublishMessage
	switch {
	case u == nil, (u.JSONMessage == nil) == (u.BinaryMessage == nil):
		return m, &server.Error{Code: model.ServiceFailure}
	case u.BinaryMessage != nil && u.BinaryMessage.Message != nil:
		m.BinaryMessage = &model.BinaryMessage{Message: u.BinaryMessage.Message}
		return m, nil
	case u.JSONMessage != nil && len(u.JSONMessage.Message) > 0:
		if !bytes.HasPrefix(bytes.TrimSpace(u.JSONMessage.Message), []byte("{")) {
			return m, fmt.Errorf("%w: the JSON message is no object", server.ErrMalformed)
		}
		m.JSONMessage = &model.JSONMessage{Message: u.JSONMessage.Message}
		return m, nil
	}
	return m, &server.Error{Code: model.ServiceFailure}
}

func (p *pubsub) publishToTopic(call *server.Call, req *publishRequest) (model.PublishToTopicResponse, error) {
	var response model.PublishToTopicResponse
	if err := p.authorize(call, req.Topic); err != nil {
		return response, err
	}
	message, err := req.message()
	if err != nil {
		return response, err
	}
	if req.Topic == nil {
		return response, &server.Error{Code: model.InvalidArguments, Message: "Publish topic must not be null"}
	}
	if err := p.publish(call.Component, *req.Topic, message); err != nil {
		return response, err
	}
	p.core.shadows.handleTopic(*req.Topic, message.Payload())
	return response, nil
}

// authorize refuses the empty topic whatever the policy says.
func (p *pubsub) authorize(call *server.Call, topic *string) error {
	if topic == nil {
		return nil
	}
	if *topic == "" {
		return &server.Error{Code: model.Unauthorized, Message: "Resource cannot be empty"}
	}
	if err := p.core.authorize(call.Component, servicePubSub, call.Operation, *topic); err != nil {
		return err
	}
	return nil
}

// publish gives every matching stream one copy. Messages that are published one
// after the other reach each stream in that order.
func (p *pubsub) publish(component, topic string, message model.PublishMessage) error {
	if strings.ContainsAny(topic, "+#*") {
		return &server.Error{Code: model.InvalidArguments, Message: "Publish topic must not contain a wildcard."}
	}
	levels := splitTopic(topic)
	if len(levels) == 0 {
		return &server.Error{Code: model.ServiceFailure, Message: "Index 0 out of bounds for length 0"}
	}
	context := &model.MessageContext{Topic: topic}
	if message.JSONMessage != nil {
		message.JSONMessage.Context = context
	} else {
		message.BinaryMessage.Context = context
	}
	event, err := server.Marshal(message)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.subscriptions {
		if matches(s.filter, levels) && !(s.fromOthers && s.component == component) {
			s.stream.Send(event)
		}
	}
	return nil
}

func (p *pubsub) subscribeToTopic(call *server.Call, stream *server.Stream, req *model.SubscribeToTopicRequest) (model.SubscribeToTopicResponse, error) {
	var response model.SubscribeToTopicResponse
	if err := p.authorize(call, &req.Topic); err != nil {
		return response, err
	}
	if blank(req.Topic) {
		return response, &server.Error{Code: model.InvalidArguments, Message: "Subscribe topic must not be empty"}
	}
	s := &subscription{filter: splitTopic(req.Topic), component: call.Component, stream: stream}
	switch req.ReceiveMode {
	case "":
		s.fromOthers = hasWildcard(s.filter)
	case model.ReceiveFromOthers:
		s.fromOthers = true
	}
	p.mu.Lock()
	p.subscriptions = append(p.subscriptions, s)
	p.mu.Unlock()
	stream.OnClose(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if i := slices.Index(p.subscriptions, s); i >= 0 {
			p.subscriptions = slices.Delete(p.subscriptions, i, i+1)
		}
	})
	return response, nil
}

// splitTopic returns the levels of a topic or filter without empty ones at the end.
func splitTopic(topic string) []string {
	levels := strings.Split(topic, "/")
	for len(levels) > 0 && levels[len(levels)-1] == "" && topic != "" {
		levels = levels[:len(levels)-1]
	}
	return levels
}

// matches compares a filter with a topic. A "#" that is not at the end matches
// one level, as in the classic nucleus.
func matches(filter, topic []string) bool {
	for i, level := range filter {
		switch {
		case i == len(topic):
			return false
		case level == "#" && i == len(filter)-1:
			return true
		case level != topic[i] && level != "+" && level != "#":
			return false
		}
	}
	return len(filter) == len(topic)
}

// hasWildcard decides what a subscription without a receive mode gets.
func hasWildcard(filter []string) bool {
	return slices.Contains(filter, "+") || len(filter) > 0 && filter[len(filter)-1] == "#"
}
