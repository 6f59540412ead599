package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Parse reads a configuration from YAML or JSON text. thingName is the core
// device's, used where the configuration names no thing. The error joins one
// *[FieldError] for every fault.
func Parse(text []byte, thingName string) (*Config, error) {
	var tree any
	// JSON is YAML, so one reader serves files and deployments alike.
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&tree); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration is neither YAML nor JSON: %w", err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("configuration: want one document, got more after it")
	}
	f := &faults{}
	p := parser{thingName: thingName, faults: f, config: &Config{
		Lines:   map[string]Line{},
		Shadows: map[string]Shadow{},
	}}
	p.root(node{value: tree, faults: f})
	if err := f.err(); err != nil {
		return nil, err
	}
	return p.config, nil
}

type parser struct {
	config    *Config
	thingName string
	faults    *faults
}

func (p *parser) root(n node) {
	var lines, shadows node
	n.fields(map[string]func(node){
		"logLevel":  func(n node) { n.decode((*level)(&p.config.LogLevel)) },
		"thingName": func(n node) { p.thing(n, &p.thingName) },
		"lines":     func(n node) { lines = n },
		"shadows":   func(n node) { shadows = n },
		// The nucleus keeps the component's policies beside its configuration.
		"accessControl": func(node) {},
	})
	p.lines(lines)
	p.shadows(shadows)
}

// level is slog.Level with the names that are configured.
type level slog.Level

func (l *level) UnmarshalText(text []byte) error {
	for _, known := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(known.String(), string(text)) {
			*l = level(known)
			return nil
		}
	}
	return errors.New("want one of debug, info, warn, error")
}

func (p *parser) lines(n node) {
	if n.faults == nil {
		return
	}
	owner := map[gpio.Ref]string{}
	n.each(func(label string, n node) {
		before := len(p.faults.list)
		line := p.line(n)
		p.config.Lines[label] = line
		if len(p.faults.list) > before {
			return
		}
		if other, taken := owner[line.Ref]; taken {
			p.faults.add(n.path+".line", "a line of its own", strconv.Quote(line.Ref.String()), "it is the line of lines."+other)
			return
		}
		owner[line.Ref] = label
	})
}

func (p *parser) line(n node) Line {
	var line Line
	var outputOnly, inputOnly []string
	directed := false
	note := func(list *[]string, read func(node)) func(node) {
		return func(n node) {
			*list = append(*list, n.path)
			read(n)
		}
	}
	n.fields(map[string]func(node){
		"line":      func(n node) { line.Ref.Line = n.text() },
		"chip":      func(n node) { line.Ref.Chip = n.text() },
		"direction": func(n node) { line.Direction, directed = direction(n), true },
		"activeLow": func(n node) { line.ActiveLow = n.boolean() },
		"bias":      func(n node) { n.decode(&line.Bias) },
		"drive":     note(&outputOnly, func(n node) { n.decode(&line.Drive) }),
		"start":     note(&outputOnly, func(n node) { line.Start = choose[Start](n, startNames) }),
		"stop":      note(&outputOnly, func(n node) { line.Stop = choose[Stop](n, stopNames) }),
		"debounce":  note(&inputOnly, func(n node) { line.Debounce = n.duration(MaxDebounce) }),
	})
	switch line.Direction {
	case gpio.Input:
		p.misplaced(outputOnly, line.Direction, gpio.Output)
	case gpio.Output:
		p.misplaced(inputOnly, line.Direction, gpio.Input)
	case gpio.AsIs:
		if !directed {
			p.faults.add(n.path+".direction", "input or output", "nothing", "")
		}
	}
	if line.Ref.Line == "" && !p.faults.has(n.path+".line") {
		p.faults.add(n.path+".line", "a line name or an offset", "nothing", "")
	} else if _, err := strconv.ParseUint(line.Ref.Line, 10, 32); err == nil && line.Ref.Chip == "" {
		p.faults.add(n.path+".chip", "a chip name, label or path, which an offset needs", `""`, "")
	}
	return line
}

// direction is AsIs for what is none.
func direction(n node) gpio.Direction {
	index, ok := n.choice([]string{gpio.Input.String(), gpio.Output.String()})
	if !ok {
		return gpio.AsIs
	}
	return gpio.Input + gpio.Direction(index)
}

func choose[T ~uint8](n node, names []string) T {
	index, _ := n.choice(names)
	return T(index)
}

func (p *parser) misplaced(paths []string, is, wants gpio.Direction) {
	for _, path := range paths {
		p.faults.add(path, fmt.Sprintf("no such key on an %v", is), fmt.Sprintf("a key of an %v", wants), "")
	}
}

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
	outputs := map[string]string{}
	n.each(func(label string, n node) {
		s := Shadow{ID: shadow.ID{Thing: p.thingName}, Properties: map[string]Property{}}
		var properties node
		n.fields(map[string]func(node){
			"thing":      func(n node) { p.thing(n, &s.ID.Thing) },
			"name":       func(n node) { s.ID.Name = p.shadowName(n) },
			"properties": func(n node) { properties = n },
		})
		if s.ID.Thing == "" {
			p.faults.add(n.path+".thing", "a thing name, here, as thingName, or in AWS_IOT_THING_NAME", `""`, "")
		}
		if other, taken := owner[s.ID]; taken {
			p.faults.add(n.path, "a shadow of its own", s.ID.String(), "it is the shadow of shadows."+other)
		}
		owner[s.ID] = label
		if properties.faults != nil {
			properties.each(func(key string, n node) { s.Properties[key] = p.property(n, key, outputs) })
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

func (p *parser) property(n node, key string, outputs map[string]string) Property {
	var property Property
	var values node
	n.fields(map[string]func(node){
		"line":   func(n node) { property.Line = n.text() },
		"values": func(n node) { values = n },
	})
	switch {
	case !propertyPattern.MatchString(key):
		p.faults.add(n.path, "a property name, 1 to 64 of a-z A-Z 0-9 : _ -", strconv.Quote(key), "")
	case slices.Contains([]string{shadow.AckKey, "status", "state"}, key):
		p.faults.add(n.path, "another property name", strconv.Quote(key), "ack and status are written by the component itself, and the shadow manager mistakes state")
	}
	line, known := p.config.Lines[property.Line]
	property.Output = line.Direction == gpio.Output
	if !known {
		var labels []string
		for label := range p.config.Lines {
			labels = append(labels, label)
		}
		p.faults.add(n.path+".line", "the label of a line", strconv.Quote(property.Line), nearest(property.Line, labels))
	} else if property.Output {
		if other, taken := outputs[property.Line]; taken {
			p.faults.add(n.path+".line", "an output of its own", strconv.Quote(property.Line), "it is the output of "+other)
		}
		outputs[property.Line] = n.path
	}
	if values.faults != nil {
		property.Values = p.values(values)
	}
	return property
}

// values reads the words of a property. Each line state has exactly one: with
// two words for one state a settled property would keep its delta for ever.
func (p *parser) values(n node) Values {
	words := map[bool]string{}
	ok := true
	n.each(func(word string, n node) {
		state, _ := n.choice([]string{"off", "on"})
		on := state == 1
		_, twice := words[on]
		ok = ok && !twice && word != ""
		words[on] = word
	})
	if !ok || len(words) != 2 {
		n.fault(`one word for on and one for off, such as {"open": on, "closed": off}`)
	}
	return Words(words[true], words[false])
}
