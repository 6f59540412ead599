package faults

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// words reads the short form of a rule, a text, into the map that it stands for.
func (n node) words() node {
	words, ok := split(n.Value)
	if !ok {
		n.mistake("a closing quote", n.show(), "")
		return n
	}
	rule := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
	add := func(key, value string) {
		rule.Content = append(rule.Content, scalar(n, key), scalar(n, value))
	}
	result := node{rule, n.path, n.mistakes}
	for i, key := range []string{"operation", "do"} {
		if len(words) == i {
			return result
		}
		add(key, words[i])
	}
	rest := words[2:]
	t, known := traits[Action(words[1])]
	if valued := len(rest) > 0 && !slices.Contains(ruleKeys, rest[0]); valued && (t.key != "" || !known) {
		if known { // it may be the value of the action that was meant
			add(t.key, rest[0])
		}
		rest = rest[1:]
	}
	for ; len(rest) > 1; rest = rest[2:] {
		add(rest[0], rest[1])
	}
	if len(rest) == 1 {
		last := at(n, rest[0])
		if slices.Contains(ruleKeys, rest[0]) {
			last.mistake("a value behind the key", "none", "")
		} else {
			last.mistake("one of the keys "+strings.Join(ruleKeys, ", "), "unknown key "+strconv.Quote(rest[0]), nearest(rest[0], ruleKeys))
		}
	}
	return result
}

func scalar(n node, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: value, Line: n.Line}
}

// split takes a text apart at spaces. A word in double quotes is one as Go writes
// it, and a word in single quotes is what stands there, so that it can have spaces
// in it. It fails when a quote is not closed.
func split(text string) (words []string, ok bool) {
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if text == "" {
			return words, true
		}
		word, rest, ok := cutWord(text)
		if !ok {
			return nil, false
		}
		words, text = append(words, word), rest
	}
}

// cutWord takes the first word off a text that begins with one.
func cutWord(text string) (word, rest string, ok bool) {
	switch text[0] {
	case '"':
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", false
		}
		word, err = strconv.Unquote(quoted)
		return word, text[len(quoted):], err == nil
	case '\'':
		return strings.Cut(text[1:], "'")
	}
	end := strings.IndexFunc(text, unicode.IsSpace)
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:], true
}

// quote is the inverse of split for one word.
func quote(word string) string {
	if word == "" || word[0] == '"' || word[0] == '\'' || strings.ContainsFunc(word, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return strconv.Quote(word)
	}
	return word
}

// Join makes one text in the short form of words that may have spaces in them, as
// a shell hands them over. A single one is taken as the whole rule.
func Join(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quote(word)
	}
	return strings.Join(quoted, " ")
}
