package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Object declares a map whose keys are known. The parser reads by it, and the
// schema and the reference are made of it, so that they cannot differ.
type Object struct {
	Name string // such as "line"
	Doc  string // one sentence
	Keys []Key  // in the order in which they are read

	// Variants are the kinds of the object that have keys of their own, nil for
	// none. By is the key whose value names the variant; where it is "", the
	// variant is named by which of the keys with a variant's name is given, and is
	// the first where none is.
	Variants []Variant
	By       string
}

// Variant is one kind of an object.
type Variant struct{ Name, Doc string }

// Key declares one key of an object.
type Key struct {
	Name    string
	Doc     string   // one sentence
	Shape   Shape    // of its value
	Default any      // text, boolean or number as it would be written; nil is none
	Needed  bool     // for the variants that have it
	Of      []string // the variants that have it; nil is all
	Needs   *Need    // nil is nothing
}

// Need is what a value asks for.
type Need struct {
	When *regexp.Regexp // matches the values that need the other key
	Key  string         // the other key, not empty
}

// Has reports whether the variant has the key.
func (k Key) Has(variant string) bool { return k.Of == nil || slices.Contains(k.Of, variant) }

// Makes reports whether giving the key decides the variant.
func (o Object) Makes(k Key) bool {
	return o.By == "" && slices.ContainsFunc(o.Variants, func(v Variant) bool { return v.Name == k.Name })
}

// Configuration declares all that a configuration may have.
func Configuration() Object { return rootObject.Object }

// object is an [Object] that is read into a T.
type object[T any] struct {
	Object
	keys []*key[T]
	want string // the fault of a missing key, where it is not the key's own
}

// key is a [Key] that is read into a T. Declarations pass pointers to it: copies of a
// hundred keys at each step would make the binary larger by more than one percent.
type key[T any] struct {
	Key
	want string // the fault when it is missing; "" if that is checked elsewhere
	read func(*parser, node, *T)
}

func declare[T any](name, doc string, keys ...*key[T]) *object[T] {
	o := &object[T]{Object: Object{Name: name, Doc: doc}, keys: keys}
	for _, k := range keys {
		o.Keys = append(o.Keys, k.Key)
	}
	return o
}

// by names the variants of an object and the key whose value tells them.
func (o *object[T]) by(key string, variants ...Variant) *object[T] {
	o.By, o.Variants = key, variants
	return o
}

// complete gives the object one fault for all keys that are needed.
func (o *object[T]) complete(want string) *object[T] {
	o.want = want
	return o
}

// field declares a key whose value is kept at one place of a T.
func field[T, V any](name string, f form[V], at func(*T) *V, doc string) *key[T] {
	return part(name, f.Shape, func(p *parser, n node, dst *T) { *at(dst) = f.read(p, n) }, doc)
}

// part declares a key whose value is read in a way of its own.
//
//go:noinline
func part[T any](name string, shape Shape, read func(*parser, node, *T), doc string) *key[T] {
	return &key[T]{Key: Key{Name: name, Doc: doc, Shape: shape}, read: read}
}

// inside declares a key whose members are kept in the same T.
func inside[T any](name string, o *object[T], doc string) *key[T] {
	return part(name, Shape{Type: Group, Object: &o.Object}, func(p *parser, n node, dst *T) { o.read(p, n, dst) }, doc)
}

// or gives the key a default. Like the other parts of a declaration it is not inlined,
// which would make the binary larger, too.
//
//go:noinline
func (k *key[T]) or(value any) *key[T] {
	switch v := value.(type) {
	case time.Duration:
		value = brief(v)
	case fmt.Stringer:
		value = v.String()
	}
	k.Default = value
	return k
}

// needed makes the key one that may not be missing. Without a want, the reader of
// the object says so itself.
//
//go:noinline
func (k *key[T]) needed(want string) *key[T] {
	k.Needed, k.want = true, want
	return k
}

// needs has values that match need another key. The reader of the object checks it.
func (k *key[T]) needs(when *regexp.Regexp, other string) *key[T] {
	k.Needs = &Need{when, other}
	return k
}

// of leaves the key to these variants.
//
//go:noinline
func (k *key[T]) of(variants ...fmt.Stringer) *key[T] {
	for _, v := range variants {
		k.Of = append(k.Of, v.String())
	}
	return k
}

// read reads a map and returns the values that are given. A null is none.
func (o *object[T]) read(p *parser, n node, dst *T) (given map[string]node) {
	members := n.object()
	o.refuseUnknown(n, members)
	given = map[string]node{}
	missing := false
	for _, k := range o.keys {
		value, present := members[k.Name]
		at := n.child(k.Name, value)
		switch {
		case at.value != nil:
			given[k.Name] = at
			k.read(p, at, dst)
		case present && o.Makes(k.Key):
			at.fault("a value, since it says what kind of " + o.Name + " this is")
		case k.Default != nil:
			at.value = k.Default
			k.read(p, at, dst)
		case k.Needed && k.want != "":
			p.faults.add(at.path, k.want, "nothing", "")
		case k.Needed:
			missing = true
		}
	}
	if missing && o.want != "" && !p.faults.under(n.path) {
		n.fault(o.want)
	}
	return given
}

func (o *object[T]) refuseUnknown(n node, members map[string]any) {
	var known []string
	for _, k := range o.keys {
		known = append(known, k.Name)
	}
	slices.Sort(known)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name == "" {
			n.emptyKey()
		} else if _, ok := slices.BinarySearch(known, name); !ok {
			n.faults.add(n.child(name, nil).path, "one of the keys "+strings.Join(known, ", "), "unknown key "+strconv.Quote(name), Nearest(name, known))
		}
	}
}

// misplaced calls f for each given key that the variant does not have.
func (o *object[T]) misplaced(variant string, given map[string]node, f func(k Key, n node)) {
	for _, k := range o.Keys {
		if n, ok := given[k.Name]; ok && !k.Has(variant) && !o.Makes(k) {
			f(k, n)
		}
	}
}
