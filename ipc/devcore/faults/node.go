package faults

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// node is a value of the text with its path. Its readers note a mistake and return
// the zero value when it is not what they want.
type node struct {
	*yaml.Node
	path     string
	mistakes *mistakes
}

// resolve follows aliases, which cannot lead to aliases.
func (n node) resolve() node {
	if n.Kind == yaml.AliasNode {
		n.Node = n.Alias
	}
	return n
}

func (n node) mistake(want, got, hint string) {
	e := &FieldError{Path: cmp.Or(n.path, "rule"), Want: want, Got: got, Hint: hint}
	if n.mistakes.lines {
		e.Line = n.Line
	}
	n.mistakes.errs = append(n.mistakes.errs, e)
}

// wrong notes that the value is not what is wanted.
func (n node) wrong(want string) { n.mistake(want, n.show(), "") }

// show prints a value as it was written, shortened.
func (n node) show() string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	const limit = 60
	if len(n.Value) > limit {
		return strconv.Quote(n.Value[:limit]) + "…"
	}
	return strconv.Quote(n.Value)
}

// fields reads a map whose keys are known, and returns those that are there. The
// keys are named in the order that is given.
func (n node) fields(keys []string, read map[string]func(node)) map[string]node {
	found := map[string]node{}
	if n.Kind != yaml.MappingNode {
		n.wrong("a map of " + strings.Join(keys, ", "))
		return found
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		child := node{n.Content[i+1], strings.TrimPrefix(n.path+"."+key, "."), n.mistakes}.resolve()
		_, twice := found[key]
		f, known := read[key]
		switch {
		case !known:
			child.mistake("one of the keys "+strings.Join(keys, ", "), "unknown key "+strconv.Quote(key), nearest(key, keys))
		case twice:
			child.mistake("each key once", "it again", "")
		default:
			found[key] = child
			f(child)
		}
	}
	return found
}

// each calls f for the items of a list.
func (n node) each(f func(node)) {
	if n.Kind != yaml.SequenceNode {
		n.wrong("a list")
		return
	}
	for i, item := range n.Content {
		f(node{item, fmt.Sprintf("%s[%d]", n.path, i), n.mistakes}.resolve())
	}
}

// text reads a scalar that is not empty.
func (n node) text(want string) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Tag == "!!null" {
		n.wrong(want)
		return ""
	}
	return n.Value
}

// choice reads one of the words. what says what they are.
func (n node) choice(what string, words []string) string {
	for _, word := range words {
		if n.Kind == yaml.ScalarNode && n.Value == word {
			return word
		}
	}
	want := "one of " + strings.Join(words, ", ")
	if len(words) > 20 {
		want = what
	}
	n.mistake(want, n.show(), nearest(n.Value, words))
	return ""
}

// number reads a whole number from 0.
func (n node) number() int {
	v, err := strconv.ParseUint(n.Value, 10, 31)
	if n.Kind != yaml.ScalarNode || err != nil {
		n.wrong("a whole number from 0")
	}
	return int(v)
}

// share reads a probability.
func (n node) share() float64 {
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || err != nil || !(v > 0 && v <= 1) {
		n.wrong("a number above 0 and at most 1")
		return 1
	}
	return v
}

// Limits of durations.
const (
	shortest = time.Millisecond
	longest  = 24 * time.Hour
)

// duration reads one from low to longest.
func (n node) duration(low time.Duration) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d < low || d > longest {
		n.wrong(fmt.Sprintf("a duration from %v to %v, such as 2s", low, longest))
		return 0
	}
	return d
}
