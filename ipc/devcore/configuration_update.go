package devcore

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// keyAccessControl is the key that a component cannot change over IPC.
const keyAccessControl = "accessControl"

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
	invalid := func(text string) error { return &server.Error{Code: model.InvalidArguments, Message: text} }
	if req.Timestamp == nil {
		return resp, invalid("Timestamp is required")
	}
	if len(req.ValueToMerge) == 0 || string(req.ValueToMerge) == "null" {
		return resp, invalid("ValueToMerge is required")
	}
	value, err := decodeTree(req.ValueToMerge)
	if err != nil {
		return resp, fmt.Errorf("%w: %w", server.ErrMalformed, err)
	}
	// In another case the name is that of the same key, and yet not refused.
	_, named := value[keyAccessControl]
	if len(req.KeyPath) > 0 {
		named = req.KeyPath[0] == keyAccessControl
	}
	if named {
		return resp, invalid("Config update is not allowed for following fields [" + keyAccessControl + "]")
	}
	return resp, c.config.merge(call.Component, req.KeyPath, value, req.Timestamp.Time)
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
		at = wireTime(time.Now())
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
		if set.Removed {
			continue
		}
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
	_, before, _ := lookUp(old, keyAccessControl)
	if _, after, ok := lookUp(tree, keyAccessControl); !equal(before, after) {
		c.changed(component, after, ok)
	}
	c.tellChanges(component, old, tree)
}

// tellChanges tells those who watch of each leaf that differs.
func (c *configurations) tellChanges(component string, old, tree map[string]any) {
	if len(c.watches) == 0 {
		return
	}
	before := leafMap(old)
	for _, l := range leaves(tree) {
		k := pathKey(l.Path)
		if o, ok := before[k]; !ok || !equal(o.Value, l.Value) {
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
