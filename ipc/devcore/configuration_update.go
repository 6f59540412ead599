package devcore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// keyAccessControl is the key that a component cannot change over IPC.
const keyAccessControl = "accessControl"

// leaf is a value that was set over IPC, as it is stored.
type leaf struct {
	Path  []string  `json:"path"`
	Value any       `json:"value"`
	Time  time.Time `json:"time"`
}

// configurationWatch is one subscription to changes.
type configurationWatch struct {
	component string
	path      []string
	stream    *server.Stream
}

// updateRequest tells a missing time from the zero one.
type updateRequest struct {
	KeyPath      []string         `json:"keyPath"`
	Timestamp    *model.Timestamp `json:"timestamp"`
	ValueToMerge json.RawMessage  `json:"valueToMerge"`
}

// updateConfiguration merges a value into the configuration of the caller. Where
// the classic nucleus applies a part and then refuses, so does this
// (aws-greengrass/aws-greengrass-nucleus
// builtin/services/configstore/ConfigStoreIPCEventStreamAgent.java).
func (c *Core) updateConfiguration(call *server.Call, req *updateRequest) (resp model.UpdateConfigurationResponse, err error) {
	if req.Timestamp == nil || len(req.ValueToMerge) == 0 || string(req.ValueToMerge) == "null" {
		return resp, &server.Error{Code: model.InvalidArguments, Message: "valueToMerge and timestamp are required"}
	}
	value, err := decodeTree(req.ValueToMerge)
	if err != nil {
		return resp, fmt.Errorf("%w: %w", server.ErrMalformed, err)
	}
	_, _, named := lookUp(value, keyAccessControl)
	if len(req.KeyPath) > 0 {
		named = strings.EqualFold(req.KeyPath[0], keyAccessControl)
	}
	if named {
		return resp, &server.Error{Code: model.InvalidArguments, Message: "accessControl cannot be updated"}
	}
	return resp, c.config.merge(call.Component, req.KeyPath, value, time.Time(*req.Timestamp))
}

// decodeTree reads an object and keeps its numbers as they are.
func decodeTree(text []byte) (map[string]any, error) {
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(&tree)
	return tree, err
}

func pathKey(path []string) string { return strings.ToLower(strings.Join(path, "\x00")) }

// below says whether a path is that of a node or below it.
func below(path, node []string) bool {
	return len(path) >= len(node) && pathKey(path[:len(node)]) == pathKey(node)
}

// merge applies one request: a missing container is made with the current time,
// a leaf that exists is written unless its time is later than that of the request.
func (c *configurations) merge(component string, path []string, value map[string]any, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.byName[component]
	existing := leaves(old)
	node, isLeaf, found := resolve(old, path)
	path = node
	if !found {
		if isLeaf {
			return &server.Error{Code: model.ServiceFailure}
		}
		at = time.Now()
	}
	written := leavesBelow(path, value)
	if found && isLeaf {
		written = []leaf{{Path: path, Value: value}}
	}
	times := c.timesOf(component)
	tree := old
	for _, l := range written {
		if found && latest(times, existing, l.Path).After(at) {
			continue
		}
		l.Time = at
		tree = put(tree, l.Path, l.Value)
		c.remember(component, l)
	}
	c.replace(component, tree)
	if err := c.save(component); err != nil {
		return err
	}
	if found && latest(c.timesOf(component), leaves(tree), path).After(at) {
		return &server.Error{Code: model.FailedUpdateConditionCheck, Message: "Proposed timestamp is older than the config's latest modified timestamp"}
	}
	return nil
}

// resolve finds a node ignoring case and returns its path as it is spelled. If it
// is not found, isLeaf says that a leaf is in the way.
func resolve(tree map[string]any, path []string) (spelled []string, isLeaf, found bool) {
	spelled = slices.Clone(path)
	for i, key := range path {
		name, value, ok := lookUp(tree, key)
		if !ok {
			return spelled, false, false
		}
		spelled[i] = name
		inner, isMap := value.(map[string]any)
		if !isMap {
			return spelled, true, i == len(path)-1
		}
		tree = inner
	}
	return spelled, false, true
}

// put returns a tree with one value set and leaves the old tree as it was.
func put(tree map[string]any, path []string, value any) map[string]any {
	tree = maps.Clone(tree)
	if tree == nil {
		tree = map[string]any{}
	}
	name, inner, ok := lookUp(tree, path[0])
	if !ok {
		name = path[0]
	}
	if len(path) > 1 {
		m, _ := inner.(map[string]any)
		value = put(m, path[1:], value)
	}
	tree[name] = value
	return tree
}

// leaves are those of a tree in the order of their paths.
func leaves(tree map[string]any) []leaf { return leavesBelow(nil, tree) }

func leavesBelow(path []string, tree map[string]any) []leaf {
	var all []leaf
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		p := append(slices.Clone(path), key)
		if inner, ok := tree[key].(map[string]any); ok {
			all = append(all, leavesBelow(p, inner)...)
		} else {
			all = append(all, leaf{Path: p, Value: tree[key]})
		}
	}
	return all
}

// latest is the newest time of the leaves at a node and below it.
func latest(times map[string]time.Time, all []leaf, node []string) (newest time.Time) {
	for _, l := range all {
		if t := times[pathKey(l.Path)]; below(l.Path, node) && t.After(newest) {
			newest = t
		}
	}
	return newest
}

// timesOf are the times of the leaves: of those set over IPC their own, of all
// others that of the base. The caller holds mu.
func (c *configurations) timesOf(component string) map[string]time.Time {
	times := map[string]time.Time{}
	for _, l := range leaves(c.byName[component]) {
		times[pathKey(l.Path)] = c.base[component]
	}
	for _, set := range c.set[component] {
		for _, l := range leaves(put(nil, set.Path, set.Value)) {
			times[pathKey(l.Path)] = set.Time
		}
	}
	return times
}

// remember keeps a leaf for the next run. The caller holds mu.
func (c *configurations) remember(component string, l leaf) {
	if c.set == nil {
		c.set = map[string][]leaf{}
	}
	kept := slices.DeleteFunc(c.set[component], func(o leaf) bool { return below(o.Path, l.Path) })
	c.set[component] = append(kept, l)
}

// replace makes a tree the configuration and tells of each leaf that differs.
// The caller holds mu.
func (c *configurations) replace(component string, tree map[string]any) {
	if c.byName == nil {
		c.byName = map[string]map[string]any{}
	}
	old := c.byName[component]
	c.byName[component] = tree
	if len(c.watches) == 0 {
		return
	}
	before := map[string]leaf{}
	for _, l := range leaves(old) {
		before[pathKey(l.Path)] = l
	}
	for _, l := range leaves(tree) {
		k := pathKey(l.Path)
		if o, ok := before[k]; !ok || !reflect.DeepEqual(o.Value, l.Value) {
			c.tell(component, l.Path)
		}
		delete(before, k)
	}
	for _, k := range slices.Sorted(maps.Keys(before)) {
		c.tell(component, before[k].Path)
	}
}

func (c *configurations) tell(component string, path []string) {
	for _, w := range c.watches {
		if w.component == component && below(path, w.path) {
			w.stream.Send(model.ConfigurationUpdateEvents{
				ConfigurationUpdateEvent: &model.ConfigurationUpdateEvent{ComponentName: component, KeyPath: path},
			})
		}
	}
}

func (c *Core) subscribeToConfigurationUpdate(call *server.Call, stream *server.Stream, req *model.SubscribeToConfigurationUpdateRequest) (resp model.SubscribeToConfigurationUpdateResponse, err error) {
	w := &configurationWatch{component: req.ComponentName, path: req.KeyPath, stream: stream}
	if w.component == "" {
		w.component = call.Component
	}
	if _, err := c.configurationAt(w.component, w.path); err != nil {
		return resp, err
	}
	c.config.mu.Lock()
	c.config.watches = append(c.config.watches, w)
	c.config.mu.Unlock()
	stream.OnClose(func() {
		c.config.mu.Lock()
		defer c.config.mu.Unlock()
		c.config.watches = slices.DeleteFunc(c.config.watches, func(o *configurationWatch) bool { return o == w })
	})
	return resp, nil
}

// file is where the leaves that a component set are stored.
func (c *configurations) file(component string) string {
	return filepath.Join(c.dir, url.PathEscape(component)+extension)
}

// save stores what was set over IPC. The caller holds mu.
func (c *configurations) save(component string) error {
	if c.dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(c.set[component], "", "  ")
	if err != nil {
		return err
	}
	if err := makeDir(c.dir); err != nil {
		return err
	}
	if err := renameio.WriteFile(c.file(component), append(text, '\n'), 0o644, renameio.WithTempDir(c.dir)); err != nil {
		return err
	}
	return syncDir(c.dir)
}

// setBase replaces a configuration. The first time in the life of a core, what
// was set over IPC before stays in force; later it is gone.
func (c *configurations) setBase(component string, tree map[string]any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base == nil {
		c.base, c.set = map[string]time.Time{}, map[string][]leaf{}
	}
	_, again := c.base[component]
	kept, err := c.stored(component, again)
	if err != nil {
		return err
	}
	// Wire times have milliseconds; a leaf must not seem newer than an update
	// that came after it.
	c.base[component], c.set[component] = time.Now().Truncate(time.Millisecond), kept
	for _, l := range kept {
		tree = put(tree, l.Path, l.Value)
	}
	c.replace(component, tree)
	return nil
}

// stored are the leaves of the run before, or none if they are to be forgotten.
func (c *configurations) stored(component string, forget bool) ([]leaf, error) {
	if c.dir == "" {
		return nil, nil
	}
	if forget {
		if err := os.Remove(c.file(component)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, nil
	}
	text, err := os.ReadFile(c.file(component))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kept []leaf
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&kept); err != nil {
		return nil, fmt.Errorf("%s: %w", c.file(component), err)
	}
	kept = slices.DeleteFunc(kept, func(l leaf) bool { return len(l.Path) == 0 })
	return kept, nil
}
