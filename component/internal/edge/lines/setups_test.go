package lines_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// configure puts another setup in force: one to three changes, or one that was in
// force earlier. It holds what follows at once against what the changes are about.
func (s *storm) configure() {
	s.t.Helper()
	s.failsafes()
	for _, id := range s.inputs() {
		s.buttons[id].check(s, id)
	}
	s.earlier = append(s.earlier, s.setup)
	next := copyOf(s.setup)
	if s.chance(15) {
		next = copyOf(pick(s, s.earlier))
	} else {
		for range 1 + s.random.IntN(3) {
			pick(s, stormChanges)(s, &next)
		}
	}
	before, was := s.levels(), s.law.lines
	inputs := s.inputLines()
	s.configured(next)
	is := s.law.lines
	s.carryWants(was, is, before)
	for id, d := range is {
		old, drove := was[id]
		if drove && old.ActiveLow != d.ActiveLow {
			s.law.turned(id, s.law.on(id))
			s.law.doubt(id)
		}
		f := d.Failsafe
		if !drove || old.ActiveLow != d.ActiveLow || f == nil || old.Failsafe == nil || f.On != old.Failsafe.On {
			delete(s.taken, id)
		}
	}
	s.failsafes()
	s.configuring = true
	mark := len(s.trace)
	s.note("configure %v", describe(next))
	s.bank.Configure(s.now, next)
	for _, id := range s.inputs() {
		if old, same := inputs[id]; same && sameRequest(old, s.inputLine(id)) {
			s.buttons[id].settle(s, id)
		}
	}
	s.carryOut()
	s.configuring = false
	clear(s.reclaims)
	s.judge(was, is, before, s.trace[mark+1:])
	for _, id := range s.inputs() {
		s.buttons[id].check(s, id)
	}
}

// level is what a line was before a change.
type level struct {
	high   bool
	status lines.LineStatus
}

func (s *storm) levels() map[string]level {
	all, status := map[string]level{}, s.bank.Lines()
	for id, d := range s.law.lines {
		all[id] = level{s.wires[id].high, status[d.label]}
	}
	return all
}

func (s *storm) inputLines() map[string]config.Line {
	all := map[string]config.Line{}
	for _, id := range s.inputs() {
		all[id] = s.inputLine(id)
	}
	return all
}

// sameRequest reports whether a line is requested in the same way, whatever else is
// different.
func sameRequest(a, b config.Line) bool {
	for _, l := range []*config.Line{&a, &b} {
		*l = config.Line{Ref: l.Ref, Direction: l.Direction, ActiveLow: l.ActiveLow, Bias: l.Bias, Drive: l.Drive, Debounce: l.Debounce, Poll: l.Poll}
	}
	return a == b
}

// keeps reports whether the output of a line keeps its request.
func keeps(was, is map[string]drivenLine, id string) bool {
	for _, mate := range is[id].claim {
		if old, drove := was[mate]; !drove || !slices.Equal(old.claim, is[id].claim) || !sameRequest(old.Line, is[mate].Line) {
			return false
		}
	}
	return true
}

func sameUse(a, b lines.Use) bool {
	return a.Momentary == b.Momentary && a.Period == b.Period && a.Wave.Equal(b.Wave)
}

// carryWants is what is still wanted of lines by another setup.
func (s *storm) carryWants(was, is map[string]drivenLine, before map[string]level) {
	wants := map[string]lines.Demand{}
	for id, d := range is {
		old, drove := was[id]
		want, known := s.wants[id]
		same := meansTheSame(was, is, id)
		off := lines.Level(false)
		switch {
		case !drove || old.ActiveLow != d.ActiveLow: // its start state
			if d.Start == config.StartOff || d.Start != config.StartOn && d.use.Momentary {
				wants[id] = off
			} else if d.Start == config.StartOn && len(d.lock) == 0 {
				wants[id] = lines.Level(true)
			}
		case !known || d.Start != old.Start && before[id].status.Since.IsZero(): // or it starts otherwise now
		case same && want.IsPulse() && !keeps(was, is, id):
			wants[id] = off
		case same:
			wants[id] = want
		case want.Timed() || d.use.Momentary:
			wants[id] = off
		case before[id].status.Known:
			wants[id] = lines.Level(want.Levels[0] && (before[id].status.On || s.law.latched(id)))
		}
	}
	s.wants = wants
}

// meansTheSame reports whether what was demanded of the output of a line means the
// same by another setup.
func meansTheSame(was, is map[string]drivenLine, id string) bool {
	for _, mate := range is[id].claim {
		old, drove := was[mate]
		if !drove || !slices.Equal(old.claim, is[id].claim) || !sameUse(old.use, is[id].use) || old.ActiveLow != is[mate].ActiveLow {
			return false
		}
	}
	return true
}

// judge holds what followed at once from a change against what it is about.
func (s *storm) judge(was, is map[string]drivenLine, before map[string]level, trace []string) {
	s.t.Helper()
	after := s.levels()
	all := strings.Join(trace, "\n")
	for id, d := range is {
		old, drove := was[id]
		if !drove {
			continue
		}
		if keeps(was, is, id) && before[id].status.Fault == nil {
			for _, effect := range []string{"lines.Request ", "lines.Release {Claim:"} {
				if strings.Contains(all, effect+strings.Join(d.claim, "+")+" ") {
					s.t.Fatalf("%s keeps its request, and there was\n%s", id, all)
				}
			}
		}
		if !about(was, is, id) && before[id].status.Fault == nil {
			a, b := before[id], after[id]
			a.status.Waiting, b.status.Waiting = "", "" // labels are in it
			if !reflect.DeepEqual(a, b) {
				s.t.Fatalf("%s was %+v and is %+v after a change that is not about it:\n%s", id, a, b, all)
			}
		}
		// Nothing goes on but what is to be on.
		wasOn, demanded := before[id].high != old.ActiveLow, before[id].status.Demand
		allowed := s.wants[id].IsOn() || meansTheSame(was, is, id) && demanded != "" && demanded != "off" ||
			after[id].status.Cause.Kind == lines.ByFailsafe && d.Failsafe != nil && d.Failsafe.On
		if on := s.law.on(id); on && !wasOn && old.ActiveLow == d.ActiveLow && before[id].status.Known && !allowed && !s.wires[id].stuck {
			s.t.Fatalf("%s went on by a change of the configuration:\n%s", id, all)
		}
	}
	for id, d := range is {
		for _, other := range d.lock {
			if id < other && s.fine(id) && s.fine(other) && s.law.on(id) && s.law.on(other) {
				s.t.Fatalf("%s and %s of one interlock stay on together:\n%s", id, other, all)
			}
		}
	}
}

// fine reports whether the bank can do with a line what it wants.
func (s *storm) fine(id string) bool {
	return s.isHeld(id) && !s.law.unseen(id) && !slices.ContainsFunc(s.law.lines[id].claim, func(mate string) bool { return s.wires[mate].stuck })
}

// about reports whether a change may be about a line: it, or a line that it shares an
// output or an interlock with, directly or over others, is different.
func about(was, is map[string]drivenLine, id string) bool {
	reached, queue := map[string]bool{id: true}, []string{id}
	for ; len(queue) > 0; queue = queue[1:] {
		old, now := was[queue[0]], is[queue[0]]
		for _, d := range []*drivenLine{&old, &now} {
			for _, next := range slices.Concat(d.claim, d.lock) {
				if !reached[next] {
					reached[next] = true
					queue = append(queue, next)
				}
			}
			d.label, d.output = "", ""
		}
		if !reflect.DeepEqual(old, now) {
			return true
		}
	}
	return false
}

// stormChanges are what people change.
var stormChanges = []func(*storm, *lines.Setup){
	func(s *storm, c *lines.Setup) { rename(c, s.newLabels(c)) },
	func(s *storm, c *lines.Setup) { rename(c, s.newLabels(c)) },
	func(s *storm, c *lines.Setup) {
		if line, ok := s.pickLine(c, ""); ok {
			remove(c, line)
		}
	},
	addLine,
	addLine,
	func(s *storm, c *lines.Setup) { // group, or take apart
		if patterns := slices.DeleteFunc(slices.Clone(c.Uses), func(u lines.Use) bool { return len(u.Lines) < 2 }); len(patterns) > 0 && s.chance(60) {
			ungroup(c, pick(s, patterns).Lines[0])
			return
		}
		var group []string
		for range 2 + s.random.IntN(2) {
			if line, ok := s.pickLine(c, "output"); ok && !slices.Contains(group, line) {
				group = append(group, line)
			}
		}
		for _, line := range group {
			ungroup(c, line)
		}
		if len(group) > 1 {
			c.Uses = append(c.Uses, lines.Use{Lines: group})
		}
	},
	func(s *storm, c *lines.Setup) { // another use
		line, ok := s.pickLine(c, "output")
		if !ok {
			return
		}
		ungroup(c, line)
		use := pick(s, []lines.Use{{}, {Momentary: true}, {Period: time.Second}, {Period: 600 * time.Millisecond},
			{Wave: lines.Wave(200*time.Millisecond, 300*time.Millisecond)}, {Wave: lines.Wave(300*time.Millisecond, 300*time.Millisecond)}})
		use.Lines = []string{line}
		c.Uses = append(c.Uses, use)
	},
	changeLine("", func(s *storm, l *config.Line) { l.ActiveLow = !l.ActiveLow }),
	changeLine("", func(s *storm, l *config.Line) { l.Bias = pick(s, []gpio.Bias{gpio.BiasAsIs, gpio.BiasPullUp}) }),
	changeLine("output", func(s *storm, l *config.Line) { l.Drive = pick(s, []gpio.Drive{gpio.PushPull, gpio.OpenDrain}) }),
	changeLine("input", func(s *storm, l *config.Line) { l.Debounce = s.span(2) }),
	changeLine("input", func(s *storm, l *config.Line) { l.OnDelay, l.OffDelay = s.span(3), s.span(3) }),
	changeLine("output", func(s *storm, l *config.Line) {
		l.MinOn, l.MinOff = s.span(4), s.span(4)
		l.MaxOn = max(l.MaxOn, l.MinOn)
	}),
	changeLine("output", func(s *storm, l *config.Line) {
		if l.MaxOn = 0; s.chance(60) {
			l.MaxOn = max(l.MinOn, time.Duration(3+s.random.IntN(20))*100*time.Millisecond)
		}
	}),
	changeLine("output", func(s *storm, l *config.Line) {
		if l.Failsafe = nil; s.chance(70) {
			l.Failsafe = &config.Failsafe{After: time.Duration(1+s.random.IntN(3)) * time.Second, On: s.chance(30)}
		}
	}),
	changeLine("output", func(s *storm, l *config.Line) { l.Start = config.Start(s.random.IntN(4)) }),
	changeLine("output", func(s *storm, l *config.Line) { l.Stop = config.Stop(s.random.IntN(3)) }),
	func(s *storm, c *lines.Setup) { // another line of the chip, or the other direction
		line, ok := s.pickLine(c, "")
		if !ok {
			return
		}
		l := c.Lines[line]
		if s.chance(50) {
			if free := spare(c); len(free) > 0 {
				l.Ref = pick(s, free)
			}
		} else {
			remove(c, line)
			l = config.Line{Ref: l.Ref, Direction: gpio.Input, ActiveLow: l.ActiveLow}
			if s.chance(50) {
				l.Direction = gpio.Output
			}
		}
		c.Lines[line] = l
	},
	func(s *storm, c *lines.Setup) { // interlocks
		if len(c.Interlocks) > 0 && s.chance(60) {
			label := pick(s, slices.Sorted(maps.Keys(c.Interlocks)))
			lock := c.Interlocks[label]
			delete(c.Interlocks, label)
			if lock.DeadTime = s.span(6); s.chance(50) {
				c.Interlocks["lock-"+s.word()] = lock
			}
			return
		}
		var free []string
		for label, line := range c.Lines {
			locked := false
			for _, lock := range c.Interlocks {
				locked = locked || slices.Contains(lock.Lines, label)
			}
			if line.Direction == gpio.Output && !locked {
				free = append(free, label)
			}
		}
		slices.Sort(free)
		s.random.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
		if n := min(len(free), 2+s.random.IntN(2)); n > 1 {
			c.Interlocks["lock-"+s.word()] = config.Interlock{Lines: free[:n], DeadTime: s.span(6)}
		}
	},
}

// changeLine is a change of one line.
func changeLine(direction string, do func(*storm, *config.Line)) func(*storm, *lines.Setup) {
	return func(s *storm, c *lines.Setup) {
		if label, ok := s.pickLine(c, direction); ok {
			line := c.Lines[label]
			do(s, &line)
			c.Lines[label] = line
		}
	}
}

func (s *storm) span(max int) time.Duration {
	return time.Duration(s.random.IntN(max)) * 100 * time.Millisecond
}

// word is a label that was never used.
func (s *storm) word() string {
	s.words++
	return fmt.Sprintf("%c-%d", 'a'+s.random.IntN(26), s.words)
}

// pickLine picks a line of that direction; "" is either.
func (s *storm) pickLine(c *lines.Setup, direction string) (label string, ok bool) {
	var labels []string
	for label, line := range c.Lines {
		if direction == "" || line.Direction.String() == direction {
			labels = append(labels, label)
		}
	}
	if len(labels) == 0 {
		return "", false
	}
	slices.Sort(labels)
	return pick(s, labels), true
}

// spare are the lines of the chips that are not configured.
func spare(c *lines.Setup) []gpio.Ref {
	return slices.DeleteFunc(slices.Clone(stormRefs), func(ref gpio.Ref) bool {
		for _, line := range c.Lines {
			if line.Ref == ref {
				return true
			}
		}
		return false
	})
}

func addLine(s *storm, c *lines.Setup) {
	free := spare(c)
	if len(free) == 0 {
		return
	}
	line := config.Line{Ref: pick(s, free), Direction: gpio.Output, Start: config.Start(s.random.IntN(4)), ActiveLow: s.chance(50)}
	if s.chance(30) {
		line = config.Line{Ref: line.Ref, Direction: gpio.Input}
	}
	c.Lines[s.word()] = line
}

// ungroup takes a line out of its use, which becomes one of fewer lines.
func ungroup(c *lines.Setup, line string) {
	for i, use := range c.Uses {
		if at := slices.Index(use.Lines, line); at >= 0 {
			use.Lines = slices.Delete(slices.Clone(use.Lines), at, at+1)
			if c.Uses[i] = use; len(use.Lines) == 0 {
				c.Uses = slices.Delete(c.Uses, i, i+1)
			}
			return
		}
	}
}

func remove(c *lines.Setup, line string) {
	delete(c.Lines, line)
	ungroup(c, line)
	for label, lock := range c.Interlocks {
		if at := slices.Index(lock.Lines, line); at >= 0 {
			lock.Lines = slices.Delete(slices.Clone(lock.Lines), at, at+1)
			if c.Interlocks[label] = lock; len(lock.Lines) < 2 {
				delete(c.Interlocks, label)
			}
		}
	}
}

// newLabels gives some lines new labels, or each other's.
func (s *storm) newLabels(c *lines.Setup) map[string]string {
	labels := slices.Sorted(maps.Keys(c.Lines))
	s.random.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
	labels = labels[:s.random.IntN(min(5, len(labels)+1))]
	to := map[string]string{}
	for i, label := range labels {
		if to[label] = labels[(i+1)%len(labels)]; s.chance(50) {
			to[label] = s.word() // one of the others goes without its label then
		}
	}
	return to
}

// relabelled is the present setup with other labels.
func (s *storm) relabelled() lines.Setup {
	c := copyOf(s.setup)
	rename(&c, s.newLabels(&c))
	for _, use := range c.Uses {
		s.random.Shuffle(len(use.Lines), func(i, j int) { use.Lines[i], use.Lines[j] = use.Lines[j], use.Lines[i] })
	}
	return c
}

// rename gives lines other labels.
func rename(c *lines.Setup, to map[string]string) {
	label := func(label string) string {
		if other, ok := to[label]; ok {
			return other
		}
		return label
	}
	renamed := map[string]config.Line{}
	for old, line := range c.Lines {
		renamed[label(old)] = line
	}
	c.Lines = renamed
	for _, use := range c.Uses {
		for i, line := range use.Lines {
			use.Lines[i] = label(line)
		}
	}
	for _, lock := range c.Interlocks {
		for i, line := range lock.Lines {
			lock.Lines[i] = label(line)
		}
	}
}

func copyOf(c lines.Setup) lines.Setup {
	out := lines.Setup{Lines: maps.Clone(c.Lines), Interlocks: map[string]config.Interlock{}}
	for label, lock := range c.Interlocks {
		lock.Lines = slices.Clone(lock.Lines)
		out.Interlocks[label] = lock
	}
	for _, use := range c.Uses {
		use.Lines = slices.Clone(use.Lines)
		out.Uses = append(out.Uses, use)
	}
	return out
}

// describe is a setup as text, without what is zero, where somebody reads it.
type describe lines.Setup

func (c describe) String() string {
	if *lineStormSeed == 0 {
		return ""
	}
	text, err := json.Marshal(lines.Setup(c))
	if err != nil {
		return err.Error()
	}
	return zeros.ReplaceAllString(string(text), "")
}

var zeros = regexp.MustCompile(`"\w+":(0|false|null|"as-is"|"push-pull"|""|{"Levels":null,"On":0,"Off":0}),?`)
