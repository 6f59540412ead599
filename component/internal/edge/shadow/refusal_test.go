package shadow

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRefusal(t *testing.T) {
	long := strings.Repeat("ä", 100)
	for _, c := range []struct {
		err  error
		want string
	}{
		{Refusal("", "true or false", 5), "want true or false, got 5"},
		{Refusal("low", "a number from 0 to 9", nil), "low: want a number from 0 to 9, got null"},
		{Refusal("", "a text", "<&>"), `want a text, got "<&>"`},
		{Refusal("", "a text of at most 64 bytes", Found("70 bytes")), "want a text of at most 64 bytes, got 70 bytes"},
		{Refusal("", "true or false", long), `want true or false, got "` + strings.Repeat("ä", 18) + "…"},
		{Refusal("", strings.Repeat("x", 90), long), "want " + strings.Repeat("x", 90) + `, got "` + strings.Repeat("ä", 7) + "…"},
		{Refusal(long, "a whole number from -1e15 to 1e15", long), strings.Repeat("ä", 18) + `…: want a whole number from -1e15 to 1e15, got "` + strings.Repeat("ä", 15) + "…"},
		{Refusal("", "a number", func() {}), "want a number, got 0x"},
		{RefusalOfWord("", "one of ", ", ", []string{`"a"`, `"b"`}, "c"), `want one of "a", "b", got "c"`},
		{RefusalOfWord("", "", " or ", []string{"true", "false"}, "on"), `want true or false, got "on"`},
		{RefusalOfWord("m", "one of ", ", ", strings.Fields(strings.Repeat("word ", 40)), "c"), "m: want one of " + strings.TrimSuffix(strings.Repeat("word, ", 14), ", ") + ` and 26 more, got "c"`},
		{RefusalOfWord("", "", " or ", []string{long, "off"}, "c"), "want " + strings.Repeat("ä", 23) + `… or off, got "c"`},
	} {
		got := c.err.Error()
		if got != c.want && !(strings.HasSuffix(c.want, "0x") && strings.HasPrefix(got, c.want)) {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if CutReason(got) != got {
			t.Errorf("%d bytes: %s", len(got), got)
		}
	}
}

// TestRefusalFits tries all lengths of the parts.
func TestRefusalFits(t *testing.T) {
	for place := 0; place < 70; place += 7 {
		for wanted := 1; wanted < 300; wanted += 7 {
			for found := 0; found < 300; found += 7 {
				p, w, f := strings.Repeat("p", place), strings.Repeat("w", wanted), strings.Repeat("ü", found)
				words := strings.Split(strings.TrimSuffix(strings.Repeat("öl,", wanted), ","), ",")
				for _, err := range []error{Refusal(p, w, f), RefusalOfWord(p, "one of ", ", ", words, f), RefusalOfWord(p, "one of ", ", ", []string{w, w, w}, f)} {
					text := err.Error()
					if CutReason(text) != text || !utf8.ValidString(text) {
						t.Fatalf("%d bytes: %s", len(text), text)
					}
					if want := fmt.Sprintf(`, got "%s`, strings.Repeat("ü", min(found, 3))); !strings.Contains(text, want) {
						t.Fatalf("no %s in %s", want, text)
					}
				}
			}
		}
	}
}
