// Package schematest holds documents to the JSON Schemas in artifacts/schema. It is
// for tests of packages that lie beside it.
package schematest

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Schema is one of the schemas.
type Schema struct{ compiled *jsonschema.Schema }

// Load compiles artifacts/schema/<name>.schema.json.
func Load(t testing.TB, name string) Schema {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "..", "..", "artifacts", "schema", name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return Schema{compiled}
}

// Check says what is wrong with a document (JSON or YAML), nil for nothing.
func (s Schema) Check(document []byte) error {
	var tree any
	if err := yaml.Unmarshal(document, &tree); err != nil {
		return err
	}
	return s.compiled.Validate(plain(tree))
}

// plain makes text of all keys, as in JSON.
func plain(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = plain(value)
		}
	case map[any]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			m[fmt.Sprint(key)] = plain(value)
		}
		return m
	case []any:
		for i, value := range v {
			v[i] = plain(value)
		}
	}
	return tree
}
