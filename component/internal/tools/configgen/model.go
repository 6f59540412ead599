package configgen

import (
	"cmp"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// model is a configuration open to changes. Its parts refer to each other by
// identities, which never change and are never reused. So a label or a line can be
// replaced without touching references. 0 refers to nothing; "" stands for a missing
// key.
type model struct {
	thing      string // thingName
	logLevel   string
	holdFor    string
	quoted     bool // numbers and booleans are written as text, as some deployments do
	lines      []*line
	interlocks []*interlock
	shadows    []*shadowModel
	controls   []*control
	alarms     []*alarm
	last       int // the last identity
}

type line struct {
	id         int
	label      string
	chip, name string
	output     bool
	activeLow  bool
	bias       string

	debounce, onDelay, offDelay, poll string // of inputs

	drive, start, stop           string // of outputs, as all below
	failsafeAfter, failsafeState string
	minOn, minOff, maxOn         string
}

type interlock struct {
	id       int
	label    string
	lines    []int
	deadTime string
}

type shadowModel struct {
	id          int
	label       string
	thing, name string
	status      bool
	properties  []*property
}

type property struct {
	id   int
	key  string
	kind config.Kind
	line int // of a kind with one line; for a Schedule its output

	words    [2]string // for on and off; "" for plain booleans
	override string

	members  []int            // of a Pattern: its lines
	patterns []pattern        // of a Pattern
	alarm    int              // of a Flag
	values   config.ValueType // of a Setting

	keys object // further keys; never changed in place
}

// pattern is a word, and the states of the members for it.
type pattern struct {
	word   string
	states []bool
}

type control struct {
	id            int
	label         string
	input, output int
	edge, action  string
}

type alarm struct {
	id       int
	label    string
	line     int // the source: a line,
	property int // or a property

	test    string // "is", "above", "below" or "equal"; "" for no key
	limit   any    // the limit; nil for a setting
	setting int

	hysteresis, hold string // hold is the key "for"
	latched          bool
	output           int
	set, cleared     string
}

func (m *model) newID() int {
	m.last++
	return m.last
}

// clone copies the model. Lists replaced only as a whole are shared.
func (m *model) clone() *model {
	c := *m
	c.lines = cloneAll(m.lines)
	c.interlocks = cloneAll(m.interlocks)
	c.controls = cloneAll(m.controls)
	c.alarms = cloneAll(m.alarms)
	c.shadows = cloneAll(m.shadows)
	for _, s := range c.shadows {
		s.properties = cloneAll(s.properties)
	}
	return &c
}

func cloneAll[T any](list []*T) []*T {
	copies := make([]*T, len(list))
	for i, v := range list {
		copies[i] = new(*v)
	}
	return copies
}

func (l *line) ref() gpio.Ref { return gpio.Ref{Chip: l.chip, Line: l.name} }

func (m *model) line(id int) *line {
	return m.lines[slices.IndexFunc(m.lines, func(l *line) bool { return l.id == id })]
}

// find returns a property and its shadow.
func (m *model) find(id int) (*shadowModel, *property) {
	for _, s := range m.shadows {
		for _, p := range s.properties {
			if p.id == id {
				return s, p
			}
		}
	}
	return nil, nil
}

func (m *model) alarmOf(id int) *alarm {
	return m.alarms[slices.IndexFunc(m.alarms, func(a *alarm) bool { return a.id == id })]
}

// interlockOf returns the interlock of an output, nil for none.
func (m *model) interlockOf(line int) *interlock {
	for _, i := range m.interlocks {
		if slices.Contains(i.lines, line) {
			return i
		}
	}
	return nil
}

func (m *model) shadowID(s *shadowModel) shadow.ID {
	return shadow.ID{Thing: cmp.Or(s.thing, m.thing, Device), Name: s.name}
}

func (m *model) propertyID(s *shadowModel, p *property) PropertyID {
	return PropertyID{m.shadowID(s), p.key, p.kind}
}

// uses returns the lines shown, driven or switched by a property.
func (p *property) uses() []int {
	switch {
	case p.kind == config.Pattern:
		return p.members
	case p.line != 0:
		return []int{p.line}
	}
	return nil
}

// drives returns the outputs driven or switched by a property.
func (m *model) drives(p *property) []int {
	lines := p.uses()
	if p.kind == config.Level && !m.line(p.line).output || !outputKinds[p.kind] && p.kind != config.Schedule {
		return nil
	}
	return lines
}

// outputKinds are the kinds of properties with outputs. A Level may also show an input.
var outputKinds = map[config.Kind]bool{config.Level: true, config.Pulse: true, config.Blink: true, config.PWM: true, config.Pattern: true}

// owner returns the property driving an output, nil for none.
func (m *model) owner(line int) *property {
	for _, s := range m.shadows {
		for _, p := range s.properties {
			if p.kind != config.Schedule && slices.Contains(m.drives(p), line) {
				return p
			}
		}
	}
	return nil
}

// isSwitched reports whether a control, an alarm or a schedule switches an output.
func (m *model) isSwitched(line int) bool {
	for _, k := range m.controls {
		if k.output == line {
			return true
		}
	}
	for _, a := range m.alarms {
		if a.output == line {
			return true
		}
	}
	for _, s := range m.shadows {
		for _, p := range s.properties {
			if p.kind == config.Schedule && p.line == line {
				return true
			}
		}
	}
	return false
}

// isInPattern reports whether a pattern has an output.
func (m *model) isInPattern(line int) bool {
	p := m.owner(line)
	return p != nil && p.kind == config.Pattern
}

// linesWhere returns the lines of a direction which meet a condition.
func (m *model) linesWhere(output bool, meets func(*line) bool) (found []*line) {
	for _, l := range m.lines {
		if l.output == output && (meets == nil || meets(l)) {
			found = append(found, l)
		}
	}
	return found
}

// switchable returns the outputs available to controls, alarms and schedules.
func (m *model) switchable() []*line {
	return m.linesWhere(true, func(l *line) bool { return !m.isInPattern(l.id) })
}

// unowned returns the outputs not driven by a property.
func (m *model) unowned() []*line {
	return m.linesWhere(true, func(l *line) bool { return m.owner(l.id) == nil })
}

// located is a property with its shadow.
type located struct {
	*shadowModel
	*property
}

func (m *model) allProperties() (all []located) {
	for _, s := range m.shadows {
		for _, p := range s.properties {
			all = append(all, located{s, p})
		}
	}
	return all
}
