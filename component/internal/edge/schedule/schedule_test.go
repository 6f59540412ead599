package schedule

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func parse(t testing.TB, text string) *Schedule {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func TestDue(t *testing.T) {
	const daily = `"entries":[{"at":"06:30","set":"on"},{"at":"07:00","set":"off"}]`
	for _, c := range []struct{ name, schedule, settled, now, want string }{
		{"at its time", `{` + daily + `}`, "2026-11-23T06:00:00Z", "2026-11-23T06:30:00Z", "06:30 true"},
		{"before", `{` + daily + `}`, "2026-11-23T06:00:00Z", "2026-11-23T06:29:59Z", ""},
		{"settled", `{` + daily + `}`, "2026-11-23T06:30:00Z", "2026-11-23T06:31:00Z", ""},
		{"two minutes late", `{` + daily + `}`, "2026-11-20T06:00:00Z", "2026-11-23T06:32:00Z", "06:30 true"},
		{"too late", `{` + daily + `}`, "2026-11-20T06:00:00Z", "2026-11-23T06:32:01Z", ""},
		{"the latest of two", `{"missed":"last",` + daily + `}`, "2026-11-20T06:00:00Z", "2026-11-23T07:20:00Z", "07:00 false"},
		{"within an hour", `{"missed":"last",` + daily + `}`, "2026-11-20T06:00:00Z", "2026-11-23T08:00:00Z", "07:00 false"},
		{"after an hour", `{"missed":"last",` + daily + `}`, "2026-11-20T06:00:00Z", "2026-11-23T08:00:01Z", ""},
		{"a long grace", `{"missed":"last","grace":"24h",` + daily + `}`, "2026-11-20T06:00:00Z", "2026-11-23T06:29:00Z", "07:00 false"},
		{"the clock is behind", `{"missed":"last",` + daily + `}`, "2026-11-23T06:30:00Z", "2026-11-23T06:00:00Z", ""},
		{"the same moment: the later entry", `{"entries":[{"at":"06:30","set":"on"},{"cron":"30 6 * * *","set":"off"}]}`, "2026-11-23T06:00:00Z", "2026-11-23T06:30:10Z", "06:30 false"},
		{"a moment with its own offset", `{"zone":"Asia/Kathmandu","entries":[{"once":"2026-11-23T06:30:00+01:00","set":true}]}`, "2026-11-23T05:00:00Z", "2026-11-23T05:30:00Z", "11:15 true"},
		{"a moment of the zone", `{"zone":"Asia/Kathmandu","entries":[{"once":"2026-11-23T11:15","set":true}]}`, "2026-11-23T05:00:00Z", "2026-11-23T05:30:00Z", "11:15 true"},
	} {
		got := ""
		if run, ok := parse(t, c.schedule).Due(at(t, c.settled), at(t, c.now)); ok {
			got = fmt.Sprint(run.At.Format("15:04"), " ", run.On)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestDueIsTheLast holds the search backwards against one that goes forward.
func TestDueIsTheLast(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	s := parse(t, `{"zone":"Europe/Berlin","missed":"last","grace":"24h","entries":[{"at":"02:30","set":"on"},{"cron":"*/7 3 * * *","set":"off"},{"cron":"5 */3 * * sun","set":"on"}]}`)
	for range 60 {
		now := at(t, "2026-03-27T00:00:00Z").Add(time.Duration(random.IntN(72*3600)) * time.Second)
		settled := now.Add(-time.Duration(random.IntN(30*3600)) * time.Second)
		got, ok := s.Due(settled, now)
		if oldest := now.Add(-24*time.Hour - 1); settled.Before(oldest) {
			settled = oldest
		}
		want, wantOK := s.last(settled, now)
		if ok != wantOK || got != want {
			t.Fatalf("due from %s to %s: got %v, want %v", settled, now, got, want)
		}
	}
}

// TestPastAndOnce knows the entries for one moment.
func TestPastAndOnce(t *testing.T) {
	s := parse(t, `{"entries":[{"once":"2026-11-23T06:30","set":"on"},{"once":"2026-11-25T06:30","set":"on"},{"at":"06:30","set":"on"}]}`)
	if past := s.Past(at(t, "2026-11-23T06:30:00Z")); len(past) != 1 || past["2026-11-23T06:30"].IsZero() {
		t.Errorf("past is %v", past)
	}
	moment, ok := s.Once("2026-11-25T06:30")
	if _, daily := s.Once("06:30"); !ok || daily || !moment.Equal(at(t, "2026-11-25T06:30:00Z")) {
		t.Errorf("entries are not known by what was written: %v, %v, %v", moment, ok, daily)
	}
}

// FuzzParse finds no schedule that cannot be followed for some runs.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"zone":"Europe/Berlin","missed":"last","grace":"2h","entries":[{"at":"06:30","days":["mon-fri"],"set":"on"},{"cron":"0 8 1 * *","set":"on"},{"once":"2026-11-24T06:30:00","set":"off"}]}`,
		`{"entries":[{"cron":"0 0 L 2 5#5","set":false}]}`, `{"entries":[{"cron":"@daily","set":true}]}`, `{"entries":[null]}`, `[]`, `{"zone":5}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return
		}
		s, err := Parse(value)
		if err != nil {
			if !strings.Contains(err.Error(), "want ") || !strings.Contains(err.Error(), "got ") {
				t.Errorf("%q says neither what is wanted nor what was found", err)
			}
			return
		}
		after := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
		for range 20 {
			run, ok := s.Next(after)
			if ok && !run.At.After(after) {
				t.Fatalf("%s: the next run after %s is at %s", text, after, run.At)
			}
			if !ok {
				break
			}
			after = run.At
		}
		s.Due(after.Add(-time.Hour), after)
	})
}

// BenchmarkDue is a day that was missed, of as many entries as there can be that come
// each minute.
func BenchmarkDue(b *testing.B) {
	entries := strings.Repeat(`{"cron":"* * * * *","set":"on"},`, MaxEntries-1) + `{"at":"06:30","set":"on"}`
	s := parse(b, `{"missed":"last","grace":"24h","entries":[`+entries+`]}`)
	now := at(b, "2026-11-23T12:00:30Z")
	for b.Loop() {
		s.Due(now.Add(-24*time.Hour), now)
	}
}
