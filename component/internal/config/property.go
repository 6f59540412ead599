package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// The keys that make a property something else than a level, and the further keys
// of each kind.
var (
	kindKeys = map[string]Kind{
		"pulse": Pulse, "blink": Blink, "pwm": PWM, "patterns": Pattern,
		"count": Count, "rate": Rate, "period": Period, "changed": Changed,
	}
	furtherKeys = map[string][]Kind{
		"line":     {Level, Pulse, Blink, PWM, Count, Rate, Period, Changed},
		"values":   {Level, Pulse, Blink},
		"override": {Level, Blink, PWM},
		"scale":    {Count, Rate},
		"per":      {Rate},
		"timeout":  {Rate, Period},
		"interval": {Count, Rate, Period},
	}
)

func (k Kind) String() string {
	for name, kind := range kindKeys {
		if kind == k {
			return name
		}
	}
	return "level"
}

// isOutput reports whether properties of the kind drive outputs; a Level is of
// either direction.
func (k Kind) isOutput() bool { return k == Pulse || k == Blink || k == PWM || k == Pattern }

func (p *parser) property(n node, key string) Property {
	property := Property{Scale: 1, Per: DefaultPer, Timeout: DefaultTimeout, Interval: DefaultInterval}
	given := map[string]node{}
	fields := map[string]func(node){}
	for _, keys := range []func(func(string) bool){maps.Keys(kindKeys), maps.Keys(furtherKeys)} {
		keys(func(key string) bool {
			fields[key] = func(n node) { given[key] = n }
			return true
		})
	}
	n.fields(fields)
	for key, value := range n.object() {
		if _, kind := kindKeys[key]; kind && value == nil {
			n.child(key, value).fault("a value, since it says what kind of property this is")
		}
	}
	p.propertyName(n, key)
	property.Kind = p.kind(n, given)
	for key, n := range given {
		if kinds, further := furtherKeys[key]; further && !slices.Contains(kinds, property.Kind) {
			p.faults.add(n.path, "no such key beside "+property.Kind.String(), "a key of "+kindNames(kinds), "")
		}
	}
	p.propertyKeys(&property, given)
	if property.Kind == Pattern {
		property.Output = true
	} else {
		_, overridden := given["override"]
		p.propertyLine(n, &property, given["line"], overridden)
	}
	p.claimOutputs(n, property)
	p.checkTimes(n, property)
	return property
}

func (p *parser) propertyName(n node, key string) {
	switch {
	case !propertyPattern.MatchString(key):
		p.faults.add(n.path, "a property name, 1 to 64 of a-z A-Z 0-9 : _ -", strconv.Quote(key), "")
	case slices.Contains([]string{shadow.AckKey, shadow.StatusKey, "state"}, key):
		p.faults.add(n.path, "another property name", strconv.Quote(key), "ack and status are written by the component itself, and the shadow manager mistakes state")
	}
}

// kind is what the given keys make of a property.
func (p *parser) kind(n node, given map[string]node) Kind {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if _, ok := kindKeys[key]; ok {
			keys = append(keys, key)
		}
	}
	switch len(keys) {
	case 0:
		return Level
	case 1:
		return kindKeys[keys[0]]
	}
	p.faults.add(n.path, "one of "+strings.Join(keys, ", "), "all of them", "a property shows one thing")
	return kindKeys[keys[0]]
}

func kindNames(kinds []Kind) string {
	var names []string
	for _, k := range kinds {
		if k == Level {
			names = append(names, "a level")
		} else {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, ", ")
}

// propertyKeys reads the keys of a property.
func (p *parser) propertyKeys(property *Property, given map[string]node) {
	for key, read := range map[string]func(node){
		"values":   func(n node) { property.Values = p.values(n) },
		"override": func(n node) { property.Override = choose[Override](n, overrideNames) },
		"pulse":    func(n node) { property.Pulse = n.duration(MinWave, MaxTime) },
		"blink":    func(n node) { property.On, property.Off = p.blink(n) },
		"pwm":      func(n node) { property.Period = p.pwm(n) },
		"patterns": func(n node) { property.Patterns = p.patterns(n) },
		"count":    func(n node) { property.Edges = edges(n) },
		"rate":     func(n node) { property.Edges = edges(n) },
		"period":   func(n node) { property.Edges = edges(n) },
		"changed":  func(n node) { property.Edges = edges(n) },
		"scale":    func(n node) { property.Scale = scale(n) },
		"per":      func(n node) { property.Per = n.duration(time.Millisecond, MaxTime) },
		"timeout":  func(n node) { property.Timeout = n.duration(10*time.Millisecond, MaxTime) },
		"interval": func(n node) { property.Interval = n.duration(100*time.Millisecond, MaxTime) },
	} {
		if n, ok := given[key]; ok {
			read(n)
		}
	}
}

func scale(n node) float64 {
	v := n.number()
	if (v < MinScale || v > MaxScale) && !n.faults.has(n.path) {
		n.fault(fmt.Sprintf("a number from %g to %g", MinScale, MaxScale))
	}
	return max(v, MinScale)
}

func (p *parser) blink(n node) (on, off time.Duration) {
	n.fields(map[string]func(node){
		"on":  func(n node) { on = n.duration(MinWave, MaxTime) },
		"off": func(n node) { off = n.duration(MinWave, MaxTime) },
	})
	if (on == 0 || off == 0) && !p.faults.under(n.path) {
		n.fault("both times, such as {on: 500ms, off: 500ms}")
	}
	return on, off
}

func (p *parser) pwm(n node) (period time.Duration) {
	n.fields(map[string]func(node){"period": func(n node) { period = n.duration(10*MinWave, MaxTime) }})
	if period == 0 && !p.faults.under(n.path) {
		n.fault("a period, such as {period: 10s}")
	}
	return period
}

// patterns reads the words of a property and what each makes of the same lines.
func (p *parser) patterns(n node) map[string]map[string]bool {
	patterns := map[string]map[string]bool{}
	owner := map[string]string{} // word by the states it stands for
	var all []string
	n.each(func(word string, n node) {
		states := map[string]bool{}
		n.each(func(label string, n node) {
			if p.label(node{n.path, label, n.faults}, gpio.Output) != "" {
				states[label] = choose[uint8](n, switchNames) == 1
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
		p.interlocked(n, states)
	})
	if len(patterns) < 2 && !p.faults.under(n.path) {
		n.fault("at least two words, each with the states of the same lines")
	}
	if len(all) == 0 && len(patterns) > 0 && !p.faults.under(n.path) {
		n.fault("at least one line in each pattern")
	}
	return patterns
}

// interlocked refuses a pattern that has two lines of an interlock on.
func (p *parser) interlocked(n node, states map[string]bool) {
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
func (p *parser) values(n node) Values {
	words := map[bool]string{}
	ok := true
	n.each(func(word string, n node) {
		on := choose[uint8](n, switchNames) == 1
		_, twice := words[on]
		ok = ok && !twice && word != ""
		words[on] = word
	})
	if !ok || len(words) != 2 {
		n.fault(`one word for on and one for off, such as {"open": on, "closed": off}`)
	}
	return Words(words[true], words[false])
}
