package printable

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"lights", "lights"},
		{"Küche 厨房 😀 e\u0301", "Küche 厨房 😀 e\u0301"},
		{`C:\temp`, `C:\temp`},
		{"a\x1b[2Jb", `a\u001b[2Jb`},
		{"\a\b\x00\x7f", `\u0007\u0008\u0000\u007f`},
		{"one\r\ntwo\tthree", `one\r\ntwo\tthree`},
		{"\u0085\u009b31m", `\u0085\u009b31m`},
		{"\x9b31m\xff", `\x9b31m\xff`},
		{"\u202eabc\u202c\u2066\u2069\u200e\u200f\u061c", `\u202eabc\u202c\u2066\u2069\u200e\u200f\u061c`},
		{"a\u200bb\u200cc\u200dd\u2060\ufeff", `a\u200bb\u200cc\u200dd\u2060\ufeff`},
		{"a\u2028b\u2029c", `a\u2028b\u2029c`},
		{"a\u00a0b\u3000c", `a\u00a0b\u3000c`},
		{"\ue000\U000f0000\u0378", `\ue000\U000f0000\u0378`},
		{"\U000e0041\u00ad\u3164\u115f\ufe0f", `\U000e0041\u00ad\u3164\u115f\ufe0f`},
		{"\ufffd", "\ufffd"}, // a real replacement character
	} {
		if got := Text(c.in); string(got) != c.want {
			t.Errorf("Text(%q) is %s, want %s", c.in, got, c.want)
		}
	}
	if got, want := Lines("one\ntwo\r\x1b"), Safe("one\n"+`two\r\u001b`); got != want {
		t.Errorf("Lines: %q, want %q", got, want)
	}
}

func TestErrorKeepsTheLinesOfJoinedErrors(t *testing.T) {
	t.Parallel()
	peer := errors.New("refused\nshadowctl: all is well\x1b[1A")
	joined := errors.Join(errors.New("first"), peer)
	for _, c := range []struct {
		err  error
		want string
	}{
		{peer, `refused\nshadowctl: all is well\u001b[1A`},
		{joined, "first\n" + `refused\nshadowctl: all is well\u001b[1A`},
		{fmt.Errorf("file \a: %w!", joined), `file \u0007: first` + "\n" + `refused\nshadowctl: all is well\u001b[1A!`},
		{fmt.Errorf("%w: %w", errors.New("a\nb"), peer), `a\nb: refused\nshadowctl: all is well\u001b[1A`},
		{errors.Join(joined, joined), "first\n" + `refused\nshadowctl: all is well\u001b[1A` + "\nfirst\n" + `refused\nshadowctl: all is well\u001b[1A`},
	} {
		if got := Error(c.err); string(got) != c.want {
			t.Errorf("%q is shown as\n%q, want\n%q", c.err, got, c.want)
		}
	}
}

func TestSprintf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got  Safe
		want string
	}{
		{Sprintf("%s is %d\n", "a\nb", 5), `a\nb is 5` + "\n"},
		{Sprintf("%-6s|%6s|", "厨", "e\u0301"), "厨    |     e\u0301|"},
		{Sprintf("%-*s|", 4, "\t"), `\t  |`},
		{Sprintf("%q", "a\x1b\u202e\u3164"), `"a\x1b\u202e\u3164"`},
		{Sprintf("%v %v", []string{"a\rb"}, struct{ Name string }{"\a"}), `[a\rb] {\u0007}`},
		{Sprintf("%s", Safe("a\nb")), "a\nb"},
		{Sprintf("%s", Sprintf("%s", "\x1b")), `\u001b`},
		{Sprintf("%.3s|%5.2f|%x", "abcdef", 3.14159, "hi"), "abc| 3.14|6869"},
		{Sprintf("%v %t %v", nil, true, map[string]int{"\n": 1}), `<nil> true map[\n:1]`},
		{Sprintf("%v", error(nil)), "<nil>"},
		{Sprintf("%-8s|", Colored(Red, Text("bad\n"))), "\x1b[31m" + `bad\n` + "\x1b[0m   |"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	var b strings.Builder
	Fprintln(&b, "a\x1b", 1, errors.New("b\n"))
	if got, want := b.String(), `a\u001b 1 b\n`+"\n"; got != want {
		t.Errorf("Fprintln printed %q, want %q", got, want)
	}
}

func TestTableAlignsByTheWidthOnTheScreen(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	table := NewTable(&b, 2)
	table.Row("NAME", "VALUE", "WHY")
	table.Row("厨房", Colored(Red, "on"), "desired")
	table.Row("e\u0301", "\x1b[2J", errors.Join(errors.New("one"), errors.New("two")))
	table.Row("a row of one cell that is longer than every column")
	table.Row("x\ny", "a\tb", "")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "NAME  VALUE      WHY\n" +
		"厨房  \x1b[31mon\x1b[0m         desired\n" +
		"e\u0301     " + `\u001b[2J  one; two` + "\n" +
		"a row of one cell that is longer than every column\n" +
		`x\ny  a\tb       ` + "\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestJSONHasRealValuesAndIsSafe(t *testing.T) {
	t.Parallel()
	value := map[string]any{"\x1b\a\u0085": "\u202e<&>\u2028\U000e0041", "厨": "\x7f\ufeff"}
	for _, indent := range []string{"", "  "} {
		var b bytes.Buffer
		if err := JSON(&b, value, indent); err != nil {
			t.Fatal(err)
		}
		var back map[string]any
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || !reflect.DeepEqual(back, value) {
			t.Errorf("%s is %v, %v", b.String(), back, err)
		}
		if !safe(b.String()) || !strings.Contains(b.String(), "<&>") || !strings.Contains(b.String(), "厨") {
			t.Errorf("JSON printed %q", b.String())
		}
	}
	var b bytes.Buffer
	if err := IndentJSON(&b, []byte("{\"b\u009b\":1.0,\"a\":\"\xff\"}\n"), " "); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "{\n \"b\\u009b\": 1.0,\n \"a\": \"\\ufffd\"\n}\n"; got != want {
		t.Errorf("IndentJSON printed %q, want %q", got, want)
	}
	if err := IndentJSON(io.Discard, []byte("{"), ""); err == nil {
		t.Error("IndentJSON took text that is no JSON")
	}
}

func TestCellIsNoFormula(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"=1+1", "'=1+1"}, {"+SUM(A1)", "'+SUM(A1)"}, {"-2+3", "'-2+3"}, {"@SUM(A1)", "'@SUM(A1)"},
		{" =1", "' =1"}, {`"=1`, `'"=1`}, {"'=1", "''=1"}, {"＝1", "'＝1"}, {"-", "'-"},
		{"\t=1", `\t=1`}, {"\r=1", `\r=1`}, {"\n=1", `\n=1`}, {"\u00a0=1", `\u00a0=1`},
		{"-5", "-5"}, {"+1.5e-3", "+1.5e-3"}, {".5", ".5"}, {"5.", "5."}, {"-5-3", "'-5-3"}, {"-Inf", "'-Inf"},
		{"", ""}, {"on", "on"}, {"a=b", "a=b"}, {"a,b", "a,b"}, {"\x1b[2J", `\u001b[2J`}, {"   ", "   "},
	} {
		if got := Cell(c.in); got != c.want {
			t.Errorf("Cell(%q) is %q, want %q", c.in, got, c.want)
		}
	}
	var b strings.Builder
	sheet := NewCSV(&b)
	sheet.Row("thing", `a "b", c`, "=1")
	if err := sheet.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "thing,\"a \"\"b\"\", c\",'=1\n"; got != want {
		t.Errorf("CSV %q, want %q", got, want)
	}
}

func TestWriterKeepsLinesAndTabs(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if n, err := Writer(&b).Write([]byte("a\tb\n\x1b\u202e")); n != 8 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if got, want := b.String(), "a\tb\n"+`\u001b\u202e`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// safe reports whether a text has no character that [Text] escapes, but for line breaks.
func safe(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && !unicode.IsPrint(r)
	})
}

// FuzzPrintable holds every function to what is common to all: nothing is printed that a
// terminal obeys, no line is begun, and what is safe is not changed.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "lights", "\x1b[2J", "\u202e", "\xff\xfe", "=1+1", "\t-1", "a\nb", "厨房", "\U000e0041", `\u001b`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := string(Text(s))
		if !safe(text) || strings.Contains(text, "\n") {
			t.Errorf("Text(%q) is %q", s, text)
		}
		if string(Text(text)) != text {
			t.Errorf("Text changes its own result %q", text)
		}
		for _, shown := range []Safe{Sprintf("%-9s", s), Sprintf("%q", s), Sprintf("%v", []any{s}), Sprintf("%v", errors.New(s)), Sprintf("%.2s", s)} {
			if !safe(string(shown)) || strings.Contains(string(shown), "\n") {
				t.Errorf("Sprintf of %q is %q", s, shown)
			}
		}
		if Width(Text(s)) < 0 || Width(Sprintf("%-300s", s)) < 300 {
			t.Errorf("width of %q", s)
		}
		var b bytes.Buffer
		table := NewTable(&b, 1)
		table.Row(s, s)
		table.Row(s)
		table.Flush()
		if !safe(b.String()) || strings.Count(b.String(), "\n") != 2 {
			t.Errorf("table of %q is %q", s, b.String())
		}
		b.Reset()
		if err := JSON(&b, map[string]string{s: s}, ""); err != nil {
			t.Fatal(err)
		}
		valid := strings.ToValidUTF8(s, "\ufffd")
		var back map[string]string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || !safe(b.String()) || utf8.ValidString(s) && back[valid] != valid {
			t.Errorf("JSON of %q is %q: %v", s, b.String(), err)
		}
		b.Reset()
		sheet := NewCSV(&b)
		sheet.Row("x", s)
		sheet.Flush()
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 2 {
			t.Fatalf("CSV of %q: %q, %v", s, rows, err)
		}
		cell := rows[0][1]
		if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !number.MatchString(cell) || !safe(cell) {
			t.Errorf("cell of %q is %q", s, cell)
		}
	})
}
