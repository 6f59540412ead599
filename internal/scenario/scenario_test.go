package scenario

import (
	"fmt"
	"testing"
	"time"
)

func TestPlaceholders(t *testing.T) {
	now := time.Now().Unix()
	for _, c := range []struct {
		want, got string
		agree     bool
	}{
		{`"<timestamp>"`, fmt.Sprint(now), true},
		{`"<timestamp>"`, fmt.Sprintf("%d.5", now), false},
		{`"<timestamp>"`, fmt.Sprint(now * 1000), false},
		{`"<timestamp>"`, fmt.Sprint(now - 3600), false},
		{`"<timestamp>"`, `0`, false},
		{`"<timestamp>"`, `"now"`, false},
		{`[{"a":"<timestamp>"}]`, `[{"a":1700000000}]`, false},
		{`"<token>"`, `"x"`, true},
		{`"<token>"`, `""`, false},
		{`"<any>"`, `null`, true},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
	} {
		if got := agrees(parse(t, []byte(c.want)), parse(t, []byte(c.got)), present); got != c.agree {
			t.Errorf("%s and %s: got %v", c.want, c.got, got)
		}
	}
	if !agrees(parse(t, []byte(`{"a":"<timestamp>"}`)), parse(t, []byte(`{"a":1700000000.5}`)), anyNumber) {
		t.Error("a number where any is allowed does not agree")
	}
}
