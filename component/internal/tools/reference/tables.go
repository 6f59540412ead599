package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// region is where a table stands in a document.
var region = regexp.MustCompile(`(?s)(<!-- table: (.*?) -->\n).*?(<!-- end -->)`)

// fillTables puts the tables that a document names into it.
func fillTables(document []byte, all map[string]string) ([]byte, error) {
	var missing error
	filled := region.ReplaceAllFunc(document, func(found []byte) []byte {
		parts := region.FindSubmatch(found)
		table, ok := all[string(parts[2])]
		if !ok {
			missing = fmt.Errorf("no table %q", parts[2])
			return found
		}
		return bytes.Join([][]byte{parts[1], parts[3]}, []byte(table))
	})
	return filled, missing
}

// tables are all tables, by name: one of each object, the kinds of properties, and
// the codes of answers.
func tables() map[string]string {
	all := map[string]string{}
	for _, o := range objects(config.Configuration()) {
		all[o.Name] = objectTable(o)
		if o.Variants != nil {
			all["kinds of "+o.Name] = variantTable(o)
		}
	}
	codes := [][]string{{"code", "meaning"}}
	for _, c := range shadow.Codes {
		codes = append(codes, []string{fmt.Sprint(c.Code), c.Meaning})
	}
	all["codes"] = table(codes)
	return all
}

func objectTable(o config.Object) string {
	head := []string{"key", "value", "default", "meaning"}
	if o.Variants != nil {
		head = []string{"key", "of", "value", "default", "meaning"}
	}
	rows := [][]string{head}
	for _, k := range o.Keys {
		row := []string{code(k.Name), valueWords(k.Shape), defaultWords(k), k.Doc}
		if o.Variants != nil {
			row = append([]string{row[0], variantWords(o, k)}, row[1:]...)
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// variantTable lists the kinds of an object with the keys that make each.
func variantTable(o config.Object) string {
	rows := [][]string{{"kind", "what the shadow shows"}}
	for _, v := range o.Variants {
		rows = append(rows, []string{code(v.Name), v.Doc})
	}
	return table(rows)
}

func table(rows [][]string) string {
	var text strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			text.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return text.String()
}

func code(s string) string { return "`" + s + "`" }

func variantWords(o config.Object, k config.Key) string {
	switch {
	case k.Of == nil:
		return "all"
	case o.Makes(k):
		return "makes it one"
	case len(k.Of) > len(o.Variants)/2 && len(k.Of) > 1:
		var without []string
		for _, v := range o.Variants {
			if !k.Has(v.Name) {
				without = append(without, v.Name)
			}
		}
		return "all but " + strings.Join(without, ", ")
	}
	return strings.Join(k.Of, ", ")
}

func defaultWords(k config.Key) string {
	switch v := k.Default.(type) {
	case nil:
		if k.Needed {
			return "needed"
		}
		return "–"
	case string:
		if v == "" {
			return "`\"\"`"
		}
		return code(v)
	default:
		return code(fmt.Sprint(v))
	}
}

func valueWords(v config.Shape) string {
	switch v.Type {
	case config.Text:
		return "text"
	case config.Label:
		return fmt.Sprintf("label of an %v", v.Direction)
	case config.Boolean:
		return "`true`, `false`"
	case config.Number:
		return "number, " + span(v)
	case config.Band:
		return "number from 0, or a percentage such as `2%`"
	case config.Limit:
		return "number, or path of a setting"
	case config.Duration:
		return "duration, " + span(v)
	case config.Choice:
		var words []string
		for _, w := range v.Words {
			words = append(words, code(w))
		}
		return strings.Join(words, ", ")
	case config.List:
		return "list: " + valueWords(*v.Elem)
	case config.Map:
		return "map: " + valueWords(*v.Elem)
	case config.Group:
		return fmt.Sprintf("[%s](#%[1]s)", v.Object.Name)
	}
	return "anything"
}
