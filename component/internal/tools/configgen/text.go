package configgen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// object is a map in the order of writing.
type object []member

type member struct {
	key   string
	value any // object, []any, string, bool, int or float64
}

// with adds a member, unless its value is empty.
func (o object) with(key string, value any) object {
	switch v := value.(type) {
	case string:
		if v == "" {
			return o
		}
	case bool:
		if !v {
			return o
		}
	case object:
		if len(v) == 0 {
			return o
		}
	}
	return append(o, member{key, value})
}

// text writes each section as a block, and each of its entries on a separate line.
func (m *model) text() string {
	var b strings.Builder
	for _, section := range m.tree() {
		entries, ok := section.value.(object)
		if !ok {
			fmt.Fprintf(&b, "%s: %s\n", section.key, flow(section.value))
			continue
		}
		fmt.Fprintf(&b, "%s:\n", section.key)
		for _, entry := range entries {
			properties, ok := entry.value.(object).cutProperties()
			if !ok {
				fmt.Fprintf(&b, "  %s: %s\n", yamlKey(entry.key), flow(entry.value))
				continue
			}
			fmt.Fprintf(&b, "  %s:\n", yamlKey(entry.key))
			for _, m := range entry.value.(object) {
				if m.key != "properties" {
					fmt.Fprintf(&b, "    %s: %s\n", m.key, flow(m.value))
				}
			}
			fmt.Fprintf(&b, "    properties:\n")
			for _, p := range properties {
				fmt.Fprintf(&b, "      %s: %s\n", yamlKey(p.key), flow(p.value))
			}
		}
	}
	return b.String()
}

// cutProperties finds the properties of a shadow.
func (o object) cutProperties() (object, bool) {
	for _, m := range o {
		if properties, ok := m.value.(object); ok && m.key == "properties" {
			return properties, true
		}
	}
	return nil, false
}

// plainKey matches keys which YAML reads as text without quotes. The pools have no
// other YAML keywords, such as y or n.
var plainKey = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]+$`)

func yamlKey(key string) string {
	if plainKey.MatchString(key) && key != "on" && key != "no" && key != "true" && key != "null" {
		return key
	}
	return quote(key)
}

func (m *model) json() string { return flow(m.tree()) }

// flow writes a value as JSON, which YAML includes.
func flow(value any) string {
	switch v := value.(type) {
	case object:
		var members []string
		for _, m := range v {
			members = append(members, quote(m.key)+": "+flow(m.value))
		}
		return "{" + strings.Join(members, ", ") + "}"
	case []any:
		var elements []string
		for _, e := range v {
			elements = append(elements, flow(e))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	return quote(value)
}

func quote(value any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // there are only scalars
	}
	return strings.TrimSpace(b.String())
}

func (m *model) tree() object {
	root := object{}.with("logLevel", m.logLevel).with("thingName", m.thing).with("holdFor", m.holdFor)
	var lines, interlocks, shadows, controls, alarms object
	for _, l := range m.lines {
		lines = append(lines, member{l.label, l.tree()})
	}
	for _, i := range m.interlocks {
		interlocks = append(interlocks, member{i.label, object{{"lines", m.labels(i.lines)}}.with("deadTime", i.deadTime)})
	}
	for _, s := range m.shadows {
		properties := object{}
		for _, p := range s.properties {
			properties = append(properties, member{p.key, m.propertyTree(p)})
		}
		shadows = append(shadows, member{s.label, object{}.with("thing", s.thing).with("name", s.name).with("status", s.status).with("properties", properties)})
	}
	for _, k := range m.controls {
		controls = append(controls, member{k.label, object{{"input", m.line(k.input).label}}.with("edge", k.edge).with("action", k.action).with("output", m.line(k.output).label)})
	}
	for _, a := range m.alarms {
		alarms = append(alarms, member{a.label, m.alarmTree(a)})
	}
	root = root.with("lines", lines).with("interlocks", interlocks).with("shadows", shadows).with("controls", controls).with("alarms", alarms)
	if m.quoted {
		return quoted(root).(object)
	}
	return root
}

// quoted writes all numbers and booleans as text.
func quoted(value any) any {
	switch v := value.(type) {
	case object:
		texts := object{}
		for _, m := range v {
			texts = append(texts, member{m.key, quoted(m.value)})
		}
		return texts
	case []any:
		texts := make([]any, len(v))
		for i, e := range v {
			texts[i] = quoted(e)
		}
		return texts
	case string:
		return v
	}
	return fmt.Sprint(value)
}

func (m *model) labels(ids []int) (labels []any) {
	for _, id := range ids {
		labels = append(labels, m.line(id).label)
	}
	return labels
}

func (l *line) tree() object {
	o := object{{"line", l.name}}.with("chip", l.chip)
	if l.output {
		o = o.with("direction", "output")
	} else {
		o = o.with("direction", "input")
	}
	failsafe := object{}.with("after", l.failsafeAfter).with("set", l.failsafeState)
	return o.with("activeLow", l.activeLow).with("bias", l.bias).
		with("debounce", l.debounce).with("onDelay", l.onDelay).with("offDelay", l.offDelay).with("poll", l.poll).
		with("drive", l.drive).with("start", l.start).with("stop", l.stop).with("failsafe", failsafe).
		with("minOn", l.minOn).with("minOff", l.minOff).with("maxOn", l.maxOn)
}

func (m *model) propertyTree(p *property) object {
	o := object{}
	switch p.kind {
	case config.Pattern:
		words := object{}
		for _, pattern := range p.patterns {
			states := object{}
			for i, id := range p.members {
				states = append(states, member{m.line(id).label, onOff(pattern.states[i])})
			}
			words = append(words, member{pattern.word, states})
		}
		o = o.with("patterns", words)
	case config.Flag:
		o = o.with("alarm", m.alarmOf(p.alarm).label)
	case config.Schedule:
		o = o.with("schedule", m.line(p.line).label)
	case config.Setting, config.Reading:
	default:
		o = o.with("line", m.line(p.line).label)
	}
	if p.words != [2]string{} {
		o = o.with("values", object{{p.words[0], "on"}, {p.words[1], "off"}})
	}
	o = o.with("override", p.override)
	return append(o, p.keys...)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// path names a property in an alarm.
func (m *model) path(id int) string {
	s, p := m.find(id)
	return s.label + "/" + p.key
}

func (m *model) alarmTree(a *alarm) object {
	o := object{}
	if a.line != 0 {
		o = o.with("line", m.line(a.line).label)
	} else {
		o = o.with("property", m.path(a.property))
	}
	switch {
	case a.setting != 0:
		o = o.with(a.test, m.path(a.setting))
	case a.limit != nil:
		o = append(o, member{a.test, a.limit})
	}
	o = o.with("hysteresis", a.hysteresis).with("for", a.hold).with("latched", a.latched)
	if a.output != 0 {
		o = o.with("output", m.line(a.output).label)
	}
	return o.with("set", a.set).with("cleared", a.cleared)
}
