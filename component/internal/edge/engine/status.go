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
func (e *Engine) status() map[string]any {
	status := map[string]any{
		"running": !e.stopped,
		"since":   e.since.UTC().Format(time.RFC3339),
		"version": e.version,
	}
	faults := map[string]any{}
	troubles := e.troubles()
	for _, name := range sortedKeys(troubles) {
		if len(faults) < maxFaults {
			faults[name] = shadow.CutReason(troubles[name])
		}
	}
	// Two faults concern everything; no number of others may hide them.
	if err := e.faults["state"]; err != nil {
		faults["state"] = shadow.CutReason(err.Error())
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
	all := map[string]string{}
	for _, a := range e.alarms {
		if a.silent {
			all["alarm "+a.label] = silence
		}
	}
	if e.clockAwaited() {
		all["clock"] = "not set since the machine started; schedules wait"
	}
	for _, r := range e.readings {
		if r.fault != nil {
			all["reading "+r.name()] = r.fault.Error()
		}
	}
	for label, err := range e.bank.Faults() {
		all[label] = err.Error()
	}
	for what, err := range e.faults {
		all[what] = err.Error()
	}
	return all
}

// clockAwaited reports whether a schedule waits for the clock.
func (e *Engine) clockAwaited() bool {
	for _, s := range e.schedules {
		if s.waits {
			return true
		}
	}
	return false
}

// showStatus reports the status if it may be different.
func (e *Engine) showStatus() {
	if !e.statusStale {
		return
	}
	e.statusStale = false
	for _, label := range sortedKeys(e.shadows) {
		e.shadows[label].reportStatus(e.status())
	}
}
