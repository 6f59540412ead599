package e2e

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/shadows"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/recipe"
	"github.com/shadowgpio/shadowgpio/internal/yamltree"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// The component under the recipe's own accessControl: it must suffice, and nothing of
// it may be too much.

const recipeFile = "../../../../recipes/recipe.yaml"

func loadRecipe(t *testing.T) *recipe.Recipe {
	t.Helper()
	r, err := recipe.Load(recipeFile)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newRecipeRig makes a core whose configuration of the component is the recipe's
// default with more merged in, as a deployment would.
func newRecipeRig(t *testing.T, defaults map[string]any, more string, settings devcore.Config) *rig {
	t.Helper()
	r := &rig{t: t, dir: shortDir(t), events: newJournal()}
	r.coreAt, r.chipsAt = filepath.Join(r.dir, "ipc.socket"), filepath.Join(r.dir, "chips.socket")
	settings.Dir, settings.ThingName, settings.Observe = filepath.Join(r.dir, "core"), thing, r.events.add
	tree, err := yamltree.ReadObject([]byte(more))
	if err == nil {
		r.core, err = devcore.New(settings)
	}
	if err == nil {
		t.Cleanup(func() { r.core.Close() })
		err = r.core.SetConfiguration(componentName, recipe.Merge(defaults, tree))
	}
	if err == nil {
		err = os.MkdirAll(r.work(), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.token = r.core.IssueToken(componentName)
	return r
}

// TestDefaultConfigurationIsHarmless runs the component as the recipe deploys it: it
// must run, touch no line and ask nothing of the shadow manager.
func TestDefaultConfigurationIsHarmless(t *testing.T) {
	asked := &calls{}
	r := newRecipeRig(t, loadRecipe(t).Configuration.Default, "{}", devcore.Config{Authorize: asked.add})
	r.simulate()
	moves := r.moves(lampOffset)
	r.serve()
	p := r.start()
	p.says("shadowgpio starts", "lines=0", "shadows=0")
	if _, ok := r.events.wait(func(e devcore.Event) bool { return e.Kind == devcore.StateReported }); !ok {
		t.Error("the component never said that it runs")
	}
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if got := asked.sorted(); len(got) > 0 {
		t.Errorf("it asked for %v, want nothing", got)
	}
	if got := moves.all(); len(got) > 0 {
		t.Errorf("a line moved: %v", got)
	}
}

// TestAccessControlIsWhatIsCalled has the component do all it can and notes what it
// needs permission for: the recipe must allow just that, operation by operation and
// resource by resource.
func TestAccessControlIsWhatIsCalled(t *testing.T) {
	asked := &calls{}
	defaults := loadRecipe(t).Configuration.Default
	liveThrough(newRecipeRig(t, defaults, houseConfig, devcore.Config{Authorize: asked.add}))
	compareAccess(t, defaults, asked)
}

// TestLiteAccessControlIsWhatIsCalled is the same on nucleus lite, and with policies
// enforced.
func TestLiteAccessControlIsWhatIsCalled(t *testing.T) {
	lite, err := recipe.Load("../../../../recipes/recipe-lite.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defaults := lite.Configuration.Default
	asked := &calls{}
	for _, settings := range []devcore.Config{{Authorize: asked.add}, {EnforceAccessControl: true}} {
		c := startCloud(t, shadows.Config{})
		settings.Lite, settings.Broker = true, c.Broker.CoreDevice(thing)
		r := newRecipeRig(t, defaults, houseConfig, settings)
		r.simulate()
		r.serve()
		r.start()
		for _, app := range []*remoteApplication{{t: t, cloud: c}, {t: t, cloud: c, shadow: "room"}} {
			desired, done := `{"lights":"on"}`, `{"lights":"on","ack":{"lights":{"code":200}}}`
			if app.shadow != "" {
				desired, done = `{"fan":true}`, `{"fan":true,"ack":{"fan":{"code":200}}}`
			}
			app.desire(desired)
			app.sees(done)
			app.call("DELETE", "")
			app.sees(desired)
		}
	}
	compareAccess(t, defaults, asked)
}

// compareAccess has an accessControl allow what was asked, and no more.
func compareAccess(t *testing.T, defaults map[string]any, asked *calls) {
	t.Helper()
	unused := map[permission]bool{}
	for p := range permissions(t, defaults) {
		unused[p] = true
	}
	for _, call := range asked.sorted() {
		covered := false
		for p := range permissions(t, defaults) {
			if p.covers(call) {
				covered = true
				delete(unused, p)
			}
		}
		if !covered {
			t.Errorf("the recipe does not allow %+v", call)
		}
	}
	for p := range unused {
		t.Errorf("the recipe allows what is never called: %+v", p)
	}
}

// TestAccessControlSuffices has the core enforce the recipe's policies.
func TestAccessControlSuffices(t *testing.T) {
	r := newRecipeRig(t, loadRecipe(t).Configuration.Default, houseConfig, devcore.Config{EnforceAccessControl: true})
	p := liveThrough(r)
	if log := p.log.String(); strings.Contains(log, "not authorized") {
		t.Errorf("something was refused:\n%s", log)
	}
}

// TestAccessControlHasNothingToSpare takes away one entry after another. Each time
// the component must be refused something, and the shadows that it concerns stay
// without a report, and only they.
func TestAccessControlHasNothingToSpare(t *testing.T) {
	defaults := loadRecipe(t).Configuration.Default
	for _, e := range entries(t, defaults) {
		t.Run(e.key+"/"+strings.NewReplacer("/", "|", "#", " ").Replace(e.value), func(t *testing.T) {
			t.Parallel()
			r := newRecipeRig(t, e.without(t, loadRecipe(t).Configuration.Default), houseConfig, devcore.Config{EnforceAccessControl: true})
			r.simulate()
			r.serve()
			p := r.start()
			p.says("is not authorized to perform " + e.service)
			for shadow, reported := range map[string]string{"": `{"lights":"off"}`, "room": `{"fan":false}`} {
				if !e.concerns(shadow) {
					r.reported(shadow, reported)
				} else if document, err := r.core.Shadows().Get(thing, shadow); err == nil {
					t.Errorf("shadow %q was reported without permission: %s", shadow, document)
				}
			}
		})
	}
}

// liveThrough runs the component through all it does with shadows: it creates them,
// follows them, answers, notices a deletion and creates them again.
func liveThrough(r *rig) *process {
	r.t.Helper()
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"lights":"off","locked":false}`)
	r.reported("room", `{"fan":false}`)
	r.answered("", r.desire("", `{"lights":"on"}`), `{"lights":"on"}`)
	r.answered("room", r.desire("room", `{"fan":true}`), `{"fan":true}`)
	for _, shadow := range []string{"", "room"} {
		created := r.events.count(creation(shadow))
		if err := r.core.Shadows().Delete(thing, shadow); err != nil {
			r.t.Fatal(err)
		}
		r.events.wait(func(devcore.Event) bool { return r.events.count(creation(shadow)) > created })
		if r.events.count(creation(shadow)) != created+1 {
			r.t.Fatalf("shadow %q was deleted and not created again", shadow)
		}
	}
	p.signal(syscall.SIGTERM)
	if code := p.ends(); code != 0 {
		r.t.Errorf("exit code %d, want 0", code)
	}
	return p
}

func creation(shadow string) func(devcore.Event) bool {
	return func(e devcore.Event) bool {
		return e.Kind == devcore.ShadowUpdated && e.Shadow == shadow && e.Version == 1
	}
}

// call is something that needs permission.
type call struct{ service, operation, resource string }

// calls are those that a component has made.
type calls struct {
	mu   sync.Mutex
	made map[call]bool
}

// add is for [devcore.Config.Authorize]; it allows everything.
func (c *calls) add(_, service, operation, resource string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil {
		c.made = map[call]bool{}
	}
	c.made[call{service, operation, resource}] = true
	return true
}

func (c *calls) sorted() (all []call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for call := range c.made {
		all = append(all, call)
	}
	slices.SortFunc(all, func(a, b call) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return all
}

// permission is one operation on one pattern of resources.
type permission struct{ service, operation, pattern string }

func (p permission) covers(c call) bool {
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(p.pattern), `\*`, ".*") + "$"
	return p.service == c.service && p.operation == c.operation && regexp.MustCompile(pattern).MatchString(c.resource)
}

// permissions are what an accessControl allows.
func permissions(t *testing.T, configuration map[string]any) map[permission]bool {
	t.Helper()
	result := map[permission]bool{}
	for _, p := range policies(t, configuration) {
		for _, operation := range p.content["operations"].([]any) {
			for _, resource := range p.content["resources"].([]any) {
				result[permission{p.service, operation.(string), resource.(string)}] = true
			}
		}
	}
	return result
}

// policy is one of an accessControl.
type policy struct {
	service, id string
	content     map[string]any
}

func policies(t *testing.T, configuration map[string]any) (all []policy) {
	t.Helper()
	for service, byID := range configuration["accessControl"].(map[string]any) {
		for id, content := range byID.(map[string]any) {
			if !strings.HasPrefix(id, componentName+":") {
				t.Errorf("policy %s: want a name that begins with the component's, since it must be unique on the device", id)
			}
			all = append(all, policy{service, id, content.(map[string]any)})
		}
	}
	if len(all) == 0 {
		t.Fatal("the recipe has no policies")
	}
	return all
}

// entry is one operation or resource of a policy.
type entry struct{ service, policy, key, value string }

func entries(t *testing.T, configuration map[string]any) (all []entry) {
	t.Helper()
	for _, p := range policies(t, configuration) {
		for _, key := range []string{"operations", "resources"} {
			for _, value := range p.content[key].([]any) {
				all = append(all, entry{p.service, p.id, key, value.(string)})
			}
		}
	}
	return all
}

// concerns says whether a shadow cannot be reported without the entry.
func (e entry) concerns(shadow string) bool {
	return e.key == "operations" || strings.Contains(e.value, "/name/") == (shadow != "")
}

// without removes the entry from a configuration of its own.
func (e entry) without(t *testing.T, configuration map[string]any) map[string]any {
	t.Helper()
	for _, p := range policies(t, configuration) {
		if p.id == e.policy {
			p.content[e.key] = slices.DeleteFunc(p.content[e.key].([]any), func(value any) bool { return value == e.value })
		}
	}
	return configuration
}
