package shadowdoc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// cloud plays updates one after the other, each a second later, and returns the
// document and the refusal of the last.
func cloud(t *testing.T, updates ...string) (d *shadowdoc.Document, c *shadowdoc.Change, refusal *shadowdoc.Refusal) {
	t.Helper()
	for i, text := range updates {
		u, err := shadowdoc.ParseCloudUpdate([]byte(text))
		if err == nil {
			c, err = shadowdoc.ApplyCloud(d, 0, u, int64(100+i), shadowdoc.DefaultSizeLimit)
		}
		if err != nil {
			if !errors.As(err, &refusal) || i < len(updates)-1 {
				t.Fatalf("update %d, %s: %v", i, text, err)
			}
			return d, nil, refusal
		}
		d = c.After
	}
	return d, c, nil
}

func TestCloudMerges(t *testing.T) {
	for _, c := range []struct{ name, updates, want string }{
		{"null in a first write is not kept", `{"state":{"desired":{"a":null,"b":1}}}`, `{"state":{"desired":{"b":1}},"metadata":{"desired":{"b":{"timestamp":100}}},"version":1}`},
		{"null deletes", `{"state":{"desired":{"a":1,"b":1}}};{"state":{"desired":{"a":null}}}`, `{"state":{"desired":{"b":1}},"metadata":{"desired":{"b":{"timestamp":100}}},"version":2}`},
		{"the last key takes the section with it", `{"state":{"desired":{"a":1}}};{"state":{"desired":{"a":null}}}`, `{"state":{},"metadata":{},"version":2}`},
		{"an empty section changes nothing", `{"state":{"desired":{"a":1}}};{"state":{"desired":{}}}`, `{"state":{"desired":{"a":1}},"metadata":{"desired":{"a":{"timestamp":100}}},"version":2}`},
		{"a null section clears", `{"state":{"desired":{"a":1},"reported":{"a":1}}};{"state":{"desired":null}}`, `{"state":{"reported":{"a":1}},"metadata":{"reported":{"a":{"timestamp":100}}},"version":2}`},
		{"a null state empties", `{"state":{"desired":{"a":1}}};{"state":null}`, `{"state":{},"metadata":{},"version":2}`},
		{"a key named state is a key", `{"state":{"reported":{"state":1,"x":1}}};{"state":{"reported":{"state":null}}}`, `{"state":{"reported":{"x":1}},"metadata":{"reported":{"x":{"timestamp":100}}},"version":2}`},
		{"objects merge", `{"state":{"desired":{"o":{"a":1,"b":1}}}};{"state":{"desired":{"o":{"a":2}}}}`, `{"state":{"desired":{"o":{"a":2,"b":1}}},"metadata":{"desired":{"o":{"a":{"timestamp":101},"b":{"timestamp":100}}}},"version":2}`},
		{"a value becomes an array", `{"state":{"desired":{"o":1}}};{"state":{"desired":{"o":[1,2]}}}`, `{"state":{"desired":{"o":[1,2]}},"metadata":{"desired":{"o":[{"timestamp":101},{"timestamp":101}]}},"version":2}`},
		{"a value becomes an object", `{"state":{"desired":{"o":1}}};{"state":{"desired":{"o":{"x":1,"y":null}}}}`, `{"state":{"desired":{"o":{"x":1}}},"metadata":{"desired":{"o":{"x":{"timestamp":101}}}},"version":2}`},
		{"a key called timestamp", `{"state":{"desired":{"o":{"timestamp":1}}}};{"state":{"desired":{"o":{"timestamp":2}}}}`, `{"state":{"desired":{"o":{"timestamp":2}}},"metadata":{"desired":{"o":{"timestamp":{"timestamp":101}}}},"version":2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _, refusal := cloud(t, strings.Split(c.updates, ";")...)
			if refusal != nil {
				t.Fatal(refusal)
			}
			if got := string(d.JSON()); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCloudRefuses(t *testing.T) {
	deep := `{"state":{"desired":{"1":{"2":{"3":{"4":{"5":{"6":{"7":1}}}}}}}}}`
	for update, want := range map[string]shadowdoc.Refusal{
		`{"state"`:                           {Code: 400, Message: "Invalid JSON"},
		`{"state":{}} more`:                  {Code: 400, Message: "Invalid JSON"},
		`[]`:                                 {Code: 400, Message: "Invalid JSON"},
		``:                                   {Code: 400, Message: "Invalid JSON"},
		`{"state":{"desired":{"a":[null]}}}`: {Code: 400, Message: "Invalid JSON"},
		`{}`:                                 {Code: 400, Message: "Missing required node: state"},
		`{"state":1}`:                        {Code: 400, Message: "State node must be an object"},
		`{"state":{"desired":1}}`:            {Code: 400, Message: "Desired node must be an object"},
		`{"state":{"reported":[]}}`:          {Code: 400, Message: "Reported node must be an object"},
		`{"state":{"delta":{}}}`:             {Code: 400, Message: "State contains an invalid node: 'delta'"},
		`{"state":{},"version":"1"}`:         {Code: 400, Message: "Invalid version"},
		`{"state":{},"version":7}`:           {Code: 400, Message: "Invalid version"},
		`{"state":{},"clientToken":5}`:       {Code: 400, Message: "Invalid clientToken"},
		`{"state":{},"clientToken":"` + strings.Repeat("ü", 33) + `"}`: {Code: 400, Message: "Invalid clientToken"},
		deep: {Code: 400, Message: "JSON contains too many levels of nesting; maximum is 6"},
		`{"state":{"desired":{"a":"` + strings.Repeat("x", 8192) + `"}}}`: {Code: 413, Message: "The payload exceeds the maximum size allowed"},
		"{\"state\":{\"desired\":{\"a\":\"\xff\"}}}":                      {Code: 415, Message: "Unsupported documented encoding; supported encoding is UTF-8"},
	} {
		_, _, refusal := cloud(t, update)
		if refusal == nil || *refusal != want {
			t.Errorf("%.60s: refused with %v, want %v", update, refusal, want)
		}
	}
	if _, _, refusal := cloud(t, `{"state":{}}`, `{"state":{},"version":2}`); refusal == nil || refusal.Code != 409 {
		t.Errorf("a wrong version was refused with %v, want 409", refusal)
	}
}

func TestCloudTellsTheMetadataOfADeltaAndTokens(t *testing.T) {
	d, c, _ := cloud(t, `{"state":{"desired":{"a":1,"b":2},"reported":{"b":2}},"clientToken":"t"}`)
	token := "get-1"
	want := `{"state":{"desired":{"a":1,"b":2},"reported":{"b":2},"delta":{"a":1}},` +
		`"metadata":{"desired":{"a":{"timestamp":100},"b":{"timestamp":100}},"reported":{"b":{"timestamp":100}},"delta":{"a":{"timestamp":100}}},` +
		`"version":1,"timestamp":200,"clientToken":"get-1"}`
	if got := string(d.GotFromCloud(&token, 200)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := string(c.Delta(200)), `{"version":1,"timestamp":200,"state":{"a":1},"metadata":{"a":{"timestamp":100}},"clientToken":"t"}`; got != want {
		t.Errorf("delta %s, want %s", got, want)
	}
	if got, want := string(d.DeletedFromCloud(&token, 200)), `{"version":1,"timestamp":200,"clientToken":"get-1"}`; got != want {
		t.Errorf("deleted %s, want %s", got, want)
	}
}
