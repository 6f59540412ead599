package config

import (
	"fmt"
	"regexp"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
)

var (
	thingPattern    = regexp.MustCompile(`^[a-zA-Z0-9:_-]{1,128}$`)
	shadowPattern   = regexp.MustCompile(`^[a-zA-Z0-9:_-]{1,64}$`)
	propertyPattern = regexp.MustCompile(`^[a-zA-Z0-9:_-]{1,64}$`)
)

// reservedShadow belongs to the nucleus itself.
const reservedShadow = "AWSManagedGreengrassV2Deployment"

func (p *parser) thing(n node, dst *string) {
	name := n.text()
	if name == "" {
		return
	}
	if !thingPattern.MatchString(name) {
		n.fault("a thing name, 1 to 128 of a-z A-Z 0-9 : _ -")
	}
	*dst = name
}

func (p *parser) shadows(n node) {
	if n.faults == nil {
		return
	}
	owner := map[shadow.ID]string{}
	status := "" // label of the shadow that has it
	n.each(func(label string, n node) {
		s := Shadow{ID: shadow.ID{Thing: p.thingName}, Properties: map[string]Property{}}
		var properties node
		n.fields(map[string]func(node){
			"thing":      func(n node) { p.thing(n, &s.ID.Thing) },
			"name":       func(n node) { s.ID.Name = p.shadowName(n) },
			"status":     func(n node) { s.Status = n.boolean() },
			"properties": func(n node) { properties = n },
		})
		if s.ID.Thing == "" {
			p.faults.add(n.path+".thing", "a thing name, here, as thingName, or in AWS_IOT_THING_NAME", `""`, "")
		}
		if other, taken := owner[s.ID]; taken {
			p.faults.add(n.path, "a shadow of its own", s.ID.String(), "it is the shadow of shadows."+other)
		}
		owner[s.ID] = label
		if s.Status && status != "" {
			p.faults.add(n.path+".status", "one shadow with the status", "true", "shadows."+status+" has it")
		} else if s.Status {
			status = label
		}
		if properties.faults != nil {
			properties.each(func(key string, n node) { s.Properties[key] = p.property(n, key) })
		}
		if size := settledSize(s); size > MaxDocument {
			p.faults.add(n.path, fmt.Sprintf("at most %d bytes of desired and reported state", MaxDocument), fmt.Sprintf("%d bytes", size), "move properties to another named shadow")
		}
		p.config.Shadows[label] = s
	})
}

func (p *parser) shadowName(n node) string {
	name := n.text()
	switch {
	case name == reservedShadow:
		n.fault("another shadow than the nucleus's own")
	case name != "" && !shadowPattern.MatchString(name):
		n.fault(`a shadow name, 1 to 64 of a-z A-Z 0-9 : _ -, or "" for the classic shadow`)
	}
	return name
}
