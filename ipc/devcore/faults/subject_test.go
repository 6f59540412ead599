package faults

import "testing"

func TestSubject(t *testing.T) {
	for payload, want := range map[string]string{
		`{"thingName":"gw"}`: "gw",
		`{"thingName":"gw","shadowName":"room","payload":"e30="}`:         "gw/room",
		`{"topic":"a/b","publishMessage":{"jsonMessage":{"message":{}}}}`: "a/b",
		`{"topicName":"c","qos":"1","payload":""}`:                        "c",
		`{"componentName":"io.x","keyPath":["a","b"]}`:                    "io.x/a/b",
		`{"keyPath":["a"]}`: "a",
		`{"jsonMessage":{"message":{"topic":"no"},"context":{"topic":"t"}}}`: "t",
		`{"binaryMessage":{"message":"YQ==","context":{"topic":"t"}}}`:       "t",
		`{"message":{"topicName":"m","payload":""}}`:                         "m",
		`{"configurationUpdateEvent":{"componentName":"c","keyPath":["k"]}}`: "c/k",
		`{"message":"a text","topicName":"still"}`:                           "still",
		`{"state":"RUNNING"}`: "",
		`{}`:                  "",
		`[`:                   "",
		``:                    "",
	} {
		if got := subject([]byte(payload)); got != want {
			t.Errorf("%s: got %q, want %q", payload, got, want)
		}
	}
}
