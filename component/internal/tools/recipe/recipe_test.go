package recipe

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

const root = "../../../.."

func load(t *testing.T) *Recipe {
	t.Helper()
	r, err := Load(filepath.Join(root, "recipes/recipe.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// maxSize is what the nucleus lite reads of a local recipe
// (aws-greengrass/aws-greengrass-lite modules/ggl-recipe/src/recipe.c); gdk allows
// 16000 bytes.
const maxSize = 8 << 10

func TestRecipeIsSmall(t *testing.T) {
	for _, name := range []string{"recipe.yaml", "recipe-lite.yaml"} {
		info, err := os.Stat(filepath.Join(root, "recipes", name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= maxSize {
			t.Errorf("%s has %d bytes, want below %d", name, info.Size(), maxSize)
		}
	}
}

func TestRecipeSaysWhatTheNucleusExpects(t *testing.T) {
	r := load(t)
	for what, c := range map[string]struct{ got, want string }{
		"format version": {r.FormatVersion, "2020-01-25"},
		"name":           {r.Name, "io.shadowgpio.ShadowGpio"},
		"version":        {r.Version, "COMPONENT_VERSION"},
		"publisher":      {r.Publisher, "COMPONENT_AUTHOR"},
		"type":           {r.Type, "aws.greengrass.generic"},
		"shadow manager": {r.Dependencies["aws.greengrass.ShadowManager"].Type, "HARD"},
		"nucleus":        {r.Dependencies["aws.greengrass.Nucleus"].Type, "SOFT"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", what, c.got, c.want)
		}
	}
	// The nucleus lite shows it in a unit, up to the first of these.
	if r.Description == "" || strings.ContainsAny(r.Description, "\n\\") {
		t.Errorf("description %q: want one line without backslashes", r.Description)
	}
	for name, d := range r.Dependencies {
		if !regexp.MustCompile(`^>=\d+\.\d+\.\d+ <\d+\.0\.0$`).MatchString(d.Versions) {
			t.Errorf("versions of %s: got %q, want a range with both ends", name, d.Versions)
		}
	}
}

// TestManifests checks each manifest against the binary that it is for.
func TestManifests(t *testing.T) {
	r := load(t)
	// Of the nucleus's words for architectures (config/PlatformResolver.java) Go's.
	goarch := map[string]string{"amd64": "amd64", "aarch64": "arm64", "arm": "arm"}
	var files []string
	for _, m := range r.Manifests {
		if m.Platform["os"] != "linux" || goarch[m.Platform["architecture"]] == "" || len(m.Platform) != 2 {
			t.Errorf("%s: platform %v, want linux on one of %v", m.Name, m.Platform, goarch)
		}
		if len(m.Artifacts) != 1 {
			t.Fatalf("%s: %d artifacts, want one", m.Name, len(m.Artifacts))
		}
		a := m.Artifacts[0]
		file := path.Base(a.URI)
		files = append(files, file)
		if want := "shadowgpio-linux-" + goarch[m.Platform["architecture"]]; file != want {
			t.Errorf("%s: artifact %s, want %s", m.Name, file, want)
		}
		if want := "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/" + file; a.URI != want {
			t.Errorf("%s: artifact at %s, want %s, which gdk completes", m.Name, a.URI, want)
		}
		if a.Unarchive != "NONE" || a.Permission.Read != "OWNER" || a.Permission.Execute != "OWNER" {
			t.Errorf("%s: artifact %+v, want a plain file that its owner alone may read and run", m.Name, a)
		}
		if want := `exec "{artifacts:path}/` + file + `" run`; m.Lifecycle.Run.Script != want {
			t.Errorf("%s: run script %s, want %s", m.Name, m.Lifecycle.Run.Script, want)
		}
		delete(goarch, m.Platform["architecture"])
	}
	if len(goarch) > 0 {
		t.Errorf("no manifest for %v", goarch)
	}
	// gdk uploads them all to one place.
	if slices.Sort(files); len(slices.Compact(slices.Clone(files))) != len(files) {
		t.Errorf("artifacts %v, want each name once", files)
	}
}

func TestLoadIsStrict(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "recipes/recipe.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for right, wrong := range map[string]string{
		"Uri:": "URI:", "run:": "Run:", "Script:": "script:", "ComponentName:": "componentName:", "Execute:": "execute:",
		"ComponentType:": "ComponentKind:",
	} {
		file := filepath.Join(t.TempDir(), "recipe.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), right, wrong)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err == nil {
			t.Errorf("%s instead of %s was taken, want an error", wrong, right)
		}
	}
}

// TestLiteDiffersInTheWayToTheShadows alone: nucleus lite has no shadow manager that one
// could depend on.
func TestLiteDiffersInTheWayToTheShadows(t *testing.T) {
	classic := load(t)
	lite, err := Load(filepath.Join(root, "recipes/recipe-lite.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(lite.Dependencies) > 0 {
		t.Errorf("it depends on %v, want nothing", lite.Dependencies)
	}
	lite.Dependencies = classic.Dependencies
	delete(lite.Configuration.Default, "accessControl")
	delete(classic.Configuration.Default, "accessControl")
	if !reflect.DeepEqual(lite, classic) {
		t.Errorf("got  %+v\nwant %+v", lite, classic)
	}
}

func TestFor(t *testing.T) {
	r := load(t)
	if m, err := r.For("linux", "aarch64"); err != nil || m.Name != "linux-aarch64" {
		t.Errorf("manifest %s, %v, want linux-aarch64", m.Name, err)
	}
	if _, err := r.For("windows", "amd64"); err == nil {
		t.Error("a manifest for Windows, want an error")
	}
}

// TestConfigurations has the component's own judge over all that the recipe and the
// examples configure, each as it is after the deployment.
func TestConfigurations(t *testing.T) {
	defaults := load(t).Configuration.Default
	cfg := parse(t, "the recipe's default configuration", defaults)
	if len(cfg.Lines) > 0 || len(cfg.Shadows) > 0 {
		t.Errorf("default configuration with %d lines and %d shadows, want neither", len(cfg.Lines), len(cfg.Shadows))
	}

	files, err := filepath.Glob(filepath.Join(root, "recipes/local/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no local configurations: %v", err)
	}
	all := defaults
	for _, file := range files {
		more := localUpdate(t, file)
		cfg := parse(t, file, Merge(defaults, more))
		if len(cfg.Shadows) == 0 {
			t.Errorf("%s configures no shadow", file)
		}
		all = Merge(all, more)
	}
	cfg = parse(t, "all local configurations together", all)

	deployed := parse(t, "the example deployment", Merge(defaults, deployment(t).merge(t, "io.shadowgpio.ShadowGpio")))
	if len(deployed.Lines) != len(cfg.Lines) || len(deployed.Shadows) != len(cfg.Shadows) {
		t.Errorf("the example deployment has %d lines and %d shadows, want what the local ones have together, %d and %d",
			len(deployed.Lines), len(deployed.Shadows), len(cfg.Lines), len(cfg.Shadows))
	}
}

// TestDeploymentSynchronizesItsShadows compares what the example configures of the
// shadow manager with the shadows that its component keeps.
func TestDeploymentSynchronizesItsShadows(t *testing.T) {
	d := deployment(t)
	cfg := parse(t, "the example deployment", d.merge(t, "io.shadowgpio.ShadowGpio"))
	var manager struct {
		Synchronize struct {
			CoreThing struct {
				Classic      bool     `json:"classic"`
				NamedShadows []string `json:"namedShadows"`
			} `json:"coreThing"`
		} `json:"synchronize"`
	}
	unmarshal(t, []byte(d.Components["aws.greengrass.ShadowManager"].ConfigurationUpdate.Merge), &manager)
	synchronized := manager.Synchronize.CoreThing
	for label, s := range cfg.Shadows {
		if s.ID.Name == "" && !synchronized.Classic || s.ID.Name != "" && !slices.Contains(synchronized.NamedShadows, s.ID.Name) {
			t.Errorf("shadow %s (%q) is not synchronized by %+v", label, s.ID.Name, synchronized)
		}
	}
}

func TestPolicyDocument(t *testing.T) {
	var policy struct {
		Statement []struct {
			Action any
		}
	}
	unmarshal(t, read(t, "recipes/iot-policy.example.json"), &policy)
	var actions []string
	for _, s := range policy.Statement {
		switch a := s.Action.(type) {
		case string:
			actions = append(actions, a)
		case []any:
			for _, action := range a {
				actions = append(actions, action.(string))
			}
		}
	}
	// What the shadow manager needs of AWS IoT Core to synchronize.
	for _, want := range []string{
		"iot:Connect", "iot:Publish", "iot:Receive", "iot:Subscribe",
		"iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow",
	} {
		if !slices.Contains(actions, want) {
			t.Errorf("the policy does not allow %s", want)
		}
	}
}

func parse(t *testing.T, what string, tree map[string]any) *config.Config {
	t.Helper()
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(text, "MyGateway")
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return cfg
}

// localUpdate is what a file for greengrass-cli --update-config merges in.
func localUpdate(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var update map[string]struct{ MERGE map[string]any }
	unmarshal(t, text, &update)
	own, ok := update["io.shadowgpio.ShadowGpio"]
	if !ok || len(update) != 1 {
		t.Fatalf("%s: want an update of our component alone, got %s", file, text)
	}
	return own.MERGE
}

// deploymentDocument is that of the cloud, where merge is a JSON text.
type deploymentDocument struct {
	Components map[string]struct {
		ComponentVersion    string
		ConfigurationUpdate struct{ Merge string }
		RunWith             struct{ PosixUser string }
	}
}

func deployment(t *testing.T) deploymentDocument {
	t.Helper()
	var d deploymentDocument
	unmarshal(t, read(t, "recipes/deployment.example.json"), &d)
	return d
}

func (d deploymentDocument) merge(t *testing.T, component string) map[string]any {
	t.Helper()
	var tree map[string]any
	unmarshal(t, []byte(d.Components[component].ConfigurationUpdate.Merge), &tree)
	return tree
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func unmarshal(t *testing.T, text []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}
