package engine

import (
	"maps"
	"slices"
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
func (e *Engine) status() map[string]any {
	status := map[string]any{
		"running": !e.stopped,
		"since":   e.since.UTC().Format(time.RFC3339),
		"version": e.version,
	}
	faults := map[string]any{}
	troubles := e.troubles()
	for _, name := range slices.Sorted(maps.Keys(troubles)) {
		if len(faults) < maxFaults {
			faults[name] = shadow.CutReason(troubles[name])
		}
	}
	for what, text := range e.diskFaults {
		faults[what] = shadow.CutReason(text)
	}
	if e.refused != "" {
		faults["configuration"] = shadow.CutReason(e.refused)
	}
	if len(faults) > 0 {
		status["faults"] = faults
	}
	return status
}

// troubles are what is wrong, by the label of a line, or the name of what waits for
// something.
func (e *Engine) troubles() map[string]string {
	all := e.waitsFor()
	maps.Copy(all, e.sensorFaults())
	for label, err := range e.bank.Faults() {
		all[label] = err.Error()
	}
	return all
}

// showStatus reports the status where it is shown.
func (e *Engine) showStatus() {
	for _, s := range e.shadows {
		if s.showsStatus {
			s.want[shadow.StatusKey] = e.status()
			e.touch(s)
		} else if _, shown := s.want[shadow.StatusKey]; shown {
			s.want[shadow.StatusKey] = nil
			e.touch(s)
		}
	}
}

// patch is what turns the value that a shadow has into another: of objects only
// the members that differ, those that are gone as null. An object that would be
// emptied is deleted as a whole, since the empty one would stay.
func patch(have, want any) any {
	from, ok := have.(map[string]any)
	to, ok2 := want.(map[string]any)
	if !ok || !ok2 {
		return want
	}
	changed := map[string]any{}
	for key, value := range to {
		if old, had := from[key]; !had || !shadow.Equal(old, value) {
			changed[key] = patch(old, value)
		}
	}
	for key := range from {
		if _, stays := to[key]; !stays {
			changed[key] = nil
		}
	}
	return changed
}

func (in Refused) apply(e *Engine, _ time.Time) {
	e.refused = in.Reason
	e.showStatus()
}
