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
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/shadowmanager"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

func (x *examination) noShadowManager(check string) {
	x.report(check, ShadowManagerMissing, "the nucleus has no shadow operations: aws.greengrass.ShadowManager is not deployed",
		"the component aws.greengrass.ShadowManager on this core device, or transport: iotCore",
		x.cli("deployment create --merge %q", shadowService+"=2.3.1"))
}

// synced looks up whether the shadow manager synchronises the shadows with the
// cloud. A nucleus shows every component's configuration to every component
// (aws-greengrass/aws-greengrass-nucleus
// builtin/services/configstore/ConfigStoreIPCEventStreamAgent.java).
func (x *examination) synced(ctx context.Context) {
	const check = "synchronisation"
	response, err := x.conn.GetConfiguration(ctx, model.GetConfigurationRequest{ComponentName: shadowService})
	var tree struct{ Synchronize shadowmanager.Synchronize }
	if err == nil {
		err = json.Unmarshal(response.Value, &tree)
	}
	if err != nil {
		x.skip(check, "the configuration of %s is not shown (%v); look for synchronize in: %s", shadowService, err, x.cli("component details --name %s", shadowService))
		return
	}
	for _, label := range slices.Sorted(maps.Keys(x.config.Shadows)) {
		id := x.config.Shadows[label].ID
		direction := cmp.Or(tree.Synchronize.Direction, shadowmanager.BothWays)
		switch covered := tree.Synchronize.Covers(id, x.thing); {
		case covered && strings.EqualFold(direction, shadowmanager.BothWays):
			x.ok(check, "%s is synchronised with the cloud", id)
		case covered:
			x.report(check, ShadowUnsynced, fmt.Sprintf("%s is synchronised in one direction only: %s", id, direction), "the direction "+shadowmanager.BothWays, syncBlock(shadowmanager.Synchronize{Direction: shadowmanager.BothWays}))
		default:
			x.report(check, ShadowUnsynced, fmt.Sprintf("%s is not synchronised with the cloud", id),
				"an entry in synchronize, unless the shadow is for this device alone (lists are replaced as a whole: add what is there)", syncBlock(x.syncEntry(id)))
		}
	}
}

// syncEntry is what a shadow needs in synchronize, beside what is there.
func (x *examination) syncEntry(id shadow.ID) shadowmanager.Synchronize {
	entry := shadowmanager.Thing{Classic: true}
	if id.Name != "" {
		entry = shadowmanager.Thing{Named: []string{id.Name}}
	}
	if id.Thing == x.thing {
		return shadowmanager.Synchronize{Core: &entry}
	}
	return shadowmanager.Synchronize{Map: map[string]shadowmanager.Thing{id.Thing: entry}}
}

func syncBlock(s shadowmanager.Synchronize) string {
	return script("# in the deployment:", "# "+s.Merge())
}
