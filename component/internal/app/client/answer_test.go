package client

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// document makes a document of a state as it is written in JSON, and of the times of
// what is desired and answered.
func document(t *testing.T, version, desiredAt, ackAt int64, state string) shadow.Document {
	t.Helper()
	var s struct {
		Desired, Reported map[string]any
	}
	if err := json.Unmarshal([]byte(state), &s); err != nil {
		t.Fatal(err)
	}
	d := shadow.Document{Version: version, Desired: s.Desired, Reported: s.Reported, DesiredAt: map[string]int64{}, AckAt: map[string]int64{}}
	for key := range s.Desired {
		d.DesiredAt[key] = desiredAt
	}
	acks, _ := s.Reported["ack"].(map[string]any)
	for key := range acks {
		d.AckAt[key] = ackAt
	}
	return d
}

func TestAnswers(t *testing.T) {
	const (
		never   = `{"reported":{"lamp":"off"}}`
		settled = `{"desired":{"lamp":"off"},"reported":{"lamp":"off","ack":{"lamp":{"code":200,"version":3}}}}`
		pending = `{"desired":{"lamp":"off"},"reported":{"lamp":"dim","ack":{"lamp":{"code":200,"version":3}}}}`
		refused = `{"desired":{"lamp":"blue"},"reported":{"lamp":"off","ack":{"lamp":{"code":400,"version":3,"reason":"no"}}}}`
	)
	for _, test := range []struct {
		name   string
		before string
		// age is how much later than the last answer the value before was desired, in s.
		age     int64
		desired string
		now     string
		version int64 // of the document now; the question is 5
		want    string
	}{
		{"nothing was heard", never, 0, `"on"`, `{"desired":{"lamp":"on"},"reported":{"lamp":"off"}}`, 5, "unanswered, waits"},
		{"answered", never, 0, `"on"`, `{"desired":{"lamp":"on"},"reported":{"lamp":"on","ack":{"lamp":{"code":200,"version":4}}}}`, 6, "done (200)"},
		{"refused", never, 0, `"red"`, `{"desired":{"lamp":"red"},"reported":{"lamp":"off","ack":{"lamp":{"code":400,"version":4,"reason":"no"}}}}`, 6, "refused (400): no"},
		{"the line failed", never, 0, `"on"`, `{"desired":{"lamp":"on"},"reported":{"ack":{"lamp":{"code":500,"version":4,"reason":"busy"}}}}`, 6, "refused (500): busy"},
		{"in progress", never, 0, `"on"`, `{"desired":{"lamp":"on"},"reported":{"lamp":"off","ack":{"lamp":{"code":202,"version":4,"reason":"pulse"}}}}`, 6, "unanswered (202): pulse, waits"},
		{"a pulse that is over", never, 0, `true`, `{"reported":{"lamp":false,"ack":{"lamp":{"code":200,"version":4}}}}`, 7, "done (200)"},
		{"the old answer is no answer", settled, 0, `"on"`, `{"desired":{"lamp":"on"},"reported":{"lamp":"off","ack":{"lamp":{"code":200,"version":3}}}}`, 5, "unanswered, waits"},
		{"the same again, settled", settled, 0, `"off"`, settled, 4, "done (200)"},
		{"the same again, refused", refused, 0, `"blue"`, refused, 4, "refused (400): no"},
		{"the same again, not answered yet", pending, 9, `"off"`, pending, 4, "unanswered, waits"},
		{"another value that is met, though nothing will be heard", settled, 0, `"off"`, settled, 5, "done (200)"},
		{"an answer while an earlier value waits may be the earlier one's", pending, 9, `"red"`,
			`{"desired":{"lamp":"red"},"reported":{"lamp":"off","ack":{"lamp":{"code":400,"version":5,"reason":"no"}}}}`, 6, "refused (400): no, doubtful"},
		{"an earlier one's success does not count", pending, 9, `"on"`,
			`{"desired":{"lamp":"on"},"reported":{"lamp":"off","ack":{"lamp":{"code":200,"version":5}}}}`, 6, "done (200), doubtful"},
		{"a value that was adopted is answered, whatever waits", pending, 9, `"on"`,
			`{"desired":{"lamp":"on"},"reported":{"lamp":"on","ack":{"lamp":{"code":200,"version":5}}}}`, 6, "done (200)"},
		{"somebody else has desired", settled, 0, `"on"`, `{"desired":{"lamp":"off"},"reported":{"lamp":"off","ack":{"lamp":{"code":200,"version":3}}}}`, 6, "overruled: desired is off now"},
		{"withdrawn", settled, 0, `null`, settled, 5, "done: withdrawn"},
		{"a device that answers nothing", never, 0, `"on"`, `{"desired":{"lamp":"on"},"reported":{"lamp":"on"}}`, 6, "done: as desired already"},
		{"the same answer again, later", settled, 0, `"on"`, `{"desired":{"lamp":"on"},"reported":{"lamp":"on","ack":{"lamp":{"code":200,"version":3}}}}`, 6, "done (200)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := Question{Version: 5, Before: document(t, 4, 100+test.age, 100, test.before), Desired: map[string]any{}}
			if err := json.Unmarshal([]byte(`{"lamp":`+test.desired+`}`), &q.Desired); err != nil {
				t.Fatal(err)
			}
			answers, complete, sure := q.Answers(document(t, test.version, 100, 100, test.now))
			got := answers["lamp"].String()
			if !complete {
				got += ", waits"
			}
			if !sure {
				got += ", doubtful"
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWorst(t *testing.T) {
	for _, test := range []struct {
		outcomes []Outcome
		want     Outcome
	}{
		{nil, Done},
		{[]Outcome{Done, Unanswered}, Unanswered},
		{[]Outcome{Refused, Unanswered, Done}, Refused},
		{[]Outcome{Unanswered, Overruled}, Overruled},
	} {
		answers := map[string]Answer{}
		for i, o := range test.outcomes {
			answers[fmt.Sprint(i)] = Answer{Outcome: o}
		}
		if got := Worst(answers); got != test.want {
			t.Errorf("worst of %v is %s, want %s", test.outcomes, got, test.want)
		}
	}
}

func TestChanges(t *testing.T) {
	old := document(t, 1, 0, 0, `{"desired":{"a":1,"b":{"x":1}},"reported":{"a":1,"gone":true,"ack":{"a":{"code":200,"version":1}}}}`)
	now := document(t, 2, 0, 0, `{"desired":{"a":2,"b":{"x":1}},"reported":{"a":1,"new":"off","ack":{"a":{"code":400,"version":2,"reason":"too many"}}}}`)
	var got []string
	for _, c := range Changes(old, now) {
		got = append(got, c.String())
	}
	want := []string{"desired a: 1 → 2", "reported gone: true → -", "reported new: - → off", "ack a: 400 too many"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if again := Changes(now, now); again != nil {
		t.Errorf("the same document differs from itself: %v", again)
	}
}

func TestValues(t *testing.T) {
	for _, text := range []string{"on", "5", "5.25", "true", `{"a":1}`, `"5"`, "null", "two words", `[1,2]`, "", "5]", "true}", `{"a":"<&>"}`, "1 2"} {
		if got := Text(ParseValue(text)); got != text && text != "" {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	// What a device reports does not command the terminal of who looks at it.
	for value, want := range map[any]string{"a\x1b[2J": `"a\u001b[2J"`, "a\nb": `"a\nb"`, "\u009b31m": `"\u009b31m"`} {
		if got := Text(value); got != want {
			t.Errorf("%q is shown as %s, want %s", value, got, want)
		}
	}
	if got := (Answer{Outcome: Refused, Code: 400, Reason: "\x1b]0;x\a"}).String(); got != `refused (400): \u001b]0;x\u0007` {
		t.Error(got)
	}
	for _, wrong := range []string{"lights", "=on", ""} {
		if _, err := ParseDesired([]string{wrong}); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("$aws/things/T/shadow/name/S/update/documents", []byte(`{"previous":null,"current":{"state":{},"version":1},"clientToken":"x"}`))
	f.Add("$aws/things/T/shadow/get/rejected", []byte(`{"code":404,"message":"none"}`))
	f.Add("$aws/events/presence/connected/T", []byte(`{}`))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		e, ok := ParseEvent(Message{Topic: topic, Payload: payload})
		if !ok {
			return
		}
		if e.Token(); e.Refusal() == nil || e.ID.Thing == "" && e.Kind == "" {
			t.Errorf("%q: %+v", topic, e)
		}
		if previous, current, err := e.Documents(); err == nil {
			Changes(previous, current)
		}
	})
}
