package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/internal/broker"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/", false},
		{"a/+", "a/b", true},
		{"a/+", "a/", true},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"+/b", "a/b", true},
		{"+/+", "/b", true},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"a/#", "ab", false},
		{"#", "a/b", true},
		{"#", "$aws/x", false},
		{"+/x", "$aws/x", false},
		{"$aws/#", "$aws/x", true},
		{"a", "A", false},
	} {
		if got := broker.Matches(test.filter, test.topic); got != test.want {
			t.Errorf("%s and %s: got %t", test.filter, test.topic, got)
		}
	}
}

func TestCheckFilter(t *testing.T) {
	for filter, good := range map[string]bool{
		"a": true, "#": true, "+": true, "a/+/b/#": true, "/": true, "": false, "a/#/b": false, "a#": false, "a/b+": false,
	} {
		if err := broker.CheckFilter(filter); (err == nil) != good {
			t.Errorf("%q: got %v", filter, err)
		}
	}
}

// inbox collects messages.
type inbox struct{ got []broker.Message }

func (i *inbox) deliver(m broker.Message) { i.got = append(i.got, m) }

// take returns what has come since, as topic=payload/quality of service.
func (i *inbox) take() []string {
	var texts []string
	for _, m := range i.got {
		text := fmt.Sprintf("%s=%s/%s", m.TopicName, m.Payload, m.QOS)
		if m.Retain {
			text += " retained"
		}
		texts = append(texts, text)
	}
	i.got = nil
	return texts
}

func message(topic, payload string, qos model.QOS) broker.Message {
	return broker.Message{QOS: qos, MQTTMessage: model.MQTTMessage{TopicName: topic, Payload: []byte(payload)}}
}

func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func publish(t *testing.T, b *broker.Broker, m broker.Message) {
	t.Helper()
	if err := b.Publish(m); err != nil {
		t.Fatal(err)
	}
}

func TestSession(t *testing.T) {
	b := broker.New()
	var in inbox
	s := b.Open(in.deliver)
	if err := s.Subscribe("a", model.AtLeastOnce); !errors.Is(err, broker.ErrDisconnected) {
		t.Errorf("got %v", err)
	}
	s.Connect()
	for _, filter := range []string{"a/+", "a/#"} {
		if err := s.Subscribe(filter, model.AtLeastOnce); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, message("a/b", "1", model.AtLeastOnce))
	check(t, "two filters, one message", in.take(), "a/b=1/1")
	s.Disconnect()
	if err := s.Publish(message("x", "", model.AtMostOnce)); !errors.Is(err, broker.ErrDisconnected) {
		t.Errorf("got %v", err)
	}
	publish(t, b, message("a/b", "lost", model.AtMostOnce))
	publish(t, b, message("a/b", "2", model.AtLeastOnce))
	publish(t, b, message("a/b", "3", model.AtLeastOnce))
	check(t, "disconnected", in.take())
	s.Connect()
	check(t, "connected again", in.take(), "a/b=2/1", "a/b=3/1")
	for _, filter := range []string{"a/+", "a/#"} {
		if err := s.Unsubscribe(filter); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, message("a/b", "4", model.AtLeastOnce))
	check(t, "unsubscribed", in.take())
	if err := s.Subscribe("a", model.AtMostOnce); err != nil {
		t.Fatal(err)
	}
	publish(t, b, message("a", "5", model.AtLeastOnce))
	check(t, "lower quality of service", in.take(), "a=5/0")
	s.Close()
	publish(t, b, message("a", "6", model.AtLeastOnce))
	check(t, "closed", in.take())
	if err := b.Publish(message("a/+", "", model.AtMostOnce)); err == nil {
		t.Error("a wildcard was published")
	}
}

func TestRetained(t *testing.T) {
	b := broker.New()
	retained := func(topic, payload string) {
		m := message(topic, payload, model.AtLeastOnce)
		m.Retain = true
		publish(t, b, m)
	}
	var early, late inbox
	if _, err := b.Subscribe("r/#", early.deliver); err != nil {
		t.Fatal(err)
	}
	retained("r/b", "old")
	retained("r/b", "new")
	retained("r/a", "x")
	retained("other", "x")
	check(t, "subscribed before", early.take(), "r/b=old/1", "r/b=new/1", "r/a=x/1")
	cancel, err := b.Subscribe("r/#", late.deliver)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "subscribed after", late.take(), "r/a=x/1 retained", "r/b=new/1 retained")
	cancel()
	retained("r/b", "")
	var last inbox
	if _, err := b.Subscribe("r/+", last.deliver); err != nil {
		t.Fatal(err)
	}
	check(t, "cleared", last.take(), "r/a=x/1 retained")
	check(t, "cancelled", late.take())
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New()
		var in inbox
		s := b.Open(in.deliver)
		s.Connect()
		if err := s.Subscribe("a", model.AtLeastOnce); err != nil {
			t.Fatal(err)
		}
		s.Disconnect()
		for payload, seconds := range map[string]int64{"gone": 10, "there": 11} {
			m := message("a", payload, model.AtLeastOnce)
			m.MessageExpiryIntervalSeconds = &seconds
			publish(t, b, m)
		}
		time.Sleep(10 * time.Second)
		s.Connect()
		if len(in.got) != 1 || string(in.got[0].Payload) != "there" || *in.got[0].MessageExpiryIntervalSeconds != 1 {
			t.Errorf("got %+v", in.got)
		}
	})
}
