package shadowdoc

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzUpdates applies two updates to an empty shadow and checks what must hold
// whatever they are.
func FuzzUpdates(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"state":{"desired":{"a":1},"reported":{"a":1.0}}}`, `{"state":{"reported":{"a":null}},"version":1,"clientToken":"t"}`},
		{`{"state":{"desired":{"a":{"b":[1,{"c":null}]}}}}`, `{"state":{"desired":{"a":{"b":null}}}}`},
		{`{"state":{"reported":{"state":"on","timestamp":1}}}`, `{"state":{"reported":{"state":{}}}}`},
		{`{"state":{"reported":{"timestamp":true}}}`, `{"state":{"state":{},"reported":null}}`},
		{`{"state":{"reported":{"a":{}}}}`, `{"state":null}`},
		{`{"state":{"desired":{"a":null}}}`, `{"state":{"desired":{"a":[1]}}}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, q := range []Quirks{Faithful, Fixed} {
			var d *Document
			for _, payload := range [][]byte{first, second, second} {
				if next := step(t, d, payload, q); next != nil {
					d = next
				}
			}
		}
	})
}

func step(t *testing.T, d *Document, payload []byte, q Quirks) *Document {
	u, err := ParseUpdate(payload)
	if err != nil {
		return nil
	}
	u.CloudObjections()
	var before []byte
	if d != nil {
		before = d.JSON()
	}
	c, err := Apply(d, u, 1700000000, DefaultSizeLimit, q)
	if d != nil && !bytes.Equal(d.JSON(), before) {
		t.Fatalf("%q changed the document it was applied to", payload)
	}
	if q == Fixed && Internal(err) {
		t.Fatalf("%q failed inside", payload)
	}
	if c == nil {
		if err == nil {
			t.Fatal("neither change nor error")
		}
		return nil
	}
	want := int64(1)
	if d != nil {
		want = d.Version + 1
	}
	if c.After.Version != want || c.After.Size() > DefaultSizeLimit {
		t.Fatalf("version %d, size %d", c.After.Version, c.After.Size())
	}
	if err == nil {
		for _, message := range [][]byte{c.Accepted(1), c.Documents(1), c.After.Got(1)} {
			if !json.Valid(message) {
				t.Fatalf("%q: message is no JSON: %s", payload, message)
			}
		}
		if m := c.Delta(1); (m == nil) != (c.After.Delta() == nil) || m != nil && !json.Valid(m) {
			t.Fatalf("%q: delta message %s", payload, m)
		}
	}
	// What is stored reads back as it was.
	state, err := Parse(Append(nil, c.After.State()))
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := Parse(Append(nil, c.After.Metadata()))
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewDocument(c.After.Version, state, metadata)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.JSON(), c.After.JSON()) {
		t.Fatalf("%q: stored\n%s, read\n%s", payload, c.After.JSON(), again.JSON())
	}
	return again
}

// FuzzParse compares with the parser of the standard library.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,null,true,"x"]}`, `{"a":1,"a":2} x`, `[1e400,-0,-0.0]`, `"\ud800"`, "\ufeff{}", `[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Parse(text)
		var std any
		ok := json.Unmarshal(text, &std) == nil
		if err != nil {
			if _, syntax := err.(*SyntaxError); ok && !syntax {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		out := Append(nil, v)
		if !json.Valid(out) {
			t.Fatalf("%q became %q", text, out)
		}
		again, err := Parse(out)
		if err != nil || !bytes.Equal(Append(nil, again), out) {
			t.Fatalf("%q became %q, then %q, %v", text, out, Append(nil, again), err)
		}
	})
}
