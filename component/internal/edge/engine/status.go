package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// maxFaults limits the faults in the status; the log has all.
const maxFaults = 8

// status is the value of reported.status, in the shadow configured for it:
//
//	{"running": true, "since": "2026-01-02T03:04:05Z", "version": "1.0.0", "faults": {"lamp": "…"}}
//
// A killed component cannot update the status: it stays "running" until the next run.
type status struct {
	running  bool
	since    time.Time
	version  string
	refused  string            // why the latest configuration was rejected
	troubles map[string]string // by the label of a line, or the name of the faulty part
	disk     map[string]error  // by the part of the work directory
}

// document returns the status as written to the shadow.
func (s status) document() map[string]any {
	d := map[string]any{"running": s.running, "since": s.since.UTC().Format(time.RFC3339), "version": s.version}
	faults := map[string]any{}
	for _, name := range sortedKeys(s.troubles) {
		if len(faults) < maxFaults {
			faults[name] = shadow.CutReason(s.troubles[name])
		}
	}
	// Faults of the whole component are always shown.
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
