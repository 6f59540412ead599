package devcore

import (
	"errors"
	"fmt"
	"strings"
)

// pattern is a resource of a policy, split at its wildcards
// (aws-greengrass/aws-greengrass-nucleus authorization/WildcardTrie.java).
type pattern []part

// part is a literal or a wildcard. MQTT wildcards are literals, too, because only
// some services know them.
type part struct {
	kind    partKind
	literal string
}

type partKind int

const (
	literalPart partKind = iota
	anyPart              // "*": any run of characters
	levelPart            // "+" that is a level of its own: a run without "/"
	restPart             // "#" at the end: everything
)

// parsePattern resolves the escapes ${*}, ${?} and ${$}.
func parsePattern(resource string) (pattern, error) {
	if resource == "" {
		return nil, errors.New("resource is empty")
	}
	var p pattern
	add := func(kind partKind, text string) {
		if n := len(p); n > 0 && kind == literalPart && p[n-1].kind == literalPart {
			p[n-1].literal += text
			return
		}
		p = append(p, part{kind, text})
	}
	for i := 0; i < len(resource); i++ {
		c := resource[i : i+1]
		begins := i == 0 || resource[i-1] == '/'
		switch rest := resource[i:]; {
		case strings.HasPrefix(rest, "${"):
			if len(rest) < 4 || rest[3] != '}' || !strings.Contains("*?$", rest[2:3]) {
				return nil, fmt.Errorf("resource %q: want one of the escapes ${*}, ${?}, ${$}, got %.4q", resource, rest)
			}
			add(literalPart, rest[2:3])
			i += 3
		case c == "?":
			return nil, fmt.Errorf("resource %q: want ? to be escaped as ${?}", resource)
		case c == "*":
			add(anyPart, "")
		case c == "+" && begins && (len(rest) == 1 || rest[1] == '/'):
			add(levelPart, c)
		case c == "#" && begins && len(rest) == 1:
			add(restPart, c)
		default:
			add(literalPart, c)
		}
	}
	return p, nil
}

// matches compares a text with the pattern. It follows all ways at once: at holds
// the places of the text up to which the parts before have matched.
func (p pattern) matches(text string, mqtt bool) bool {
	at := map[int]bool{0: true}
	for i, part := range p {
		if part.kind == restPart && mqtt {
			return len(at) > 0 || p[:i].endsAtLevel(text)
		}
		next := map[int]bool{}
		for start := range at {
			for _, end := range part.ends(text, start, mqtt) {
				next[end] = true
			}
		}
		at = next
	}
	return at[len(text)]
}

// endsAtLevel says whether what comes before "#" matches without its last "/": the
// level above is covered.
func (p pattern) endsAtLevel(text string) bool { return p.matches(text+"/", true) }

// ends are the places where the part can end that begins at one.
func (p part) ends(text string, start int, mqtt bool) []int {
	limit := len(text)
	switch {
	case p.kind == levelPart && mqtt:
		if i := strings.IndexByte(text[start:], '/'); i >= 0 {
			limit = start + i
		}
	case p.kind != anyPart:
		if strings.HasPrefix(text[start:], p.literal) {
			return []int{start + len(p.literal)}
		}
		return nil
	}
	var ends []int
	for end := start; end <= limit; end++ {
		ends = append(ends, end)
	}
	return ends
}
