package devcore

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Deployment is a change to the components of the core device.
type Deployment struct {
	ID             string // "" makes a UUID
	Configurations map[string]ConfigurationChange

	// ValidationTimeout is how long components may take to judge their new
	// configuration; default [DefaultValidationTimeout].
	ValidationTimeout time.Duration

	// Notify announces the deployment to the components that subscribed to
	// component updates, and waits until none of them defers it.
	Notify          bool
	NotifyTimeout   time.Duration // for each round of answers; default [DefaultNotifyTimeout]
	NucleusRestarts bool          // what the announcement says

	// Run is what the deployment does when its configurations are in force, such as
	// restarting a component; nil is nothing.
	Run func() error
}

// ConfigurationChange is what a deployment does to the configuration of a
// component: reset, then merge; or another configuration.
type ConfigurationChange struct {
	// Reset has JSON pointers to what goes back to its value in
	// [Core.SetConfiguration], or is removed if it has none there; "" is everything.
	Reset []string
	Merge json.RawMessage // an object; nil is nothing
	Full  json.RawMessage // an object that replaces everything; nil is none
}

// Deploy carries out a deployment: it is announced, its configurations are judged
// by the components that want to, then they are applied all together, or, with an
// [*InvalidConfigurationError], not at all (aws-greengrass/aws-greengrass-nucleus
// deployment/DeploymentConfigMerger.java). A value that a component has set with a
// time in the future stays.
//
// It returns when the deployment is done, and does one at a time. The end of ctx
// ends the waiting; announced components are told that it is over.
func (c *Core) Deploy(ctx context.Context, d Deployment) error {
	select {
	case c.deploying <- struct{}{}:
		defer func() { <-c.deploying }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if d.ID == "" {
		d.ID = newUUID()
	}
	at := wireTime(time.Now())
	plans, err := c.config.plan(d.Configurations, at)
	if err != nil {
		return err
	}
	if d.Notify {
		defer c.updates.done(d.ID)
		event := model.PreComponentUpdateEvent{DeploymentID: d.ID, IsGGCRestarting: d.NucleusRestarts}
		if err := c.updates.announce(ctx, event, cmp.Or(d.NotifyTimeout, DefaultNotifyTimeout)); err != nil {
			return err
		}
	}
	if err := c.validations.validate(ctx, d.ID, plans, cmp.Or(d.ValidationTimeout, DefaultValidationTimeout)); err != nil {
		return err
	}
	if err := c.config.apply(plans, at); err != nil {
		return err
	}
	if d.Run != nil {
		return d.Run()
	}
	return nil
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// wireTime is a time as it appears on the wire, in milliseconds: what is set must
// not seem newer than an update that came after it.
func wireTime(t time.Time) time.Time { return t.Truncate(time.Millisecond) }

// plan is the configuration that a component is to get.
type plan struct {
	component string
	reset     [][]string // paths
	tree      map[string]any
}

// plan works out the configurations that differ from the present ones, in the order
// of the components' names. It fails if a change is none.
func (c *configurations) plan(changes map[string]ConfigurationChange, at time.Time) ([]plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var plans []plan
	for _, component := range slices.Sorted(maps.Keys(changes)) {
		p, err := c.planOne(component, changes[component], at)
		if err != nil {
			return nil, fmt.Errorf("configuration of %s: %w", component, err)
		}
		if !equal(p.tree, c.byName[component]) {
			plans = append(plans, p)
		}
	}
	return plans, nil
}

// planOne works out one configuration. The caller holds mu.
func (c *configurations) planOne(component string, change ConfigurationChange, at time.Time) (p plan, err error) {
	p = plan{component: component, tree: c.byName[component]}
	if change.Full != nil {
		if len(change.Reset) > 0 || change.Merge != nil {
			return p, fmt.Errorf("want a full configuration, or one to reset and merge, got both")
		}
		full, err := decodeObject(change.Full)
		p.tree = c.newer(component, p.tree, full, at)
		return p, err
	}
	if p.reset, err = pointers(change.Reset); err != nil {
		return p, err
	}
	p.tree = c.reset(component, p.reset)
	if change.Merge == nil {
		return p, nil
	}
	merge, err := decodeObject(change.Merge)
	p.tree = c.newer(component, p.tree, mergeTree(p.tree, merge), at)
	return p, err
}

// newer is the new configuration with those leaves of the old one that are newer
// than it. The caller holds mu.
func (c *configurations) newer(component string, old, tree map[string]any, at time.Time) map[string]any {
	times := c.timesOf(component)
	for _, l := range leaves(old) {
		if times[pathKey(l.Path)].After(at) {
			tree = put(tree, l.Path, l.Value)
		}
	}
	return tree
}

// reset is the present configuration with some paths as they were set by the
// embedder. The caller holds mu.
func (c *configurations) reset(component string, paths [][]string) map[string]any {
	tree := c.byName[component]
	for _, path := range paths {
		tree = without(tree, path)
	}
	if len(paths) > 0 {
		tree = mergeTree(c.defaults[component], tree)
	}
	return tree
}

// apply puts configurations into force, and stores what differs from before. They
// are in force even if they cannot be stored.
func (c *configurations) apply(plans []plan, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, p := range plans {
		old := c.byName[p.component]
		tree := c.newer(p.component, c.reset(p.component, p.reset), p.tree, at)
		for _, l := range differences(nil, old, tree) {
			l.Time = at
			c.remember(p.component, l)
		}
		c.replace(p.component, tree)
		errs = append(errs, c.save(p.component))
	}
	return errors.Join(errs...)
}

// pointers are the paths of JSON pointers (RFC 6901).
func pointers(texts []string) ([][]string, error) {
	var paths [][]string
	for _, text := range texts {
		if text != "" && text[0] != '/' {
			return nil, fmt.Errorf("reset: want a JSON pointer, which begins with /, got %q", text)
		}
		path := strings.Split(text, "/")[1:]
		for i := range path {
			path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(path[i])
		}
		paths = append(paths, path)
	}
	return paths, nil
}
