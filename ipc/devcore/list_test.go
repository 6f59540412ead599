package devcore

import (
	"errors"
	"strings"
	"testing"
)

func TestPageTokens(t *testing.T) {
	for _, c := range []struct {
		component, thing string
		offset           int
		token            string
	}{
		{"DoAll", "mockThing", 1, "hh5oROXTiAG1Zw1yPAV+gg=="},
		{"com.example.ShadowGpio", "gw-lab-7", 25, "picustNxQMbMxrECK8OfRw=="},
	} {
		if got := makeToken(c.offset, c.component, c.thing); got != c.token {
			t.Errorf("%+v: got %s", c, got)
		}
		if got, err := openToken(c.token, c.component, c.thing); got != c.offset || err != nil {
			t.Errorf("%+v: got %d, %v", c, got, err)
		}
	}
	good := makeToken(25, "a", "thing")
	for name, c := range map[string]struct{ token, component, thing string }{
		"another component": {good, "b", "thing"},
		"another thing":     {good, "a", "thing2"},
		"damaged":           {"A" + good[1:], "a", "thing"},
		"half a block":      {"AAAA", "a", "thing"},
	} {
		if n, err := openToken(c.token, c.component, c.thing); !errors.Is(err, errToken) {
			t.Errorf("%s: got %d, %v", name, n, err)
		}
	}
	if _, err := openToken("!!!", "a", "thing"); err == nil || errors.Is(err, errToken) || !strings.Contains(err.Error(), "base64") {
		t.Errorf("not base64: got %v", err)
	}
}
