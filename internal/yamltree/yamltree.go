// Package yamltree reads YAML and JSON documents that people write: every command and
// every part of the project that takes such a file reads it here, so that all of them
// take the same files for the same things.
//
// A document becomes a tree of map[string]any, []any, string, int, float64, bool and
// nil, which can be encoded as JSON. A key is text, as it is written: 1, true, on and
// "1" are the keys 1, true, on and 1. Anchors, aliases and merge keys (<<) count as in
// YAML 1.1; a key that stands twice in one map is a fault. JSON is read as JSON, so
// escapes and long keys are those of JSON, too.
package yamltree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Fault is a mistake in a document that is YAML or JSON otherwise.
type Fault struct {
	Path string // dotted, as the document is nested: "lines.lamp"; "" is the whole
	Want string
	Got  string // what was found, with its lines
}

func (f *Fault) Error() string {
	if f.Path == "" {
		return fmt.Sprintf("want %s, got %s", f.Want, f.Got)
	}
	return fmt.Sprintf("%s: want %s, got %s", f.Path, f.Want, f.Got)
}

// Faults lists the faults of an error of this package.
func Faults(err error) (list []*Fault) {
	switch e := err.(type) {
	case *Fault:
		return []*Fault{e}
	case interface{ Unwrap() []error }:
		for _, joined := range e.Unwrap() {
			list = append(list, Faults(joined)...)
		}
	case interface{ Unwrap() error }:
		return Faults(e.Unwrap())
	}
	return list
}

// maxAliased is how many values aliases may stand for in one document.
const maxAliased = 100_000

// Read reads one document; an empty one is nil. An error that joins [Fault] values only
// comes with the tree without what is wrong.
func Read(text []byte) (any, error) {
	if json.Valid(text) {
		return readJSON(text)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("neither YAML nor JSON: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one document, got more after it")
	}
	r := reader{inside: map[*yaml.Node]bool{}}
	tree := r.value("", document.Content[0])
	return tree, errors.Join(r.faults...)
}

// ReadObject reads a document that is a map.
func ReadObject(text []byte) (map[string]any, error) {
	tree, err := Read(text)
	if err != nil {
		return nil, err
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, &Fault{Want: "a map", Got: show(tree)}
	}
	return object, nil
}

func show(tree any) string {
	switch tree.(type) {
	case nil:
		return "nothing"
	case []any:
		return "a list"
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return fmt.Sprint(tree)
	}
	const limit = 60
	if len(text) > limit {
		return string(bytes.ToValidUTF8(text[:limit], nil)) + "…"
	}
	return string(text)
}

// child is the path of a member.
func child(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// twice is the fault of a key that stands twice.
func twice(path string, first, second int) *Fault {
	return &Fault{Path: path, Want: "each key once", Got: fmt.Sprintf("it in line %d and in line %d", first, second)}
}

// reader makes a tree of the nodes of one document.
type reader struct {
	faults  []error
	inside  map[*yaml.Node]bool // the values with anchors that are being read
	aliases int                 // that are being read
	aliased int                 // values that were read by aliases
}

func (r *reader) fault(path, want, format string, args ...any) {
	r.faults = append(r.faults, &Fault{path, want, fmt.Sprintf(format, args...)})
}

func (r *reader) value(path string, n *yaml.Node) any {
	if n.Anchor != "" {
		r.inside[n] = true
		defer delete(r.inside, n)
	}
	if r.aliases > 0 {
		if r.aliased++; r.aliased == maxAliased {
			r.fault(path, fmt.Sprintf("at most %d values by aliases", maxAliased), "more in line %d", n.Line)
		}
		if r.aliased >= maxAliased {
			return nil
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		if r.inside[n.Alias] {
			r.fault(path, "an alias of another value", "*%s within itself in line %d", n.Value, n.Line)
			return nil
		}
		r.aliases++
		defer func() { r.aliases-- }()
		return r.value(path, n.Alias)
	case yaml.MappingNode:
		return r.object(path, n)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, element := range n.Content {
			list[i] = r.value(fmt.Sprintf("%s[%d]", path, i), element)
		}
		return list
	}
	return r.scalar(path, n)
}

// object reads a map. What stands in it counts before what it merges.
func (r *reader) object(path string, n *yaml.Node) map[string]any {
	object := map[string]any{}
	lines := map[string]int{} // of keys
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merged = append(merged, value)
		}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			r.fault(path, "text as a key", "a map or a list in line %d", n.Content[i].Line)
			continue
		}
		at := child(path, key.Value)
		if first, ok := lines[key.Value]; ok {
			r.faults = append(r.faults, twice(at, first, n.Content[i].Line))
			continue
		}
		lines[key.Value] = n.Content[i].Line
		if key.Tag != "!!merge" {
			object[key.Value] = r.value(at, value)
		}
	}
	for _, value := range merged {
		r.merge(path, object, value)
	}
	return object
}

// merge adds what the value of a merge key has, a map or a list of maps.
func (r *reader) merge(path string, object map[string]any, value *yaml.Node) {
	at := child(path, "<<")
	maps := []any{r.value(at, value)}
	if list, ok := maps[0].([]any); ok {
		maps = list
	}
	for _, from := range maps {
		more, ok := from.(map[string]any)
		if !ok && from != nil {
			r.fault(at, "a map or a list of maps to merge", "%s in line %d", show(from), value.Line)
		}
		for key, v := range more {
			if _, there := object[key]; !there {
				object[key] = v
			}
		}
	}
}

// scalar reads a value as YAML does. What JSON has no form for is text, as it is written.
func (r *reader) scalar(path string, n *yaml.Node) any {
	var v any
	if err := n.Decode(&v); err != nil {
		r.fault(path, "a value of its tag", "%s %q in line %d", n.Tag, n.Value, n.Line)
		return nil
	}
	switch v := v.(type) {
	case nil, bool, string, int:
		return v
	case int64: // beyond int
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
	}
	return n.Value
}

// readJSON reads a document that is valid JSON.
func readJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	r := jsonReader{text: text, Decoder: d}
	tree := r.value("")
	return tree, errors.Join(r.faults...)
}

type jsonReader struct {
	*json.Decoder
	text   []byte
	faults []error

	read, lines int64 // bytes of which the line breaks are counted, and their number
}

// token returns the next token of a text that is valid.
func (r *jsonReader) token() json.Token {
	t, err := r.Token()
	if err != nil {
		panic("yamltree: valid JSON without a next token: " + err.Error())
	}
	return t
}

// line is the line of the token that came last.
func (r *jsonReader) line() int {
	end := r.InputOffset()
	r.lines += int64(bytes.Count(r.text[r.read:end], []byte("\n")))
	r.read = end
	return int(r.lines) + 1
}

func (r *jsonReader) value(path string) any {
	switch t := r.token().(type) {
	case json.Delim:
		if t == '{' {
			return r.object(path)
		}
		list := []any{}
		for r.More() {
			list = append(list, r.value(fmt.Sprintf("%s[%d]", path, len(list))))
		}
		r.token()
		return list
	case json.Number:
		return jsonNumber(t)
	default:
		return t
	}
}

func (r *jsonReader) object(path string) map[string]any {
	object := map[string]any{}
	lines := map[string]int{} // of keys
	for r.More() {
		key := r.token().(string)
		line, at := r.line(), child(path, key)
		value := r.value(at)
		if first, ok := lines[key]; ok {
			r.faults = append(r.faults, twice(at, first, line))
			continue
		}
		lines[key], object[key] = line, value
	}
	r.token()
	return object
}

// jsonNumber is an int where it is written as one. A number beyond float64 is text, as
// it is written.
func jsonNumber(n json.Number) any {
	if i, err := strconv.Atoi(n.String()); err == nil && n != "-0" {
		return i
	}
	if v, err := n.Float64(); err == nil {
		return v
	}
	return n.String()
}
