package recipe

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gdkVariable names a Python that has gdk. Without it, what gdk does for a custom
// build is done here.
const gdkVariable = "SHADOWGPIO_GDK"

// project is gdk-config.json (aws-greengrass/aws-greengrass-gdk-cli
// gdk/static/config_schema.json).
type project struct {
	Component map[string]struct {
		Author  string
		Version string
		Build   struct {
			System  string   `json:"build_system"`
			Command []string `json:"custom_build_command"`
		}
		Publish struct{ Bucket, Region string }
	}
	GDKVersion string `json:"gdk_version"`
}

// TestBuild has gdk build the component in a copy of the tree, and compares it with a
// build in the tree itself.
func TestBuild(t *testing.T) {
	tree := copyTree(t)
	build(t, tree)

	p := readProject(t)
	built, err := Load(filepath.Join(tree, "greengrass-build/recipes/recipe.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	name := built.Name
	own, ok := p.Component[name]
	if !ok || built.Version != own.Version || built.Publisher != own.Author {
		t.Errorf("built recipe of %s %s by %s, want what gdk-config.json says, %+v", name, built.Version, built.Publisher, p.Component)
	}
	if v := deployment(t).Components[name].ComponentVersion; v != own.Version {
		t.Errorf("the example deployment deploys version %s, want %s", v, own.Version)
	}
	var want []string
	for _, m := range built.Manifests {
		for _, a := range m.Artifacts {
			want = append(want, path.Base(a.URI))
			if place := "s3://BUCKET_NAME/" + name + "/" + own.Version + "/" + path.Base(a.URI); a.URI != place {
				t.Errorf("artifact at %s, want %s", a.URI, place)
			}
		}
	}
	artifacts := filepath.Join(tree, "greengrass-build/artifacts", name, own.Version)
	got := files(t, artifacts)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("artifacts %v were built, want those of the recipe, %v", got, want)
	}

	again := filepath.Join(t.TempDir(), "dist")
	output(t, root, "scripts/build.sh", "--out", again)
	for _, file := range want {
		first, second := readFile(t, filepath.Join(artifacts, file)), readFile(t, filepath.Join(again, file))
		if !bytes.Equal(first, second) {
			t.Errorf("%s has other bytes when it is built elsewhere", file)
		}
		if bytes.Contains(first, []byte(tree)) {
			t.Errorf("%s tells where it was built", file)
		}
	}
	if err := exec.Command("sh", "-c", `cd "$1" && sha256sum --check --quiet SHA256SUMS`, "sh", again).Run(); err != nil {
		t.Errorf("SHA256SUMS: %v", err)
	}
	checkBill(t, filepath.Join(again, "shadowgpio-linux-arm64"), own.Version)
}

// build makes greengrass-build in a tree.
func build(t *testing.T, tree string) {
	t.Helper()
	if python := os.Getenv(gdkVariable); python != "" {
		output(t, tree, python, "-c", "from gdk.CLIParser import main; main()", "component", "build")
		output(t, tree, python, "-c", `
from pathlib import Path
import gdk.common.consts as consts
import gdk.common.utils as utils
from gdk.common.CaseInsensitive import CaseInsensitiveRecipeFile
from gdk.common.RecipeValidator import RecipeValidator

recipe = CaseInsensitiveRecipeFile().read(Path("greengrass-build/recipes/recipe.yaml"))
RecipeValidator(utils.get_static_file_path(consts.recipe_schema_file)).validate_recipe(recipe.to_dict())
`)
		return
	}
	t.Logf("SKIPPED: gdk itself; %s names no Python that has it. Its part in a custom build is played here.", gdkVariable)
	for name, component := range readProject(t).Component {
		// gdk/commands/component/BuildCommand.py
		if err := os.RemoveAll(filepath.Join(tree, "greengrass-build")); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"recipes", "artifacts/" + name + "/" + component.Version} {
			if err := os.MkdirAll(filepath.Join(tree, "greengrass-build", dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		output(t, tree, component.Build.Command[0], component.Build.Command[1:]...)
	}
}

// TestProjectIsWhatGDKTakes checks what gdk's schema demands, and what it stumbles
// over without saying.
func TestProjectIsWhatGDKTakes(t *testing.T) {
	p := readProject(t)
	if len(p.Component) != 1 {
		t.Errorf("%d components, want one", len(p.Component))
	}
	for name, c := range p.Component {
		// A command that is a text with arguments finds no program, and NEXT_PATCH is no
		// version for a local deployment.
		if name != load(t).Name || c.Author == "" || strings.Count(c.Version, ".") != 2 || c.Publish.Bucket == "" ||
			c.Build.System != "custom" || len(c.Build.Command) < 2 {
			t.Errorf("component %s: %+v", name, c)
		}
	}
	if p.GDKVersion != "1.6.2" {
		t.Errorf("gdk %s, want 1.6.2", p.GDKVersion)
	}
	// gdk takes the name of a link's target.
	if target, err := os.Readlink(filepath.Join(root, "recipe.yaml")); err != nil || target != "recipes/recipe.yaml" {
		t.Errorf("recipe.yaml: %q, %v, want a link to recipes/recipe.yaml", target, err)
	}
}

// checkBill checks a bill of materials against what Go says of the program.
func checkBill(t *testing.T, program, version string) {
	t.Helper()
	var bill struct {
		BOMFormat, SpecVersion string
		Metadata               struct{ Component struct{ Version string } }
		Components             []struct{ Name, Version string }
	}
	unmarshal(t, readFile(t, program+".cdx.json"), &bill)
	if bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.6" || bill.Metadata.Component.Version != version {
		t.Errorf("bill of materials: %+v", bill)
	}
	got := map[string]string{}
	for _, c := range bill.Components {
		got[c.Name] = c.Version
	}
	modules := 0
	for line := range strings.Lines(output(t, root, "go", "version", "-m", program)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
			modules++
			if got[f[1]] != f[2] {
				t.Errorf("bill of materials: %s %s, want %s", f[1], got[f[1]], f[2])
			}
		}
	}
	if modules == 0 || len(got) != modules+1 { // and the standard library
		t.Errorf("bill of materials of %d components, want that of %d modules and one more", len(got), modules)
	}
}

// copyTree copies what belongs to the project.
func copyTree(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "elsewhere")
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch entry.Name() {
		case ".git", "dist", "greengrass-build":
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil // of a work tree of its own, .git is a file
		}
		place := filepath.Join(to, strings.TrimPrefix(name, root))
		switch entry.Type() {
		case fs.ModeDir:
			return os.MkdirAll(place, 0o755)
		case fs.ModeSymlink:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return os.Symlink(target, place)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(place, text, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func readProject(t *testing.T) (p project) {
	t.Helper()
	if err := json.Unmarshal(read(t, "gdk-config.json"), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// files are the names of what is in a directory.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// output runs a program that must succeed.
func output(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, text)
	}
	return string(text)
}
