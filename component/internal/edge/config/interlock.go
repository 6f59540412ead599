package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var interlockObject = declare("interlock", "A group of outputs of which one at most is on.",
	part("lines", Shape{Type: List, Elem: &outputLabel.Shape, Size: [2]int{2, 0}}, (*parser).interlockLines,
		"Labels of outputs.").needed("a list of outputs"),
	field("deadTime", span(0, MaxTime), func(i *Interlock) *time.Duration { return &i.DeadTime },
		"From the observed off of one to the on of another.").or(time.Duration(0)),
)

func (p *parser) interlocks(n node) {
	n.each(func(label string, n node) {
		lock := Interlock{}
		interlockObject.read(p, n, &lock)
		p.exclusive(n, lock)
		p.config.Interlocks[label] = lock
	})
}

// interlockLines reads the outputs of an interlock, none of which is in another.
func (p *parser) interlockLines(n node, lock *Interlock) {
	for i, value := range n.list() {
		at := node{fmt.Sprintf("%s[%d]", n.path, i), value, n.faults}
		line := p.label(at, gpio.Output)
		if line == "" {
			continue
		}
		if other, taken := p.interlocked[line]; taken {
			at.fault("an output that is in no other place of an interlock; " + strconv.Quote(line) + " is in " + other)
			continue
		}
		p.interlocked[line] = strings.TrimSuffix(n.path, ".lines")
		lock.Lines = append(lock.Lines, line)
	}
	if len(lock.Lines) < 2 && !p.faults.under(n.path) {
		n.fault("at least two outputs")
	}
}

// exclusive checks that no two lines of an interlock would be on by configuration.
func (p *parser) exclusive(n node, lock Interlock) {
	for _, rule := range []struct {
		key string
		on  func(Line) bool
	}{
		{"start: on", func(l Line) bool { return l.Start == StartOn }},
		{"stop: on", func(l Line) bool { return l.Stop == StopOn }},
		{"failsafe: {set: on}", func(l Line) bool { return l.Failsafe != nil && l.Failsafe.On }},
	} {
		var on []string
		for _, label := range lock.Lines {
			if rule.on(p.config.Lines[label]) {
				on = append(on, label)
			}
		}
		if len(on) > 1 {
			p.faults.add(n.path, "at most one line with "+rule.key, strings.Join(on, " and "), "")
		}
	}
}

var controlObject = declare("control", "An input that drives an output, with or without a link.",
	field("input", inputLabel, func(c *Control) *string { return &c.Input }, "Label of an input.").needed("the label of an input"),
	field("edge", edges, func(c *Control) *gpio.Edges { return &c.Edge }, "Which edges act.").or(gpio.RisingEdges),
	field("action", oneOf(Toggle, Set, Reset), func(c *Control) *Action { return &c.Action },
		"`set` turns it on, `reset` off.").needed("one of toggle, set, reset"),
	field("output", outputLabel, func(c *Control) *string { return &c.Output },
		"Label of an output that no pattern holds.").needed("the label of an output"),
)

func (p *parser) controls(n node) {
	n.each(func(label string, n node) {
		c := Control{}
		given := controlObject.read(p, n, &c)
		p.ownLine(given["output"], c.Output)
		p.config.Controls[label] = c
	})
}

// ownLine refuses an output that is one of several in a pattern.
func (p *parser) ownLine(n node, label string) {
	if o, ok := p.outputs[label]; ok && o.Kind == Pattern {
		n.faults.add(n.path, "an output of its own", strconv.Quote(label), "it is set by the patterns of "+o.path)
	}
}
