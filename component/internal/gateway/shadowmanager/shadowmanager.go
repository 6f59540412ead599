// Package shadowmanager is the part of the configuration of AWS's shadow manager that
// says which shadows it synchronizes with the cloud
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/model/configuration/ShadowSyncConfiguration.java).
package shadowmanager

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// ComponentName is the name of the shadow manager.
const ComponentName = "aws.greengrass.ShadowManager"

// BothWays is the direction that the shadow manager takes where none is set.
const BothWays = "betweenDeviceAndCloud"

// Synchronize is the key synchronize of its configuration.
type Synchronize struct {
	Core      *Thing           `json:"coreThing,omitempty"`
	Map       map[string]Thing `json:"shadowDocumentsMap,omitempty"`
	List      []Thing          `json:"shadowDocuments,omitempty"`
	Direction string           `json:"direction,omitempty"`
}

// Thing says which shadows of one thing are synchronized.
type Thing struct {
	Thing   string   `json:"thingName,omitempty"` // in List
	Classic any      `json:"classic,omitempty"`   // a boolean, perhaps as a text; absent is true
	Named   []string `json:"namedShadows,omitempty"`
}

func (t *Thing) has(id shadow.ID) bool {
	if id.Name == "" {
		return t.Classic == nil || strings.EqualFold(fmt.Sprint(t.Classic), "true")
	}
	return slices.Contains(t.Named, id.Name)
}

// Covers reports whether a shadow is synchronized; core is the core device.
func (s Synchronize) Covers(id shadow.ID, core string) bool {
	if s.Core != nil && id.Thing == core && s.Core.has(id) {
		return true
	}
	if t, ok := s.Map[id.Thing]; ok && t.has(id) {
		return true
	}
	return slices.ContainsFunc(s.List, func(t Thing) bool { return t.Thing == id.Thing && t.has(id) })
}

// For synchronizes these shadows and no others; core is the core device.
func For(shadows []shadow.ID, core string) Synchronize {
	var s Synchronize
	for _, id := range shadows {
		t := Thing{Classic: false}
		if id.Thing == core && s.Core != nil {
			t = *s.Core
		} else if known, ok := s.Map[id.Thing]; ok {
			t = known
		}
		if id.Name == "" {
			t.Classic = true
		} else {
			t.Named = append(t.Named, id.Name)
			slices.Sort(t.Named)
		}
		if id.Thing == core {
			s.Core = &t
			continue
		}
		if s.Map == nil {
			s.Map = map[string]Thing{}
		}
		s.Map[id.Thing] = t
	}
	return s
}

// Merge is what a deployment merges into the configuration of the shadow manager, as
// the text of a member of its components.
func (s Synchronize) Merge() string {
	text, err := json.Marshal(struct {
		Synchronize Synchronize `json:"synchronize"`
	}{s})
	if err != nil {
		panic("shadowmanager: synchronize cannot be encoded: " + err.Error()) // it is texts and booleans
	}
	return fmt.Sprintf("%q: {\"configurationUpdate\": {\"merge\": %q}}", ComponentName, text)
}
