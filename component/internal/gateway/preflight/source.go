package preflight

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/internal/yamltree"
)

// readTree reads one YAML or JSON document that is a map, or nothing. An error that is
// about parts of it, see [yamltree.Faults], comes with the rest.
func readTree(text []byte) (map[string]any, error) {
	tree, err := yamltree.Read(text)
	object, ok := tree.(map[string]any)
	if err == nil && tree != nil && !ok {
		return nil, fmt.Errorf("want a map, got %s", show(tree))
	}
	return object, err
}

// recognise tells what a document is by its keys.
func recognise(tree map[string]any) Kind {
	if _, _, ok := member(tree, "recipeFormatVersion"); ok {
		return Recipe
	}
	if _, _, ok := member(tree, "componentConfiguration"); ok {
		return Recipe
	}
	if _, ok := tree["components"]; ok || isLocal(tree) {
		return Deployment
	}
	return Configuration
}

// isLocal recognises what greengrass-cli takes for --update-config: by the name of
// a component its MERGE and RESET
// (awsdocs/aws-iot-greengrass-v2-developer-guide doc_source/gg-cli-deployment.md).
func isLocal(tree map[string]any) bool {
	for _, value := range tree {
		update, _ := value.(map[string]any)
		for _, key := range []string{"MERGE", "RESET"} {
			if _, ok := update[key]; ok {
				return true
			}
		}
	}
	return false
}

// member finds a member by its key, capitals or not, as the nucleus reads recipes
// (aws-greengrass/aws-greengrass-component-common
// src/main/java/com/amazon/aws/iot/greengrass/component/common/ComponentRecipe.java).
func member(tree map[string]any, key string) (name string, value any, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if strings.EqualFold(name, key) {
			return name, tree[name], true
		}
	}
	return key, nil, false
}

// recipe judges the default configuration of a recipe.
func (j *judge) recipe(tree map[string]any) {
	path, defaults, fault := defaultsOf(tree)
	if fault != nil {
		j.report.Faults = append(j.report.Faults, *fault)
		return
	}
	if defaults == nil {
		j.note("the recipe has no default configuration")
	}
	text, err := json.Marshal(defaults)
	if err != nil {
		j.fault(path, "a map", err.Error(), "")
		return
	}
	j.parse(path, text)
}

// defaultsOf finds the default configuration of a recipe, nil for none.
func defaultsOf(recipe map[string]any) (path string, defaults map[string]any, fault *Fault) {
	at := recipe
	for _, key := range []string{"ComponentConfiguration", "DefaultConfiguration"} {
		name, value, ok := member(at, key)
		path = strings.TrimPrefix(path+"."+name, ".")
		if !ok || value == nil {
			return path, nil, nil
		}
		if at, ok = value.(map[string]any); !ok {
			return path, nil, &Fault{Path: path, Want: "a map", Got: show(value)}
		}
	}
	return path, at, nil
}

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
