package fleet

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/shadows"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// Index makes what can be asked of things: those that have a shadow or are in a group.
func Index(records []shadows.Record, groups *Groups, connected func(thing string) bool) []Thing {
	byName := map[string]*Thing{}
	thing := func(name string) *Thing {
		if byName[name] == nil {
			byName[name] = &Thing{Name: name, Groups: groups.Of(name), Fields: map[string][]string{
				"connectivity.connected": {fmt.Sprint(connected(name))},
			}}
		}
		return byName[name]
	}
	for _, name := range groups.Things() {
		thing(name)
	}
	for _, r := range records {
		prefix := "shadow"
		if r.ID.Name != "" {
			prefix += ".name." + r.ID.Name
		}
		fields := thing(r.ID.Thing).Fields
		fields[prefix+".hasDelta"] = []string{fmt.Sprint(r.Document.Delta() != nil)}
		flatten(fields, prefix, r.Document.State())
	}
	var things []Thing
	for _, t := range byName {
		things = append(things, *t)
	}
	slices.SortFunc(things, func(a, b Thing) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return things
}

// flatten adds the plain values in a value, those of arrays under one name.
func flatten(fields map[string][]string, name string, v shadowdoc.Value) {
	switch v := v.(type) {
	case nil:
	case *shadowdoc.Object:
		for key, e := range v.All() {
			flatten(fields, name+"."+key, e)
		}
	case shadowdoc.Array:
		for _, e := range v {
			flatten(fields, name, e)
		}
	case string:
		fields[name] = append(fields[name], v)
	default:
		fields[name] = append(fields[name], string(shadowdoc.Append(nil, v)))
	}
}

// Shadow is the text that a search answers of a thing's shadows: the classic one,
// with the named ones under "name".
func Shadow(records []shadows.Record, thing string) (string, error) {
	all, named := shadowdoc.NewObject(), shadowdoc.NewObject()
	for _, r := range records {
		switch {
		case r.ID.Thing != thing:
		case r.ID.Name != "":
			named.Set(r.ID.Name, r.Document.State())
		default:
			for key, section := range r.Document.State().All() {
				all.Set(key, section)
			}
		}
	}
	if named.Len() > 0 {
		all.Set("name", named)
	}
	text, err := json.Marshal(all)
	return string(text), err
}
