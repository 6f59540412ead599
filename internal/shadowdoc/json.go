package shadowdoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is a JSON value: nil, bool, string, [Number], [Array] or *[Object].
type Value any

// Array is a JSON array.
type Array []Value

// Object is a JSON object that keeps the order of its members. A nil *Object is
// an empty one that cannot be changed.
type Object struct {
	keys   []string
	values map[string]Value
}

// NewObject returns an empty object.
func NewObject() *Object { return &Object{values: map[string]Value{}} }

// Len is the number of members.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.keys)
}

// Get returns a member, and whether there is one.
func (o *Object) Get(key string) (Value, bool) {
	if o == nil {
		return nil, false
	}
	v, ok := o.values[key]
	return v, ok
}

// Set adds a member at the end or replaces one in its place.
func (o *Object) Set(key string, v Value) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

// Delete removes a member, if it is there.
func (o *Object) Delete(key string) {
	if _, ok := o.values[key]; !ok {
		return
	}
	delete(o.values, key)
	o.keys = slices.Delete(o.keys, slices.Index(o.keys, key), slices.Index(o.keys, key)+1)
}

func (o *Object) clear() {
	o.keys = nil
	clear(o.values)
}

// All ranges over the members in order. The object must not lose members meanwhile.
func (o *Object) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if o == nil {
			return
		}
		for _, k := range o.keys {
			if !yield(k, o.values[k]) {
				return
			}
		}
	}
}

// Clone copies the object and everything in it.
func (o *Object) Clone() *Object {
	if o == nil {
		return nil
	}
	c := &Object{keys: slices.Clone(o.keys), values: make(map[string]Value, len(o.values))}
	for k, v := range o.values {
		c.values[k] = clone(v)
	}
	return c
}

func clone(v Value) Value {
	switch v := v.(type) {
	case *Object:
		return v.Clone()
	case Array:
		c := make(Array, len(v))
		for i, e := range v {
			c[i] = clone(e)
		}
		return c
	}
	return v
}

// Equal reports whether two values are the same JSON tree: members in any order,
// numbers only in the same form, so that 1 and 1.0 differ.
func Equal(a, b Value) bool {
	switch a := a.(type) {
	case *Object:
		b, ok := b.(*Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		for k, v := range a.All() {
			if w, ok := b.Get(k); !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case Array:
		b, ok := b.(Array)
		return ok && slices.EqualFunc(a, b, Equal)
	}
	switch b.(type) {
	case *Object, Array:
		return false
	}
	return a == b
}

// nothing reports whether a value counts as absent: null and the empty object do.
func nothing(v Value) bool {
	o, ok := v.(*Object)
	return v == nil || ok && o.Len() == 0
}

// maxNesting and maxNumber are the limits of the parser that the shadow manager
// uses (FasterXML/jackson-core StreamReadConstraints, 2.16).
const (
	maxNesting = 1000
	maxNumber  = 1000
)

// SyntaxError says that a text is not JSON.
type SyntaxError struct{ Err error }

func (e *SyntaxError) Error() string { return "not JSON: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Parse reads the first JSON value of a text and ignores what follows it. It
// returns [io.EOF] for a text of blanks and a *[SyntaxError] for anything else
// that has no value. Of members with the same name the last one counts.
func Parse(text []byte) (Value, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // the parser there takes a byte order mark
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := parse(d, 0)
	if err == nil && !utf8.Valid(text[:d.InputOffset()]) {
		err = errors.New("invalid UTF-8")
	}
	switch {
	case err == nil:
		return v, nil
	case len(bytes.TrimLeft(text, " \t\r\n")) == 0:
		return nil, io.EOF
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return nil, &SyntaxError{err}
}

func parse(d *json.Decoder, depth int) (Value, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == maxNesting {
			return nil, fmt.Errorf("nested deeper than %d", maxNesting)
		}
		if t == '{' {
			return parseObject(d, depth)
		}
		return parseArray(d, depth)
	case json.Number:
		if len(t) > maxNumber {
			return nil, fmt.Errorf("number of %d characters is over the limit of %d", len(t), maxNumber)
		}
		return newNumber(string(t)), nil
	}
	return token, nil
}

func parseObject(d *json.Decoder, depth int) (Value, error) {
	o := NewObject()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := parse(d, depth+1)
		if err != nil {
			return nil, err
		}
		o.Set(key.(string), v)
	}
	_, err := d.Token()
	return o, err
}

func parseArray(d *json.Decoder, depth int) (Value, error) {
	a := Array{}
	for d.More() {
		v, err := parse(d, depth+1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	_, err := d.Token()
	return a, err
}

// Append appends the compact JSON text of a value, which is the form that the
// size limit of a shadow counts.
func Append(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		if v {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case string:
		return appendString(dst, v)
	case Number:
		return v.append(dst)
	case Array:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = Append(dst, e)
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		first := true
		for k, e := range v.All() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = Append(append(appendString(dst, k), ':'), e)
		}
		return append(dst, '}')
	}
	panic(fmt.Sprintf("shadowdoc: %T is no JSON value", v))
}

// appendString escapes what the shadow manager's writer does
// (FasterXML/jackson-core UTF8JsonGenerator), since that is what the size limit
// counts: characters beyond 16 bits become two escapes of six bytes.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r >= surrogates:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04X\u%04X`, high, low)
		case r >= ' ':
			dst = utf8.AppendRune(dst, r)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r == '\b':
			dst = append(dst, `\b`...)
		case r == '\f':
			dst = append(dst, `\f`...)
		default:
			dst = fmt.Appendf(dst, `\u%04X`, r)
		}
	}
	return append(dst, '"')
}

// surrogates is the first character that takes two units of UTF-16.
const surrogates = 0x10000

// MarshalJSON returns the object as compact JSON.
func (o *Object) MarshalJSON() ([]byte, error) { return Append(nil, o), nil }
