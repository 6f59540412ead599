// Package schematest holds documents to the JSON Schemas in artifacts/schema. It is
// for tests of packages that lie beside it.
package schematest

import (
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/shadowgpio/shadowgpio/internal/yamltree"
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
	tree, err := yamltree.Read(document)
	if err != nil {
		return err
	}
	return s.compiled.Validate(tree)
}
