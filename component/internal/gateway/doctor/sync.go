package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func (x *examination) noShadowManager(check string) {
	x.report(check, ShadowManagerMissing, "the nucleus has no shadow operations: aws.greengrass.ShadowManager is not deployed",
		"the component aws.greengrass.ShadowManager on this core device, or transport: iotCore",
		x.cli("deployment create --merge %q", shadowService+"=2.3.1"))
}

// thingSync is what the shadow manager synchronises of a thing.
type thingSync struct {
	Thing   string   `json:"thingName"`
	Classic any      `json:"classic"` // a boolean, perhaps as a text; absent is true
	Named   []string `json:"namedShadows"`
}

func (t *thingSync) has(id shadow.ID) bool {
	if id.Name == "" {
		return t.Classic == nil || strings.EqualFold(fmt.Sprint(t.Classic), "true")
	}
	return slices.Contains(t.Named, id.Name)
}

// synchronisation is the key synchronize of the shadow manager's configuration
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/model/configuration/ShadowSyncConfiguration.java).
type synchronisation struct {
	Core      *thingSync           `json:"coreThing"`
	Map       map[string]thingSync `json:"shadowDocumentsMap"`
	List      []thingSync          `json:"shadowDocuments"`
	Direction string               `json:"direction"`
}

// covers says whether a shadow is synchronised; core is the core device.
func (s synchronisation) covers(id shadow.ID, core string) bool {
	if s.Core != nil && id.Thing == core && s.Core.has(id) {
		return true
	}
	if t, ok := s.Map[id.Thing]; ok && t.has(id) {
		return true
	}
	return slices.ContainsFunc(s.List, func(t thingSync) bool { return t.Thing == id.Thing && t.has(id) })
}

// bothWays is the direction that the shadow manager takes where none is set.
const bothWays = "betweenDeviceAndCloud"

// synced looks up whether the shadow manager synchronises the shadows with the
// cloud. A nucleus shows every component's configuration to every component
// (aws-greengrass/aws-greengrass-nucleus
// builtin/services/configstore/ConfigStoreIPCEventStreamAgent.java).
func (x *examination) synced(ctx context.Context) {
	const check = "synchronisation"
	response, err := x.conn.GetConfiguration(ctx, model.GetConfigurationRequest{ComponentName: shadowService})
	var tree struct{ Synchronize synchronisation }
	if err == nil {
		err = json.Unmarshal(response.Value, &tree)
	}
	if err != nil {
		x.skip(check, "the configuration of %s is not shown (%v); look for synchronize in: %s", shadowService, err, x.cli("component details --name %s", shadowService))
		return
	}
	for _, label := range slices.Sorted(maps.Keys(x.config.Shadows)) {
		id := x.config.Shadows[label].ID
		direction := cmp.Or(tree.Synchronize.Direction, bothWays)
		switch covered := tree.Synchronize.covers(id, x.thing); {
		case covered && strings.EqualFold(direction, bothWays):
			x.ok(check, "%s is synchronised with the cloud", id)
		case covered:
			x.report(check, ShadowUnsynced, fmt.Sprintf("%s is synchronised in one direction only: %s", id, direction), "the direction "+bothWays, x.syncBlock(map[string]any{"direction": bothWays}))
		default:
			x.report(check, ShadowUnsynced, fmt.Sprintf("%s is not synchronised with the cloud", id),
				"an entry in synchronize, unless the shadow is for this device alone (lists are replaced as a whole: add what is there)", x.syncBlock(x.syncEntry(id)))
		}
	}
}

// syncEntry is what a shadow needs in synchronize.
func (x *examination) syncEntry(id shadow.ID) map[string]any {
	entry := map[string]any{"classic": true}
	if id.Name != "" {
		entry = map[string]any{"namedShadows": []string{id.Name}}
	}
	if id.Thing == x.thing {
		return map[string]any{"coreThing": entry}
	}
	return map[string]any{"shadowDocumentsMap": map[string]any{id.Thing: entry}}
}

func (x *examination) syncBlock(synchronize map[string]any) string {
	text, err := json.Marshal(map[string]any{"synchronize": synchronize})
	if err != nil {
		panic("doctor: synchronize cannot be encoded: " + err.Error()) // it is strings
	}
	return fmt.Sprintf("# in the deployment:\n# %q: {\"configurationUpdate\": {\"merge\": %q}}", shadowService, text)
}
