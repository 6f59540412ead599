package schedule

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestDaylightSaving(t *testing.T) {
	for _, c := range []struct{ name, zone, expression, after, want string }{
		{"skipped: at the end of the gap", "Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		{"doubled: the first time", "Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"doubled: not a second time", "Europe/Berlin", "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"the day after the gap", "America/New_York", "30 2 * * *", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"},
		{"skipped in America", "America/New_York", "30 2 * * *", "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"},
		{"a gap of half an hour", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"},
		{"half an hour doubled", "Australia/Lord_Howe", "45 1 * * *", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"},
		{"every hour: doubled hours both count", "Europe/Berlin", "10 * * * *", "2026-10-25T00:10:00Z", "2026-10-25T01:10:00Z"},
		{"every hour: skipped ones do not", "Europe/Berlin", "10 * * * *", "2026-03-29T00:10:00Z", "2026-03-29T01:10:00Z"},
		{"leap day", "UTC", "0 6 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T06:00:00Z"},
	} {
		expression, err := parseCron(c.expression)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := time.Parse(time.RFC3339, c.after)
		want, _ := time.Parse(time.RFC3339, c.want)
		if got := nextOf(expression, zone(t, c.zone), after); !got.Equal(want) {
			t.Errorf("%s: %q after %s in %s: got %s, want %s", c.name, c.expression, c.after, c.zone, got.UTC(), want)
		}
	}
}

func nextOf(c cron, zone *time.Location, after time.Time) time.Time {
	if c.fixed {
		return nextOnce(c, zone, after)
	}
	return nextElapsed(c, zone, after)
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestAgainstEveryMinute holds the search against one that looks at every minute
// around the changes of a year.
func TestAgainstEveryMinute(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"} {
		zone := zone(t, name)
		changes := []time.Time{time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
		for at := time.Date(2026, 1, 1, 0, 0, 0, 0, zone); ; {
			_, end := at.ZoneBounds()
			if end.IsZero() || end.Year() > 2026 {
				break
			}
			changes, at = append(changes, end), end
		}
		for range 60 {
			d := daily{time.Duration(random.IntN(6*60)) * time.Minute, weekdays(1 + random.IntN(127))}
			change := changes[random.IntN(len(changes))]
			after := change.Add(time.Duration(random.IntN(48*60)-36*60) * time.Minute)
			got, want := nextOnce(d, zone, after), scan(d, zone, after)
			if !got.Equal(want) {
				t.Fatalf("%v %v after %s in %s: got %s, want %s", d.clock, d.days, after.In(zone), name, got, want)
			}
		}
	}
}

// scan looks at every minute, from long before: what the clock shows, what it
// skipped, and what it has shown already.
func scan(d daily, zone *time.Location, after time.Time) time.Time {
	shown := map[time.Time]bool{}
	before := onClock(after.Add(-30*time.Hour), zone)
	for t := after.Add(-30 * time.Hour).Add(time.Minute); ; t = t.Add(time.Minute) {
		now, due := onClock(t, zone), false
		for local := before.Add(time.Minute); !local.After(now); local = local.Add(time.Minute) {
			midnight := local.Truncate(24 * time.Hour)
			due = due || local.Sub(midnight) == d.clock && d.days.has(local.Weekday()) && !shown[local]
			shown[local] = true
		}
		if before = now; due && t.After(after) {
			return t.In(zone)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]weekdays{"mon-fri": 0b0111110, "sun": 0b0000001, "sat-mon": 0b1000011} {
		if got, ok := parseDay(text); !ok || got != want {
			t.Errorf("parseDay(%q) = %07b, %v, want %07b", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "mon-", "-fri", "someday", "Mon", "1-5"} {
		if got, ok := parseDay(text); ok {
			t.Errorf("parseDay(%q) = %07b, want none", text, got)
		}
	}
	for text, want := range map[string]time.Duration{"00:00": 0, "06:30": 390 * time.Minute, "23:59:59": 24*time.Hour - time.Second} {
		if got, err := parseClock(text); err != nil || got != want {
			t.Errorf("parseClock(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "6:30", "24:00", "06:60", "06:30pm"} {
		if got, err := parseClock(text); err == nil {
			t.Errorf("parseClock(%q) = %v, want an error", text, got)
		}
	}
	for _, text := range []string{"", "* * * *", "* * * * * *", "61 * * * *", "5-1 * * * *", "0 6 30 2 *", "0 8 * * sat-mon", "@daily", "*/0 * * * *"} {
		if _, err := parseCron(text); err == nil {
			t.Errorf("parseCron(%q): want an error", text)
		}
	}
}
