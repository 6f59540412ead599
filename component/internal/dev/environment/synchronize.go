package environment

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/eventlog"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/shadowmanager"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
)

// farewell is how long a shadow that a deployment removed is synchronized yet, with a
// link to the cloud: the component withdraws what it has reported there.
const farewell = 5 * time.Second

// synchronization has the core device synchronize the shadows that the configuration in
// force names, as a deployment of its shadow manager would that goes with ours.
type synchronization struct {
	core    *devcore.Core
	thing   string
	log     *eventlog.Log
	removed chan struct{} // one slot: a deployment removed shadows
}

func newSynchronization(core *devcore.Core, thing string, log *eventlog.Log) *synchronization {
	return &synchronization{core, thing, log, make(chan struct{}, 1)}
}

// begin begins with the shadows of the configuration in force.
func (s *synchronization) begin() error {
	wanted, err := s.wanted()
	if err != nil {
		return err
	}
	return s.set(wanted)
}

// deployed adds the shadows of the configuration in force. Those that are no longer in it
// end later, see run.
func (s *synchronization) deployed() (changed control.Synchronized, err error) {
	wanted, err := s.wanted()
	if err != nil {
		return changed, err
	}
	before := s.core.Synchronized()
	changed.Begun, changed.Ending = names(without(wanted, before)), names(without(before, wanted))
	if len(changed.Begun) > 0 {
		if err := s.set(slices.Concat(wanted, without(before, wanted))); err != nil {
			return changed, err
		}
	}
	for _, name := range changed.Begun {
		s.log.Say("cloud", "%v is synchronized from now on", name)
	}
	if len(changed.Ending) > 0 {
		select {
		case s.removed <- struct{}{}:
		default:
		}
	}
	return changed, nil
}

// run ends the synchronization of removed shadows in due time, until ctx is done.
func (s *synchronization) run(ctx context.Context) {
	due := time.NewTimer(farewell)
	due.Stop()
	for {
		select {
		case <-s.removed:
			due.Reset(farewell)
		case <-due.C:
			if !s.core.Link() {
				due.Reset(farewell)
				continue
			}
			s.end()
		case <-ctx.Done():
			return
		}
	}
}

// end ends the synchronization of what the configuration in force does not name.
func (s *synchronization) end() {
	wanted, err := s.wanted()
	if err != nil {
		return // a later deployment is judged anew
	}
	ended := names(without(s.core.Synchronized(), wanted))
	if len(ended) == 0 {
		return
	}
	if err := s.set(wanted); err != nil {
		s.log.Say("cloud", "the synchronization of removed shadows goes on: %v", err)
		return
	}
	for _, name := range ended {
		s.log.Say("cloud", "%v is no longer synchronized", name)
	}
}

// wanted are the shadows of the configuration in force.
func (s *synchronization) wanted() (wanted []devcore.ShadowName, err error) {
	cfg, err := config.Parse(s.core.Configuration(ComponentName), s.thing)
	if err != nil {
		return nil, err
	}
	for _, label := range slices.Sorted(maps.Keys(cfg.Shadows)) {
		id := cfg.Shadows[label].ID
		wanted = append(wanted, devcore.ShadowName{Thing: id.Thing, Shadow: id.Name})
	}
	return wanted, nil
}

// set synchronizes these shadows, and shows them in the configuration of the shadow
// manager, where the doctor looks.
func (s *synchronization) set(shadows []devcore.ShadowName) error {
	if err := s.core.SetSynchronized(shadows); err != nil {
		return err
	}
	var ids []shadow.ID
	for _, name := range shadows {
		ids = append(ids, shadow.ID{Thing: name.Thing, Name: name.Shadow})
	}
	section, err := json.Marshal(map[string]any{"synchronize": shadowmanager.For(ids, s.thing)})
	if err != nil {
		return err
	}
	return s.core.SetConfiguration(shadowmanager.ComponentName, section)
}

// without are the names that the others lack.
func without(names, others []devcore.ShadowName) (rest []devcore.ShadowName) {
	for _, name := range names {
		if !slices.Contains(others, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

func names(shadows []devcore.ShadowName) (list []control.ShadowName) {
	for _, name := range shadows {
		list = append(list, control.ShadowName(name))
	}
	return list
}
