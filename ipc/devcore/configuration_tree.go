package devcore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// leaf is a value of a configuration, as it is stored when it was set after the
// configuration was given.
type leaf struct {
	Path    []string  `json:"path"`
	Value   any       `json:"value,omitempty"`
	Removed bool      `json:"removed,omitempty"`
	Time    time.Time `json:"time"`
}

// decodeTree reads an object and keeps its numbers as they are.
func decodeTree(text []byte) (map[string]any, error) {
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(&tree)
	return tree, err
}

// decodeObject is decodeTree for what must be an object.
func decodeObject(text []byte) (map[string]any, error) {
	tree, err := decodeTree(text)
	if err == nil && tree == nil {
		err = fmt.Errorf("want an object, got %s", text)
	}
	return tree, err
}

// equal compares values of trees.
func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

func pathKey(path []string) string { return strings.ToLower(strings.Join(path, "\x00")) }

// below says whether a path is that of a node or below it.
func below(path, node []string) bool {
	return len(path) >= len(node) && pathKey(path[:len(node)]) == pathKey(node)
}

// resolve finds a node ignoring case and returns its path as it is spelled. If it
// is not found, isLeaf says that a leaf is in the way.
func resolve(tree map[string]any, path []string) (spelled []string, isLeaf, found bool) {
	spelled = slices.Clone(path)
	for i, key := range path {
		name, value, ok := lookUp(tree, key)
		if !ok {
			return spelled, false, false
		}
		spelled[i] = name
		inner, isMap := value.(map[string]any)
		if !isMap {
			return spelled, true, i == len(path)-1
		}
		tree = inner
	}
	return spelled, false, true
}

// put returns a tree with one value set and leaves the old tree as it was.
func put(tree map[string]any, path []string, value any) map[string]any {
	tree = maps.Clone(tree)
	if tree == nil {
		tree = map[string]any{}
	}
	name, inner, ok := lookUp(tree, path[0])
	if !ok {
		name = path[0]
	}
	if len(path) > 1 {
		m, _ := inner.(map[string]any)
		value = put(m, path[1:], value)
	}
	tree[name] = value
	return tree
}

// leaves are those of a tree in the order of their paths.
func leaves(tree map[string]any) []leaf { return leavesBelow(nil, tree) }

func leavesBelow(path []string, tree map[string]any) []leaf {
	var all []leaf
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		p := append(slices.Clone(path), key)
		if inner, ok := tree[key].(map[string]any); ok {
			all = append(all, leavesBelow(p, inner)...)
		} else {
			all = append(all, leaf{Path: p, Value: tree[key]})
		}
	}
	return all
}

// differences lead from one tree to another: what is gone, by the highest node that is,
// and the values that are new or different, maps without members among them.
func differences(path []string, old, tree map[string]any) []leaf {
	var all []leaf
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if _, _, ok := lookUp(tree, key); !ok {
			all = append(all, leaf{Path: append(slices.Clone(path), key), Removed: true})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		p := append(slices.Clone(path), key)
		_, before, known := lookUp(old, key)
		inner, isMap := tree[key].(map[string]any)
		innerBefore, wasMap := before.(map[string]any)
		switch {
		case isMap && (wasMap || len(inner) > 0):
			all = append(all, differences(p, innerBefore, inner)...)
		case !known || !equal(before, tree[key]):
			all = append(all, leaf{Path: p, Value: tree[key]})
		}
	}
	return all
}

// leafMap has the leaves of a tree by their pathKey.
func leafMap(tree map[string]any) map[string]leaf {
	all := map[string]leaf{}
	for _, l := range leaves(tree) {
		all[pathKey(l.Path)] = l
	}
	return all
}

// without returns a tree with what is at a path removed, and leaves the old tree as
// it was.
func without(tree map[string]any, path []string) map[string]any {
	if len(path) == 0 {
		return map[string]any{}
	}
	name, value, ok := lookUp(tree, path[0])
	if !ok {
		return tree
	}
	inner, isMap := value.(map[string]any)
	tree = maps.Clone(tree)
	switch {
	case len(path) == 1:
		delete(tree, name)
	case isMap:
		tree[name] = without(inner, path[1:])
	}
	return tree
}

// mergeTree returns a tree with all of another one put into it, and leaves both as
// they were.
func mergeTree(tree, other map[string]any) map[string]any {
	tree = maps.Clone(tree)
	if tree == nil {
		tree = map[string]any{}
	}
	for key, value := range other {
		name, old, ok := lookUp(tree, key)
		if !ok {
			name = key
		}
		if inner, isMap := value.(map[string]any); isMap {
			m, _ := old.(map[string]any)
			value = mergeTree(m, inner)
		}
		tree[name] = value
	}
	return tree
}
