package config

import (
	"os"
	"regexp"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
)

// TestDocumentedFragments parses what the documents show of configuration. A
// fragment may name lines that stand elsewhere.
func TestDocumentedFragments(t *testing.T) {
	schema := schematest.Load(t, "configuration")
	for _, file := range []string{"../../../docs/use/CONFIGURATION.md", "../../../docs/use/LINES.md", "../../../../README.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no configuration", file)
		}
		for _, block := range blocks {
			_, err := Parse(block[1], "gw")
			schemaAgrees(t, schema, block[1], err)
			joined, _ := err.(interface{ Unwrap() []error })
			if joined == nil {
				if err != nil {
					t.Errorf("%s: %v\n%s", file, err, block[1])
				}
				continue
			}
			for _, fault := range joined.Unwrap() {
				if e, ok := fault.(*FieldError); !ok || e.Want != "the label of a line" {
					t.Errorf("%s: %v\n%s", file, fault, block[1])
				}
			}
		}
	}
}
