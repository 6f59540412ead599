package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/shadowgpio/shadowgpio/gpio"
)

func (p *parser) interlocks(n node) {
	if n.faults == nil {
		return
	}
	member := map[string]string{}
	n.each(func(label string, n node) {
		lock := Interlock{}
		lines := node{}
		n.fields(map[string]func(node){
			"lines":    func(n node) { lines = n },
			"deadTime": func(n node) { lock.DeadTime = n.duration(0, MaxTime) },
		})
		if lines.faults == nil {
			p.faults.add(n.path+".lines", "a list of outputs", "nothing", "")
			return
		}
		for i, line := range lines.texts() {
			at := node{fmt.Sprintf("%s[%d]", lines.path, i), line, p.faults}
			if line = p.label(at, gpio.Output); line == "" {
				continue
			}
			if other, taken := member[line]; taken {
				at.fault("an output that is in no other place of an interlock; " + strconv.Quote(line) + " is in interlocks." + other)
				continue
			}
			member[line] = label
			lock.Lines = append(lock.Lines, line)
		}
		if len(lock.Lines) < 2 && !p.faults.under(lines.path) {
			lines.fault("at least two outputs")
		}
		p.exclusive(n, lock)
		p.config.Interlocks[label] = lock
	})
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

func (p *parser) controls(n node) {
	if n.faults == nil {
		return
	}
	n.each(func(label string, n node) {
		c := Control{Edge: gpio.RisingEdges}
		given := map[string]bool{}
		n.fields(map[string]func(node){
			"input":  func(n node) { c.Input, given["input"] = p.label(n, gpio.Input), true },
			"output": func(n node) { c.Output, given["output"] = p.label(n, gpio.Output), true; p.ownLine(n, c.Output) },
			"edge":   func(n node) { c.Edge = edges(n) },
			"action": func(n node) { c.Action, given["action"] = choose[Action](n, actionNames), true },
		})
		for key, want := range map[string]string{
			"input": "the label of an input", "output": "the label of an output", "action": "one of " + strings.Join(actionNames, ", "),
		} {
			if !given[key] {
				p.faults.add(n.path+"."+key, want, "nothing", "")
			}
		}
		p.config.Controls[label] = c
	})
}

// ownLine refuses an output that is one of several in a pattern.
func (p *parser) ownLine(n node, label string) {
	if o, ok := p.outputs[label]; ok && o.Kind == Pattern {
		n.faults.add(n.path, "an output of its own", strconv.Quote(label), "it is set by the patterns of "+o.path)
	}
}

// edges reads which edges count.
func edges(n node) gpio.Edges {
	var e gpio.Edges
	n.decode(&e)
	if e == gpio.NoEdges {
		if !n.faults.has(n.path) {
			n.fault("one of rising, falling, both")
		}
		return gpio.BothEdges
	}
	return e
}
