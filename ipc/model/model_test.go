package model

import (
	"encoding/json"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{GetThingShadow.ID(), "aws.greengrass#GetThingShadow"},
		{GetThingShadow.RequestType(), "aws.greengrass#GetThingShadowRequest"},
		{GetThingShadow.ResponseType(), "aws.greengrass#GetThingShadowResponse"},
		{SubscribeToTopic.EventType(), "aws.greengrass#SubscriptionResponseMessage"},
		{Conflict.ErrorType(), "aws.greengrass#ConflictError"},
		{Service, "aws.greengrass#GreengrassCoreIPC"},
		{ShadowTopic("thing", ""), "$aws/things/thing/shadow"},
		{ShadowTopic("thing", "gpio"), "$aws/things/thing/shadow/name/gpio"},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}

// TestJSON holds the wire form of each shape: absent members are left out, nothing
// is null, and reading it again gives the same.
func TestJSON(t *testing.T) {
	size := 5
	for _, test := range []struct {
		value any
		empty func() any
		want  string
	}{
		{GetThingShadowRequest{ThingName: "t"}, fresh[GetThingShadowRequest], `{"thingName":"t"}`},
		{GetThingShadowRequest{ThingName: "t", ShadowName: "s"}, fresh[GetThingShadowRequest], `{"thingName":"t","shadowName":"s"}`},
		{GetThingShadowResponse{Payload: []byte("{}")}, fresh[GetThingShadowResponse], `{"payload":"e30="}`},
		{UpdateThingShadowRequest{ThingName: "t", Payload: []byte("{}")}, fresh[UpdateThingShadowRequest], `{"thingName":"t","payload":"e30="}`},
		{DeleteThingShadowResponse{Payload: []byte{}}, fresh[DeleteThingShadowResponse], `{"payload":""}`},
		{ListNamedShadowsForThingRequest{ThingName: "t", PageSize: &size}, fresh[ListNamedShadowsForThingRequest], `{"thingName":"t","pageSize":5}`},
		{ListNamedShadowsForThingResponse{Results: []string{}, Timestamp: Timestamp{time.UnixMilli(1500)}}, fresh[ListNamedShadowsForThingResponse], `{"results":[],"timestamp":1.500}`},
		{PublishToTopicRequest{Topic: "a", PublishMessage: PublishMessage{BinaryMessage: &BinaryMessage{Message: []byte{}}}}, fresh[PublishToTopicRequest], `{"topic":"a","publishMessage":{"binaryMessage":{"message":""}}}`},
		{PublishToTopicResponse{}, fresh[PublishToTopicResponse], `{}`},
		{SubscribeToTopicRequest{Topic: "a", ReceiveMode: ReceiveFromOthers}, fresh[SubscribeToTopicRequest], `{"topic":"a","receiveMode":"RECEIVE_MESSAGES_FROM_OTHERS"}`},
		{SubscriptionResponseMessage{JSONMessage: &JSONMessage{Message: []byte(`{"n":1.0}`), Context: &MessageContext{Topic: "a"}}}, fresh[SubscriptionResponseMessage], `{"jsonMessage":{"message":{"n":1.0},"context":{"topic":"a"}}}`},
		{GetConfigurationRequest{}, fresh[GetConfigurationRequest], `{}`},
		{GetConfigurationRequest{ComponentName: "c", KeyPath: []string{"a", "b"}}, fresh[GetConfigurationRequest], `{"componentName":"c","keyPath":["a","b"]}`},
		{GetConfigurationResponse{ComponentName: "c", Value: []byte(`{"a":null}`)}, fresh[GetConfigurationResponse], `{"componentName":"c","value":{"a":null}}`},
		{UpdateStateRequest{State: StateErrored}, fresh[UpdateStateRequest], `{"state":"ERRORED"}`},
	} {
		got, err := json.Marshal(test.value)
		if err != nil || string(got) != test.want {
			t.Errorf("%T: %s, %v, want %s", test.value, got, err, test.want)
		}
		again := test.empty()
		if err := json.Unmarshal(got, again); err != nil {
			t.Errorf("%T: %v", test.value, err)
		}
		if second, err := json.Marshal(again); err != nil || string(second) != test.want {
			t.Errorf("%T read again: %s, %v, want %s", test.value, second, err, test.want)
		}
	}
}

func fresh[T any]() any { return new(T) }

func TestMessage(t *testing.T) {
	for _, test := range []struct{ text, topic, payload string }{
		{`{"jsonMessage":{"message":{"a": 1},"context":{"topic":"t"}}}`, "t", `{"a": 1}`},
		{`{"jsonMessage":{"message":[1]}}`, "", `[1]`},
		{`{"binaryMessage":{"message":"aGVsbG8=","context":{"topic":"t"}}}`, "t", "hello"},
		{`{"binaryMessage":{"message":"","context":null}}`, "", ""},
		{`{"futureMessage":{}}`, "", ""},
		{`{}`, "", ""},
	} {
		var m SubscriptionResponseMessage
		if err := json.Unmarshal([]byte(test.text), &m); err != nil {
			t.Errorf("%s: %v", test.text, err)
		}
		if m.Topic() != test.topic || string(m.Payload()) != test.payload {
			t.Errorf("%s: topic %q, payload %q, want %q, %q", test.text, m.Topic(), m.Payload(), test.topic, test.payload)
		}
	}
}

func TestTimestamp(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64 // milliseconds
		fail bool
	}{
		{`1.627935591123E9`, 1627935591123, false},
		{`1627935591.123`, 1627935591123, false},
		{`1627935591`, 1627935591000, false},
		{`1627935591.1229999`, 1627935591123, false},
		{`0`, 0, false},
		{`-0.001`, -1, false},
		{`-1.5`, -1500, false},
		{`1e300`, 0, true},
		{`"1627935591"`, 0, true},
		{`true`, 0, true},
	} {
		var got Timestamp
		err := json.Unmarshal([]byte(test.text), &got)
		if (err != nil) != test.fail || !test.fail && got.UnixMilli() != test.want {
			t.Errorf("%s: %d, %v, want %d, fail %v", test.text, got.UnixMilli(), err, test.want, test.fail)
		}
	}
	kept := Timestamp{time.UnixMilli(1500)}
	if err := json.Unmarshal([]byte("null"), &kept); err != nil || kept.UnixMilli() != 1500 {
		t.Errorf("null: %v, %v, want no change", kept, err)
	}
	for _, test := range []struct {
		milli int64
		want  string
	}{
		{1627935591000, "1627935591.000"}, // an integer would be refused by lite
		{1627935591123, "1627935591.123"},
		{-1500, "-1.500"},
	} {
		got, err := json.Marshal(Timestamp{time.UnixMilli(test.milli)})
		if err != nil || string(got) != test.want {
			t.Errorf("%d: %s, %v, want %s", test.milli, got, err, test.want)
		}
	}
}

// TestTimestampEdges: a time that was not set is left out, and one that is beyond
// the wire is refused.
func TestTimestampEdges(t *testing.T) {
	got, err := json.Marshal(UpdateConfigurationRequest{ValueToMerge: []byte(`{}`)})
	if err != nil || string(got) != `{"valueToMerge":{}}` {
		t.Errorf("zero time: %s, %v", got, err)
	}
	for _, year := range []int{-300_000, 300_000, 1 << 40} {
		if got, err := json.Marshal(Timestamp{time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
			t.Errorf("year %d: %s", year, got)
		}
	}
	var ts Timestamp
	if err := json.Unmarshal([]byte(`1627935591`), &ts); err != nil || !ts.Equal(time.Unix(1627935591, 0)) || ts.IsZero() {
		t.Errorf("got %v, %v", ts, err)
	}
}

func TestErrorPayload(t *testing.T) {
	text := "Version conflict"
	for _, test := range []struct {
		value ErrorPayload
		want  string
	}{
		{ErrorPayload{Message: &text, Service: Service, LiteMessage: text, Code: Conflict},
			`{"message":"Version conflict","_service":"aws.greengrass#GreengrassCoreIPC","_message":"Version conflict","_errorCode":"ConflictError"}`},
		{ErrorPayload{Code: ServiceFailure}, `{"_message":"","_errorCode":"ServiceError"}`},
	} {
		got, err := json.Marshal(test.value)
		if err != nil || string(got) != test.want {
			t.Errorf("%s, %v, want %s", got, err, test.want)
		}
	}
}
