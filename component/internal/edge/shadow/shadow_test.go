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
	for _, text := range []string{`[]`, `{"state":5}`, `{`} {
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
		c.want.Size = len(c.payload)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.payload, got, c.want)
		}
	}
	for _, payload := range []string{`{`, `{"state":5}`, `{"state":{"desired":[]}}`, `{"state":{"reported":true}}`} {
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

// TestVersions reads versions in every form that nuclei and others write.
func TestVersions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "7": 7, "7.0": 7, "7e0": 7, `"7"`: 7, `"7.0"`: 7, "9007199254740991": MaxVersion,
		"9007199254740992": NoVersion, "9223372036854775807": NoVersion, "9223372036854775808": NoVersion, "1e999999999": NoVersion, "9e15": 9e15, "1e16": NoVersion,
		"-1": NoVersion, "-9223372036854775808": NoVersion, "-7.0": NoVersion, "7.5": NoVersion, `"x"`: NoVersion, `"NaN"`: NoVersion, `"Inf"`: NoVersion, `""`: NoVersion,
		"null": NoVersion, "true": NoVersion, "{}": NoVersion, "[7]": NoVersion, strings.Repeat("9", 10000): NoVersion,
	} {
		payload := []byte(`{"version":` + text + `,"state":{"desired":{"a":1}}}`)
		doc, err := ParseDocument(payload)
		if err != nil || doc.Version != want || len(doc.Desired) != 1 {
			t.Errorf("document with version %.40s: %d, %v, want %d", text, doc.Version, err, want)
		}
		if a, err := ParseAccepted(payload); err != nil || a.Version != want {
			t.Errorf("message with version %.40s: %d, %v, want %d", text, a.Version, err, want)
		}
		if version, err := ParseVersion(payload); err != nil || version != want {
			t.Errorf("reply with version %.40s: %d, %v, want %d", text, version, err, want)
		}
	}
}

func TestMembersGoByTheirExactNames(t *testing.T) {
	t.Parallel()
	const payload = `{"version":7,"VERSION":9,"Version":9,"state":{"desired":{"a":1},"Desired":{"a":2},"DESIRED":{"b":2}},"STATE":{},"ClientToken":"x","metadata":{"desired":{"a":{"timestamp":5}},"Desired":{"a":{"timestamp":9}}}}`
	doc, err := ParseDocument([]byte(payload))
	if want := map[string]any{"a": json.Number("1")}; err != nil || doc.Version != 7 || !reflect.DeepEqual(doc.Desired, want) || doc.DesiredAt["a"] != 5 {
		t.Errorf("got %+v, %v", doc, err)
	}
	a, err := ParseAccepted([]byte(payload))
	if err != nil || a.Version != 7 || len(a.Desired) != 1 || a.ClientToken != "" || a.DesiredAt["a"] != 5 {
		t.Errorf("got %+v, %v", a, err)
	}
	twice, err := ParseDocument([]byte(`{"version":1,"version":2,"state":{"desired":{"a":1,"a":{"b":1},"a":{"c":2}}}}`))
	if want := map[string]any{"a": map[string]any{"c": json.Number("2")}}; err != nil || twice.Version != 2 || !reflect.DeepEqual(twice.Desired, want) {
		t.Errorf("of duplicated members the last counts; got %+v, %v", twice, err)
	}
}

func TestOversizedPayloads(t *testing.T) {
	t.Parallel()
	state := func(value string) string { return `{"version":1,"state":{"desired":{"a":` + value + `}}}` }
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, c := range map[string]struct {
		payload string
		bad     bool
	}{
		"as deep as may be":     {state(deep(maxNesting - 3)), false},
		"too deep":              {state(deep(maxNesting - 2)), true},
		"far too deep":          {state(deep(100000)), true},
		"never closed":          {strings.Repeat("{", 100000), true},
		"brackets in a text":    {state(`"` + strings.Repeat(`[{\"`, 1000) + `"`), false},
		"large state":           {state(`"` + strings.Repeat("x", maxState-20) + `"`), false},
		"too large a state":     {state(`"` + strings.Repeat("x", maxState) + `"`), true},
		"too large a payload":   {state(`1`) + strings.Repeat(" ", maxPayload), true},
		"large metadata":        {`{"version":1,"state":{"desired":{"a":1}},"metadata":{"desired":{"a":[` + strings.Repeat(`{"timestamp":1},`, 20000) + `{"timestamp":5}]}}}`, false},
		"metadata of no object": {`{"version":1,"state":{"desired":{"a":1}},"metadata":{"desired":[]}}`, true},
	} {
		doc, err := ParseDocument([]byte(c.payload))
		if (err != nil) != c.bad {
			t.Errorf("%s, as a document: %v", name, err)
		}
		if a, err2 := ParseAccepted([]byte(c.payload)); (err2 != nil) != c.bad || !c.bad && !reflect.DeepEqual(a.DesiredAt, doc.DesiredAt) {
			t.Errorf("%s, as a message: %v", name, err2)
		}
		if name == "large metadata" && doc.DesiredAt["a"] != 5 {
			t.Errorf("the latest time is %v", doc.DesiredAt)
		}
	}
}

// TestGateRecoversFromAnyVersion: whatever version a document had, the versions of a shadow
// that was made anew lead to a read.
func TestGateRecoversFromAnyVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []int64{NoVersion, MaxVersion, 1 << 40, 10000} {
		for _, next := range []int64{1, 2, 9, NoVersion, MaxVersion} {
			var g Gate
			g.Document(version)
			if got := g.Message(next); next < version-maxLate && got != Resync || version == NoVersion && got != Resync {
				t.Errorf("after a document with version %d, a message with %d: %v", version, next, got)
			}
		}
		var g Gate
		g.Document(version)
		g.Forget()
		g.Document(1)
		if got := g.Message(2); got != Apply {
			t.Errorf("after version %d and a new document: %v", version, got)
		}
	}
	var g Gate
	g.Document(1000)
	for _, late := range []int64{998, 999, 1000} {
		if got := g.Message(late); got != Ignore {
			t.Errorf("message %d, published before the document: %v", late, got)
		}
	}
	if got := g.Message(1001); got != Apply {
		t.Errorf("the next message: %v", got)
	}
}
