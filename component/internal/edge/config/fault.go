package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// FieldError is one fault of a configuration.
type FieldError struct {
	Path string // dotted, as the file is nested: "lines.lamp.debounce"
	Want string // what would have been accepted
	Got  string // what was found
	Hint string // what was probably meant, or ""
}

func (e *FieldError) Error() string {
	s := fmt.Sprintf("%s: want %s, got %s", e.Path, e.Want, e.Got)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// faults gathers the faults of one configuration.
type faults struct{ list []*FieldError }

func (f *faults) add(path, want, got, hint string) {
	if path == "" {
		path = "configuration"
	}
	f.list = append(f.list, &FieldError{path, want, got, hint})
}

// has reports whether something is wrong at that path.
func (f *faults) has(path string) bool {
	return slices.ContainsFunc(f.list, func(e *FieldError) bool { return e.Path == path })
}

// under reports whether something is wrong at that path or below it.
func (f *faults) under(path string) bool {
	return slices.ContainsFunc(f.list, func(e *FieldError) bool {
		rest, ok := strings.CutPrefix(e.Path, path)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// err joins the faults in the order of their paths, nil when there are none.
func (f *faults) err() error {
	slices.SortStableFunc(f.list, func(a, b *FieldError) int { return cmp.Compare(a.Path, b.Path) })
	errs := make([]error, len(f.list))
	for i, e := range f.list {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// Faults lists the faults of an error of [Parse], in the order of their paths.
func Faults(err error) (list []*FieldError) {
	for err != nil {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				if fault, ok := errors.AsType[*FieldError](e); ok {
					list = append(list, fault)
				}
			}
			return list
		}
		err = errors.Unwrap(err)
	}
	return nil
}

// Nearest returns a hint that names the known word closest to got, or "" when
// none is close enough to be a slip of the fingers.
func Nearest(got string, known []string) string {
	best, distance := "", len(got)/2+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(got), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
