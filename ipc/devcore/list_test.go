package devcore

import (
	"errors"
	"strings"
	"testing"
)

func TestPageTokens(t *testing.T) {
	var tokens pageTokens
	for _, c := range []struct {
		component, thing string
		offset           int
		token            string
	}{
		{"DoAll", "mockThing", 1, "hh5oROXTiAG1Zw1yPAV+gg=="},
		{"com.example.ShadowGpio", "gw-lab-7", 25, "picustNxQMbMxrECK8OfRw=="},
	} {
		if got := tokens.make(c.offset, c.component, c.thing); got != c.token {
			t.Errorf("%+v: got %s", c, got)
		}
		if got, err := tokens.open(c.token, c.component, c.thing); got != c.offset || err != nil {
			t.Errorf("%+v: got %d, %v", c, got, err)
		}
	}
	good := tokens.make(25, "a", "thing")
	for name, c := range map[string]struct{ token, component, thing string }{
		"another component": {good, "b", "thing"},
		"another thing":     {good, "a", "thing2"},
		"damaged":           {"A" + good[1:], "a", "thing"},
		"half a block":      {"AAAA", "a", "thing"},
	} {
		if n, err := tokens.open(c.token, c.component, c.thing); !errors.Is(err, errToken) {
			t.Errorf("%s: got %d, %v", name, n, err)
		}
	}
	first, _ := tokens.cipher("a", "thing")
	if again, _ := tokens.cipher("a", "thing"); again != first {
		t.Error("the key of a list is made again for its next page")
	}
	if other, _ := tokens.cipher("b", "thing"); other == first {
		t.Error("two components have one key")
	}
	if _, err := tokens.open("!!!", "a", "thing"); err == nil || errors.Is(err, errToken) || !strings.Contains(err.Error(), "base64") {
		t.Errorf("not base64: got %v", err)
	}
}
