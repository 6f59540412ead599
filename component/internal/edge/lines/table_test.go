package lines_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// The times of the cases, in units of the board.
const (
	minTime  = 6 // minOn and minOff
	deadTime = 4
	maxOn    = 10
	pulseOn  = 10
	blinkOn  = 6
	blinkOff = 6
	pwmOn    = 3
	pwmOff   = 9
	failsafe = 2
	quiet    = 50 // long enough for every rule to be over

	backAfter = 5 // a chip that is away comes back
)

// A situation is a row of the table: what goes on when the demand comes.
type situation struct {
	rules func(l *config.Line, unit time.Duration)
	use   func(unit time.Duration) lines.Use
	begin func(r *rig) lines.Demand // returns what is demanded of line A then
}

var situations = map[string]situation{
	"on":  {begin: func(r *rig) lines.Demand { return r.begin(lines.Level(true), quiet) }},
	"off": {begin: func(r *rig) lines.Demand { return r.begin(lines.Level(false), quiet) }},
	"on, within minOn": {
		rules: func(l *config.Line, unit time.Duration) { l.MinOn = minTime * unit },
		begin: func(r *rig) lines.Demand { return r.begin(lines.Level(true), 3) },
	},
	"off, within minOff": {
		rules: func(l *config.Line, unit time.Duration) { l.MinOff = minTime * unit },
		begin: func(r *rig) lines.Demand {
			r.begin(lines.Level(true), quiet)
			return r.begin(lines.Level(false), 3)
		},
	},
	"on, within maxOn": {
		rules: func(l *config.Line, unit time.Duration) { l.MaxOn = maxOn * unit },
		begin: func(r *rig) lines.Demand { return r.begin(lines.Level(true), 3) },
	},
	"maxOn reached": {
		rules: func(l *config.Line, unit time.Duration) { l.MaxOn = maxOn * unit },
		begin: func(r *rig) lines.Demand { return r.begin(lines.Level(true), maxOn+1) },
	},
	"waits for the dead time": {begin: func(r *rig) lines.Demand {
		r.must(r.drive(lineB, lines.Level(true)))
		r.pass(quiet * r.board.unit)
		r.must(r.drive(lineB, lines.Level(false)))
		return r.begin(lines.Level(true), 1)
	}},
	"pulse waits for minOff": {
		use:   pulses,
		rules: func(l *config.Line, unit time.Duration) { l.MinOff = minTime * unit },
		begin: func(r *rig) lines.Demand {
			r.begin(lines.Level(true), quiet)
			r.begin(lines.Level(false), 1)
			return r.begin(r.pulse(), 2)
		},
	},
	"pulse": {
		use:   pulses,
		begin: func(r *rig) lines.Demand { return r.begin(r.pulse(), 3) },
	},
	"blink, on": {
		use:   waves,
		begin: func(r *rig) lines.Demand { return r.begin(r.blink(), 3) },
	},
	"PWM, off": {
		use:   waves,
		begin: func(r *rig) lines.Demand { return r.begin(r.wave(pwmOn, pwmOff), 5) },
	},
	"failsafe off taken": {begin: func(r *rig) lines.Demand {
		r.begin(lines.Level(true), quiet)
		r.link(false)
		r.pass((failsafe + 3) * r.board.unit)
		return lines.Level(false)
	}},
	"unplugged while on": {begin: func(r *rig) lines.Demand {
		d := r.begin(lines.Level(true), quiet)
		r.unplug(lineA)
		return d
	}},
	"missing since the start": {begin: func(r *rig) lines.Demand {
		r.unplug(lineA)
		r.restart()
		r.link(true)
		r.pass(quiet * r.board.unit)
		return lines.Level(false)
	}},
	"stopped while on": {begin: func(r *rig) lines.Demand {
		d := r.begin(lines.Level(true), quiet)
		r.Stop(r.now, false)
		r.carryOut()
		return d
	}},
}

func pulses(time.Duration) lines.Use { return lines.Use{Lines: []string{lineA}, Momentary: true} }

func waves(unit time.Duration) lines.Use {
	return lines.Use{Lines: []string{lineA}, Period: (blinkOn + blinkOff) * unit}
}

// events are the columns of the table: what comes then.
var events = map[string]func(r *rig, now lines.Demand) error{
	"on":             func(r *rig, _ lines.Demand) error { return r.drive(lineA, lines.Level(true)) },
	"off":            func(r *rig, _ lines.Demand) error { return r.drive(lineA, lines.Level(false)) },
	"pulse":          func(r *rig, _ lines.Demand) error { return r.drive(lineA, r.pulse()) },
	"blink":          func(r *rig, _ lines.Demand) error { return r.drive(lineA, r.blink()) },
	"the same again": func(r *rig, now lines.Demand) error { return r.drive(lineA, now) },
	"other line on":  func(r *rig, _ lines.Demand) error { return r.drive(lineB, lines.Level(true)) },
	"link lost":      func(r *rig, _ lines.Demand) error { r.link(false); return nil },
	"stop":           func(r *rig, _ lines.Demand) error { r.Stop(r.now, false); r.carryOut(); return nil },
	"restart":        func(r *rig, _ lines.Demand) error { r.restart(); r.link(true); return nil },
}

func (r *rig) wave(on, off time.Duration) lines.Demand {
	return lines.Wave(on*r.board.unit, off*r.board.unit)
}
func (r *rig) blink() lines.Demand { return r.wave(blinkOn, blinkOff) }
func (r *rig) pulse() lines.Demand { return lines.Pulse(pulseOn * r.board.unit) }

// begin demands something of line A and lets that many units of time pass.
func (r *rig) begin(d lines.Demand, units time.Duration) lines.Demand {
	r.must(r.drive(lineA, d))
	r.pass(units * r.board.unit)
	return d
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// overlaps reads the table of LINES.md: the cell of each row and column.
func overlaps(t *testing.T) map[[2]string]string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/use/LINES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| What goes on ")
	if !found {
		t.Fatal("LINES.md has no table of what goes on")
	}
	table, _, _ = strings.Cut("| What goes on "+table, "\n\n")
	var header []string
	cells := map[[2]string]string{}
	for i, row := range strings.Split(strings.TrimSpace(table), "\n") {
		fields := strings.Split(strings.Trim(row, "| "), "|")
		for j := range fields {
			fields[j] = strings.TrimSpace(fields[j])
		}
		switch {
		case i == 0:
			header = fields
		case i > 1:
			for j, cell := range fields[1:] {
				cells[[2]string{fields[0], header[j+1]}] = cell
			}
		}
	}
	return cells
}

// runTable plays every cell of the table of LINES.md on a new board of its own.
func runTable(t *testing.T, play func(t *testing.T, test func(*testing.T, board))) {
	cells := overlaps(t)
	for row := range situations {
		for column := range events {
			if cells[[2]string{row, column}] == "" {
				t.Errorf("LINES.md does not say what happens with %q, %q", row, column)
			}
		}
	}
	for at, cell := range cells {
		row, column := at[0], at[1]
		t.Run(row+"/"+column, func(t *testing.T) {
			s, ok := situations[row]
			event := events[column]
			if !ok || event == nil {
				t.Fatal("LINES.md has a row or column that is not tested")
			}
			play(t, func(t *testing.T, b board) { playCell(t, b, s, event, cell) })
		})
	}
}

func playCell(t *testing.T, b board, s situation, event func(*rig, lines.Demand) error, cell string) {
	r := newRig(t, b, tableSetup(s, b.unit))
	defer r.release()
	r.link(true)
	r.pass(quiet * b.unit)
	now := s.begin(r)
	r.mark()
	err := event(r, now)
	if _, refused := errors.AsType[*lines.Conflict](err); refused != (cell == "refused") {
		t.Fatalf("want %q, got %v", cell, err)
	}
	c := newCase(r, cell)
	r.pass(backAfter * b.unit)
	if b.plug(lineA) == nil {
		r.pass(2 * time.Second) // the first retries come within seconds
	}
	r.pass(quiet * b.unit)
	c.saw = r.trace[r.marked:]
	c.check()
}

func tableSetup(s situation, unit time.Duration) lines.Setup {
	line := func(label string) config.Line {
		return config.Line{Ref: gpio.Ref{Chip: label, Line: "0"}, Direction: gpio.Output}
	}
	a := line(lineA)
	a.Failsafe = &config.Failsafe{After: failsafe * unit}
	if s.rules != nil {
		s.rules(&a, unit)
	}
	setup := lines.Setup{
		Lines:      map[string]config.Line{lineA: a, lineB: line(lineB)},
		Interlocks: map[string]config.Interlock{"ab": {Lines: []string{lineA, lineB}, DeadTime: deadTime * unit}},
	}
	if s.use != nil {
		setup.Uses = []lines.Use{s.use(unit)}
	}
	return setup
}
