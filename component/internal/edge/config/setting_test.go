package config

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// FuzzSetting desires anything of settings of each type: what is adopted is within the
// size that the document was checked for, and adopted again it is the same.
func FuzzSetting(f *testing.F) {
	cfg, err := Parse([]byte(`
shadows:
  main:
    properties:
      on:    {setting: boolean}
      limit: {setting: number, min: -5, max: 1e9, default: 1}
      count: {setting: integer}
      step:  {setting: number, enum: [0.1, 1, 10]}
      word:  {setting: string, maxLength: 12}
      mode:  {setting: string, enum: [eco, boost]}
      band:  {setting: object, members: {low: {type: integer, default: 5}, name: {type: string}, on: {type: boolean}}}
`), "gw")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{`true`, `-0`, `1e400`, `0.1`, `"\u0000<>"`, `{"low":5,"name":null}`, `{"low":1e15,"on":false}`, `[]`, `"eco"`, `{"low":{}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
		decoder.UseNumber()
		var value any
		if decoder.Decode(&value) != nil || value == nil {
			return
		}
		for key, p := range cfg.Shadows["main"].Properties {
			adopted, err := p.ParseSetting(value, nil)
			if err != nil {
				continue
			}
			shown, err := p.Initial(adopted)
			if err != nil {
				t.Errorf("%s: %s was adopted as %v, which does not fit: %v", key, text, adopted, err)
			}
			if n, most := size(shown), size(p.largest()); n > most {
				t.Errorf("%s: %s takes %d bytes, at most %d were counted", key, text, n, most)
			}
			again, err := p.ParseSetting(adopted, nil)
			if err != nil || !shadow.Equal(again, adopted) {
				t.Errorf("%s: %s is adopted as %v, that as %v, %v", key, text, adopted, again, err)
			}
		}
	})
}
