package engine

import (
	"errors"
	"maps"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
)

// DiskFault says that a part of the work directory cannot be read or written, or
// with a nil Err that it can again. The status shows it under the name What.
type DiskFault struct {
	What string // stateFault, configuration, journal
	Err  error
}

// ErrNotRead fails the saves of a run whose state file cannot be read. A DiskFault
// says why.
var ErrNotRead = errors.New("the state file could not be read, and is left alone")

// stateFault is the name of the fault of the state file.
const stateFault = "state"

func (in DiskFault) apply(e *Engine, _ time.Time) { e.setDiskFault(in.What, in.Err) }

// setDiskFault shows a fault, or with nil no fault, of a part of the work
// directory.
func (e *Engine) setDiskFault(what string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if e.diskFaults[what] == text {
		return
	}
	// Snapshots share the map.
	e.diskFaults = maps.Clone(e.diskFaults)
	if text == "" {
		delete(e.diskFaults, what)
	} else {
		if e.diskFaults == nil {
			e.diskFaults = map[string]string{}
		}
		e.diskFaults[what] = text
	}
	e.showStatus()
}

// showSaved shows whether the last save failed, without paths: a shadow has room
// for a few words.
func (e *Engine) showSaved(err error) {
	if errors.Is(err, ErrNotRead) {
		return
	}
	if err != nil {
		err = errors.New("not saved: " + durable.Reason(err).Error())
	}
	e.setDiskFault(stateFault, err)
}
