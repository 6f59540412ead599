// Package recipe reads component recipes as strictly as the strictest reader of
// them: names of keys count with their case, as for the nucleus lite, and a key that
// we do not use is an error.
package recipe

import (
	"bytes"
	"fmt"
	"maps"
	"os"

	"go.yaml.in/yaml/v3"
)

// Recipe is a component recipe
// (aws-greengrass/aws-greengrass-component-common ComponentRecipe.java).
type Recipe struct {
	FormatVersion string `yaml:"RecipeFormatVersion"`
	Name          string `yaml:"ComponentName"`
	Version       string `yaml:"ComponentVersion"`
	Type          string `yaml:"ComponentType"`
	Description   string `yaml:"ComponentDescription"`
	Publisher     string `yaml:"ComponentPublisher"`
	Configuration struct {
		Default map[string]any `yaml:"DefaultConfiguration"`
	} `yaml:"ComponentConfiguration"`
	Dependencies map[string]Dependency `yaml:"ComponentDependencies"`
	Manifests    []Manifest            `yaml:"Manifests"`
}

// Dependency is another component that is needed.
type Dependency struct {
	Versions string `yaml:"VersionRequirement"`
	Type     string `yaml:"DependencyType"` // HARD or SOFT
}

// Manifest is how the component runs on one platform. A nucleus takes the first that
// fits.
type Manifest struct {
	Name      string            `yaml:"Name"`
	Platform  map[string]string `yaml:"Platform"`
	Lifecycle struct {
		Run struct {
			Script string `yaml:"Script"`
		} `yaml:"run"`
	} `yaml:"Lifecycle"`
	Artifacts []Artifact `yaml:"Artifacts"`
}

// Artifact is a file that the component consists of.
type Artifact struct {
	URI        string `yaml:"Uri"`
	Unarchive  string `yaml:"Unarchive"`
	Permission struct {
		Read    string `yaml:"Read"`
		Execute string `yaml:"Execute"`
	} `yaml:"Permission"`
}

// Load reads a recipe from a YAML file.
func Load(file string) (*Recipe, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	r := new(Recipe)
	if err := decoder.Decode(r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// For returns the manifest for a platform in the words of a nucleus.
func (r *Recipe) For(os, architecture string) (Manifest, error) {
	for _, m := range r.Manifests {
		if m.Platform["os"] == os && m.Platform["architecture"] == architecture {
			return m, nil
		}
	}
	return Manifest{}, fmt.Errorf("recipe of %s: want a manifest for %s on %s, got none", r.Name, os, architecture)
}

// Merge returns a configuration with another one merged in, as a deployment does it:
// key by key at every level; all but objects is replaced.
func Merge(into, more map[string]any) map[string]any {
	result := maps.Clone(into)
	if result == nil {
		result = map[string]any{}
	}
	for key, value := range more {
		under, _ := result[key].(map[string]any)
		below, ok := value.(map[string]any)
		if ok && under != nil {
			value = Merge(under, below)
		}
		result[key] = value
	}
	return result
}
