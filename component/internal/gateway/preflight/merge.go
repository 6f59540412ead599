package preflight

import "strings"

// pointer is a JSON pointer (RFC 6901).
type pointer struct {
	text string
	keys []string
}

func newPointer(text string) pointer {
	if text == "" {
		return pointer{}
	}
	keys := strings.Split(text[1:], "/")
	for i, key := range keys {
		keys[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
	}
	return pointer{text, keys}
}

// parent is the map that has the last key of the pointer, nil for none.
func (p pointer) parent(tree map[string]any) map[string]any {
	for _, key := range p.keys[:len(p.keys)-1] {
		tree, _ = tree[key].(map[string]any)
	}
	return tree
}

// in reports whether it names something.
func (p pointer) in(tree map[string]any) bool {
	if p.text == "" {
		return true
	}
	_, ok := p.parent(tree)[p.keys[len(p.keys)-1]]
	return ok
}

// remove takes out what it names, and reports whether there was something.
func (p pointer) remove(tree *map[string]any) bool {
	there := p.in(*tree)
	if p.text == "" {
		*tree = map[string]any{}
	} else if there {
		delete(p.parent(*tree), p.keys[len(p.keys)-1])
	}
	return there
}

// merge writes over dst key by key and level by level; lists are replaced whole.
func merge(dst, src map[string]any) {
	for key, value := range src {
		from, ok := value.(map[string]any)
		into, ok2 := dst[key].(map[string]any)
		if ok && ok2 {
			merge(into, from)
		} else {
			dst[key] = value
		}
	}
}

// fill gives dst what only the defaults have.
func fill(dst, defaults map[string]any) {
	for key, value := range defaults {
		from, ok := value.(map[string]any)
		into, ok2 := dst[key].(map[string]any)
		if _, there := dst[key]; !there {
			dst[key] = value
		} else if ok && ok2 {
			fill(into, from)
		}
	}
}
