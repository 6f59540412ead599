package preflight

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/internal/yamltree"
)

// update is what a deployment does to the configuration of a component.
type update struct {
	reset []pointer
	merge map[string]any
}

// deployment judges the configuration that a deployment leads to. The nucleus takes
// the configuration in force, resets, fills in the defaults, and merges
// (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/componentmanager/KernelConfigResolver.java).
func (j *judge) deployment(tree map[string]any) error {
	present, defaults, err := j.before()
	if err != nil {
		return err
	}
	u, ok := j.update(tree)
	if !ok || len(j.report.Faults) > 0 {
		return nil
	}
	if j.Present == nil {
		j.note("judged as the first deployment: without the configuration in force")
	}
	for _, p := range u.reset {
		if !p.remove(&present) && !p.in(defaults) {
			j.note("reset %q names nothing that is there", p.text)
		}
		if p.text == "" {
			break // the others count no more
		}
	}
	fill(present, defaults)
	merge(present, u.merge)
	text, err := json.Marshal(present)
	if err != nil {
		return fmt.Errorf("the configuration after the deployment: %w", err)
	}
	j.parse("", text)
	j.synchronized(tree)
	return nil
}

// before is what there is before the deployment.
func (j *judge) before() (present, defaults map[string]any, err error) {
	if present, err = readTree(j.Present); err != nil {
		return nil, nil, fmt.Errorf("the configuration in force: %w", err)
	}
	recipe, err := readTree(j.Recipe)
	if err != nil {
		return nil, nil, fmt.Errorf("the recipe: %w", err)
	}
	if j.Recipe != nil && recognise(recipe) != Recipe {
		return nil, nil, errors.New("the recipe: want RecipeFormatVersion and ComponentConfiguration, got another document")
	}
	_, defaults, fault := defaultsOf(recipe)
	if fault != nil {
		return nil, nil, fmt.Errorf("the recipe: %v", fault)
	}
	if present == nil {
		present = map[string]any{}
	}
	return present, defaults, nil
}

// update finds what a deployment does to our component, in the cloud's form or in
// that of greengrass-cli.
func (j *judge) update(tree map[string]any) (u update, ok bool) {
	path, resetKey, mergeKey, components := "", "RESET", "MERGE", tree
	if value, cloud := tree["components"]; cloud {
		path, resetKey, mergeKey = "components.", "reset", "merge"
		if components, ok = value.(map[string]any); !ok {
			j.fault("components", "a map", show(value), "")
			return update{}, false
		}
	}
	value, ok := components[j.Component]
	if !ok {
		names := slices.Sorted(maps.Keys(components))
		j.fault(cmp.Or(strings.TrimSuffix(path, "."), "deployment"), "the component "+j.Component, strings.Join(names, ", "), config.Nearest(j.Component, names))
		return update{}, false
	}
	path += j.Component
	if mergeKey == "merge" {
		component, isMap := value.(map[string]any)
		if !isMap {
			j.fault(path, "a map", show(value), "")
			return update{}, false
		}
		if value, path = component["configurationUpdate"], path+".configurationUpdate"; value == nil {
			j.note("the deployment leaves the configuration as it is")
			return update{}, true
		}
	}
	members, isMap := value.(map[string]any)
	if !isMap {
		j.fault(path, "a map", show(value), "")
		return update{}, false
	}
	j.known(path, members, mergeKey, resetKey)
	u.reset = j.pointers(path+"."+resetKey, members[resetKey])
	if mergeKey == "merge" {
		u.merge = j.mergeText(path+".merge", members["merge"])
	} else {
		u.merge = j.mergeMap(path+".MERGE", members["MERGE"])
	}
	return u, true
}

func (j *judge) known(path string, members map[string]any, keys ...string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(keys, name) {
			j.fault(path+"."+name, "one of the keys "+strings.Join(keys, ", "), "unknown key "+strconv.Quote(name), config.Nearest(name, keys))
		}
	}
}

// mergeText reads the merge of a cloud deployment, which is JSON as text.
func (j *judge) mergeText(path string, value any) map[string]any {
	text, ok := value.(string)
	if !ok {
		if value != nil {
			j.fault(path, "JSON as text", show(value), "put the object into quotes, with its own quotes as \\\"")
		}
		return nil
	}
	if err := json.Unmarshal([]byte(text), new(any)); err != nil {
		j.fault(path, "JSON as text", show(text), err.Error())
		return nil
	}
	tree, err := yamltree.Read([]byte(text))
	j.unreadable(path, yamltree.Faults(err))
	return j.mergeMap(path, tree)
}

func (j *judge) mergeMap(path string, value any) map[string]any {
	tree, ok := value.(map[string]any)
	if !ok && value != nil {
		j.fault(path, "a map", show(value), "")
	}
	return tree
}

// pointers reads what is reset.
func (j *judge) pointers(path string, value any) (pointers []pointer) {
	list, ok := value.([]any)
	if !ok && value != nil {
		j.fault(path, "a list of JSON pointers, such as /lines/lamp", show(value), "")
	}
	for i, element := range list {
		text, ok := element.(string)
		if !ok || text != "" && text[0] != '/' {
			j.fault(fmt.Sprintf("%s[%d]", path, i), `a JSON pointer, such as /lines/lamp, or "" for all`, show(element), "")
			continue
		}
		pointers = append(pointers, newPointer(text))
	}
	return pointers
}
