// Package internal_test holds the order in which the packages of the module import
// each other.
package internal_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/shadowgpio/shadowgpio/"

// layers are the folders of component/internal. A package imports packages of its own
// layer and of those that come after it.
var layers = []string{"tools", "dev", "app", "gateway", "edge"}

// layer returns the number of a package's layer, or -1 for a package outside them.
func layer(pkg string) int {
	rest, ok := strings.CutPrefix(pkg, "component/internal/")
	if !ok {
		return -1
	}
	name, _, _ := strings.Cut(rest, "/")
	return slices.Index(layers, name)
}

// goList runs go list. It opens the files that go list reads in another process, so that
// no cached result of the test outlives a change of them.
func goList(t *testing.T, args ...string) string {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "../..":
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", append([]string{"list"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	return string(out)
}

// imports returns what each package of the module imports of it, tests aside.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(goList(t, "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, module+"...")) {
		var own []string
		words := strings.Fields(line)
		for _, dep := range words[1:] {
			if name, ok := strings.CutPrefix(dep, module); ok {
				own = append(own, name)
			}
		}
		all[strings.TrimPrefix(words[0], module)] = own
	}
	return all
}

// TestLayersImportDownwards holds tools -> dev -> app -> gateway -> edge.
func TestLayersImportDownwards(t *testing.T) {
	seen := map[int]bool{}
	for pkg, deps := range imports(t) {
		from := layer(pkg)
		if strings.HasPrefix(pkg, "component/internal/") && from < 0 {
			t.Errorf("%s is in none of the layers %v", pkg, layers)
		}
		seen[from] = true
		for _, dep := range deps {
			if to := layer(dep); from >= 0 && to >= 0 && to < from {
				t.Errorf("%s imports %s; the layers import downwards: %s", pkg, dep, strings.Join(layers, ", "))
			}
		}
	}
	for i, name := range layers {
		if !seen[i] {
			t.Errorf("there is no package in component/internal/%s", name)
		}
	}
}

// within reports whether a package is one of the trees, or in one.
func within(pkg string, trees ...string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return pkg == tree || strings.HasPrefix(pkg, tree+"/") })
}

// TestPublicPackagesStandAlone keeps gpio and ipc apart, both free of the component, and
// the engine free of both transports.
func TestPublicPackagesStandAlone(t *testing.T) {
	for _, rule := range []struct {
		of, not []string
		but     string
	}{
		{[]string{"gpio"}, []string{"ipc", "component", "internal"}, ""},
		{[]string{"ipc", "internal"}, []string{"gpio", "component"}, ""},
		{[]string{"component/internal/edge/engine"}, []string{"ipc", "gpio/cdev", "gpio/sim"}, "ipc/model"},
		{[]string{"component/cmd/shadowgpio"}, []string{"component/internal/app", "component/internal/dev", "component/internal/tools"}, ""},
	} {
		applied := false
		for pkg, deps := range imports(t) {
			if !within(pkg, rule.of...) {
				continue
			}
			applied = true
			for _, dep := range deps {
				if within(dep, rule.not...) && dep != rule.but {
					t.Errorf("%s imports %s", pkg, dep)
				}
			}
		}
		if !applied {
			t.Errorf("there is no package in %v", rule.of)
		}
	}
}

// TestEdgeBinaryHasNoDevelopmentParts holds the line between what runs on a gateway
// and what applications and developers need.
func TestEdgeBinaryHasNoDevelopmentParts(t *testing.T) {
	deps := strings.Fields(goList(t, "-deps", module+"component/cmd/shadowgpio"))
	for _, wanted := range []string{"ipc", "gpio/cdev", "component/internal/edge/agent"} {
		if !slices.Contains(deps, module+wanted) {
			t.Fatalf("the list of dependencies is not that of the edge binary, %s is missing: %v", wanted, deps)
		}
	}
	for _, dep := range deps {
		if within(dep, "testing", "net/http") || within(strings.TrimPrefix(dep, module),
			"ipc/server", "ipc/devcore", "ipc/ipctest", "gpio/sim", "gpio/gpiotest", "internal/broker", "internal/shadowdoc", "internal/shadowsync", "internal/scenario",
			"component/internal/app", "component/internal/dev", "component/internal/tools") {
			t.Errorf("the edge binary links %s", dep)
		}
	}
}
