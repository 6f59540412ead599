package engine

import (
	"maps"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// bindSetting puts the value of a setting in force that an earlier run adopted, or
// its default.
func (e *Engine) bindSetting(p *property) {
	value, err := p.Initial(e.memory.settings[p.id()])
	if err != nil {
		e.log.Warn("remembered setting does not fit any more; it takes its default", "shadow", p.shadow.id, "property", p.key, "error", err)
	}
	p.value = value
	p.shadow.want[p.key] = value
}

// set adopts a desired value of a setting, and reports what is in force. Only what was
// desired is remembered: the default of another member may be another one later.
func (e *Engine) set(now time.Time, p *property, desired any) {
	adopted, err := p.ParseSetting(desired, e.memory.settings[p.id()])
	if err != nil {
		e.answer(p.shadow, p.key, shadow.Refused, err.Error())
		return
	}
	e.memory.settings[p.id()] = adopted
	p.value, _ = p.Initial(adopted) // which names members that do not fit any more when it is bound
	p.shadow.want[p.key] = p.value
	e.remember(now, saveDelay)
	e.answer(p.shadow, p.key, shadow.Done, "")
}

// merged is what is desired after an update, of the keys that it wrote: of objects
// an update has only the members that it changed.
func (s *shadowState) merged(written map[string]any) map[string]any {
	all := make(map[string]any, len(written))
	for key, value := range written {
		all[key] = value
		if !withdrawn(value) {
			all[key] = merge(s.desired[key], value)
		}
	}
	return all
}

// merge is what an update makes of a value: members of objects one by one, null
// deletes them; anything else is replaced
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
func merge(have, written any) any {
	patch, ok := written.(map[string]any)
	if !ok {
		return written
	}
	before, _ := have.(map[string]any)
	result := own(before)
	for key, value := range patch {
		if withdrawn(value) {
			delete(result, key)
		} else {
			result[key] = merge(result[key], value)
		}
	}
	maps.DeleteFunc(result, func(_ string, value any) bool { return value == nil })
	return result
}
