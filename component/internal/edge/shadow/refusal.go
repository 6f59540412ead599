package shadow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of the parts of a refusal, in bytes.
const (
	maxFound   = 40 // of the value that was found
	minFound   = 12
	maxPlace   = 40 // of the place in the value
	maxElement = 16 // of one word in a list that is too long
)

// Found describes the value that was found, where its text alone does not show what is
// wrong with it: "70 bytes".
type Found string

// Refusal is the error of a desired value that is refused: what is accepted, and what
// was found at a place in the value, "" for the whole. It fits into the reason of an
// answer, [MaxReason]: what was found and the place are shortened for that.
func Refusal(place, want string, got any) error { return refusal(place, want, "", nil, got) }

// RefusalOfWord is [Refusal] of a value that is none of some words, which follow want.
// The words are texts as the shadow shows them, such as "\"on\""; those that do not fit
// are counted.
func RefusalOfWord(place, want, separator string, words []string, got any) error {
	return refusal(place, want, separator, words, got)
}

func refusal(place, want, separator string, words []string, got any) error {
	found := brief(got, maxFound)
	if place = shorten(place, maxPlace); place != "" {
		place += ": "
	}
	room := MaxReason - len(place) - len("want , got ") // for what is wanted and found
	if words != nil {
		want += list(words, separator, room-len(want)-len(found))
	}
	if len(want)+len(found) > room {
		found = brief(got, max(minFound, room-len(want)))
	}
	return fmt.Errorf("%swant %s, got %s", place, shorten(want, room-len(found)), found)
}

// list joins words, with as many of them as there is room for.
func list(words []string, separator string, room int) string {
	all := strings.Join(words, separator)
	if len(all) <= room {
		return all
	}
	text := ""
	for i, word := range words {
		word = shorten(word, max(maxElement, room/len(words)-len(separator)))
		rest := ""
		if n := len(words) - i - 1; n > 0 {
			rest = fmt.Sprintf(" and %d more", n)
		}
		if i > 0 {
			if len(text)+len(separator)+len(word)+len(rest) > room {
				return text + fmt.Sprintf(" and %d more", len(words)-i)
			}
			text += separator
		}
		text += word
	}
	return text
}

// brief is a value as JSON, shortened.
func brief(value any, limit int) string {
	if found, ok := value.(Found); ok {
		return shorten(string(found), limit)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return shorten(fmt.Sprint(value), limit)
	}
	return shorten(strings.TrimSuffix(text.String(), "\n"), limit)
}

// shorten cuts a text to a number of bytes, on a whole character.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := max(0, limit-len(ellipsis))
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
