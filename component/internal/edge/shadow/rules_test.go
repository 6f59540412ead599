package shadow

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRulesAreKeptSomewhere holds SHADOW-RULES.md to the files and tests that it
// names.
func TestRulesAreKeptSomewhere(t *testing.T) {
	text, err := os.ReadFile("../../../docs/design/SHADOW-RULES.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testFunctions(t, "../../..")
	quoted := regexp.MustCompile("`([^`]+)`")
	rules := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || !strings.HasPrefix(cells[1], " R") {
			continue
		}
		rules++
		for _, place := range quoted.FindAllStringSubmatch(cells[4], -1) {
			if _, err := os.Stat(filepath.Join("..", place[1])); err != nil {
				t.Errorf("%s: %v", cells[1], err)
			}
		}
		proofs := quoted.FindAllStringSubmatch(cells[5], -1)
		if len(proofs) == 0 {
			t.Errorf("%s: no test", cells[1])
		}
		for _, proof := range proofs {
			if !tests[proof[1]] {
				t.Errorf("%s: there is no %s", cells[1], proof[1])
			}
		}
	}
	if rules != 39 {
		t.Errorf("%d rules, want 39", rules)
	}
}

// testFunctions are the names of all tests below a directory.
func testFunctions(t *testing.T, root string) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range declared.FindAllSubmatch(source, -1) {
			names[string(name[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
