package environment

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/shadowmanager"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// synchronize has the core device synchronize the shadows that the configuration in
// force names, and shows that in the configuration of its shadow manager, as a
// deployment for this component would. It returns what it changed.
func (e *Environment) synchronize(core *devcore.Core) (changed control.Synchronized, err error) {
	if e.Lite {
		return changed, nil // there is no shadow manager
	}
	cfg, err := config.Parse(core.Configuration(ComponentName), e.Thing)
	if err != nil {
		return changed, err
	}
	var ids []shadow.ID
	var names []devcore.ShadowName
	for _, label := range slices.Sorted(maps.Keys(cfg.Shadows)) {
		id := cfg.Shadows[label].ID
		ids = append(ids, id)
		names = append(names, devcore.ShadowName{Thing: id.Thing, Shadow: id.Name})
	}
	before := core.Synchronized()
	changed.Begun, changed.Ended = without(names, before), without(before, names)
	if len(changed.Begun)+len(changed.Ended) > 0 {
		if err := core.SetSynchronized(names); err != nil {
			return changed, err
		}
	}
	section, err := json.Marshal(map[string]any{"synchronize": shadowmanager.For(ids, e.Thing)})
	if err != nil {
		return changed, err
	}
	return changed, core.SetConfiguration(shadowmanager.ComponentName, section)
}

// without are the names that the others lack.
func without(names, others []devcore.ShadowName) (rest []control.ShadowName) {
	for _, name := range names {
		if !slices.Contains(others, name) {
			rest = append(rest, control.ShadowName(name))
		}
	}
	return rest
}
