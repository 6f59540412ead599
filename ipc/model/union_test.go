package model

import (
	"encoding/json"
	"testing"
)

// FuzzEvents: whatever is read as an event can be written, and is the same when
// read again.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`,
		`{"jsonMessage":{"message":{"a":null},"context":{"topic":"t"}}}`,
		`{"binaryMessage":{"message":"aGVsbG8="}}`,
		`{"message":{"topicName":"t","payload":"","messageExpiryIntervalSeconds":1}}`,
		`{"connectionStatusEvent":{"status":"CONNECTED"}}`,
		`{"configurationUpdateEvent":{"componentName":"c","keyPath":["a"]}}`,
		`{"validateConfigurationUpdateEvent":{"configuration":[1],"deploymentId":"d"}}`,
		`{"postUpdateEvent":{"deploymentId":"d"}}`,
		`{"certificateUpdate":{"caCertificates":["a"]}}`,
		`{"password":"p","passwordExpiration":1.6E9}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again[SubscriptionResponseMessage](t, data)
		again[IoTCoreMessage](t, data)
		again[IoTCoreConnectionStatusEvent](t, data)
		again[ConfigurationUpdateEvents](t, data)
		again[ValidateConfigurationUpdateEvents](t, data)
		again[ComponentUpdatePolicyEvents](t, data)
		again[CertificateUpdateEvent](t, data)
		again[CreateDebugPasswordResponse](t, data)
		again[SecretValue](t, data)
	})
}

func again[T any](t *testing.T, data []byte) {
	t.Helper()
	var v, w T
	if json.Unmarshal(data, &v) != nil {
		return
	}
	first, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%T: %v", v, err)
	}
	if err := json.Unmarshal(first, &w); err != nil {
		t.Fatalf("%T: %s: %v", v, first, err)
	}
	if second, err := json.Marshal(w); err != nil || string(second) != string(first) {
		t.Fatalf("%T: %s, then %s, %v", v, first, second, err)
	}
}
