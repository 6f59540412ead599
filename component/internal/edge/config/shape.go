package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Type is what a value is.
type Type uint8

// The types.
const (
	Anything Type = iota // not read
	Text                 // or a whole number from 0, for its digits
	Label                // of a line: text
	Boolean              // or the same as text
	Number               // or the same as text
	Duration             // text with a unit, such as 20ms
	Choice               // one of some words
	List                 // of Elem
	Map                  // of Elem, by keys that people choose
	Group                // an Object
	Limit                // a number, or text that names a setting
	Band                 // a number from 0, or a percentage as text
)

// Shape says what a value looks like.
type Shape struct {
	Type        Type
	Pattern     string   // of Text, and of the keys of a Map: what it has to match; "" is anything
	Except      []string // likewise: what it may not be
	Words       []string // of Choice; "on" and "off" may be true and false, too
	AnyCase     bool     // of Choice: capitals do not matter
	Least, Most string   // of Duration and Number, as they are written
	Direction   gpio.Direction
	Elem        *Shape
	Size        [2]int // of List and Map: least and most elements; 0 is no limit
	Object      *Object
}

// form is a shape and how it is read.
type form[V any] struct {
	Shape
	read func(*parser, node) V
}

var (
	text  = form[string]{Shape{Type: Text}, func(_ *parser, n node) string { return n.text() }}
	truth = form[bool]{Shape{Type: Boolean}, func(_ *parser, n node) bool { return n.boolean() }}
	onOff = form[bool]{Shape{Type: Choice, Words: []string{"off", "on"}}, func(_ *parser, n node) bool {
		index, _ := n.choice([]string{"off", "on"})
		return index == 1
	}}
	inputLabel  = lineOf(gpio.Input)
	outputLabel = lineOf(gpio.Output)
	edges       = oneOf(gpio.RisingEdges, gpio.FallingEdges, gpio.BothEdges)
	ignore      = Shape{Type: Anything}
	anything    = form[any]{ignore, func(_ *parser, n node) any { return n.value }}
	anyList     = form[[]any]{Shape{Type: List, Elem: &ignore, Size: [2]int{1, 0}}, func(_ *parser, n node) []any {
		list := slices.Clone(n.list())
		if len(list) == 0 {
			n.fault("a list of at least one value")
		}
		return list
	}}
)

// matching is text that matches a pattern. What does not is read nevertheless.
func matching(pattern *regexp.Regexp, want string) form[string] {
	return form[string]{Shape{Type: Text, Pattern: pattern.String()}, func(_ *parser, n node) string {
		s := n.text()
		if !pattern.MatchString(s) {
			n.fault(want)
		}
		return s
	}}
}

// lineOf is the label of a line of that direction.
func lineOf(d gpio.Direction) form[string] {
	return form[string]{Shape{Type: Label, Direction: d}, func(p *parser, n node) string { return p.label(n, d) }}
}

func span(least, most time.Duration) form[time.Duration] {
	shape := Shape{Type: Duration, Least: brief(least), Most: brief(most)}
	return form[time.Duration]{shape, func(_ *parser, n node) time.Duration { return n.duration(least, most) }}
}

func number(least, most float64) form[float64] {
	shape := Shape{Type: Number, Least: fmt.Sprint(least), Most: fmt.Sprint(most)}
	return form[float64]{shape, func(_ *parser, n node) float64 { return n.number(least, most) }}
}

// whole is a whole number.
func whole(least, most int) form[int] {
	f := number(float64(least), float64(most))
	return form[int]{f.Shape, func(p *parser, n node) int {
		v := f.read(p, n)
		if v != math.Trunc(v) {
			n.fault(fmt.Sprintf("a whole number from %d to %d", least, most))
		}
		return int(v)
	}}
}

// oneOf is one of these values by its name; the zero value for any other.
func oneOf[V fmt.Stringer](values ...V) form[V] {
	var words []string
	for _, v := range values {
		words = append(words, v.String())
	}
	return form[V]{Shape{Type: Choice, Words: words}, func(_ *parser, n node) (value V) {
		if index, ok := n.choice(words); ok {
			return values[index]
		}
		return value
	}}
}

// anyCase takes capitals for small letters.
func anyCase[V any](f form[V]) form[V] {
	f.AnyCase = true
	return form[V]{f.Shape, func(p *parser, n node) V {
		if s, ok := n.value.(string); ok && slices.Contains(f.Words, strings.ToLower(s)) {
			n.value = strings.ToLower(s)
		}
		return f.read(p, n)
	}}
}

// group is an object that is read into a new T.
func group[T any](o *object[T]) form[*T] {
	return form[*T]{Shape{Type: Group, Object: &o.Object}, func(p *parser, n node) *T {
		dst := new(T)
		o.read(p, n, dst)
		return dst
	}}
}

// labelled is a map of objects by labels that people choose.
func labelled(o *Object) Shape {
	return Shape{Type: Map, Elem: &Shape{Type: Group, Object: o}}
}
