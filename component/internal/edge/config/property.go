package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/reading"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// propertyKinds declares the kinds of properties. The key with the name of a kind makes a
// property that kind; a level has none.
var propertyKinds = [...]kindDeclaration{
	Level:   {"level", "whether a line is on: of an output it can be desired", gpio.AsIs},
	Pulse:   {"pulse", "true while an output is on for a time; desire true to begin", gpio.Output},
	Blink:   {"blink", "true while an output goes on and off", gpio.Output},
	PWM:     {"pwm", "percentage of each period that an output is on", gpio.Output},
	Pattern: {"patterns", "word for what several outputs are together", gpio.Output},
	Count:   {"count", "edges of an input; desire a number to set it", gpio.Input},
	Rate:    {"rate", "edges of an input in a unit of time", gpio.Input},
	Period:  {"period", "seconds from edge to edge of an input", gpio.Input},
	Changed: {"changed", "time of the last edge of an input", gpio.Input},

	Duty:      {"duty", "percentage of the time that an input is on", gpio.Input},
	LastPulse: {"lastPulse", "seconds that an input was on, or off, the last time", gpio.Input},
	Reading:   {"reading", "number that a sensor of the machine shows", gpio.AsIs},

	Setting:  {"setting", "value that was desired last and is in force", gpio.AsIs},
	Flag:     {"alarm", "whether an alarm is raised; desire false to reset one that is latched", gpio.AsIs},
	Schedule: {"schedule", "when an output is switched, as desired last, and what comes next", gpio.AsIs},
}

type kindDeclaration struct {
	name, doc string
	lines     gpio.Direction // of its lines; AsIs is either
}

func (k Kind) String() string { return propertyKinds[k].name }

// hasLine reports whether properties of the kind have one line.
func (k Kind) hasLine() bool {
	return !slices.Contains([]Kind{Pattern, Setting, Flag, Schedule, Reading}, k)
}

// isOutput reports whether properties of the kind drive outputs; a Level is of
// either direction.
func (k Kind) isOutput() bool { return propertyKinds[k].lines == gpio.Output }

func kindVariants() (variants []Variant) {
	for _, k := range propertyKinds {
		variants = append(variants, Variant{k.name, k.doc})
	}
	return variants
}

var propertyObject = declare("property", "What one key of a shadow shows, of lines or of what goes on in the device.", slices.Concat([]*key[Property]{
	field("line", text, func(p *Property) *string { return &p.Line }, "Label of the line.").needed("").
		of(Level, Pulse, Blink, PWM, Count, Rate, Period, Changed, Duty, LastPulse),
	part("values", Shape{Type: Map, Size: [2]int{2, 2}, Elem: &onOff.Shape}, (*parser).values,
		"Words of the shadow for on and off; true and false without it.").of(Level, Pulse, Blink),
	field("override", oneOf(UpdatesDesired, CloudWins, HoldsUntilNextDesired), func(p *Property) *Override { return &p.Override },
		"Of an output: who wins when it was changed locally.").or(UpdatesDesired).of(Level, Blink, PWM),

	field("pulse", span(MinWave, MaxTime), func(p *Property) *time.Duration { return &p.Pulse }, "How long it is on.").of(Pulse),
	field("expires", span(time.Second, MaxTime), func(p *Property) *time.Duration { return &p.Expires },
		"How old a command may be when it arrives; an older one is answered with 408 and not carried out. Without it a command is carried out however late.").of(Pulse, Count, Flag),
	inside("blink", blinkObject, "How long it is on and off.").of(Blink),
	inside("pwm", pwmObject, "The time that the percentage is of.").of(PWM),
	part("patterns", patternsShape, (*parser).patterns, "By word the state of each line; all words name the same lines of one chip.").of(Pattern),
	field("count", edges, func(p *Property) *gpio.Edges { return &p.Edges }, "Which edges count.").of(Count),
	field("rate", edges, func(p *Property) *gpio.Edges { return &p.Edges }, "Which edges count.").of(Rate),
	field("period", edges, func(p *Property) *gpio.Edges { return &p.Edges }, "From and to which edges.").of(Period),
	field("changed", edges, func(p *Property) *gpio.Edges { return &p.Edges }, "Which edges count.").of(Changed),
	field("lastPulse", onOff, func(p *Property) *bool { return &p.Pulsed }, "Whether the time on is shown, or the time off.").of(LastPulse),
	field("reading", sensorName, func(p *Property) *string { return &p.Sensor }, "Name of the sensor, as `shadowgpio sensors` lists it.").of(Reading),
	field("unit", text, func(p *Property) *string { return &p.Unit }, "Unit for people, after scale; without it that of the sensor, if nothing is scaled.").of(Count, Rate, Duty, LastPulse, Reading),

	field("scale", number(MinScale, MaxScale), func(p *Property) *float64 { return &p.Scale }, "What one edge stands for; of other samples a factor.").or(1).of(Count, Rate, Duty, LastPulse, Reading),
	field("per", span(time.Millisecond, MaxTime), func(p *Property) *time.Duration { return &p.Per }, "The unit of time.").or(DefaultPer).of(Rate),
	field("timeout", span(10*time.Millisecond, MaxTime), func(p *Property) *time.Duration { return &p.Timeout },
		"Without an edge for so long it is 0.").or(DefaultTimeout).of(Rate, Period),
	field("duty", span(10*time.Millisecond, MaxTime), func(p *Property) *time.Duration { return &p.Timeout },
		"Without an edge for so long it is 0 or 100.").of(Duty),
	field("interval", span(100*time.Millisecond, MaxTime), func(p *Property) *time.Duration { return &p.Interval },
		"Time from one sample to the next; default "+brief(DefaultSample)+" of a reading.").or(DefaultInterval).of(Count, Rate, Period, Duty, LastPulse, Reading),

	field("median", whole(1, reading.MaxWindow), func(p *Property) *int { return &p.Rules.Median }, "Samples of which the median is taken.").or(1).of(sampled...),
	field("average", whole(1, reading.MaxWindow), func(p *Property) *int { return &p.Rules.Average }, "Samples of which the average is taken, after the median.").or(1).of(sampled...),
	field("offset", number(-MaxSetting, MaxSetting), func(p *Property) *float64 { return &p.Rules.Offset }, "What is added, after scale.").or(0).of(sampled...),
	inside("clamp", clampObject, "Bounds of the value, after offset.").of(sampled...),
	field("decimals", whole(0, reading.MaxDecimals), func(p *Property) *int { return &p.Rules.Decimals }, "Digits after the point.").or(DefaultDecimals).of(Duty, LastPulse, Reading),
	part("deadband", Shape{Type: Band}, (*parser).deadband, "How far a value must be from the one reported last to be reported; with % in percent of that one.").of(sampled...),
	field("minInterval", span(0, MaxTime), func(p *Property) *time.Duration { return &p.Rules.MinInterval }, "Least time between two reports.").or("0s").of(sampled...),
	field("maxInterval", span(time.Second, MaxTime), func(p *Property) *time.Duration { return &p.Rules.MaxInterval },
		"Time after which a value is reported though it did not change; without it never.").of(sampled...),

	field("setting", oneOf(BooleanValue, NumberValue, IntegerValue, StringValue, ObjectValue), func(p *Property) *ValueType { return &p.Domain.Type },
		"Of its values.").of(Setting),
	part("members", membersShape, (*parser).members, "Of a setting that is an object: its members.").of(Setting),
}, domainKeys(func(p *Property) *Domain { return &p.Domain }, Setting), []*key[Property]{
	field("alarm", text, func(p *Property) *string { return &p.Alarm }, "Label of the alarm.").of(Flag),
	field("schedule", outputLabel, func(p *Property) *string { return &p.Drives }, "Label of an output that no pattern holds.").of(Schedule),
	field("maxSize", whole(64, 4096), func(p *Property) *int { return &p.MaxSize }, "Largest schedule, in bytes of compact JSON.").or(DefaultMaxSize).of(Schedule),
})...).by("", kindVariants()...)

// sampled are the kinds that make reports of samples.
var sampled = []fmt.Stringer{Rate, Period, Duty, LastPulse, Reading}

// sensorName is a name that a sensor may have; whether this machine has it is found
// out when it runs.
var sensorName = form[string]{Shape{Type: Text, Pattern: `^(` + strings.Join(sensor.Families(), "|") + `)(\..+)?$`}, func(_ *parser, n node) string {
	name := n.text()
	if _, err := sensor.Family(name); err != nil {
		family, _, _ := strings.Cut(name, ".")
		n.faults.add(n.path, "a name that begins with "+strings.Join(sensor.Families(), ", "), strconv.Quote(name), Nearest(family, sensor.Families()))
	}
	return name
}}

var clampObject = declare("clamp", "Bounds of a value; what is beyond is at the bound.",
	bound("min", func(p *Property) **float64 { return &p.Rules.Min }, "Least value."),
	bound("max", func(p *Property) **float64 { return &p.Rules.Max }, "Largest value."),
)

// bound declares a number that may be missing.
func bound(name string, at func(*Property) **float64, doc string) *key[Property] {
	form := number(-MaxSetting, MaxSetting)
	return part(name, form.Shape, func(p *parser, n node, dst *Property) { *at(dst) = new(form.read(p, n)) }, doc)
}

// deadband reads a distance, or a percentage.
func (p *parser) deadband(n node, property *Property) {
	if text, ok := n.value.(string); ok && strings.HasSuffix(text, "%") {
		n.value = strings.TrimSpace(strings.TrimSuffix(text, "%"))
		property.Rules.DeadbandPercent = n.number(0, 100)
		return
	}
	property.Rules.Deadband = n.number(0, MaxSetting)
}

// checkSampled completes what is measured.
func (p *parser) checkSampled(n node, property *Property, given map[string]node) {
	r := &property.Rules
	if !slices.Contains(sampled, fmt.Stringer(property.Kind)) {
		*r = reading.Rules{}
		return
	}
	switch property.Kind {
	case Rate, Period:
		r.Decimals = reading.MaxDecimals // they have significant digits
	case Reading:
		if _, ok := given["interval"]; !ok {
			property.Interval = DefaultSample
		}
	}
	if property.Kind != Rate { // its scale is that of an edge
		r.Scale = property.Scale
	}
	if r.Median%2 == 0 {
		p.faults.add(n.path+".median", "an odd number", fmt.Sprint(r.Median), "an even one has no middle")
	}
	if r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		p.faults.add(n.path+".clamp.min", fmt.Sprintf("at most max, %g", *r.Max), fmt.Sprint(*r.Min), "")
	}
	if r.MaxInterval > 0 && r.MaxInterval < r.MinInterval {
		p.faults.add(n.path+".maxInterval", "at least minInterval, "+brief(r.MinInterval), brief(r.MaxInterval), "")
	}
}

var blinkObject = declare("blink", "How an output goes on and off.",
	field("on", span(MinWave, MaxTime), func(p *Property) *time.Duration { return &p.On }, "How long it is on.").needed(""),
	field("off", span(MinWave, MaxTime), func(p *Property) *time.Duration { return &p.Off }, "How long it is off.").needed(""),
).complete("both times, such as {on: 500ms, off: 500ms}")

var pwmObject = declare("pwm", "Slow pulse width modulation.",
	field("period", span(10*MinWave, MaxTime), func(p *Property) *time.Duration { return &p.Period }, "From on to on.").needed(""),
).complete("a period, such as {period: 10s}")

func (p *parser) property(n node, name string) Property {
	property := Property{}
	given := propertyObject.read(p, n, &property)
	p.propertyName(n, name)
	property.Kind = p.kind(n, given)
	propertyObject.misplaced(property.Kind.String(), given, func(k Key, at node) {
		p.faults.add(at.path, "no such key beside "+property.Kind.String(), "a key of "+strings.Replace(strings.Join(k.Of, ", "), Level.String(), "a level", 1), "")
	})
	if property.Kind != Setting {
		property.Domain = Domain{}
	}
	if property.Kind != Schedule {
		property.MaxSize = 0
	}
	switch {
	case property.Kind == Pattern:
		property.Output = true
	case property.Kind == Reading:
	case property.Kind == Setting:
		p.checkDomain(n, &property.Domain, given)
	case property.Kind == Flag:
		p.flags = append(p.flags, given["alarm"])
	case property.Kind == Schedule:
		p.scheduled = append(p.scheduled, given["schedule"])
	default:
		_, overridden := given["override"]
		p.propertyLine(n, &property, given["line"], overridden)
	}
	p.checkSampled(n, &property, given)
	p.claimOutputs(n, property)
	p.checkTimes(n, property)
	return property
}

// reservedProperties are names that a property may not have.
var reservedProperties = []string{shadow.AckKey, shadow.StatusKey, shadow.SyncKey, "state"}

func (p *parser) propertyName(n node, key string) {
	switch {
	case !propertyPattern.MatchString(key):
		p.faults.add(n.path, "a property name, 1 to 64 of a-z A-Z 0-9 : _ -", strconv.Quote(key), "")
	case slices.Contains(reservedProperties, key):
		p.faults.add(n.path, "another property name", strconv.Quote(key), "ack, status and sync are written by the component itself, and the shadow manager mistakes state")
	}
}

// kind is what the given keys make of a property.
func (p *parser) kind(n node, given map[string]node) Kind {
	var found []string
	for _, k := range propertyKinds {
		if _, ok := given[k.name]; ok {
			found = append(found, k.name)
		}
	}
	slices.Sort(found)
	if len(found) == 0 {
		return Level
	}
	if len(found) > 1 {
		p.faults.add(n.path, "one of "+strings.Join(found, ", "), "all of them", "a property shows one thing")
	}
	return kindOf(found[0])
}

func kindOf(name string) Kind {
	return Kind(slices.IndexFunc(propertyKinds[:], func(k kindDeclaration) bool { return k.name == name }))
}

// patternsShape is words of lines and their states.
var patternsShape = Shape{Type: Map, Size: [2]int{2, 0}, Elem: &Shape{Type: Map, Size: [2]int{1, 0}, Elem: &onOff.Shape}}

// patterns reads the words of a property and what each makes of the same lines.
func (p *parser) patterns(n node, property *Property) {
	patterns := map[string]map[string]bool{}
	owner := map[string]string{} // word by the states it stands for
	var all []string
	n.each(func(word string, n node) {
		states := map[string]bool{}
		n.each(func(label string, n node) {
			if p.label(node{n.path, label, n.faults}, gpio.Output) != "" {
				states[label] = onOff.read(p, n)
			}
		})
		lines := slices.Sorted(maps.Keys(states))
		if len(patterns) == 0 {
			all = lines
		} else if !slices.Equal(lines, all) {
			n.fault("the lines of the other patterns, " + strings.Join(all, " and "))
		}
		if other, taken := owner[fmt.Sprint(states)]; taken && !p.faults.under(n.path) {
			n.fault("other states than those of " + strconv.Quote(other))
		}
		owner[fmt.Sprint(states)] = word
		patterns[word] = states
		p.apart(n, states)
	})
	if len(patterns) < 2 && !p.faults.under(n.path) {
		n.fault("at least two words, each with the states of the same lines")
	}
	if len(all) == 0 && len(patterns) > 0 && !p.faults.under(n.path) {
		n.fault("at least one line in each pattern")
	}
	property.Patterns = patterns
}

// apart refuses a pattern that has two lines of an interlock on.
func (p *parser) apart(n node, states map[string]bool) {
	for label, lock := range p.config.Interlocks {
		var on []string
		for _, line := range lock.Lines {
			if states[line] {
				on = append(on, line)
			}
		}
		if len(on) > 1 {
			p.faults.add(n.path, "at most one line of interlocks."+label+" on", strings.Join(on, " and "), "")
		}
	}
}

// propertyLine finds the line of a property, which must have its direction.
func (p *parser) propertyLine(n node, property *Property, at node, overridden bool) {
	if at.faults == nil {
		at = node{n.path + ".line", "", n.faults}
	}
	property.Line = at.text()
	line, known := p.config.Lines[property.Line]
	property.Output = line.Direction == gpio.Output
	kind := property.Kind
	switch {
	case !known:
		p.unknownLine(at.path, property.Line)
	case kind.isOutput() && line.Direction == gpio.Input:
		p.faults.add(at.path, fmt.Sprintf("an output, as %v needs one", kind), strconv.Quote(property.Line), "it is an input")
	case kind != Level && !kind.isOutput() && property.Output:
		p.faults.add(at.path, fmt.Sprintf("an input, as %v needs one", kind), strconv.Quote(property.Line), "it is an output")
	case !property.Output && overridden:
		p.faults.add(n.path+".override", "no such key on an input", "a key of an output", "")
	}
}

// claimOutputs makes a property the only one of its outputs.
func (p *parser) claimOutputs(n node, property Property) {
	if !property.Output {
		return
	}
	path := n.path + ".line"
	if property.Kind == Pattern {
		path = n.path + ".patterns"
	}
	for _, label := range property.Lines() {
		if other, taken := p.outputs[label]; taken {
			p.faults.add(path, "an output of its own", strconv.Quote(label), "it is the output of "+other.path)
		}
		p.outputs[label] = owner{n.path, property}
		if property.Kind == Pattern && p.config.Lines[label].MaxOn > 0 {
			p.faults.add(path, "a line without maxOn", strconv.Quote(label), "a pattern has no state for the time after it")
		}
	}
	if property.Kind == Pattern {
		p.oneChip(path, property.Lines())
	}
}

// oneChip refuses lines that cannot be set in one kernel call.
func (p *parser) oneChip(path string, labels []string) {
	for _, label := range labels[min(1, len(labels)):] {
		a, b := p.config.Lines[labels[0]].Ref.Chip, p.config.Lines[label].Ref.Chip
		if a != "" && b != "" && a != b {
			p.faults.add(path, "lines of one chip", fmt.Sprintf("%s on %q and %s on %q", labels[0], a, label, b), "a pattern is set in one kernel call")
		}
	}
}

// checkTimes refuses times that the rules of the line could never allow.
func (p *parser) checkTimes(n node, property Property) {
	line := p.config.Lines[property.Line]
	atLeast := func(key string, d, least time.Duration, rule string) {
		if d > 0 && d < least {
			p.faults.add(n.path+"."+key, fmt.Sprintf("at least %s, the %s of %s", brief(least), rule, property.Line), brief(d), "")
		}
	}
	atMost := func(key string, d time.Duration) {
		if line.MaxOn > 0 && d > line.MaxOn {
			p.faults.add(n.path+"."+key, fmt.Sprintf("at most %s, the maxOn of %s", brief(line.MaxOn), property.Line), brief(d), "")
		}
	}
	switch property.Kind {
	case Pulse:
		atLeast("pulse", property.Pulse, line.MinOn, "minOn")
		atMost("pulse", property.Pulse)
	case Blink:
		atLeast("blink.on", property.On, line.MinOn, "minOn")
		atMost("blink.on", property.On)
		atLeast("blink.off", property.Off, line.MinOff, "minOff")
	case PWM:
		atLeast("pwm.period", property.Period, line.MinOn+line.MinOff, "minOn and minOff together")
	}
}

// values reads the words of a property. Each line state has exactly one: with
// two words for one state a settled property would keep its delta for ever.
func (p *parser) values(n node, property *Property) {
	words := map[bool]string{}
	ok := true
	n.each(func(word string, n node) {
		on := onOff.read(p, n)
		_, twice := words[on]
		ok = ok && !twice && word != ""
		words[on] = word
	})
	if !ok || len(words) != 2 {
		n.fault(`one word for on and one for off, such as {"open": on, "closed": off}`)
	}
	property.Values = Words(words[true], words[false])
}
