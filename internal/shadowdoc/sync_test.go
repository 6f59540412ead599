package shadowdoc_test

import (
	"testing"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// TestMergeThree has the cases that were played with the shadow manager's own class.
func TestMergeThree(t *testing.T) {
	for _, c := range []struct{ section, local, cloud, base, want string }{
		{"desired", `{"a":1,"b":2}`, `{"a":3,"b":5}`, `{"a":0,"b":2}`, `{"a":3,"b":5}`},
		{"reported", `{"a":1,"b":2}`, `{"a":3,"b":5}`, `{"a":0,"b":2}`, `{"a":1,"b":5}`},
		{"reported", `{"a":1,"n":2}`, `{"a":1}`, `{"a":1,"n":2}`, `{"a":1,"n":null}`},
		{"reported", `{"a":1,"n":3}`, `{"a":1}`, `{"a":1,"n":2}`, `{"a":1,"n":3}`},
		{"desired", `{"a":1,"n":3}`, `{"a":1}`, `{"a":1,"n":2}`, `{"a":1,"n":null}`},
		{"desired", `{"a":{"p":1,"q":1}}`, `{"a":{"p":2,"q":2}}`, `{"a":{"p":1,"q":2}}`, `{"a":{"p":2,"q":1}}`},
		{"desired", `{"a":1}`, `{"b":2}`, ``, `{"b":2}`},
		{"reported", `{"a":1}`, `{"b":2}`, ``, `{"a":1}`},
		{"desired", `{"a":1}`, ``, `{"a":1}`, ``},
		{"desired", `{"a":1.0}`, `{"a":1}`, `{"a":1}`, `{"a":1}`},
		{"reported", `{"s":[1,2]}`, `{"s":[1]}`, `{"s":[1]}`, `{"s":[1,2]}`},
	} {
		document := func(text string) *shadowdoc.Document {
			if text == "" {
				text = `null`
			}
			d, err := shadowdoc.ParseDocument([]byte(`{"version":1,"state":{"` + c.section + `":` + text + `}}`))
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		want := `{}`
		if c.want != "" {
			want = `{"` + c.section + `":` + c.want + `}`
		}
		var base *shadowdoc.Document
		if c.base != "" {
			base = document(c.base)
		}
		got := string(shadowdoc.Append(nil, shadowdoc.MergeThree(document(c.local), document(c.cloud), base)))
		if got != want {
			t.Errorf("%s, device %s, cloud %s, base %s: got %s, want %s", c.section, c.local, c.cloud, c.base, got, want)
		}
	}
}

func TestWaitingUpdatesMerge(t *testing.T) {
	for _, c := range []struct{ earlier, later, want string }{
		{`{"state":{"desired":{"a":1}}}`, `{"state":{"desired":{"b":2}},"version":7}`, `{"state":{"desired":{"a":1,"b":2}},"version":7}`},
		{`{"state":{"desired":{"y":1}}}`, `{"state":{"desired":{"x":null}}}`, `{"state":{"desired":{"y":1}}}`},
		{`{"state":{"desired":{"x":null}}}`, `{"state":{"desired":{"y":1}}}`, `{"state":{"desired":{"x":null,"y":1}}}`},
	} {
		got, err := shadowdoc.MergeUpdates([]byte(c.earlier), []byte(c.later))
		if err != nil || string(got) != c.want {
			t.Errorf("%s and %s: %s, %v; want %s", c.earlier, c.later, got, err, c.want)
		}
	}
}
