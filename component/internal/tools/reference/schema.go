package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// schema is a JSON Schema, draft 2020-12. Its JSON has sorted keys.
type schema map[string]any

const (
	dialect = "https://json-schema.org/draft/2020-12/schema"
	home    = "https://github.com/shadowgpio/shadowgpio/artifacts/schema/"
)

// Patterns of what the parser takes for text.
const (
	booleanText  = `^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$`
	bandText     = `^[ ]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ ]*%?$`
	numberText   = `^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`
	durationText = `^\+?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
)

// null is the only value of a key that may not be given: a null is as good as nothing.
var null = schema{"const": nil}

func encode(s schema) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(s)
	return text.Bytes(), err
}

// configurationSchema is the schema of a configuration. It refuses what is wrong at
// one place; what depends on other places (labels, limits of other keys) only the
// parser knows.
func configurationSchema() schema {
	root := config.Configuration()
	defs := schema{}
	for _, o := range objects(root)[1:] {
		defs[o.Name] = objectSchema(o)
	}
	s := objectSchema(root)
	s["$schema"], s["$id"], s["title"] = dialect, home+"configuration.schema.json", "Configuration of ShadowGPIO"
	s["$defs"] = defs
	return s
}

// objects lists an object and all below it, each once.
func objects(root config.Object) (all []config.Object) {
	var visit func(config.Object)
	shape := func(s *config.Shape) {
		for ; s != nil; s = s.Elem {
			if s.Object != nil {
				visit(*s.Object)
			}
		}
	}
	visit = func(o config.Object) {
		if slices.ContainsFunc(all, func(seen config.Object) bool { return seen.Name == o.Name }) {
			return
		}
		all = append(all, o)
		for _, k := range o.Keys {
			shape(&k.Shape)
		}
	}
	visit(root)
	return all
}

func objectSchema(o config.Object) schema {
	properties := schema{}
	s := schema{"type": "object", "description": o.Doc, "properties": properties, "additionalProperties": false}
	var always, rules []any
	needed := false
	for _, k := range o.Keys {
		properties[k.Name] = keySchema(o, k)
		needed = needed || k.Needed
		if k.Needed && k.Of == nil {
			always = append(always, k.Name)
		}
		if k.Needs != nil {
			rules = append(rules, needSchema(k))
		}
	}
	if len(always) > 0 {
		s["required"] = always
	}
	if !needed {
		s["type"] = []any{"object", "null"}
	}
	for i, v := range o.Variants {
		rules = append(rules, schema{"if": isVariant(o, i), "then": variantSchema(o, v.Name)})
	}
	if len(rules) > 0 {
		s["allOf"] = rules
	}
	return s
}

// needSchema has values of a key need another one.
func needSchema(k config.Key) schema {
	digits := schema{"anyOf": []any{schema{"type": "integer"}, schema{"type": "string", "pattern": k.Needs.When.String()}}}
	return schema{
		"if":   schema{"properties": schema{k.Name: digits}, "required": []any{k.Name}},
		"then": schema{"properties": schema{k.Needs.Key: schema{"not": schema{"enum": []any{"", nil}}}}, "required": []any{k.Needs.Key}},
	}
}

// isVariant matches the objects of variant number i.
func isVariant(o config.Object, i int) schema {
	name := o.Variants[i].Name
	if o.By != "" {
		return schema{"properties": schema{o.By: schema{"const": name}}, "required": []any{o.By}}
	}
	if slices.ContainsFunc(o.Keys, func(k config.Key) bool { return k.Name == name }) {
		return schema{"required": []any{name}}
	}
	var others []any
	for j := range o.Variants {
		if j != i {
			others = append(others, isVariant(o, j))
		}
	}
	return schema{"not": schema{"anyOf": others}}
}

// variantSchema is what else holds for a variant.
func variantSchema(o config.Object, variant string) schema {
	forbidden := schema{}
	var required []any
	for _, k := range o.Keys {
		if !k.Has(variant) {
			forbidden[k.Name] = null
		} else if k.Needed && k.Of != nil {
			required = append(required, k.Name)
		}
	}
	s := schema{"properties": forbidden}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func keySchema(o config.Object, k config.Key) schema {
	s := shapeSchema(k.Shape)
	if !k.Needed && !o.Makes(k) {
		s = orNull(s)
	}
	s["description"] = k.Doc
	if r := span(k.Shape); r != "" {
		s["description"] = k.Doc + " From " + r + "."
	}
	if k.Default != nil {
		s["default"] = k.Default
	}
	return s
}

// orNull is s or a null.
func orNull(s schema) schema {
	if words, ok := s["enum"].([]any); ok {
		s["enum"] = append(words, nil)
		return s
	}
	switch t := s["type"].(type) {
	case string:
		s["type"] = []any{t, "null"}
	case []any:
		s["type"] = append(t, "null")
	default:
		if len(s) > 0 {
			return schema{"anyOf": []any{s, schema{"type": "null"}}}
		}
	}
	return s
}

// shapeSchema is the schema of a value, as a deployment may turn it: numbers and
// booleans into text, text of digits into numbers.
func shapeSchema(v config.Shape) schema {
	switch v.Type {
	case config.Text, config.Label:
		s := schema{"type": []any{"string", "integer"}, "minimum": 0}
		limitText(s, v)
		return s
	case config.Boolean:
		return schema{"type": []any{"boolean", "string"}, "pattern": booleanText}
	case config.Number:
		return schema{"type": []any{"number", "string"}, "minimum": json.RawMessage(v.Least), "maximum": json.RawMessage(v.Most), "pattern": numberText}
	case config.Band:
		return schema{"type": []any{"number", "string"}, "minimum": 0, "pattern": bandText}
	case config.Limit:
		return schema{"type": []any{"number", "string"}}
	case config.Duration:
		return schema{"type": "string", "pattern": durationText}
	case config.Choice:
		return choiceSchema(v)
	case config.List:
		s := schema{"type": "array", "items": shapeSchema(*v.Elem)}
		limitSize(s, v, "Items")
		return s
	case config.Map:
		names := schema{"minLength": 1}
		limitText(names, v)
		s := schema{"type": "object", "additionalProperties": shapeSchema(*v.Elem), "propertyNames": names}
		limitSize(s, v, "Properties")
		return s
	case config.Group:
		return schema{"$ref": "#/$defs/" + v.Object.Name}
	}
	return schema{} // anything
}

func limitText(s schema, v config.Shape) {
	if v.Pattern != "" {
		s["pattern"] = v.Pattern
	}
	if v.Except != nil {
		s["not"] = schema{"enum": v.Except}
	}
}

func limitSize(s schema, v config.Shape, of string) {
	for i, limit := range []string{"min", "max"} {
		if v.Size[i] > 0 {
			s[limit+of] = v.Size[i]
		}
	}
}

func choiceSchema(v config.Shape) schema {
	var words []any
	for _, w := range v.Words {
		words = append(words, w)
	}
	// Readers of YAML 1.1 and some deployments take these words for booleans.
	if slices.Contains(v.Words, "on") {
		words = append(words, false, true)
	}
	if !v.AnyCase {
		return schema{"enum": words}
	}
	return schema{"anyOf": []any{schema{"enum": words}, schema{"type": "string", "pattern": foldedPattern(v.Words)}}}
}

// foldedPattern matches the words, capitals or not.
func foldedPattern(words []string) string {
	var text strings.Builder
	for i, w := range words {
		if i > 0 {
			text.WriteByte('|')
		}
		for _, c := range w {
			fmt.Fprintf(&text, "[%c%s]", c, strings.ToUpper(string(c)))
		}
	}
	return "^(" + text.String() + ")$"
}

// span is the range of a value, "" for none.
func span(v config.Shape) string {
	if v.Least == "" {
		return ""
	}
	return v.Least + " to " + v.Most
}
