package preflight

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/shadowmanager"
)

// synchronized notes the shadows that the cloud does not see after a deployment, as far
// as the deployment tells: those that its synchronize does not name, or, if it leaves
// the shadow manager as it is, those that are new.
func (j *judge) synchronized(deployment map[string]any) {
	cfg := j.report.Config
	if cfg == nil || cfg.Transport == config.IoTCore {
		return
	}
	covered, told := synchronizeOf(deployment)
	if !told && j.Present == nil {
		return
	}
	var before map[string]config.Shadow
	if present, err := config.Parse(j.Present, j.Thing); err == nil {
		before = present.Shadows
	}
	var missing []shadow.ID
	var names []string
	for _, label := range slices.Sorted(maps.Keys(cfg.Shadows)) {
		id := cfg.Shadows[label].ID
		known := slices.ContainsFunc(slices.Collect(maps.Values(before)), func(s config.Shadow) bool { return s.ID == id })
		if told && !covered.Covers(id, j.Thing) || !told && !known {
			missing, names = append(missing, id), append(names, id.String())
		}
	}
	if len(missing) == 0 {
		return
	}
	var all []shadow.ID
	for _, s := range cfg.Shadows {
		all = append(all, s.ID)
	}
	j.note("the cloud sees %s only if synchronize of the shadow manager names it, which this deployment does not do; beside it, deploy %s",
		strings.Join(names, ", "), shadowmanager.For(all, j.Thing).Merge())
}

// synchronizeOf is what a deployment says of the synchronization, in the form of the
// cloud or of greengrass-cli; told is false if it says nothing.
func synchronizeOf(deployment map[string]any) (s shadowmanager.Synchronize, told bool) {
	components, cloud := deployment["components"].(map[string]any)
	if !cloud {
		components = deployment
	}
	component, _ := components[shadowmanager.ComponentName].(map[string]any)
	merge := component["MERGE"]
	if update, ok := component["configurationUpdate"].(map[string]any); ok {
		text, _ := update["merge"].(string)
		if json.Unmarshal([]byte(text), &merge) != nil {
			return s, false
		}
	}
	tree, _ := merge.(map[string]any)
	section, told := tree["synchronize"]
	if !told {
		return s, false
	}
	text, err := json.Marshal(section)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err == nil
}
