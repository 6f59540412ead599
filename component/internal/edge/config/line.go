package config

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

func (p *parser) lines(n node) {
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

// offsetPattern is what an offset looks like.
var offsetPattern = regexp.MustCompile(`^[0-9]{1,9}$`)

var lineObject = declare("line", "One GPIO line.",
	field("direction", oneOf(gpio.Input, gpio.Output), func(l *Line) *gpio.Direction { return &l.Direction },
		"Whether it is read or driven.").needed("input or output"),
	field("line", text, func(l *Line) *string { return &l.Ref.Line },
		"Line name, looked up on all chips, or an offset.").needed("a line name or an offset").needs(offsetPattern, "chip"),
	field("chip", text, func(l *Line) *string { return &l.Ref.Chip },
		"Chip name, label or path; needed for an offset, and for a name that several chips have.").or(""),
	field("activeLow", truth, func(l *Line) *bool { return &l.ActiveLow }, "The low level counts as on.").or(false),
	field("bias", oneOf(gpio.BiasAsIs, gpio.BiasDisabled, gpio.BiasPullUp, gpio.BiasPullDown), func(l *Line) *gpio.Bias { return &l.Bias },
		"Resistor of the chip.").or(gpio.BiasAsIs),

	field("debounce", span(0, MaxDebounce), func(l *Line) *time.Duration { return &l.Debounce },
		"Edges that are closer together are none; done by the kernel.").or(time.Duration(0)).of(gpio.Input),
	field("onDelay", span(0, MaxDelay), func(l *Line) *time.Duration { return &l.OnDelay },
		"How long it has to be on to count as on.").or(time.Duration(0)).of(gpio.Input),
	field("offDelay", span(0, MaxDelay), func(l *Line) *time.Duration { return &l.OffDelay },
		"How long it has to be off to count as off.").or(time.Duration(0)).of(gpio.Input),
	field("poll", span(MinPoll, MaxPoll), func(l *Line) *time.Duration { return &l.Poll },
		"How often it is read where the chip reports no edges.").or(DefaultPoll).of(gpio.Input),

	field("drive", oneOf(gpio.PushPull, gpio.OpenDrain, gpio.OpenSource), func(l *Line) *gpio.Drive { return &l.Drive },
		"How it is driven.").or(gpio.PushPull).of(gpio.Output),
	field("start", oneOf(StartRestore, StartKeep, StartOn, StartOff), func(l *Line) *Start { return &l.Start },
		"State before its shadow is known: as it was last, as the line is, on or off.").or(StartRestore).of(gpio.Output),
	field("stop", oneOf(StopKeep, StopOn, StopOff), func(l *Line) *Stop { return &l.Stop },
		"State when the component stops.").or(StopKeep).of(gpio.Output),
	field("failsafe", group(failsafeObject), func(l *Line) **Failsafe { return &l.Failsafe },
		"State when the nucleus has been away for some time.").of(gpio.Output),
	field("minOn", span(0, MaxTime), func(l *Line) *time.Duration { return &l.MinOn },
		"Least time on; a change waits.").or(time.Duration(0)).of(gpio.Output),
	field("minOff", span(0, MaxTime), func(l *Line) *time.Duration { return &l.MinOff },
		"Least time off; a change waits.").or(time.Duration(0)).of(gpio.Output),
	field("maxOn", span(0, MaxTime), func(l *Line) *time.Duration { return &l.MaxOn },
		"Longest time on, then it goes off; `0s` is no limit.").or(time.Duration(0)).of(gpio.Output),
).by("direction", Variant{gpio.Input.String(), "is read"}, Variant{gpio.Output.String(), "is driven"})

var failsafeObject = declare("failsafe", "What an output becomes while the nucleus is away.",
	field("after", span(MinFailsafe, MaxTime), func(f *Failsafe) *time.Duration { return &f.After },
		"How long the nucleus has to be away.").needed("how long the nucleus has to be away, such as 10m"),
	field("set", onOff, func(f *Failsafe) *bool { return &f.On }, "The state.").needed("on or off"),
)

func (p *parser) line(n node) Line {
	line := Line{}
	given := lineObject.read(p, n, &line)
	if is := line.Direction; is != gpio.AsIs {
		lineObject.misplaced(is.String(), given, func(k Key, at node) {
			p.faults.add(at.path, fmt.Sprintf("no such key on an %v", is), "a key of an "+k.Of[0], "")
		})
	}
	if line.Direction == gpio.Output {
		line.Poll = 0 // outputs are not polled
		if line.MaxOn > 0 && line.MaxOn < line.MinOn {
			p.faults.add(n.path+".maxOn", "at least minOn, "+brief(line.MinOn), brief(line.MaxOn), "")
		}
	}
	p.lineRef(n, line.Ref)
	return line
}

// lineRef checks how a line is named.
func (p *parser) lineRef(n node, ref gpio.Ref) {
	if ref.Line == "" && !p.faults.has(n.path+".line") {
		p.faults.add(n.path+".line", "a line name or an offset", "nothing", "")
	} else if offsetPattern.MatchString(ref.Line) && ref.Chip == "" {
		p.faults.add(n.path+".chip", "a chip name, label or path, which an offset needs", `""`, "")
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
	p.faults.add(path, "the label of a line", strconv.Quote(label), Nearest(label, labels))
}
