// Package fleet is the part of AWS IoT that knows many things: thing groups, and
// the fleet index with the subset of its query language that fleets are chosen by
// (awsdocs/aws-iot-docs developerguide/query-syntax.md).
package fleet

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Thing is what the index knows of a thing: fields such as thingName,
// shadow.reported.lights and connectivity.connected, with the text of their values.
type Thing struct {
	Name   string
	Groups []string
	Fields map[string][]string
}

// Query chooses things.
type Query func(Thing) bool

// Parse reads a query: terms FIELD:VALUE joined by AND, OR and NOT (or a minus sign),
// with parentheses. A value may have wildcards (* and ?), be quoted, a range
// ([1 TO 5], {1 TO 5}, with * for no end), or * for any; a comparison has no colon
// (FIELD>5, FIELD<=5). Terms that stand side by side are joined by AND. Case does not
// matter in values
// (awsdocs/aws-iot-docs developerguide/query-syntax.md, developerguide/example-queries.md).
func Parse(text string) (Query, error) {
	words, err := split(text)
	if err != nil {
		return nil, err
	}
	p := &parser{words: words}
	q, err := p.or()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("query: %q where AND, OR or the end was wanted", p.words[0])
	}
	return q, err
}

// split makes words: parentheses, and everything between blanks outside of quotes
// and brackets.
func split(text string) (words []string, err error) {
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	quoted, ranged := false, false
	for _, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
			word.WriteRune(c)
		case quoted:
			word.WriteRune(c)
		case c == '[' || c == '{':
			ranged = true
			word.WriteRune(c)
		case c == ']' || c == '}':
			ranged = false
			word.WriteRune(c)
		case ranged:
			word.WriteRune(c)
		case c == ' ' || c == '\t' || c == '\n':
			end()
		case c == '(' || c == ')':
			end()
			words = append(words, string(c))
		default:
			word.WriteRune(c)
		}
	}
	end()
	if quoted || ranged {
		return nil, fmt.Errorf("query: a quotation mark or bracket is not closed in %q", text)
	}
	return words, nil
}

type parser struct{ words []string }

func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *parser) take() string {
	w := p.next()
	if w != "" {
		p.words = p.words[1:]
	}
	return w
}

func (p *parser) or() (Query, error) {
	left, err := p.and()
	for err == nil && p.next() == "OR" {
		p.take()
		var right Query
		l := left
		if right, err = p.and(); err == nil {
			left = func(t Thing) bool { return l(t) || right(t) }
		}
	}
	return left, err
}

func (p *parser) and() (Query, error) {
	left, err := p.not()
	for err == nil && p.next() != "" && p.next() != "OR" && p.next() != ")" {
		if p.next() == "AND" {
			p.take()
		}
		var right Query
		l := left
		if right, err = p.not(); err == nil {
			left = func(t Thing) bool { return l(t) && right(t) }
		}
	}
	return left, err
}

func (p *parser) not() (Query, error) {
	word := p.next()
	if word == "NOT" {
		p.take()
	} else if rest, ok := strings.CutPrefix(word, "-"); ok && rest != "" {
		p.words[0] = rest
	} else {
		return p.term()
	}
	q, err := p.not()
	if err != nil {
		return nil, err
	}
	return func(t Thing) bool { return !q(t) }, nil
}

func (p *parser) term() (Query, error) {
	word := p.take()
	if word == "(" {
		q, err := p.or()
		if err == nil && p.take() != ")" {
			err = fmt.Errorf("query: a parenthesis is not closed")
		}
		return q, err
	}
	at := strings.IndexAny(word, ":<>")
	if at <= 0 || at == len(word)-1 {
		return nil, fmt.Errorf("query: want FIELD:VALUE, got %q", word)
	}
	field, match, err := word[:at], (func(string) bool)(nil), error(nil)
	if word[at] == ':' {
		match, err = matcher(word[at+1:])
	} else {
		match, err = comparison(word[at:])
	}
	if err != nil {
		return nil, err
	}
	return func(t Thing) bool {
		for _, v := range t.values(field) {
			if match(v) {
				return true
			}
		}
		return false
	}, nil
}

func (t Thing) values(field string) []string {
	switch field {
	case "thingName":
		return []string{t.Name}
	case "thingGroupNames":
		return t.Groups
	}
	return t.Fields[field]
}

// matcher makes a comparison of the value of a term.
func matcher(value string) (func(string) bool, error) {
	if strings.ContainsAny(value[:1], "[{") {
		return ranged(value)
	}
	if text, ok := strings.CutPrefix(value, `"`); ok {
		text = strings.TrimSuffix(text, `"`)
		return func(v string) bool { return strings.EqualFold(v, text) }, nil
	}
	// A slash is no separator here, and brackets are none of its wildcards.
	pattern := strings.NewReplacer("/", "\x00", "[", `\[`).Replace(strings.ToLower(value))
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("query: wildcards in %q: %w", value, err)
	}
	return func(v string) bool {
		ok, _ := path.Match(pattern, strings.ReplaceAll(strings.ToLower(v), "/", "\x00"))
		return ok
	}, nil
}

// comparison reads an operator and a number.
func comparison(text string) (func(string) bool, error) {
	operator := text[:1]
	if strings.HasPrefix(text[1:], "=") {
		operator = text[:2]
	}
	limit := text[len(operator):]
	n, err := strconv.ParseFloat(limit, 64)
	if err != nil {
		return nil, fmt.Errorf("query: want a number after %s, got %q", operator, limit)
	}
	return func(v string) bool {
		m, err := strconv.ParseFloat(v, 64)
		return err == nil && (m > n && operator[0] == '>' || m < n && operator[0] == '<' || m == n && len(operator) == 2)
	}, nil
}

// ranged reads [LOW TO HIGH]; braces leave out the ends, * is no end.
func ranged(value string) (func(string) bool, error) {
	wrong := fmt.Errorf("query: want a range such as [1 TO 5], got %q", value)
	parts := strings.Fields(value[1 : len(value)-1])
	if len(parts) != 3 || parts[1] != "TO" || !strings.ContainsAny(value[len(value)-1:], "]}") {
		return nil, wrong
	}
	limit := func(text string) (n float64, open bool, err error) {
		if text == "*" {
			return 0, true, nil
		}
		n, err = strconv.ParseFloat(text, 64)
		return n, false, err
	}
	low, noLow, err1 := limit(parts[0])
	high, noHigh, err2 := limit(parts[2])
	if err1 != nil || err2 != nil {
		return nil, wrong
	}
	withLow, withHigh := value[0] == '[', strings.HasSuffix(value, "]")
	return func(v string) bool {
		n, err := strconv.ParseFloat(v, 64)
		return err == nil && (noLow || n > low || withLow && n == low) && (noHigh || n < high || withHigh && n == high)
	}, nil
}
