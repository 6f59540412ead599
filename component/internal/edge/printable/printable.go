// Package printable shows text that others wrote on terminals and in spreadsheets:
// keys and values of shadows, names of chips, lines, consumers and components, contents
// of files, error messages of peers.
//
// Such text can contain control characters that move the cursor, forge lines, reverse
// the reading direction or ring a bell. Every command prints through this package, which
// escapes them. A test over the source code holds the commands to it.
//
//   - [Fprintf], [Fprintln] and [Sprintf] trust their format and escape each argument.
//   - [Table] aligns columns by the width on the screen.
//   - [JSON] prints real values that a terminal shows safely.
//   - [CSV] writes cells that no spreadsheet takes for a formula.
//   - [Writer] escapes the output of code that knows nothing of this package.
//
// A [Safe] text is not escaped again. No function keeps state between calls; a [Table]
// and a [CSV] must not be used concurrently.
package printable

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Safe is text to print as it stands: a constant of the program, or a result of this
// package. Converting any other string to Safe defeats the package.
type Safe string

// Text escapes s for one line: \n, \r, \t, \xNN for a byte that is no UTF-8, and \uNNNN
// or \UNNNNNNNN for a character that is invisible or controls its surroundings. These
// are the characters that [unicode.IsPrint] rejects (controls of C0 and C1, DEL, every
// format character such as bidirectional controls, zero-width characters and the byte
// order mark, line and paragraph separators, spaces other than U+0020, private use,
// unassigned), and letters and marks without a shape. A backslash stays as it is.
func Text(s string) Safe { return Safe(escape(s, "")) }

// Lines escapes s as [Text] does, and keeps its line breaks. Only for text whose author
// may begin a line, such as a file of this machine.
func Lines(s string) Safe { return Safe(escape(s, "\n")) }

// Error escapes the message of err as [Text] does, and keeps the line breaks between
// errors that [errors.Join] put together.
func Error(err error) Safe {
	message := err.Error()
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		parts := e.Unwrap()
		if len(parts) == 0 || errors.Join(parts...).Error() != message {
			break
		}
		lines := make([]string, len(parts))
		for i, part := range parts {
			lines[i] = string(Error(part))
		}
		return Safe(strings.Join(lines, "\n"))
	case interface{ Unwrap() error }:
		inner := e.Unwrap()
		if inner == nil || inner.Error() == "" {
			break
		}
		if before, after, found := strings.Cut(message, inner.Error()); found {
			return Text(before) + Error(inner) + Text(after)
		}
	}
	return Text(message)
}

// escape escapes s but for the characters of keep.
func escape(s, keep string) string {
	start := 0
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		broken := r == utf8.RuneError && size == 1
		if broken || hidden(r) && !strings.ContainsRune(keep, r) {
			b.WriteString(s[start:i])
			switch {
			case broken:
				fmt.Fprintf(&b, `\x%02x`, s[i])
			case r == '\n':
				b.WriteString(`\n`)
			case r == '\r':
				b.WriteString(`\r`)
			case r == '\t':
				b.WriteString(`\t`)
			case r > 0xffff:
				fmt.Fprintf(&b, `\U%08x`, r)
			default:
				fmt.Fprintf(&b, `\u%04x`, r)
			}
			start = i + size
		}
		i += size
	}
	if start == 0 {
		return s
	}
	b.WriteString(s[start:])
	return b.String()
}

// hidden reports whether a character is escaped. Joiners and variation selectors are,
// so no two of the remaining characters are drawn as one, apart from combining marks.
func hidden(r rune) bool {
	switch {
	case r >= ' ' && r < utf8.RuneSelf:
		return r == 0x7f
	case !unicode.IsPrint(r):
		return true
	}
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Width is the number of columns that s takes on a terminal: two for a wide character,
// none for a combining mark or for the colors of [Colored].
func Width(s Safe) int {
	columns := 0
	for text := string(s); text != ""; {
		if n := colorLength(text); n > 0 {
			text = text[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case kind == width.EastAsianWide, kind == width.EastAsianFullwidth:
			columns += 2
		default:
			columns++
		}
	}
	return columns
}

// Colors of [Colored].
const (
	Red    = 31
	Green  = 32
	Yellow = 33
	Faint  = 2
)

// Colored is a text in a color.
func Colored(color int, text Safe) Safe {
	return Safe(fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, text))
}

// colorLength is the length of the color that text begins with, 0 without one.
func colorLength(text string) int {
	rest, found := strings.CutPrefix(text, "\x1b[")
	if !found {
		return 0
	}
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits > 2 || digits == len(rest) || rest[digits] != 'm' {
		return 0
	}
	return len("\x1b[") + digits + len("m")
}

// Fprintf prints to w as [fmt.Fprintf] does, with each argument escaped: a [Safe] not at
// all, an error as [Error] does, any other text as [Text] does. A width counts columns.
// The format must be a constant of the program.
func Fprintf(w io.Writer, format string, args ...any) (n int, err error) {
	escapeAll(args)
	return fmt.Fprintf(w, format, args...)
}

// Sprintf returns what [Fprintf] prints.
func Sprintf(format string, args ...any) Safe {
	escapeAll(args)
	return Safe(fmt.Sprintf(format, args...))
}

// Fprintln prints to w as [fmt.Fprintln] does, with each argument escaped as in
// [Fprintf].
func Fprintln(w io.Writer, args ...any) (n int, err error) {
	escapeAll(args)
	return fmt.Fprintln(w, args...)
}

// escapeAll wraps arguments in place: a copy would hide from the vet tool that the
// functions take the verbs of fmt.
func escapeAll(args []any) {
	for i, arg := range args {
		switch arg.(type) {
		case shown, nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
			// Nothing to escape, and fmt wants an int where it takes a width.
		default:
			args[i] = shown{arg}
		}
	}
}

// shown formats a value and escapes the result.
type shown struct{ value any }

func (s shown) Format(f fmt.State, verb rune) {
	text := s.text(f, verb)
	columns, padded := f.Width()
	padding := ""
	if missing := columns - Width(text); padded && missing > 0 {
		padding = strings.Repeat(" ", missing)
	}
	if f.Flag('-') {
		io.WriteString(f, string(text)+padding)
	} else {
		io.WriteString(f, padding+string(text))
	}
}

func (s shown) text(f fmt.State, verb rune) Safe {
	plain := verb == 's' || verb == 'v' && !f.Flag('#') && !f.Flag('+')
	if _, cut := f.Precision(); plain && !cut {
		switch value := s.value.(type) {
		case Safe:
			return value
		case error:
			return Error(value)
		case string:
			return Text(value)
		}
	}
	format := "%"
	for _, flag := range "+#" {
		if f.Flag(int(flag)) {
			format += string(flag)
		}
	}
	if precision, ok := f.Precision(); ok {
		format += fmt.Sprintf(".%d", precision)
	}
	return Text(fmt.Sprintf(format+string(verb), s.value))
}

// Writer escapes what code prints that knows nothing of this package, such as the help
// and the completions of a library: everything that [Text] escapes but line breaks and
// tabs. It does not put together a character that two calls of Write split.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ to io.Writer }

func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, escape(string(p), "\n\t")); err != nil {
		return 0, err
	}
	return len(p), nil
}
