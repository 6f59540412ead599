package cli

import (
	"os/exec"
	"strings"
	"testing"
)

// TestEdgeBinaryHasNoDevelopmentParts holds the line between what runs on a
// gateway and what only developers need.
func TestEdgeBinaryHasNoDevelopmentParts(t *testing.T) {
	const module = "github.com/shadowgpio/shadowgpio/"
	out, err := exec.Command("go", "list", "-deps", module+"component/cmd/shadowgpio").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	deps := strings.Fields(string(out))
	linked := map[string]bool{}
	for _, dep := range deps {
		linked[dep] = true
	}
	if !linked[module+"ipc"] || !linked[module+"gpio/cdev"] {
		t.Fatalf("the list of dependencies is not that of the edge binary:\n%s", out)
	}
	for _, dep := range deps {
		for _, unwanted := range []string{
			module + "ipc/server", module + "ipc/devcore", module + "ipc/ipctest",
			module + "gpio/sim", module + "gpio/gpiotest", module + "component/internal/dev/ctl", module + "component/internal/dev/cloud",
			"testing", "net/http",
		} {
			if dep == unwanted || strings.HasPrefix(dep, unwanted+"/") {
				t.Errorf("the edge binary links %s", dep)
			}
		}
	}
}

// TestImportsPointOneWay keeps lines and IPC apart, and both free of the component.
func TestImportsPointOneWay(t *testing.T) {
	const module = "github.com/shadowgpio/shadowgpio/"
	for pkg, unwanted := range map[string][]string{
		"gpio/...":                       {"ipc", "component"},
		"ipc/...":                        {"gpio", "component"},
		"component/internal/edge/engine": {"ipc", "gpio/cdev", "gpio/sim"},
	} {
		out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{range .Imports}} {{.}}{{end}}`, module+pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("go list %s: %v\n%s", pkg, err, out)
		}
		for line := range strings.Lines(string(out)) {
			who, imports, _ := strings.Cut(line, ":")
			for dep := range strings.FieldsSeq(imports) {
				for _, u := range unwanted {
					if dep == module+u || strings.HasPrefix(dep, module+u+"/") && dep != module+"ipc/model" {
						t.Errorf("%s imports %s", who, dep)
					}
				}
			}
		}
	}
}
