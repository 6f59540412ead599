package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is one value of the configuration tree with its path. Its readers add a
// fault and return the zero value when the value is not what they want.
//
// Numbers and booleans are accepted as text, and numbers in any form: a
// deployment may turn each into the other
// (awsdocs/aws-iot-greengrass-v2-developer-guide doc_source/component-recipe-reference.md).
type node struct {
	path   string
	value  any
	faults *faults
}

func (n node) child(key string, value any) node {
	path := key
	if n.path != "" {
		path = n.path + "." + key
	}
	return node{path, value, n.faults}
}

func (n node) fault(want string) { n.faults.add(n.path, want, show(n.value), "") }

// object returns the members, nil for an absent value.
func (n node) object() map[string]any {
	if n.value == nil {
		return nil
	}
	switch m := n.value.(type) {
	case map[string]any:
		return m
	case map[any]any: // YAML keys that are not text, such as the number 1
		texts := make(map[string]any, len(m))
		for k, v := range m {
			texts[fmt.Sprint(k)] = v
		}
		return texts
	}
	n.fault("a map")
	return nil
}

func (n node) emptyKey() { n.faults.add(n.path, "keys of at least one character", `""`, "") }

// each calls f for every member in the order of the keys.
func (n node) each(f func(key string, child node)) {
	members := n.object()
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if key == "" {
			n.emptyKey()
			continue
		}
		f(key, n.child(key, members[key]))
	}
}

// text reads a string; a whole number, such as an offset, is taken as its digits.
func (n node) text() string {
	switch v := n.value.(type) {
	case string:
		return v
	case int:
		if v >= 0 {
			return strconv.Itoa(v)
		}
	case float64:
		if v >= 0 && v <= math.MaxInt32 && v == math.Trunc(v) {
			return strconv.Itoa(int(v))
		}
	}
	n.fault("text or a whole number from 0")
	return ""
}

func (n node) boolean() bool {
	switch v := n.value.(type) {
	case bool:
		return v
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true
		case "false":
			return false
		}
	}
	n.fault("true or false")
	return false
}

// duration reads a duration with unit from least to most.
func (n node) duration(least, most time.Duration) time.Duration {
	if s, ok := n.value.(string); ok {
		if d, err := time.ParseDuration(s); err == nil && d >= least && d <= most {
			return d
		}
	}
	n.fault(fmt.Sprintf("a duration from %s to %s, such as %s", brief(least), brief(most), brief(max(least, 20*time.Millisecond))))
	return max(least, 0)
}

// brief prints a duration without the parts that are zero.
func brief(d time.Duration) string {
	s := d.String()
	if d >= time.Minute {
		s = strings.TrimSuffix(s, "0s")
	}
	if d >= time.Hour {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// number reads a number from least to most.
func (n node) number(least, most float64) float64 {
	v, ok := n.value.(float64)
	switch raw := n.value.(type) {
	case int:
		v, ok = float64(raw), true
	case string:
		parsed, err := strconv.ParseFloat(raw, 64)
		v, ok = parsed, err == nil
	}
	if !ok || !(v >= least && v <= most) { // NaN is neither
		n.fault(fmt.Sprintf("a number from %g to %g", least, most))
		return least
	}
	return v
}

func (n node) list() []any {
	list, ok := n.value.([]any)
	if !ok {
		n.fault("a list")
	}
	return list
}

// choice reads the index of one of the names, 0 with a fault for any other.
func (n node) choice(names []string) (index int, ok bool) {
	got := n.value
	// YAML 1.1 readers and some deployments take on and off for booleans.
	if b, ok := got.(bool); ok {
		got = map[bool]string{true: "on", false: "off"}[b]
	}
	for i, name := range names {
		if name == got {
			return i, true
		}
	}
	n.fault("one of " + strings.Join(names, ", "))
	return 0, false
}

// show prints a value as people wrote it.
func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const limit = 60
	if len(text) > limit {
		return strings.ToValidUTF8(string(text[:limit]), "") + "…"
	}
	return string(text)
}
