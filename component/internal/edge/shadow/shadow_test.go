package shadow

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTopic(t *testing.T) {
	for _, c := range []struct {
		id   ID
		want string
	}{
		{ID{"gw", ""}, "$aws/things/gw/shadow/update/delta"},
		{ID{"gw", "host"}, "$aws/things/gw/shadow/name/host/update/delta"},
	} {
		if got := c.id.Topic("/update/delta"); got != c.want {
			t.Errorf("%v: got %s, want %s", c.id, got, c.want)
		}
	}
}

func TestParseDocument(t *testing.T) {
	doc, err := ParseDocument([]byte(`{"version":7,"timestamp":9,
		"state":{"desired":{"a":1,"o":{"x":1,"y":[1,2]}},"reported":{"a":2,"ack":{"a":{"code":200,"version":6}}},"delta":{"a":1}},
		"metadata":{"desired":{"a":{"timestamp":5},"o":{"x":{"timestamp":6},"y":[{"timestamp":8},{"timestamp":7}]}},
			"reported":{"a":{"timestamp":4},"ack":{"a":{"code":{"timestamp":3},"version":{"timestamp":4}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if doc.Version != 7 || doc.DesiredAt["a"] != 5 || doc.DesiredAt["o"] != 8 || doc.AckAt["a"] != 4 {
		t.Errorf("got %+v", doc)
	}
	if ack, ok := ParseAck(doc.Reported["ack"].(map[string]any)["a"]); !ok || ack != (Ack{Code: Done, Version: 6}) {
		t.Errorf("ack %+v, %v", ack, ok)
	}
}

func TestParseDocumentTakesWhatTheShadowManagerSends(t *testing.T) {
	for _, text := range []string{
		`{"state":{},"metadata":{},"version":3,"timestamp":1}`,
		`{"state":{"desired":null},"metadata":{"desired":{"timestamp":1}},"version":3}`,
		`{"version":3}`,
	} {
		doc, err := ParseDocument([]byte(text))
		if err != nil || doc.Version != 3 || len(doc.Desired)+len(doc.Reported) > 0 {
			t.Errorf("%s: got %+v, %v", text, doc, err)
		}
	}
	for _, text := range []string{`{"version":"3"}`, `[]`, `{"state":5}`, `{`} {
		if doc, err := ParseDocument([]byte(text)); err == nil {
			t.Errorf("%s was taken for %+v", text, doc)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`1`, `1.0`, true},
		{`250`, `2.5e2`, true},
		{`9007199254740993`, `9007199254740992`, false},
		{`1`, `"1"`, false},
		{`true`, `1`, false},
		{`true`, `true`, true},
		{`null`, `null`, true},
		{`null`, `false`, false},
		{`"a"`, `"a"`, true},
		{`{"a":1,"b":2}`, `{"b":2.0,"a":1}`, true},
		{`{"a":1}`, `{"a":1,"b":null}`, false},
		{`[1,2]`, `[1,2]`, true},
		{`[1,2]`, `[1.0,2]`, false},
		{`[{"a":1}]`, `[{"a":1}]`, true},
		{`[]`, `{}`, false},
	} {
		var a, b any
		if err := decode([]byte(c.a), &a); err != nil {
			t.Fatal(err)
		}
		if err := decode([]byte(c.b), &b); err != nil {
			t.Fatal(err)
		}
		if Equal(a, b) != c.want || Equal(b, a) != c.want {
			t.Errorf("%s = %s: want %v", c.a, c.b, c.want)
		}
	}
	if !Equal(true, true) || !Equal(json.Number("3"), 3) || !Equal(3.0, int64(3)) {
		t.Error("Go values do not equal decoded ones")
	}
}

func TestUpdate(t *testing.T) {
	for _, c := range []struct {
		update Update
		want   string
	}{
		{
			Update{Reported: map[string]any{"lights": "<on>", "ack": nil}, ClientToken: "tok"},
			`{"state":{"reported":{"ack":null,"lights":"<on>"}},"clientToken":"tok"}`,
		},
		{
			Update{Desired: map[string]any{"bell": nil}, Reported: map[string]any{"bell": false}, Version: 7},
			`{"state":{"desired":{"bell":null},"reported":{"bell":false}},"version":7}`,
		},
	} {
		got, err := c.update.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestCutReason(t *testing.T) {
	if got := CutReason("line A\n  is\tbusy"); got != "line A is busy" {
		t.Errorf("got %q", got)
	}
	long := CutReason(strings.Repeat("ü", 200))
	if len(long) > MaxReason || !utf8.ValidString(long) || !strings.HasSuffix(long, "…") {
		t.Errorf("got %d bytes: %q", len(long), long)
	}
}

func TestGate(t *testing.T) {
	type event struct {
		what    string // document, message, forget
		version int64
		want    Verdict
	}
	for _, c := range []struct {
		reason string
		events []event
	}{
		{"nothing is known at first", []event{{"message", 5, Resync}}},
		{"one after the other", []event{{"document", 5, 0}, {"message", 6, Apply}, {"message", 7, Apply}}},
		{"a message of the document itself", []event{{"document", 5, 0}, {"message", 5, Ignore}, {"message", 6, Apply}}},
		{"published before the document was read", []event{{"document", 5, 0}, {"message", 3, Ignore}, {"message", 4, Ignore}, {"message", 5, Ignore}, {"message", 6, Apply}}},
		{"a message is missing", []event{{"document", 5, 0}, {"message", 7, Resync}, {"message", 8, Resync}}},
		{"a message is missing later", []event{{"document", 5, 0}, {"message", 6, Apply}, {"message", 8, Resync}}},
		{"the same twice", []event{{"document", 5, 0}, {"message", 6, Apply}, {"message", 6, Resync}}},
		{"back: deleted and created in between", []event{{"document", 5, 0}, {"message", 6, Apply}, {"message", 3, Resync}}},
		{"back among what was read", []event{{"document", 9, 0}, {"message", 7, Ignore}, {"message", 2, Resync}}},
		{"version 1 is a new shadow", []event{{"document", 5, 0}, {"message", 1, Resync}}},
		{"version 1 of the shadow that was read", []event{{"document", 1, 0}, {"message", 1, Ignore}, {"message", 2, Apply}}},
		{"the first version after no shadow", []event{{"document", 0, 0}, {"message", 1, Apply}, {"message", 2, Apply}}},
		{"forgotten", []event{{"document", 5, 0}, {"forget", 0, 0}, {"message", 6, Resync}}},
		{"a document resets", []event{{"document", 9, 0}, {"message", 10, Apply}, {"document", 1, 0}, {"message", 2, Apply}}},
	} {
		var g Gate
		for i, e := range c.events {
			switch e.what {
			case "document":
				g.Document(e.version)
			case "forget":
				g.Forget()
			case "message":
				if got := g.Message(e.version); got != e.want {
					t.Errorf("%s: event %d, version %d: got %v, want %v", c.reason, i, e.version, got, e.want)
				}
			}
		}
	}
}

func TestParseAccepted(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    Accepted
	}{
		{`{"version":3,"clientToken":"t","timestamp":9,"state":{"desired":{"a":1,"b":null}},"metadata":{"desired":{"a":{"timestamp":5},"b":{"timestamp":5}}}}`,
			Accepted{Version: 3, ClientToken: "t", Desired: map[string]any{"a": json.Number("1"), "b": nil}, DesiredAt: map[string]int64{"a": 5, "b": 5}}},
		{`{"version":3,"state":{"reported":{"a":true}},"metadata":{"reported":{"a":{"timestamp":5}}}}`,
			Accepted{Version: 3, Reported: map[string]any{"a": true}}},
		{`{"version":3,"state":{"desired":null},"metadata":{"desired":{"timestamp":5}}}`, Accepted{Version: 3, DesiredCleared: true, DesiredAt: map[string]int64{"timestamp": 5}}},
		{`{"version":3,"state":{"desired":{}},"metadata":{"desired":{}}}`, Accepted{Version: 3, Desired: map[string]any{}, DesiredCleared: true}},
		{`{"version":3,"state":null,"metadata":{"timestamp":5}}`, Accepted{Version: 3, DesiredCleared: true, ReportedCleared: true}},
		{`{"version":3,"state":{},"metadata":{}}`, Accepted{Version: 3}},
	} {
		got, err := ParseAccepted([]byte(c.payload))
		if err != nil {
			t.Errorf("%s: %v", c.payload, err)
			continue
		}
		got.DesiredAt, c.want.DesiredAt = nonzero(got.DesiredAt), nonzero(c.want.DesiredAt)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.payload, got, c.want)
		}
	}
	for _, payload := range []string{`{`, `{"state":5}`, `{"state":{"desired":[]}}`, `{"version":"1"}`, `{"state":{"reported":true}}`} {
		if got, err := ParseAccepted([]byte(payload)); err == nil {
			t.Errorf("%s was taken for %+v", payload, got)
		}
	}
}

func nonzero(times map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for key, at := range times {
		if at != 0 {
			out[key] = at
		}
	}
	return out
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(`{"version":7,"state":{"desired":{"a":1}},"metadata":{"desired":{"a":{"timestamp":5}}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		doc, err := ParseDocument(payload)
		if err == nil && !Equal(doc.Desired, doc.Desired) {
			t.Errorf("a document differs from itself: %s", payload)
		}
		ParseAccepted(payload)
		ParseVersion(payload)
	})
}
