package rest

import (
	"net/http"
	"strconv"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// publish puts the body on a topic. Requests to the shadow service work this way, too.
func (a *API) publish(r *http.Request, body []byte) (any, error) {
	qos, err := number(r, "qos", 0, 1, 0)
	if err != nil {
		return nil, err
	}
	retain := false
	if text := r.URL.Query().Get("retain"); text != "" {
		if retain, err = strconv.ParseBool(text); err != nil {
			return nil, invalid("retain: want true or false, got %q", text)
		}
	}
	err = a.Broker.Publish(broker.Message{Topic: r.PathValue("topic"), Payload: body, QoS: byte(qos), Retain: retain})
	if err != nil {
		return nil, invalid("%v", err)
	}
	return map[string]string{"message": "OK"}, nil
}

func (a *API) getRetained(r *http.Request, _ []byte) (any, error) {
	topic := r.PathValue("topic")
	for _, m := range a.Broker.Retained() {
		if m.Topic == topic {
			return struct {
				Topic    string `json:"topic"`
				Payload  []byte `json:"payload"`
				QoS      byte   `json:"qos"`
				Modified int64  `json:"lastModifiedTime"` // in ms
			}{m.Topic, m.Payload, m.QoS, milliseconds(m.Time)}, nil
		}
	}
	return nil, &shadowdoc.Refusal{Code: http.StatusNotFound, Message: "No retained message found for topic: " + topic}
}

// maxRetained is how many topics a page of retained messages has.
const maxRetained = 200

type retainedTopic struct {
	Topic    string `json:"topic"`
	Size     int    `json:"payloadSize"`
	QoS      byte   `json:"qos"`
	Modified int64  `json:"lastModifiedTime"` // in ms
}

// listRetained answers with a page of topics. The token is the last topic before it.
func (a *API) listRetained(r *http.Request, _ []byte) (any, error) {
	size, err := number(r, "maxResults", 1, maxRetained, maxRetained)
	if err != nil {
		return nil, err
	}
	after := r.URL.Query().Get("nextToken")
	page := struct {
		Topics    []retainedTopic `json:"retainedTopics"`
		NextToken string          `json:"nextToken,omitempty"`
	}{Topics: []retainedTopic{}}
	for _, m := range a.Broker.Retained() {
		if m.Topic <= after {
			continue
		}
		if len(page.Topics) == size {
			page.NextToken = page.Topics[size-1].Topic
			break
		}
		page.Topics = append(page.Topics, retainedTopic{m.Topic, len(m.Payload), m.QoS, milliseconds(m.Time)})
	}
	return page, nil
}
