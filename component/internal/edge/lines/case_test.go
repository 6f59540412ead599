package lines_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// tableCase holds what was seen after an event against what its cell says:
// "refused", or steps parted by commas, each a level and what it comes after:
// "on after minOff, off after pulse". They are line A's, or with "other" line B's.
// A step without "after" comes at once, or is so already, with "when back" as soon as
// the chip is. "blinks" is the wave that is demanded, from its beginning; "blinks on"
// is the same in the period of the wave that went on before.
type tableCase struct {
	*testing.T
	unit   time.Duration
	cell   string
	came   time.Time
	demand lines.Demand      // of line A after the event
	was    map[string]change // the last change of each line that is explained
	began  time.Time         // when line A went on last before the event
	saw    []change          // since the event, those that are explained taken away
}

func newCase(r *rig, cell string) *tableCase {
	c := &tableCase{T: r.t, unit: r.board.unit, cell: cell, came: r.now, demand: r.Output(lineA).Demand, was: r.was}
	for _, change := range r.trace[:r.marked] {
		if change.line == lineA && change.on {
			c.began = change.at
		}
	}
	return c
}

func (c *tableCase) check() {
	c.Helper()
	all := c.saw
	defer func() {
		if c.Failed() {
			for _, change := range all {
				c.Logf("%s %v after %v", change.line, change.on, change.at.Sub(c.came))
			}
		}
	}()
	if c.cell == "refused" {
		for _, change := range c.saw {
			if change.line == lineB && change.on {
				c.Error("the other line went on although it was refused")
			}
		}
		return
	}
	for step := range strings.SplitSeq(c.cell, ", ") {
		line := lineA
		if rest, other := strings.CutPrefix(step, "other "); other {
			line, step = lineB, rest
		}
		c.step(line, step)
	}
	if len(c.saw) > 0 && !strings.Contains(c.cell, "blinks") {
		c.Errorf("more came than %q", c.cell)
	}
}

func (c *tableCase) step(line, step string) {
	c.Helper()
	what, after, _ := strings.Cut(step, " after ")
	at := c.came
	if after != "" {
		at = c.time(line, after)
	}
	what, whenBack := strings.CutSuffix(what, " when back")
	switch what {
	case "on", "off":
		c.turns(line, what == "on", at, whenBack)
	case "blinks":
		c.turns(line, true, at, whenBack)
		if at = later(at, c.was[line].at); c.was[line].at.Before(c.came) {
			at = c.came
		}
		c.waves(line, at)
	case "blinks on":
		if phase := c.came.Sub(c.began) % (c.demand.On + c.demand.Off); phase < c.demand.On {
			c.turns(line, true, at, false)
		}
		c.waves(line, c.began)
	default:
		c.Fatalf("%q: no step is called %q", c.cell, step)
	}
}

// waves wants the next turns of the wave that began at that time.
func (c *tableCase) waves(line string, began time.Time) {
	c.Helper()
	for range 3 {
		for _, turn := range []struct {
			on bool
			at time.Time
		}{{true, began}, {false, began.Add(c.demand.On)}} {
			if turn.at.After(c.was[line].at) && turn.at.After(c.came) {
				c.turns(line, turn.on, turn.at, false)
			}
		}
		began = began.Add(c.demand.On + c.demand.Off)
	}
}

// turns wants a line to change at that time, or to be so already.
func (c *tableCase) turns(line string, on bool, at time.Time, whenBack bool) {
	c.Helper()
	if c.was[line].on == on && at.Equal(c.came) && !whenBack {
		return
	}
	back := c.came.Add(backAfter * c.unit)
	switch {
	case len(c.saw) == 0:
		c.Fatalf("%q: %s did not go %v", c.cell, line, on)
	case c.saw[0].line != line || c.saw[0].on != on,
		whenBack && c.saw[0].at.Before(back),
		!whenBack && !c.saw[0].at.Equal(at):
		c.Fatalf("%q: want %s %v after %v, saw %s %v after %v", c.cell, line, on, at.Sub(c.came),
			c.saw[0].line, c.saw[0].on, c.saw[0].at.Sub(c.came))
	}
	c.was[line], c.saw = c.saw[0], c.saw[1:]
}

// time is when a rule lets go.
func (c *tableCase) time(line, rule string) time.Time {
	c.Helper()
	other := map[string]string{lineA: lineB, lineB: lineA}[line]
	switch rule {
	case "minOn", "minOff":
		return c.was[line].at.Add(minTime * c.unit)
	case "maxOn":
		return c.was[line].at.Add(maxOn * c.unit)
	case "dead time":
		return c.was[other].at.Add(deadTime * c.unit)
	case "failsafe":
		return c.came.Add(failsafe * c.unit)
	case "pulse":
		return later(c.came, c.was[line].at).Add(pulseOn * c.unit)
	}
	c.Fatalf("%q: no rule is called %q", c.cell, rule)
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
