package config

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

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
	line := Line{}
	directed := false
	var of [gpio.Output + 1][]string // paths of the keys that belong to one direction
	only := func(d gpio.Direction, read func(node)) func(node) {
		return func(n node) {
			of[d] = append(of[d], n.path)
			read(n)
		}
	}
	span := func(d gpio.Direction, dst *time.Duration, least, most time.Duration) func(node) {
		return only(d, func(n node) { *dst = n.duration(least, most) })
	}
	n.fields(map[string]func(node){
		"line":      func(n node) { line.Ref.Line = n.text() },
		"chip":      func(n node) { line.Ref.Chip = n.text() },
		"direction": func(n node) { line.Direction, directed = direction(n), true },
		"activeLow": func(n node) { line.ActiveLow = n.boolean() },
		"bias":      func(n node) { n.decode(&line.Bias) },

		"debounce": span(gpio.Input, &line.Debounce, 0, MaxDebounce),
		"onDelay":  span(gpio.Input, &line.OnDelay, 0, MaxDelay),
		"offDelay": span(gpio.Input, &line.OffDelay, 0, MaxDelay),
		"poll":     span(gpio.Input, &line.Poll, MinPoll, MaxPoll),

		"drive":    only(gpio.Output, func(n node) { n.decode(&line.Drive) }),
		"start":    only(gpio.Output, func(n node) { line.Start = choose[Start](n, startNames) }),
		"stop":     only(gpio.Output, func(n node) { line.Stop = choose[Stop](n, stopNames) }),
		"failsafe": only(gpio.Output, func(n node) { line.Failsafe = p.failsafe(n) }),
		"minOn":    span(gpio.Output, &line.MinOn, 0, MaxTime),
		"minOff":   span(gpio.Output, &line.MinOff, 0, MaxTime),
		"maxOn":    span(gpio.Output, &line.MaxOn, 0, MaxTime),
	})
	switch line.Direction {
	case gpio.Input:
		p.misplaced(of[gpio.Output], line.Direction, gpio.Output)
		if line.Poll == 0 {
			line.Poll = DefaultPoll
		}
	case gpio.Output:
		p.misplaced(of[gpio.Input], line.Direction, gpio.Input)
		if line.MaxOn > 0 && line.MaxOn < line.MinOn {
			p.faults.add(n.path+".maxOn", "at least minOn, "+brief(line.MinOn), brief(line.MaxOn), "")
		}
	case gpio.AsIs:
		if !directed {
			p.faults.add(n.path+".direction", "input or output", "nothing", "")
		}
	}
	p.lineRef(n, line.Ref)
	return line
}

// lineRef checks how a line is named.
func (p *parser) lineRef(n node, ref gpio.Ref) {
	if ref.Line == "" && !p.faults.has(n.path+".line") {
		p.faults.add(n.path+".line", "a line name or an offset", "nothing", "")
	} else if _, err := strconv.ParseUint(ref.Line, 10, 32); err == nil && ref.Chip == "" {
		p.faults.add(n.path+".chip", "a chip name, label or path, which an offset needs", `""`, "")
	}
}

func (p *parser) failsafe(n node) *Failsafe {
	f := Failsafe{}
	after, set := false, false
	n.fields(map[string]func(node){
		"after": func(n node) { f.After, after = n.duration(MinFailsafe, MaxTime), true },
		"set":   func(n node) { f.On, set = choose[uint8](n, switchNames) == 1, true },
	})
	if !after {
		p.faults.add(n.path+".after", "how long the nucleus has to be away, such as 10m", "nothing", "")
	}
	if !set {
		p.faults.add(n.path+".set", "on or off", "nothing", "")
	}
	return &f
}

// switchNames are the states of a line.
var switchNames = []string{"off", "on"}

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

// label reads the label of a line of that direction, "" with a fault for another.
func (p *parser) label(n node, want gpio.Direction) string {
	label := n.text()
	line, known := p.config.Lines[label]
	switch {
	case !known:
		p.unknownLine(n.path, label)
	case line.Direction != want && line.Direction != gpio.AsIs:
		p.faults.add(n.path, fmt.Sprintf("an %v", want), strconv.Quote(label), fmt.Sprintf("it is an %v", line.Direction))
	default:
		return label
	}
	return ""
}

func (p *parser) unknownLine(path, label string) {
	var labels []string
	for known := range p.config.Lines {
		labels = append(labels, known)
	}
	p.faults.add(path, "the label of a line", strconv.Quote(label), nearest(label, labels))
}
