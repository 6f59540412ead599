package faults

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// FieldError is one mistake in a rule or a script.
type FieldError struct {
	Line int    // in the script; 0 in a rule of its own
	Path string // as "rules[2].delay"; "rule" or "script" for the whole
	Want string // what would have been accepted
	Got  string // what was found
	Hint string // what was probably meant, or ""
}

func (e *FieldError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	fmt.Fprintf(&b, "%s: want %s, got %s", e.Path, e.Want, e.Got)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// mistakes gathers those of one text, in the order in which they were found.
type mistakes struct {
	lines bool // say the line
	errs  []error
}

func (m *mistakes) err() error { return errors.Join(m.errs...) }

// nearest is a hint at the known word that shares most pairs of letters with got.
func nearest(got string, known []string) string {
	best, score := "", 0.4
	for _, word := range known {
		if s := likeness(got, word); s > score {
			best, score = word, s
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// likeness is Dice's coefficient of the letter pairs of two words, from 0 to 1.
func likeness(a, b string) float64 {
	left, right := pairs(a), pairs(b)
	all, shared := len(left)+len(right), 0
	for _, pair := range left {
		if i := slices.Index(right, pair); i >= 0 {
			right = slices.Delete(right, i, i+1)
			shared++
		}
	}
	return 2 * float64(shared) / float64(all)
}

// pairs has the first and last letter as pairs, too, so no word is without.
func pairs(word string) []string {
	word = " " + strings.ToLower(word) + " "
	var list []string
	for i := range len(word) - 1 {
		list = append(list, word[i:i+2])
	}
	return list
}
