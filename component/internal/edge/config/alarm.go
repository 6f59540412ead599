package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Alarm compares an input or a property with a limit, with or without a link.
type Alarm struct {
	Line     string        // label of an input; "" for a Property
	Property Path          // an input, a count, a rate, a period or a setting; the zero Path for a Line
	Test     Test          // how it is compared
	Limit    any           // with what: bool of Is, float64 or string; nil for a Setting
	Setting  Path          // the property that is the limit; the zero Path for none
	Margin   float64       // of Above and Below: how far back it must go to be over; 0 to MaxSetting
	For      time.Duration // 0 to MaxTime; how long the test must hold before the alarm is raised
	Latched  bool          // it stays raised until it is reset through its Flag

	Output string // label of an output that no pattern holds; "" for none
	Set    bool   // what the output becomes when the alarm is raised
	Keep   bool   // the output stays so when it is over
}

// Path names a property of a shadow, both by their labels.
type Path struct{ Shadow, Key string }

func (p Path) String() string { return p.Shadow + "/" + p.Key }

// Test is how an alarm compares.
type Test uint8

// The tests. Is is the one without a key.
const (
	Is Test = iota // on or off
	Above
	Below
	Equal
)

var tests = []Variant{
	{"is", "raised while it is on, or off"},
	{"above", "raised while it is above a limit"},
	{"below", "raised while it is below a limit"},
	{"equal", "raised while it is equal to a value"},
}

func (t Test) String() string { return tests[t].Name }

// alarm is an Alarm as it is read.
type alarm struct {
	Alarm
	property string
	limit    any
	cleared  cleared
}

// cleared is what becomes of an output when the alarm is over.
type cleared bool

func (c cleared) String() string { return map[cleared]string{false: "reverse", true: "keep"}[c] }

var limit = form[any]{Shape{Type: Limit}, func(_ *parser, n node) any { return n.value }}

var alarmObject = declare("alarm", "An input or a value that is watched.",
	field("line", inputLabel, func(a *alarm) *string { return &a.Line }, "Label of the input that is watched."),
	field("property", text, func(a *alarm) *string { return &a.property },
		"Or the property that is watched, as `shadow/property`: an input, a number, a setting."),
	field("is", onOff, func(a *alarm) *bool { return new(bool) }, "The state that raises it; on without any of the four.").of(Is),
	field("above", limit, func(a *alarm) *any { return &a.limit }, "A number, or a setting as `shadow/property`.").of(Above),
	field("below", limit, func(a *alarm) *any { return &a.limit }, "A number, or a setting as `shadow/property`.").of(Below),
	field("equal", anything, func(a *alarm) *any { return &a.limit }, "A number, a word, or a setting as `shadow/property`.").of(Equal),
	field("hysteresis", number(0, MaxSetting), func(a *alarm) *float64 { return &a.Margin },
		"How far back from the limit the value has to go for the alarm to be over.").or(0).of(Above, Below),
	field("for", span(0, MaxTime), func(a *alarm) *time.Duration { return &a.For }, "How long it has to be so before the alarm is raised.").or(time.Duration(0)),
	field("latched", truth, func(a *alarm) *bool { return &a.Latched }, "It stays raised until it is reset through a property of kind alarm.").or(false),
	field("output", outputLabel, func(a *alarm) *string { return &a.Output }, "Label of an output that no pattern holds."),
	field("set", onOff, func(a *alarm) *bool { return &a.Set }, "What the output becomes when the alarm is raised.").or("on"),
	field("cleared", oneOf(cleared(false), cleared(true)), func(a *alarm) *cleared { return &a.cleared },
		"What the output becomes when the alarm is over: the reverse, or it is kept.").or(cleared(false)),
).by("", tests...)

func (p *parser) alarms(n node) {
	n.each(func(label string, n node) {
		a := alarm{}
		given := alarmObject.read(p, n, &a)
		a.Keep = bool(a.cleared)
		a.Test = p.test(n, given)
		alarmObject.misplaced(a.Test.String(), given, func(k Key, at node) {
			p.faults.add(at.path, "no such key beside "+a.Test.String(), "a key of "+strings.Join(k.Of, ", "), "")
		})
		source := p.watched(n, &a, given)
		p.limit(&a, source, given)
		p.ownLine(given["output"], a.Output)
		p.config.Alarms[label] = a.Alarm
	})
}

// test is how the given keys compare.
func (p *parser) test(n node, given map[string]node) Test {
	var found []string
	test := Is
	for i, t := range tests {
		if _, ok := given[t.Name]; ok {
			found, test = append(found, t.Name), Test(i)
		}
	}
	if len(found) > 1 {
		p.faults.add(n.path, "one of "+strings.Join(found, ", "), "all of them", "an alarm has one limit")
	}
	return test
}

// watched finds what an alarm watches, and returns what values that has: the zero
// Domain, of booleans, for a line.
func (p *parser) watched(n node, a *alarm, given map[string]node) Domain {
	_, ofLine := given["line"]
	at, ofProperty := given["property"]
	if ofLine == ofProperty {
		p.faults.add(n.path, "a line or a property to watch", map[bool]string{true: "both", false: "neither"}[ofLine], "")
		return Domain{}
	}
	if ofLine {
		return Domain{}
	}
	property, path, ok := p.propertyAt(at)
	if !ok {
		return Domain{}
	}
	a.Property = path
	domain, ok := property.watchable()
	if !ok {
		p.faults.add(at.path, "an input, a count or another number that is measured, or a setting that is no object", strconv.Quote(a.property), "it is a "+property.words())
	}
	return domain
}

// words is the kind of a property for people.
func (p Property) words() string {
	if p.Kind == Level && p.Output {
		return "level of an output"
	}
	return p.Kind.String()
}

// watchable is which values an alarm can find in the property. Outputs and alarms
// are left out, since alarms could then drive each other in circles.
func (p Property) watchable() (Domain, bool) {
	switch p.Kind {
	case Level:
		return Domain{}, !p.Output
	case Count, Rate, Period, Duty, LastPulse, Reading:
		return Domain{Type: NumberValue}, true
	case Setting:
		return p.Domain, p.Domain.Type != ObjectValue
	}
	return Domain{}, false
}

// limit reads what an alarm compares with, which must be of the type of its source.
func (p *parser) limit(a *alarm, source Domain, given map[string]node) {
	at, ok := given[a.Test.String()]
	switch {
	case a.Test == Is:
		a.Limit = !ok || onOff.read(p, at)
		if source.Type != BooleanValue {
			p.faults.add(pathOf(given), "above, below or equal with "+source.Type.String()+" values", "is", "")
		}
		return
	case source.Type == BooleanValue || a.Test != Equal && !source.Type.IsNumeric():
		at.faults.add(at.path, "no "+a.Test.String()+" with "+source.Type.String()+" values", show(at.value), "")
		return
	}
	name, isText := a.limit.(string)
	if _, err := strconv.ParseFloat(name, 64); isText && err != nil && (a.Test != Equal || p.exists(name)) {
		p.settingLimit(a, at, source)
	} else {
		a.Limit = at.scalar(source.Type)
	}
}

func pathOf(given map[string]node) string {
	for _, key := range []string{"is", "property", "line"} {
		if n, ok := given[key]; ok {
			return n.path
		}
	}
	return ""
}

// settingLimit finds the setting that is a limit.
func (p *parser) settingLimit(a *alarm, at node, source Domain) {
	property, path, ok := p.propertyAt(at)
	if !ok {
		return
	}
	if t := property.Domain.Type; property.Kind != Setting || t != source.Type && !(t.IsNumeric() && source.Type.IsNumeric()) {
		at.fault("a setting with " + source.Type.String() + " values")
		return
	}
	a.Setting = path
}

func (p *parser) exists(name string) bool {
	path := parsePath(name)
	_, ok := p.config.Shadows[path.Shadow].Properties[path.Key]
	return ok
}

// parsePath splits at the last slash: a label may have any characters, a property
// has no slash.
func parsePath(name string) Path {
	cut := max(strings.LastIndexByte(name, '/'), 0)
	return Path{name[:cut], strings.TrimPrefix(name[cut:], "/")}
}

// propertyAt finds a property by its path.
func (p *parser) propertyAt(at node) (Property, Path, bool) {
	text := at.text()
	path := parsePath(text)
	property, ok := p.config.Shadows[path.Shadow].Properties[path.Key]
	if !ok {
		var known []string
		for label, s := range p.config.Shadows {
			for key := range s.Properties {
				known = append(known, Path{label, key}.String())
			}
		}
		slices.Sort(known)
		p.faults.add(at.path, "a property as shadow/property", show(at.value), Nearest(text, known))
	}
	return property, path, ok
}

// checkReferences checks what properties name that stands after them.
func (p *parser) checkReferences() {
	for _, at := range p.flags {
		label := at.text()
		if _, ok := p.config.Alarms[label]; !ok {
			p.faults.add(at.path, "the label of an alarm", strconv.Quote(label), Nearest(label, slices.Sorted(maps.Keys(p.config.Alarms))))
		}
	}
	for _, at := range p.scheduled {
		p.ownLine(at, fmt.Sprint(at.value))
	}
}
