package devcore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// policy is one entry of a component's accessControl for one service.
type policy struct{ operations, resources []string }

// allowed decides by the accessControl of a component as it is now, so that a
// change of configuration takes effect at once. One mistake in it disables all
// of it (aws-greengrass/aws-greengrass-nucleus
// authorization/AuthorizationPolicyParser.java).
func (c *Core) allowed(component, service, operation, resource string) bool {
	tree, _ := c.config.get(component)
	_, value, ok := lookUp(tree, keyAccessControl)
	if !ok {
		return false
	}
	policies, err := parseAccessControl(value)
	if err != nil {
		c.log.Error("accessControl is wrong: ALL policies of the component are ignored", "component", component, "err", err)
		return false
	}
	return slices.ContainsFunc(policies[service], func(p policy) bool {
		return p.allows(operation, resource, c.interpolate)
	})
}

// interpolate fills in the thing name where the nucleus is told to.
func (c *Core) interpolate(resource string) string {
	if !c.cfg.InterpolateThingName {
		return resource
	}
	return strings.ReplaceAll(resource, "{iot:thingName}", c.cfg.ThingName)
}

func (p policy) allows(operation, resource string, interpolate func(string) string) bool {
	if resource == "" || !slices.Contains(p.operations, "*") && !slices.Contains(p.operations, operation) {
		return false
	}
	return slices.ContainsFunc(p.resources, func(r string) bool {
		parts, err := parseResource(interpolate(r))
		return err == nil && matchParts(parts, resource)
	})
}

// parseAccessControl reads the object, or the JSON text of it, by service.
func parseAccessControl(value any) (map[string][]policy, error) {
	if text, ok := value.(string); ok {
		tree, err := decodeTree([]byte(text))
		if err != nil {
			return nil, err
		}
		value = tree
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var services map[string]map[string]map[string]any
	if err := json.Unmarshal(text, &services); err != nil {
		return nil, err
	}
	result := map[string][]policy{}
	for service, byID := range services {
		for id, members := range byID {
			p, err := parsePolicy(members)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", service, id, err)
			}
			result[service] = append(result[service], p)
		}
	}
	return result, nil
}

func parsePolicy(members map[string]any) (p policy, err error) {
	for name, value := range members {
		switch strings.ToLower(name) {
		case "operations":
			p.operations, err = texts(value)
		case "resources":
			p.resources, err = texts(value)
		case "policydescription":
			if value == nil {
				err = errors.New("policyDescription is null")
			}
		default:
			err = fmt.Errorf("unknown property %q", name)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func texts(value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("want a list, got %v", value)
	}
	var result []string
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("want a text, got %v", v)
		}
		result = append(result, text)
	}
	return result, nil
}

// parseResource splits a resource of a policy at its wildcards and resolves the
// escapes of the other parts.
func parseResource(resource string) ([]string, error) {
	parts := []string{""}
	for rest := resource; rest != ""; {
		last := &parts[len(parts)-1]
		switch {
		case strings.HasPrefix(rest, "${"):
			if len(rest) < 4 || rest[3] != '}' || !strings.ContainsRune("*?$", rune(rest[2])) {
				return nil, fmt.Errorf("resource %q: unknown escape", resource)
			}
			*last += rest[2:3]
			rest = rest[4:]
			continue
		case rest[0] == '?':
			return nil, fmt.Errorf("resource %q: ? is not escaped", resource)
		case rest[0] == '*':
			parts = append(parts, "")
		default:
			*last += rest[:1]
		}
		rest = rest[1:]
	}
	return parts, nil
}

// matchParts compares a text with literals that have any run of characters
// between them.
func matchParts(parts []string, text string) bool {
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok || len(parts) == 1 {
		return ok && text == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		if _, text, ok = strings.Cut(text, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
