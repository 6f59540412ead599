package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// maxFaults is how many faults the status names; the log has all.
const maxFaults = 8

// status is what the component reports of itself in reported.status, in the one
// shadow that is configured for it:
//
//	{"running": true, "since": "2026-01-02T03:04:05Z", "version": "1.0.0", "faults": {"lamp": "…"}}
//
// A component that is killed cannot say so: it stays running there until it runs
// again.
type status struct {
	running  bool
	since    time.Time
	version  string
	refused  string            // why the latest configuration is not in force
	troubles map[string]string // by the label of a line, or the name of what is wrong
	disk     map[string]error  // by the part of the work directory
}

// document is the status as the shadow has it.
func (s status) document() map[string]any {
	d := map[string]any{"running": s.running, "since": s.since.UTC().Format(time.RFC3339), "version": s.version}
	faults := map[string]any{}
	for _, name := range sortedKeys(s.troubles) {
		if len(faults) < maxFaults {
			faults[name] = shadow.CutReason(s.troubles[name])
		}
	}
	// Faults that concern everything are not hidden by any number of others.
	for _, what := range sortedKeys(s.disk) {
		faults[what] = shadow.CutReason(s.disk[what].Error())
	}
	if s.refused != "" {
		faults["configuration"] = shadow.CutReason(s.refused)
	}
	if len(faults) > 0 {
		d["faults"] = faults
	}
	return d
}
