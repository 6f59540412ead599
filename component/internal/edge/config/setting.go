package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Domain is the set of values that a setting takes.
type Domain struct {
	Type      ValueType
	Min, Max  float64 // of Number and Integer
	Enum      []any   // float64 or string; nil is all
	MaxLength int     // of String, in bytes as JSON; 1 to MaxText
	Default   any     // bool, float64 or string; nil is none
	Members   map[string]Domain
}

// ValueType is the type of a setting.
type ValueType uint8

// The types. Object is not one of members.
const (
	BooleanValue ValueType = iota
	NumberValue
	IntegerValue
	StringValue
	ObjectValue
)

var valueTypeNames = []string{"boolean", "number", "integer", "string", "object"}

func (t ValueType) String() string { return valueTypeNames[t] }

// IsNumeric reports whether its values are numbers.
func (t ValueType) IsNumeric() bool { return t == NumberValue || t == IntegerValue }

// Bounds of settings.
const (
	MaxSetting        = 1e15 // of numbers, either way
	MaxText           = 1024 // bytes of a text
	DefaultMaxLength  = 64
	maxSettingMembers = 32
)

// domainKeys are the keys that a setting and a member of one have in common.
func domainKeys[T any](at func(*T) *Domain, of ...fmt.Stringer) []*key[T] {
	keys := []*key[T]{
		field("min", number(-MaxSetting, MaxSetting), func(t *T) *float64 { return &at(t).Min }, "Least value of a number.").or(-MaxSetting),
		field("max", number(-MaxSetting, MaxSetting), func(t *T) *float64 { return &at(t).Max }, "Largest value of a number.").or(MaxSetting),
		field("enum", anyList, func(t *T) *[]any { return &at(t).Enum }, "The only values that a number or a text may have."),
		field("maxLength", whole(1, MaxText), func(t *T) *int { return &at(t).MaxLength }, "Longest text, in bytes as JSON.").or(DefaultMaxLength),
		field("default", anything, func(t *T) *any { return &at(t).Default }, "Value until one was desired; without it there is none."),
	}
	for i := range keys {
		keys[i] = keys[i].of(of...)
	}
	return keys
}

// member is a Domain as it is read.
type member struct{ Domain }

var memberObject = declare("member", "One member of a setting that is an object.", slices.Concat(
	[]*key[member]{field("type", oneOf(BooleanValue, NumberValue, IntegerValue, StringValue), func(m *member) *ValueType { return &m.Type },
		"Of its values.").needed("one of boolean, number, integer, string")},
	domainKeys(func(m *member) *Domain { return &m.Domain }),
)...)

var membersShape = Shape{Type: Map, Pattern: propertyPattern.String(), Size: [2]int{1, maxSettingMembers}, Elem: &Shape{Type: Group, Object: &memberObject.Object}}

func (p *parser) members(n node, property *Property) {
	property.Domain.Members = map[string]Domain{}
	n.each(func(name string, n node) {
		m := member{}
		given := memberObject.read(p, n, &m)
		if !propertyPattern.MatchString(name) {
			p.faults.add(n.path, "a member name, 1 to 64 of a-z A-Z 0-9 : _ -", fmt.Sprintf("%q", name), "")
		}
		p.checkDomain(n, &m.Domain, given)
		property.Domain.Members[name] = m.Domain
	})
	if count := len(property.Domain.Members); count > maxSettingMembers {
		n.faults.add(n.path, fmt.Sprintf("at most %d members", maxSettingMembers), fmt.Sprint(count), "")
	}
}

// domainTypes are the types that have a key, which no other does.
var domainTypes = map[string][]ValueType{
	"min": {NumberValue, IntegerValue}, "max": {NumberValue, IntegerValue},
	"enum": {NumberValue, IntegerValue, StringValue}, "maxLength": {StringValue},
	"default": {BooleanValue, NumberValue, IntegerValue, StringValue}, "members": {ObjectValue},
}

// checkDomain checks what the keys of a setting say together, and turns its enum
// and default into values of its type.
func (p *parser) checkDomain(n node, d *Domain, given map[string]node) {
	for _, key := range slices.Sorted(maps.Keys(domainTypes)) {
		if at, ok := given[key]; ok && !slices.Contains(domainTypes[key], d.Type) {
			p.faults.add(at.path, "no "+key+" of type "+d.Type.String(), show(at.value), "")
			return
		}
	}
	if d.Type == ObjectValue && given["members"].faults == nil {
		p.faults.add(n.path+".setting", "object beside members, such as members: {low: {type: number}}", "none", "")
	}
	if d.Min > d.Max {
		p.faults.add(n.path+".min", fmt.Sprintf("at most max, %g", d.Max), fmt.Sprint(d.Min), "")
	}
	for i, value := range d.Enum {
		at := node{fmt.Sprintf("%s.enum[%d]", n.path, i), value, n.faults}
		d.Enum[i] = at.scalar(d.Type)
		d.checkConfigured(at, d.Enum[:i:i], d.Enum[i], false)
	}
	if at, ok := given["default"]; ok {
		d.Default = at.scalar(d.Type)
		d.checkConfigured(at, nil, d.Default, true)
	}
}

// checkConfigured refuses a value of the configuration that the setting would not take.
func (d Domain) checkConfigured(n node, before []any, value any, listed bool) {
	if value == nil || n.faults.under(n.path) {
		return
	}
	if slices.Contains(before, value) {
		n.fault("each value once")
	}
	if !listed {
		d.Enum = nil
	}
	if _, err := d.take("", value); err != nil {
		n.fault("what the setting takes, " + d.String())
	}
}

// scalar reads a value of that type, nil for none.
func (n node) scalar(t ValueType) any {
	switch t {
	case BooleanValue:
		return n.boolean()
	case NumberValue, IntegerValue:
		return n.number(-MaxSetting, MaxSetting)
	}
	return n.text()
}

// ParseSetting reads a desired value of a Setting property and returns what is
// adopted. Of an object, members that are not desired stay as they are in before, which
// may be nil.
func (p Property) ParseSetting(value, before any) (adopted any, err error) {
	if p.Domain.Type != ObjectValue {
		return p.Domain.take("", value)
	}
	desired, ok := value.(map[string]any)
	if !ok {
		return nil, shadow.RefusalOfWord("", "an object of ", ", ", p.Domain.names(), value)
	}
	members := map[string]any{}
	present, _ := before.(map[string]any)
	maps.Copy(members, present)
	for _, name := range slices.Sorted(maps.Keys(desired)) {
		if desired[name] == nil {
			continue // a shadow can hold a null where nothing was; it desires nothing
		}
		domain, known := p.Domain.Members[name]
		if !known {
			return nil, withHint(shadow.RefusalOfWord("", "one of the members ", ", ", p.Domain.names(), name), Nearest(name, p.Domain.names()))
		}
		if members[name], err = domain.take(name, desired[name]); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func withHint(err error, hint string) error {
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, hint)
}

func (d Domain) names() []string { return slices.Sorted(maps.Keys(d.Members)) }

// Initial is the value of a setting of which nothing but remembered is known, nil
// for none. What it would not take any more gives way to the default; refused says
// why.
func (p Property) Initial(remembered any) (value any, refused error) {
	if p.Domain.Type != ObjectValue {
		if remembered != nil {
			if value, refused = p.Domain.take("", remembered); refused == nil {
				return value, nil
			}
		}
		return p.Domain.Default, refused
	}
	members := map[string]any{}
	before, _ := remembered.(map[string]any)
	for name, d := range p.Domain.Members {
		initial, err := Property{Domain: d}.Initial(before[name])
		if initial != nil {
			members[name] = initial
		}
		if err != nil {
			refused = fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(members) == 0 {
		return nil, refused
	}
	return members, refused
}

// take reads a value of a scalar setting: a bool, float64 or string. place is the member
// of an object that it stands in, "" for none.
func (d Domain) take(place string, value any) (any, error) {
	ok := false
	taken := value
	switch d.Type {
	case BooleanValue:
		_, ok = value.(bool)
	case NumberValue, IntegerValue:
		var v float64
		v, ok = numeric(value)
		ok = ok && v >= d.Min && v <= d.Max && (d.Type == NumberValue || v == math.Trunc(v))
		taken = v
	case StringValue:
		_, ok = value.(string)
		if n := size(value) - 2; ok && n > d.MaxLength && d.Enum == nil {
			return nil, shadow.Refusal(place, d.String(), shadow.Found(fmt.Sprintf("%d bytes", n)))
		}
	}
	switch {
	case d.Enum != nil && (!ok || !slices.Contains(d.Enum, taken)):
		return nil, shadow.RefusalOfWord(place, "one of ", ", ", d.words(), value)
	case !ok:
		return nil, shadow.Refusal(place, d.String(), value)
	}
	return taken, nil
}

// words are the values of Enum as the shadow shows them.
func (d Domain) words() []string {
	words := make([]string, len(d.Enum))
	for i, value := range d.Enum {
		words[i] = show(value)
		if v, ok := value.(float64); ok {
			words[i] = decimal(v)
		}
	}
	return words
}

// String says what it takes: "a number from 20 to 120".
func (d Domain) String() string {
	switch {
	case d.Type == ObjectValue:
		return "an object of " + strings.Join(d.names(), ", ")
	case d.Enum != nil:
		return "one of " + strings.Join(d.words(), ", ")
	case d.Type == BooleanValue:
		return "true or false"
	case d.Type == StringValue:
		return fmt.Sprintf("a text of at most %d bytes", d.MaxLength)
	}
	text := map[ValueType]string{NumberValue: "a number", IntegerValue: "a whole number"}[d.Type]
	return fmt.Sprintf("%s from %s to %s", text, decimal(d.Min), decimal(d.Max))
}

// largest is a value that takes most room.
func (d Domain) largest() any {
	switch {
	case d.Type == ObjectValue:
		members := map[string]any{}
		for name, m := range d.Members {
			members[name] = m.largest()
		}
		return members
	case len(d.Enum) > 0:
		return slices.MaxFunc(d.Enum, func(a, b any) int { return size(a) - size(b) })
	case d.Type == BooleanValue:
		return false
	case d.Type == StringValue:
		return strings.Repeat("x", d.MaxLength)
	}
	return -math.Pi * 1e-300 // 24 bytes
}
