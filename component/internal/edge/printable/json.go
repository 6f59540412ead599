package printable

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON prints a value as JSON with its real content: characters that [Text] escapes are
// escaped as JSON does, so programs read them and terminals do not obey them. A byte
// that is no UTF-8 becomes U+FFFD. indent is that of one level; "" prints one line.
// It returns the error of the encoder or of w.
func JSON(w io.Writer, value any, indent string) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // people read and paste it
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeJSON(b.String()))
	return err
}

// IndentJSON prints a JSON text as [JSON] prints a value, and keeps the order of its
// members and the form of its numbers. It returns the error of a text that is no JSON,
// or of w.
func IndentJSON(w io.Writer, text []byte, indent string) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(text), "", indent); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, escapeJSON(b.String()))
	return err
}

// escapeJSON escapes what is hidden. In valid JSON it stands in strings only, but for
// the line breaks and tabs between values.
func escapeJSON(text string) string {
	var b strings.Builder
	start := 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		broken := r == utf8.RuneError && size == 1
		if broken || r >= 0x7f && hidden(r) {
			b.WriteString(text[start:i])
			if broken {
				r = utf8.RuneError
			}
			for _, unit := range utf16.Encode([]rune{r}) {
				const digits = "0123456789abcdef"
				b.Write([]byte{'\\', 'u', digits[unit>>12], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15]})
			}
			start = i + size
		}
		i += size
	}
	if start == 0 {
		return text
	}
	b.WriteString(text[start:])
	return b.String()
}
