package devcore_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const modulePath = "github.com/shadowgpio/shadowgpio"

// TestThirdParty builds and runs a program of another module, which cannot name what
// lies under internal.
func TestThirdParty(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("testdata/thirdparty/main.go")
	if err != nil {
		t.Fatal(err)
	}
	// The same versions of the same modules, so that nothing is downloaded.
	mod = bytes.Replace(mod, []byte("module "+modulePath+"\n"), []byte("module example.com/thirdparty\n\nrequire "+modulePath+" v0.0.0\n\nreplace "+modulePath+" => "+root+"\n"), 1)
	dir := t.TempDir()
	for name, text := range map[string][]byte{"go.mod": mod, "go.sum": sums, "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command("go", "run", ".")
	run.Dir, run.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
	out, err := run.CombinedOutput()
	want := `room {"state":{"reported":{"fan":true}}}
hall {"state":{"reported":{"lamp":false}}}
a/b hello
`
	if err != nil || string(out) != want {
		t.Errorf("got\n%s%v; want\n%s", out, err, want)
	}
}
