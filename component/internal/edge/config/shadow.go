package config

import (
	"cmp"
	"fmt"
	"regexp"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Patterns of names. "" stands for another name, except of properties.
var (
	thingPattern    = regexp.MustCompile(`^[a-zA-Z0-9:_-]{0,128}$`)
	shadowPattern   = regexp.MustCompile(`^[a-zA-Z0-9:_-]{0,64}$`)
	propertyPattern = regexp.MustCompile(`^[a-zA-Z0-9:_-]{1,64}$`)
)

// reservedShadow belongs to the nucleus itself.
const reservedShadow = "AWSManagedGreengrassV2Deployment"

// thing is the name of a thing, or "" for another one.
var thing = matching(thingPattern, "a thing name, 1 to 128 of a-z A-Z 0-9 : _ -")

var shadowObject = declare("shadow", "One device shadow.",
	field("thing", thing, func(s *Shadow) *string { return &s.ID.Thing }, "The thing whose shadow it is; `\"\"` is `thingName`.").or(""),
	field("name", shadowName, func(s *Shadow) *string { return &s.ID.Name }, "Name of the shadow; `\"\"` is the classic one.").or(""),
	field("status", truth, func(s *Shadow) *bool { return &s.Status },
		"The component tells of itself in `reported.status`; in one shadow at most.").or(false),
	part("properties", Shape{Type: Map, Pattern: propertyPattern.String(), Except: reservedProperties, Elem: &Shape{Type: Group, Object: &propertyObject.Object}},
		(*parser).properties, "What the shadow shows, by the key under desired and reported."),
)

func (p *parser) shadows(n node) {
	owner := map[shadow.ID]string{}
	status := "" // label of the shadow that has it
	n.each(func(label string, n node) {
		s := Shadow{Properties: map[string]Property{}}
		shadowObject.read(p, n, &s)
		s.ID.Thing = cmp.Or(s.ID.Thing, p.thingName, p.device)
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
		if size := settledSize(s); size > MaxDocument {
			p.faults.add(n.path, fmt.Sprintf("at most %d bytes of desired and reported state", MaxDocument), fmt.Sprintf("%d bytes", size), "move properties to another named shadow")
		}
		p.config.Shadows[label] = s
	})
}

func (p *parser) properties(n node, s *Shadow) {
	n.each(func(key string, n node) { s.Properties[key] = p.property(n, key) })
}

var shadowName = form[string]{Shape{Type: Text, Pattern: shadowPattern.String(), Except: []string{reservedShadow}}, func(_ *parser, n node) string {
	name := n.text()
	switch {
	case name == reservedShadow:
		n.fault("another shadow than the nucleus's own")
	case !shadowPattern.MatchString(name):
		n.fault(`a shadow name, 1 to 64 of a-z A-Z 0-9 : _ -, or "" for the classic shadow`)
	}
	return name
}}
