package configgen

import (
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// stepKind is a way to change a configuration. make returns false if the configuration
// has nothing to change in this way; the caller must then discard the change.
type stepKind struct {
	name   string
	weight int
	make   func(*change) bool
}

var stepKinds = []stepKind{
	{"add line", 2, func(c *change) bool {
		l := c.newLine(chance(c.random, 60))
		return l != nil && c.described("add line %s", l.label)
	}},
	{"add property", 4, func(c *change) bool {
		s := pickOf(c, c.model.shadows)
		if s == nil {
			return false
		}
		p := c.newProperty(s, pick(c.random, kinds))
		return p != nil && c.described("add property %v", c.model.propertyID(s, p))
	}},
	{"add shadow", 2, func(c *change) bool {
		s := c.newShadow()
		if s == nil {
			return false
		}
		for range c.random.IntN(3) {
			c.newProperty(s, pick(c.random, kinds))
		}
		return c.described("add shadow %s, which is %v", s.label, c.model.shadowID(s))
	}},
	{"add interlock", 2, func(c *change) bool {
		i := c.newInterlock()
		return i != nil && c.described("add interlock %s of %v", i.label, c.model.labels(i.lines))
	}},
	{"add control", 2, func(c *change) bool {
		k := c.newControl()
		return k != nil && c.described("add control %s of %s", k.label, c.model.line(k.output).label)
	}},
	{"add alarm", 2, func(c *change) bool {
		a := c.newAlarm()
		return a != nil && c.described("add alarm %s", a.label)
	}},

	{"remove line", 2, func(c *change) bool {
		l := pickOf(c, c.model.lines)
		if l == nil {
			return false
		}
		c.removeLine(l)
		return c.described("remove line %s, and what names it", l.label)
	}},
	{"remove property", 4, func(c *change) bool {
		p, ok := c.anyProperty()
		if !ok {
			return false
		}
		c.describe("remove property %v", c.model.propertyID(p.shadowModel, p.property))
		c.removeProperty(p.shadowModel, p.property)
		return true
	}},
	{"remove shadow", 2, func(c *change) bool {
		s := pickOf(c, c.model.shadows)
		if s == nil {
			return false
		}
		c.removeShadow(s)
		return c.described("remove shadow %s, which is %v", s.label, c.model.shadowID(s))
	}},
	{"remove interlock", 1, func(c *change) bool {
		i := pickOf(c, c.model.interlocks)
		if i == nil {
			return false
		}
		c.removeInterlock(i)
		return c.described("remove interlock %s", i.label)
	}},
	{"remove control", 1, func(c *change) bool {
		k := pickOf(c, c.model.controls)
		if k == nil {
			return false
		}
		c.removeControl(k)
		return c.described("remove control %s", k.label)
	}},
	{"remove alarm", 1, func(c *change) bool {
		a := pickOf(c, c.model.alarms)
		if a == nil {
			return false
		}
		c.removeAlarm(a)
		return c.described("remove alarm %s", a.label)
	}},
	{"remove everything", 1, func(c *change) bool {
		m := c.model
		for _, s := range slices.Clone(m.shadows) {
			c.removeShadow(s)
		}
		for _, l := range slices.Clone(m.lines) {
			c.removeLine(l)
		}
		m.alarms = nil
		return c.described("remove everything")
	}},

	{"relabel line", 3, func(c *change) bool {
		return relabel(c, "line", c.model.lines, func(l *line) *string { return &l.label })
	}},
	{"relabel shadow", 3, func(c *change) bool {
		return relabel(c, "shadow", c.model.shadows, func(s *shadowModel) *string { return &s.label })
	}},
	{"relabel interlock", 1, func(c *change) bool {
		return relabel(c, "interlock", c.model.interlocks, func(i *interlock) *string { return &i.label })
	}},
	{"relabel control", 1, func(c *change) bool {
		return relabel(c, "control", c.model.controls, func(k *control) *string { return &k.label })
	}},
	{"relabel alarm", 2, func(c *change) bool {
		return relabel(c, "alarm", c.model.alarms, func(a *alarm) *string { return &a.label })
	}},
	{"swap labels", 4, func(c *change) bool {
		switch c.random.IntN(4) {
		case 0:
			return swap(c, "lines", c.model.lines, func(l *line) *string { return &l.label })
		case 1:
			return swap(c, "shadows", c.model.shadows, func(s *shadowModel) *string { return &s.label })
		case 2:
			return swap(c, "alarms", c.model.alarms, func(a *alarm) *string { return &a.label })
		}
		return swap(c, "controls", c.model.controls, func(k *control) *string { return &k.label })
	}},
	{"write otherwise", 1, func(c *change) bool {
		c.model.quoted = !c.model.quoted
		return c.described("write numbers and booleans otherwise")
	}},
	{"change the process", 1, func(c *change) bool {
		m := c.model
		m.logLevel, m.holdFor = oneOf(c.random, "", "debug", "warn"), oneOf(c.random, "", "0s", "10s", "5m")
		return c.described("set the log level to %q and holdFor to %q", m.logLevel, m.holdFor)
	}},

	{"retype property", 4, func(c *change) bool {
		p, ok := c.anyProperty()
		if !ok {
			return false
		}
		kind := pick(c.random, kinds)
		if kind == p.kind {
			return false
		}
		before := c.model.propertyID(p.shadowModel, p.property)
		c.removeProperty(p.shadowModel, p.property)
		next := &property{id: c.model.newID(), key: p.key, kind: kind}
		if !c.model.hasRoom(kind) || !c.bind(next) {
			return false
		}
		if kind == config.Level && len(p.uses()) == 1 && c.canShow(p.line) && chance(c.random, 50) {
			next.line = p.line
		}
		p.shadowModel.properties = append(p.shadowModel.properties, next)
		c.setDetails(next)
		c.aboutProperty(p.shadowModel, next)
		return c.described("retype property %v to %v", before, kind)
	}},
	{"rebind property", 4, func(c *change) bool {
		p, ok := c.anyProperty()
		if !ok || p.kind == config.Setting || p.kind == config.Reading {
			return false
		}
		before := p.uses()
		c.aboutProperty(p.shadowModel, p.property)
		watched := slices.ContainsFunc(c.model.alarms, func(a *alarm) bool { return a.property == p.property.id })
		p.shadowModel.properties = slices.DeleteFunc(slices.Clone(p.shadowModel.properties), func(o *property) bool { return o == p.property })
		wasOutput := len(before) > 0 && c.model.line(before[0]).output
		if !c.bind(p.property) {
			return false
		}
		p.shadowModel.properties = append(p.shadowModel.properties, p.property)
		uses := p.uses()
		isOutput := len(uses) > 0 && c.model.line(uses[0]).output
		if watched && isOutput {
			return false // an alarm may not watch an output
		}
		if isOutput != wasOutput {
			c.setDetails(p.property)
		}
		c.aboutProperty(p.shadowModel, p.property)
		return c.described("rebind property %v from %v to %v", c.model.propertyID(p.shadowModel, p.property), c.model.labels(before), c.model.labels(uses))
	}},
	{"rekey property", 2, func(c *change) bool {
		p, ok := c.anyProperty()
		if !ok {
			return false
		}
		c.aboutProperty(p.shadowModel, p.property)
		c.describe("rekey property %v", c.model.propertyID(p.shadowModel, p.property))
		p.key = c.freeKey(p.shadowModel)
		c.aboutProperty(p.shadowModel, p.property)
		return p.key != "" && c.described("to %s", p.key)
	}},
	{"move property", 3, func(c *change) bool {
		p, ok := c.anyProperty()
		to := pickOf(c, c.model.shadows)
		if !ok || to == p.shadowModel || slices.ContainsFunc(to.properties, func(o *property) bool { return o.key == p.key }) {
			return false
		}
		c.aboutProperty(p.shadowModel, p.property)
		c.describe("move property %v", c.model.propertyID(p.shadowModel, p.property))
		p.shadowModel.properties = slices.DeleteFunc(p.shadowModel.properties, func(o *property) bool { return o == p.property })
		to.properties = append(to.properties, p.property)
		c.aboutProperty(to, p.property)
		return c.described("to %v", c.model.shadowID(to))
	}},
	{"change property", 3, func(c *change) bool {
		p, ok := c.anyProperty()
		if !ok || p.kind == config.Setting || p.kind == config.Flag {
			return false
		}
		c.setDetails(p.property)
		if p.kind == config.Pattern {
			c.setPatterns(p.property)
		}
		c.aboutProperty(p.shadowModel, p.property)
		return c.described("change the keys of property %v", c.model.propertyID(p.shadowModel, p.property))
	}},
	{"change setting", 3, func(c *change) bool {
		var settings []located
		for _, p := range c.model.allProperties() {
			if p.kind == config.Setting {
				settings = append(settings, p)
			}
		}
		if len(settings) == 0 {
			return false
		}
		p := pick(c.random, settings)
		p.keys = c.domain(p.values)
		c.aboutProperty(p.shadowModel, p.property)
		return c.described("change the values that setting %v takes", c.model.propertyID(p.shadowModel, p.property))
	}},

	{"repolarise line", 3, func(c *change) bool {
		l := pickOf(c, c.model.lines)
		if l == nil {
			return false
		}
		l.activeLow = !l.activeLow
		c.aboutLine(l)
		return c.described("repolarise line %s", l.label)
	}},
	{"change request", 3, func(c *change) bool {
		l := pickOf(c, c.model.lines)
		if l == nil {
			return false
		}
		c.setRequest(l)
		c.aboutLine(l)
		return c.described("change bias, drive, debounce and delays of line %s", l.label)
	}},
	{"change start", 2, func(c *change) bool {
		l := pickOf(c, c.model.linesWhere(true, nil))
		if l == nil {
			return false
		}
		c.setStart(l)
		c.aboutLine(l)
		return c.described("change start, stop and failsafe of line %s", l.label)
	}},
	{"change limits", 3, func(c *change) bool {
		l := pickOf(c, c.model.linesWhere(true, nil))
		if l == nil {
			return false
		}
		c.setLimits(l)
		c.aboutLine(l)
		return c.described("change the limits of line %s", l.label)
	}},
	{"move line", 3, func(c *change) bool {
		l := pickOf(c, c.model.lines)
		if l == nil {
			return false
		}
		ref := c.freeRef()
		if c.model.isInPattern(l.id) {
			ref.Chip, ref.Line = "", pick(c.random, refs[:7]).Line
			if slices.ContainsFunc(c.model.lines, func(o *line) bool { return o.ref() == ref }) {
				return false
			}
		}
		c.aboutIdentity(l)
		c.describe("move line %s from %v to %v", l.label, l.ref(), ref)
		l.chip, l.name = ref.Chip, ref.Line
		c.aboutIdentity(l)
		return true
	}},
	{"cross lines", 2, func(c *change) bool {
		pair := some(c.random, c.model.lines, 2)
		if len(pair) < 2 || c.model.isInPattern(pair[0].id) || c.model.isInPattern(pair[1].id) {
			return false
		}
		a, b := pair[0], pair[1]
		c.aboutIdentity(a)
		c.aboutIdentity(b)
		a.chip, a.name, b.chip, b.name = b.chip, b.name, a.chip, a.name
		c.aboutIdentity(a)
		c.aboutIdentity(b)
		return c.described("cross lines %s and %s", a.label, b.label)
	}},
	{"turn line", 2, func(c *change) bool {
		l := pickOf(c, c.model.lines)
		if l == nil {
			return false
		}
		c.removeUses(l)
		*l = line{id: l.id, label: l.label, chip: l.chip, name: l.name, activeLow: l.activeLow, output: !l.output}
		c.setRequest(l)
		if l.output {
			c.setStart(l)
			c.setLimits(l)
		}
		c.aboutLine(l)
		return c.described("turn line %s into the other direction", l.label)
	}},

	{"rename shadow", 3, func(c *change) bool {
		return c.identify("rename", func(s *shadowModel) { s.name = pick(c.random, names) })
	}},
	{"move shadow to thing", 2, func(c *change) bool {
		return c.identify("move", func(s *shadowModel) { s.thing = pick(c.random, things) })
	}},
	{"change thing name", 1, func(c *change) bool {
		before := c.model.clone()
		c.model.thing = oneOf(c.random, "", "Other", "Third")
		c.describe("change thingName from %q to %q", before.thing, c.model.thing)
		for i, s := range c.model.shadows {
			if before.shadowID(s) == c.model.shadowID(s) {
				continue
			}
			if !c.isFree(s) {
				return false
			}
			was := &change{model: before}
			was.aboutShadow(before.shadows[i])
			c.lines, c.properties = append(c.lines, was.lines...), append(c.properties, was.properties...)
			c.aboutShadow(s)
		}
		return c.model.thing != before.thing
	}},
	{"move status", 2, func(c *change) bool {
		for _, s := range c.model.shadows {
			if s.status {
				c.aboutStatus(s)
				s.status = false
			}
		}
		if s := pickOf(c, c.model.shadows); s != nil && chance(c.random, 70) {
			s.status = true
			c.aboutStatus(s)
		}
		return len(c.properties) > 0 && c.described("move the status")
	}},

	{"change control", 2, func(c *change) bool {
		k := pickOf(c, c.model.controls)
		if k == nil {
			return false
		}
		c.aboutLine(c.model.line(k.output))
		c.setControl(k)
		if chance(c.random, 50) {
			k.input = pick(c.random, c.model.linesWhere(false, nil)).id
		}
		if chance(c.random, 50) {
			k.output = pick(c.random, c.model.switchable()).id
		}
		c.aboutLine(c.model.line(k.output))
		return c.described("change control %s", k.label)
	}},
	{"change alarm", 4, func(c *change) bool {
		a := pickOf(c, c.model.alarms)
		if a == nil {
			return false
		}
		c.aboutAlarm(a)
		switch c.random.IntN(3) {
		case 0:
			c.setSource(a)
		case 1:
			c.setLimit(a)
		default:
			c.setAlarm(a)
		}
		c.aboutAlarm(a)
		return c.described("change alarm %s", a.label)
	}},
	{"change interlock", 2, func(c *change) bool {
		i := pickOf(c, c.model.interlocks)
		if i == nil {
			return false
		}
		c.aboutInterlock(i)
		i.deadTime = oneOf(c.random, "", "100ms", "300ms", "1s")
		if l := c.model.line(pick(c.random, i.lines)); len(i.lines) > 2 && chance(c.random, 50) {
			c.leave(i, l)
		} else if l := pickOf(c, c.model.linesWhere(true, nil)); chance(c.random, 50) && c.join(i, l) {
			for _, id := range i.lines {
				l.keepOff(c.model.line(id))
			}
			i.lines = append(slices.Clone(i.lines), l.id)
			c.aboutInterlock(i)
		}
		return c.described("change interlock %s", i.label)
	}},

	{"several at once", 3, func(c *change) bool {
		made := 0
		for range 2 + c.random.IntN(3) {
			kind := pick(c.random, weighted)
			if kind.name == "several at once" || kind.name == "roll back" {
				continue
			}
			next := &change{random: c.random, model: c.model.clone(), earlier: c.earlier}
			if !kind.make(next) {
				continue
			}
			made++
			c.model = next.model
			c.texts = append(c.texts, next.texts...)
			c.lines = append(c.lines, next.lines...)
			c.properties = append(c.properties, next.properties...)
		}
		return made > 1
	}},
	{"roll back", 8, func(c *change) bool {
		n := len(c.earlier)
		if n == 0 {
			return false
		}
		back := min(n, oneOf(c.random, 1, 1, 1, 2, 3, 6))
		for _, v := range c.earlier[n-back:] {
			c.lines = append(c.lines, v.next.Lines...)
			c.properties = append(c.properties, v.next.Properties...)
		}
		last := c.model.last
		c.model = c.earlier[n-back].model.clone()
		c.model.last = last
		return c.described("roll back %d steps", back)
	}},
}

// weighted has each kind as many times as its weight. rollBack is the last kind.
var (
	weighted []stepKind
	rollBack stepKind
)

func init() { // not in their declarations, since a step of several steps picks from them
	for _, k := range stepKinds {
		for range k.weight {
			weighted = append(weighted, k)
		}
	}
	rollBack = stepKinds[len(stepKinds)-1]
}

// described describes the step, and returns true.
func (c *change) described(format string, args ...any) bool {
	c.describe(format, args...)
	return true
}

// pickOf picks a part, nil if there are none.
func pickOf[T any](c *change, parts []*T) *T {
	if len(parts) == 0 {
		return nil
	}
	return pick(c.random, parts)
}

func (c *change) anyProperty() (located, bool) {
	all := c.model.allProperties()
	if len(all) == 0 {
		return located{}, false
	}
	return pick(c.random, all), true
}

// canShow reports whether a Level may have the line.
func (c *change) canShow(line int) bool {
	return line != 0 && (!c.model.line(line).output || c.model.owner(line) == nil)
}

func relabel[T any](c *change, what string, parts []*T, label func(*T) *string) bool {
	p := pickOf(c, parts)
	if p == nil {
		return false
	}
	before := *label(p)
	*label(p) = freeLabel(c.random, parts, func(p *T) string { return *label(p) })
	return c.described("relabel %s %s to %s", what, before, *label(p))
}

func swap[T any](c *change, what string, parts []*T, label func(*T) *string) bool {
	pair := some(c.random, parts, 2)
	if len(pair) < 2 {
		return false
	}
	a, b := label(pair[0]), label(pair[1])
	*a, *b = *b, *a
	return c.described("swap the labels of %s %s and %s", what, *a, *b)
}

// identify changes the identity of a shadow.
func (c *change) identify(what string, set func(*shadowModel)) bool {
	s := pickOf(c, c.model.shadows)
	if s == nil {
		return false
	}
	before := c.model.shadowID(s)
	c.aboutShadow(s)
	set(s)
	c.aboutShadow(s)
	after := c.model.shadowID(s)
	return before != after && c.isFree(s) && c.described("%s shadow %s from %v to %v", what, s.label, before, after)
}
