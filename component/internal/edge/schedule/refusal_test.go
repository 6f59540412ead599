package schedule

import (
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// TestRefusalsFitIntoAnAnswer looks that no answer loses what was wanted or found.
func TestRefusalsFitIntoAnAnswer(t *testing.T) {
	entries := func(n int, last map[string]any) map[string]any {
		list := make([]any, n)
		for i := range list {
			list[i] = map[string]any{"at": "06:30", "set": "on"}
		}
		list[n-1] = last
		return map[string]any{"entries": list}
	}
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		value any
		want  string
	}{
		{entries(65, nil), "entries: want a list of at most 64, got 65 entries"},
		{map[string]any{"entries": long}, `entries: want a list of at most 64, got "xxx`},
		{map[string]any{}, `entries: want a list of at most 64, got nothing`},
		{map[string]any{"zone": long, "entries": []any{}}, `zone: want a time zone such as "Europe/Berlin", got "xxx`},
		{map[string]any{"missed": "last", "grace": "25h", "entries": []any{}}, `grace: want a duration from 2m0s to 24h0m0s, got "25h"`},
		{entries(64, map[string]any{"at": "06:30", "days": []any{"mon", "tue", "wed", "thu", "fri", "sat", long}, "set": "on"}), `entries[63].days[6]: want one of sun, mon, tue, wed, thu, fri, sat, got "xxx`},
		{entries(64, map[string]any{"at": long, "set": "on"}), `entries[63].at: want a time of day from "00:00" to "23:59:59", got "xxx`},
		{entries(64, map[string]any{"once": long, "set": "on"}), `entries[63].once: want a moment such as "2026-11-24T06:30:00", got "xxx`},
		{entries(64, map[string]any{"cron": "x " + long, "set": "on"}), `got "x xxx`},
		{entries(64, map[string]any{"at": "06:30", "set": long}), `entries[63].set: want "on" or "off", got "xxx`},
		{entries(64, map[string]any{"wrong": 1}), `entries[63]: want one of at, days, once, cron, set, got "wrong"`},
	} {
		_, err := Parse(c.value)
		if err == nil {
			t.Errorf("%v is taken", c.want)
			continue
		}
		if reason := shadow.CutReason(err.Error()); !strings.Contains(reason, c.want) {
			t.Errorf("got %s, want %s", reason, c.want)
		}
	}
}
