package configgen

import (
	"math/rand/v2"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Pools of names, small so that names return.
var (
	refs = []gpio.Ref{
		{Line: "GPIO4"}, {Line: "GPIO5"}, {Line: "GPIO6"}, {Line: "GPIO13"}, {Line: "GPIO17"}, {Line: "GPIO22"}, {Line: "GPIO27"},
		{Chip: "gpiochip0", Line: "0"}, {Chip: "gpiochip0", Line: "1"}, {Chip: "gpiochip0", Line: "2"}, {Chip: "gpiochip0", Line: "3"}, {Chip: "gpiochip0", Line: "OUT1"},
		{Chip: "gpiochip1", Line: "0"}, {Chip: "gpiochip1", Line: "1"}, {Chip: "gpiochip1", Line: "OUT1"}, {Chip: "gpiochip1", Line: "OUT2"},
		{Chip: "expander", Line: "7"}, {Chip: "expander", Line: "OUT1"}, {Chip: "expander", Line: "OUT2"}, {Chip: "expander", Line: "IN1"},
	}
	labels = []string{
		"lamp", "pump", "valve", "horn", "heater", "fan", "up", "down", "door", "gate", "b1", "b2", "meter", "tank",
		"up+down", "größe", "a b", "1", "x/y", "true", "main", "a", "z", "*",
	}
	keys    = []string{"lights", "bell", "turns", "level", "limit", "mode", "over", "plan", "temp", "a", "z", "1", "x-y:z_", "on"}
	names   = []string{"", "", "host", "plant", "x-1"}
	things  = []string{"", "", "", "Other", "gw"}
	sensors = []string{"cpu.use", "thermal.cpu", "memory.available", "hwmon.board.fan1"}
)

const (
	maxLines      = 14
	maxShadows    = 4
	maxProperties = 16 // in all shadows, to keep documents far from their limit
	maxSchedules  = 4  // likewise, since schedules are the largest
	maxOthers     = 5  // interlocks, controls and alarms, each
)

// first makes the first configuration.
func first(r *rand.Rand) *model {
	m := &model{}
	c := &change{random: r, model: m}
	for range 3 + r.IntN(5) {
		c.newLine(true)
	}
	for range 2 + r.IntN(3) {
		c.newLine(false)
	}
	for range 1 + r.IntN(3) {
		c.newShadow()
	}
	for range 4 + r.IntN(8) {
		c.newProperty(pick(r, m.shadows), pick(r, kinds))
	}
	for range r.IntN(3) {
		c.newInterlock()
	}
	for range r.IntN(4) {
		c.newControl()
	}
	for range r.IntN(4) {
		c.newAlarm()
	}
	if a := m.alarms; len(a) > 0 {
		c.newProperty(pick(r, m.shadows), config.Flag)
	}
	return m
}

var kinds = []config.Kind{
	config.Level, config.Level, config.Level, config.Pulse, config.Pulse, config.Blink, config.PWM, config.Pattern,
	config.Count, config.Count, config.Rate, config.Period, config.Changed, config.Duty, config.LastPulse, config.Reading,
	config.Setting, config.Setting, config.Flag, config.Schedule,
}

// freeLabel returns a label not used by any part, "" if none is left.
func freeLabel[T any](r *rand.Rand, parts []*T, label func(*T) string) string {
	var free []string
	for _, l := range labels {
		if !slices.ContainsFunc(parts, func(p *T) bool { return label(p) == l }) {
			free = append(free, l)
		}
	}
	if len(free) == 0 {
		return ""
	}
	return pick(r, free)
}

func lineLabel(l *line) string           { return l.label }
func interlockLabel(i *interlock) string { return i.label }
func shadowLabel(s *shadowModel) string  { return s.label }
func controlLabel(k *control) string     { return k.label }
func alarmLabel(a *alarm) string         { return a.label }

// freeRef returns an unused line of a chip.
func (c *change) freeRef() gpio.Ref {
	var free []gpio.Ref
	for _, ref := range refs {
		if !slices.ContainsFunc(c.model.lines, func(l *line) bool { return l.ref() == ref }) {
			free = append(free, ref)
		}
	}
	return pick(c.random, free)
}

func (c *change) newLine(output bool) *line {
	m := c.model
	if len(m.lines) >= maxLines {
		return nil
	}
	ref := c.freeRef()
	l := &line{id: m.newID(), label: freeLabel(c.random, m.lines, lineLabel), chip: ref.Chip, name: ref.Line, output: output}
	m.lines = append(m.lines, l)
	l.activeLow = chance(c.random, 30)
	c.setRequest(l)
	if output {
		c.setStart(l)
		c.setLimits(l)
	}
	c.aboutLine(l)
	return l
}

// setRequest sets the parameters of the request of a line, except its polarity.
func (c *change) setRequest(l *line) {
	r := c.random
	l.bias = oneOf(r, "", "", "as-is", "disabled", "pull-up", "pull-down")
	if l.output {
		l.drive = oneOf(r, "", "", "push-pull", "open-drain", "open-source")
		return
	}
	l.debounce = oneOf(r, "", "", "5ms", "20ms")
	l.onDelay = oneOf(r, "", "", "", "500ms")
	l.offDelay = oneOf(r, "", "", "", "1s")
	l.poll = oneOf(r, "", "", "50ms")
}

// setStart sets the start, stop and fail-safe states of an output. At most one output
// of an interlock may have each of them on.
func (c *change) setStart(l *line) {
	r := c.random
	l.start = oneOf(r, "", "", "restore", "keep", "on", "off")
	l.stop = oneOf(r, "", "", "keep", "on", "off")
	l.failsafeAfter, l.failsafeState = "", ""
	if chance(r, 25) {
		l.failsafeAfter, l.failsafeState = oneOf(r, "1s", "5s", "30s"), oneOf(r, "on", "off")
	}
	i := c.model.interlockOf(l.id)
	if i == nil {
		return
	}
	for _, id := range i.lines {
		if o := c.model.line(id); o != l {
			l.keepOff(o)
		}
	}
}

// keepOff turns off the states which another output of the interlock has on.
func (l *line) keepOff(other *line) {
	if l.start == "on" && other.start == "on" {
		l.start = "off"
	}
	if l.stop == "on" && other.stop == "on" {
		l.stop = "off"
	}
	if l.failsafeState == "on" && other.failsafeState == "on" {
		l.failsafeState = "off"
	}
}

// setLimits sets the limits of an output. The times of all properties fit any limit.
func (c *change) setLimits(l *line) {
	r := c.random
	l.minOn = oneOf(r, "", "", "", "100ms", "300ms")
	l.minOff = oneOf(r, "", "", "", "100ms", "300ms")
	l.maxOn = ""
	if !c.model.isInPattern(l.id) {
		l.maxOn = oneOf(r, "", "", "", "", "2s", "5s")
	}
}

func (c *change) newShadow() *shadowModel {
	m, r := c.model, c.random
	if len(m.shadows) >= maxShadows {
		return nil
	}
	s := &shadowModel{id: m.newID(), label: freeLabel(r, m.shadows, shadowLabel), thing: pick(r, things), name: pick(r, names)}
	if !c.isFree(s) {
		return nil
	}
	m.shadows = append(m.shadows, s)
	if chance(r, 40) && !slices.ContainsFunc(m.shadows, func(s *shadowModel) bool { return s.status }) {
		s.status = true
		c.aboutStatus(s)
	}
	return s
}

// isFree reports whether no other shadow of the configuration has the same identity.
func (c *change) isFree(s *shadowModel) bool {
	return !slices.ContainsFunc(c.model.shadows, func(o *shadowModel) bool {
		return o.id != s.id && c.model.shadowID(o) == c.model.shadowID(s)
	})
}

func (c *change) newInterlock() *interlock {
	m, r := c.model, c.random
	if len(m.interlocks) >= maxOthers {
		return nil
	}
	i := &interlock{id: m.newID(), label: freeLabel(r, m.interlocks, interlockLabel), deadTime: oneOf(r, "", "100ms", "300ms", "1s")}
	for _, l := range some(r, m.linesWhere(true, nil), 6) {
		if len(i.lines) < 2+r.IntN(2) && c.join(i, l) {
			i.lines = append(i.lines, l.id)
		}
	}
	if len(i.lines) < 2 {
		return nil
	}
	m.interlocks = append(m.interlocks, i)
	for n, a := range i.lines {
		for _, b := range i.lines[:n] {
			m.line(a).keepOff(m.line(b))
		}
	}
	c.aboutInterlock(i)
	return i
}

// join reports whether an output may join an interlock: no other interlock has the
// output, and no pattern turns it on together with another member.
func (c *change) join(i *interlock, l *line) bool {
	if c.model.interlockOf(l.id) != nil {
		return false
	}
	p := c.model.owner(l.id)
	if p == nil || p.kind != config.Pattern {
		return true
	}
	return !slices.ContainsFunc(p.members, func(id int) bool { return slices.Contains(i.lines, id) })
}

func (c *change) newControl() *control {
	m, r := c.model, c.random
	inputs, outputs := m.linesWhere(false, nil), m.switchable()
	if len(m.controls) >= maxOthers || len(inputs) == 0 || len(outputs) == 0 {
		return nil
	}
	k := &control{id: m.newID(), label: freeLabel(r, m.controls, controlLabel), input: pick(r, inputs).id, output: pick(r, outputs).id}
	if n := len(m.controls); n > 0 && chance(r, 50) {
		k.input = m.controls[r.IntN(n)].input // several controls on one button
	}
	c.setControl(k)
	m.controls = append(m.controls, k)
	c.aboutLine(m.line(k.output))
	return k
}

func (c *change) setControl(k *control) {
	k.edge, k.action = oneOf(c.random, "", "rising", "falling", "both"), oneOf(c.random, "toggle", "toggle", "set", "reset")
}

func (c *change) newAlarm() *alarm {
	m, r := c.model, c.random
	if len(m.alarms) >= maxOthers {
		return nil
	}
	a := &alarm{id: m.newID(), label: freeLabel(r, m.alarms, alarmLabel)}
	if !c.setSource(a) {
		return nil
	}
	c.setAlarm(a)
	m.alarms = append(m.alarms, a)
	c.aboutAlarm(a)
	return a
}

// setSource picks the watched line or property of an alarm.
func (c *change) setSource(a *alarm) bool {
	m, r := c.model, c.random
	a.line, a.property = 0, 0
	var watchable []located
	for _, p := range m.allProperties() {
		if _, ok := m.valuesOf(p.property); ok {
			watchable = append(watchable, p)
		}
	}
	inputs := m.linesWhere(false, nil)
	switch {
	case len(watchable) > 0 && (len(inputs) == 0 || chance(r, 60)):
		a.property = pick(r, watchable).property.id
	case len(inputs) > 0:
		a.line = pick(r, inputs).id
	default:
		return false
	}
	c.setLimit(a)
	return true
}

// valuesOf returns the type of the values of a property watched by an alarm.
func (m *model) valuesOf(p *property) (config.ValueType, bool) {
	switch p.kind {
	case config.Level:
		return config.BooleanValue, !m.line(p.line).output
	case config.Count, config.Rate, config.Period, config.Duty, config.LastPulse, config.Reading:
		return config.NumberValue, true
	case config.Setting:
		return p.values, p.values != config.ObjectValue
	}
	return 0, false
}

// setLimit sets the limit of an alarm.
func (c *change) setLimit(a *alarm) {
	m, r := c.model, c.random
	a.limit, a.setting, a.test, a.hysteresis = nil, 0, "", ""
	values := config.BooleanValue
	if a.line == 0 {
		_, p := m.find(a.property)
		values, _ = m.valuesOf(p)
	}
	if values == config.BooleanValue {
		if chance(r, 60) {
			a.test, a.limit = "is", oneOf(r, "on", "off")
		}
		return
	}
	a.test = "equal"
	if values.IsNumeric() && chance(r, 80) {
		a.test = oneOf(r, "above", "below")
		a.hysteresis = oneOf(r, "", "", "2", "0.5")
	}
	var settings []located
	for _, p := range m.allProperties() {
		if p.kind == config.Setting && p.property.id != a.property && (p.values == values || p.values.IsNumeric() && values.IsNumeric()) {
			settings = append(settings, p)
		}
	}
	switch {
	case len(settings) > 0 && chance(r, 50):
		a.setting = pick(r, settings).property.id
	case values.IsNumeric():
		a.limit = oneOf[any](r, 0, 3, 5, 10, 20, 50)
	default:
		a.limit = pick(r, settingWords)
	}
}

func (c *change) setAlarm(a *alarm) {
	r := c.random
	a.hold, a.latched = oneOf(r, "", "", "500ms", "2s"), chance(r, 40)
	a.output, a.set, a.cleared = 0, "", ""
	if outputs := c.model.switchable(); len(outputs) > 0 && chance(r, 60) {
		a.output = pick(r, outputs).id
		a.set, a.cleared = oneOf(r, "", "on", "off"), oneOf(r, "", "reverse", "keep")
	}
}

// newProperty makes a property of a kind and, if needed, its line, if there is room.
func (c *change) newProperty(s *shadowModel, kind config.Kind) *property {
	m := c.model
	if !m.hasRoom(kind) {
		return nil
	}
	key := c.freeKey(s)
	p := &property{id: m.newID(), key: key, kind: kind}
	if key == "" || !c.bind(p) {
		return nil
	}
	s.properties = append(s.properties, p)
	c.setDetails(p)
	c.aboutProperty(s, p)
	return p
}

// hasRoom reports whether there is room for another property of a kind.
func (m *model) hasRoom(kind config.Kind) bool {
	schedules := 0
	for _, p := range m.allProperties() {
		if p.kind == config.Schedule {
			schedules++
		}
	}
	return len(m.allProperties()) < maxProperties && (kind != config.Schedule || schedules < maxSchedules)
}

func (c *change) freeKey(s *shadowModel) string {
	var free []string
	for _, key := range keys {
		if !slices.ContainsFunc(s.properties, func(p *property) bool { return p.key == key }) {
			free = append(free, key)
		}
	}
	if len(free) == 0 {
		return ""
	}
	return pick(c.random, free)
}

// bind picks the line or alarm of a property, different from the present one if
// possible.
func (c *change) bind(p *property) bool {
	m, r := c.model, c.random
	old := p.line
	p.line, p.members, p.patterns, p.alarm = 0, nil, nil, 0
	choose := func(from []*line, output bool) bool {
		if others := slices.DeleteFunc(slices.Clone(from), func(l *line) bool { return l.id == old }); len(others) > 0 {
			from = others
		}
		if len(from) > 0 {
			p.line = pick(r, from).id
		} else if l := c.newLine(output); l != nil {
			p.line = l.id
		}
		return p.line != 0
	}
	switch p.kind {
	case config.Level:
		if chance(r, 50) {
			return choose(m.linesWhere(false, nil), false)
		}
		return choose(m.unowned(), true)
	case config.Pulse, config.Blink, config.PWM:
		return choose(m.unowned(), true)
	case config.Pattern:
		return c.bindPattern(p)
	case config.Count, config.Rate, config.Period, config.Changed, config.Duty, config.LastPulse:
		return choose(m.linesWhere(false, nil), false)
	case config.Flag:
		if len(m.alarms) == 0 && c.newAlarm() == nil {
			return false
		}
		p.alarm = pick(r, m.alarms).id
	case config.Schedule:
		return choose(m.switchable(), true)
	}
	return true
}

// bindPattern picks unused outputs of one chip, and words with at most one output of
// each interlock on.
func (c *change) bindPattern(p *property) bool {
	m, r := c.model, c.random
	chip := ""
	for _, l := range some(r, m.unowned(), maxLines) {
		if m.isSwitched(l.id) || l.maxOn != "" || l.chip != "" && chip != "" && l.chip != chip || len(p.members) == 3 {
			continue
		}
		p.members = append(p.members, l.id)
		if l.chip != "" {
			chip = l.chip
		}
	}
	if len(p.members) < 2 {
		return false
	}
	p.members = p.members[:2+r.IntN(len(p.members)-1)]
	c.setPatterns(p)
	return true
}

func (c *change) setPatterns(p *property) {
	m, r := c.model, c.random
	p.patterns = nil
	words := some(r, []string{"stop", "go", "off", "both", "night", "ü"}, len(labels))
	for _, code := range some(r, []int{0, 1, 2, 3, 4, 5, 6, 7}, 8) {
		if code >= 1<<len(p.members) {
			continue
		}
		states := make([]bool, len(p.members))
		locked := map[int]bool{}
		apart := true
		for i, id := range p.members {
			states[i] = code&(1<<i) != 0
			if lock := m.interlockOf(id); lock != nil && states[i] {
				apart = apart && !locked[lock.id]
				locked[lock.id] = true
			}
		}
		if apart && len(p.patterns) < 4 {
			p.patterns = append(p.patterns, pattern{words[len(p.patterns)], states})
		}
	}
}

// Words of settings; alarms compare with them, too.
var settingWords = []string{"eco", "boost", "off"}

// setDetails sets the further keys of a property.
func (c *change) setDetails(p *property) {
	m, r := c.model, c.random
	p.words, p.override = [2]string{}, ""
	output := len(m.drives(p)) > 0 && p.kind != config.Schedule
	switch p.kind {
	case config.Level, config.Pulse, config.Blink:
		p.words = oneOf(r, [2]string{}, [2]string{}, [2]string{"on", "off"}, [2]string{"open", "closed"}, [2]string{"off", "on"}, [2]string{"1", "0"})
	}
	if output && slices.Contains([]config.Kind{config.Level, config.Blink, config.PWM}, p.kind) {
		p.override = oneOf(r, "", "", "updatesDesired", "cloudWins", "holdsUntilNextDesired")
	}
	edge, interval := oneOf(r, "rising", "falling", "both"), oneOf(r, "", "100ms", "500ms")
	scale, unit := oneOf(r, "", "", "0.5", "10"), oneOf(r, "", "", "l", "m³")
	var o object
	switch p.kind {
	case config.Pulse:
		o = o.with("pulse", oneOf(r, "300ms", "700ms", "2s"))
	case config.Blink:
		o = o.with("blink", object{{"on", oneOf(r, "300ms", "1s")}, {"off", oneOf(r, "300ms", "2s")}})
	case config.PWM:
		o = o.with("pwm", object{{"period", oneOf(r, "1s", "4s", "10s")}})
	case config.Count:
		o = o.with("count", edge).with("scale", scale).with("unit", unit).with("interval", interval)
	case config.Rate:
		o = o.with("rate", edge).with("scale", scale).with("unit", unit).with("per", oneOf(r, "", "1m")).with("timeout", oneOf(r, "", "2s")).with("interval", interval)
	case config.Period:
		o = o.with("period", edge).with("timeout", oneOf(r, "", "2s")).with("interval", interval)
	case config.Changed:
		o = o.with("changed", edge)
	case config.Duty:
		o = o.with("duty", oneOf(r, "2s", "10s")).with("scale", scale).with("unit", unit).with("interval", interval)
	case config.LastPulse:
		o = o.with("lastPulse", oneOf(r, "on", "off")).with("scale", scale).with("unit", unit).with("interval", interval)
	case config.Reading:
		o = o.with("reading", pick(r, sensors)).with("unit", unit).with("scale", scale).with("interval", oneOf(r, "", "1s", "10s"))
	case config.Setting:
		p.values = oneOf(r, config.BooleanValue, config.NumberValue, config.NumberValue, config.IntegerValue, config.StringValue, config.ObjectValue)
		p.keys = c.domain(p.values)
		return
	case config.Schedule:
		o = o.with("maxSize", oneOf[any](r, 300, 400))
	}
	switch p.kind {
	case config.Rate, config.Period, config.Duty, config.LastPulse, config.Reading:
		o = append(o, c.rules(p.kind)...)
	}
	p.keys = o
}

// rules makes the rules for reporting samples.
func (c *change) rules(kind config.Kind) (o object) {
	r := c.random
	if chance(r, 20) {
		o = o.with("median", oneOf[any](r, 3, 5))
	}
	if chance(r, 20) {
		o = o.with("average", oneOf[any](r, 2, 4))
	}
	if chance(r, 20) {
		o = o.with("offset", oneOf[any](r, -5, 0.5))
	}
	if chance(r, 20) {
		o = o.with("clamp", object{{"min", 0}, {"max", oneOf[any](r, 50, 1000)}})
	}
	if kind != config.Rate && kind != config.Period && chance(r, 20) {
		o = o.with("decimals", oneOf[any](r, 0, 1))
	}
	return o.with("deadband", oneOf[any](r, "", "", 0.5, "10%")).with("minInterval", oneOf(r, "", "", "2s")).with("maxInterval", oneOf(r, "", "", "", "1h"))
}

// domain makes the keys for the valid values of a setting.
func (c *change) domain(values config.ValueType) object {
	if values != config.ObjectValue {
		return append(object{{"setting", values.String()}}, c.valueKeys(values)...)
	}
	members := object{}
	for _, name := range some(c.random, []string{"low", "high", "word", "on"}, 1+c.random.IntN(3)) {
		v := map[string]config.ValueType{"low": config.NumberValue, "high": config.IntegerValue, "word": config.StringValue, "on": config.BooleanValue}[name]
		members = append(members, member{name, append(object{{"type", v.String()}}, c.valueKeys(v)...)})
	}
	return object{{"setting", values.String()}, {"members", members}}
}

func (c *change) valueKeys(values config.ValueType) (o object) {
	r := c.random
	switch values {
	case config.BooleanValue:
		return o.with("default", oneOf[any](r, "", "true", "false"))
	case config.StringValue:
		if chance(r, 50) {
			o = o.with("enum", some(r, []any{"eco", "boost", "off"}, 2+r.IntN(2)))
			return o.with("default", oneOf[any](r, "", o[0].value.([]any)[0]))
		}
		return o.with("maxLength", oneOf[any](r, 8, 20)).with("default", oneOf[any](r, "", "eco"))
	}
	if chance(r, 20) {
		o = o.with("enum", some(r, []any{5, 10, 50}, 2+r.IntN(2)))
		return o.with("default", oneOf[any](r, "", o[0].value.([]any)[0]))
	}
	return o.with("min", oneOf[any](r, "", 0, -10)).with("max", oneOf[any](r, "", 20, 100)).with("default", oneOf[any](r, "", 5, 10))
}

// removeProperty removes a property and everything naming it.
func (c *change) removeProperty(s *shadowModel, p *property) {
	c.aboutProperty(s, p)
	for _, a := range slices.Clone(c.model.alarms) {
		if a.property == p.id || a.setting == p.id {
			c.removeAlarm(a)
		}
	}
	s.properties = slices.DeleteFunc(s.properties, func(o *property) bool { return o == p })
}

// removeAlarm removes an alarm and the properties showing it.
func (c *change) removeAlarm(a *alarm) {
	c.aboutAlarm(a)
	for _, p := range c.model.allProperties() {
		if p.kind == config.Flag && p.alarm == a.id {
			c.removeProperty(p.shadowModel, p.property)
		}
	}
	c.model.alarms = slices.DeleteFunc(c.model.alarms, func(o *alarm) bool { return o == a })
}

func (c *change) removeControl(k *control) {
	c.aboutLine(c.model.line(k.output))
	c.model.controls = slices.DeleteFunc(c.model.controls, func(o *control) bool { return o == k })
}

func (c *change) removeInterlock(i *interlock) {
	c.aboutInterlock(i)
	c.model.interlocks = slices.DeleteFunc(c.model.interlocks, func(o *interlock) bool { return o == i })
}

// removeUses removes everything naming a line.
func (c *change) removeUses(l *line) {
	m := c.model
	for _, p := range m.allProperties() {
		if slices.Contains(p.uses(), l.id) {
			c.removeProperty(p.shadowModel, p.property)
		}
	}
	for _, k := range slices.Clone(m.controls) {
		if k.input == l.id || k.output == l.id {
			c.removeControl(k)
		}
	}
	for _, a := range slices.Clone(m.alarms) {
		switch l.id {
		case a.line:
			c.removeAlarm(a)
		case a.output:
			c.aboutAlarm(a)
			a.output, a.set, a.cleared = 0, "", ""
		}
	}
	if i := m.interlockOf(l.id); i != nil {
		c.leave(i, l)
	}
}

// leave takes an output out of its interlock. With one output left, the interlock ends.
func (c *change) leave(i *interlock, l *line) {
	if len(i.lines) == 2 {
		c.removeInterlock(i)
		return
	}
	c.aboutInterlock(i)
	i.lines = slices.DeleteFunc(slices.Clone(i.lines), func(id int) bool { return id == l.id })
}

func (c *change) removeLine(l *line) {
	c.removeUses(l)
	c.aboutLine(l)
	c.model.lines = slices.DeleteFunc(c.model.lines, func(o *line) bool { return o == l })
}

func (c *change) removeShadow(s *shadowModel) {
	for _, p := range slices.Clone(s.properties) {
		c.removeProperty(s, p)
	}
	if s.status {
		c.aboutStatus(s)
	}
	c.model.shadows = slices.DeleteFunc(c.model.shadows, func(o *shadowModel) bool { return o == s })
}
