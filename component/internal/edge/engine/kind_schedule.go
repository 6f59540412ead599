package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/schedule"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const (
	// look is how often the clock is looked at while a schedule is in force: it can
	// be set meanwhile. It is shorter than schedule.Late.
	look = time.Minute
	// backToday is the largest step back of the clock that is taken for a
	// correction: a run that was carried out is not carried out again. After a larger
	// one the clock was wrong before, and schedules begin at the new time.
	backToday = 24 * time.Hour
)

// scheduled is a schedule of an output, which a request puts in force.
type scheduled struct {
	plain
	line    string // the identity and polarity of the line that it drives
	inForce any    // as it was requested; nil for none
	plan    *plan
	waits   bool // it is shown to wait for the clock
}

// plan is a schedule in force, and how far it has come.
type plan struct {
	*schedule.Schedule
	state   state.Schedule
	looked  time.Time    // the wall clock when next was found; zero for never
	next    schedule.Run // valid when comes
	comes   bool
	pending *pending // a pulse that begins when it is saved
}

// pending is a run that is saved first, and how far the schedule had come before it.
type pending struct {
	schedule.Run
	settled time.Time
	lastAt  time.Time
	lastOn  bool
}

func newSchedule(p *property) kind {
	return &scheduled{plain: plain{p}, line: lines.MemoryKey(p.cfg.Lines[p.Drives])}
}

func (s *scheduled) resume(saved state.Property) {
	if saved.Schedule == nil {
		return
	}
	parsed, err := schedule.Parse(saved.Schedule.Value)
	if err != nil {
		s.log.Warn("remembered schedule is not understood; it is left out", "shadow", s.id, "property", s.key, "error", err)
		return
	}
	progress := *saved.Schedule
	progress.Over = maps.Clone(progress.Over)
	s.inForce, s.plan = progress.Value, &plan{Schedule: parsed, state: progress}
	s.show()
}

// remember leaves out a pulse that has not begun when the component stops: the next
// run carries it out, unless it is too late by then.
func (s *scheduled) remember(saved state.Property) state.Property {
	if s.plan == nil {
		return saved
	}
	progress := s.plan.state
	progress.Over = maps.Clone(progress.Over)
	if run := s.plan.pending; run != nil && s.stopped {
		progress.Settled, progress.LastAt, progress.LastOn = run.settled, run.lastAt, run.lastOn
		maps.DeleteFunc(progress.Over, func(once string, _ string) bool {
			at, _ := s.plan.Once(once)
			return at.Equal(run.At)
		})
	}
	saved.Schedule = &progress
	return saved
}

// adopt goes on with a pulse that waits to be saved, if it is of the same output.
func (s *scheduled) adopt(old kind) {
	before := old.(*scheduled)
	switch {
	case !s.core.waits(s.identity):
	case s.plan != nil && s.line == before.line && s.momentary[s.Drives]:
		s.plan.pending = before.plan.pending
		s.beginWhenSaved(s.identity, s.runSaved)
	default:
		s.stopWaiting(s.identity)
		if s.plan != nil {
			s.plan.miss(before.plan.pending)
			s.progressed()
		}
	}
}

func (s *scheduled) drop() {
	s.stopWaiting(s.identity)
	if s.plan != nil && s.plan.pending != nil {
		s.plan.miss(s.plan.pending)
		s.plan.pending = nil
	}
}

// obey adopts a schedule. A run before this moment is not carried out; the same
// schedule again goes on as it was.
func (s *scheduled) obey(r replica.Request) {
	text, err := json.Marshal(r.Value)
	if err == nil && len(text) > s.MaxSize {
		err = fmt.Errorf("want at most %d bytes of JSON, got %d", s.MaxSize, len(text))
	}
	var parsed *schedule.Schedule
	if err == nil {
		parsed, err = schedule.Parse(r.Value)
	}
	if err != nil {
		s.acknowledge(shadow.Refused, err.Error())
		return
	}
	if s.plan == nil || !shadow.Equal(s.inForce, r.Value) {
		next := &plan{Schedule: parsed, state: state.Schedule{Value: r.Value}}
		if s.clock.set {
			next.state.Settled = s.clock.wall(s.now)
		}
		if old := s.plan; old != nil {
			next.state.LastAt, next.state.LastOn, next.state.Over = old.state.LastAt, old.state.LastOn, maps.Clone(old.state.Over)
			maps.DeleteFunc(next.state.Over, func(once string, _ string) bool {
				// The same text is another moment in another zone.
				at, ok := parsed.Once(once)
				was, _ := old.Once(once)
				return !ok || !at.Equal(was)
			})
		}
		s.inForce, s.plan = r.Value, next
		s.progressed()
	}
	s.acknowledge(shadow.Done, "")
}

// differs compares with the schedule in force: it is reported with more than was
// requested.
func (s *scheduled) differs(value any, _ bool) bool { return !shadow.Equal(s.inForce, value) }

// progressed remembers and reports how far the schedule has come.
func (s *scheduled) progressed() {
	s.saveWithin(saveDelay)
	s.show()
}

// run carries out what is due.
func (s *scheduled) run() {
	if waits := s.plan != nil && s.clock.told && !s.clock.set; waits != s.waits {
		s.waits = waits
		s.statusStale = true
		if s.plan != nil {
			s.show()
		}
	}
	if s.plan == nil || !s.clock.set {
		return
	}
	plan, wall := s.plan, s.clock.wall(s.now)
	if settled := plan.settle(wall); !settled.Equal(plan.state.Settled) {
		plan.state.Settled, plan.looked = settled, time.Time{}
		s.progressed()
	}
	if stepped := wall.Before(plan.looked); plan.looked.IsZero() || stepped || plan.comes && !wall.Before(plan.next.At) {
		s.lookAt(wall)
	}
	plan.looked = wall
	wait := look
	if plan.comes {
		wait = min(wait, plan.next.At.Sub(wall))
	}
	s.at(s.now.Add(wait))
}

// settle is up to when no run is still to come, by a clock that may have been set back.
func (p *plan) settle(wall time.Time) time.Time {
	settled, last := p.state.Settled, p.state.LastAt
	switch {
	case settled.IsZero(), settled.Sub(wall) > backToday:
		return wall
	case !settled.After(wall):
		return settled
	case last.After(settled), last.Before(wall):
		return wall // the clock was ahead when the schedule was adopted, and nothing came since
	}
	return last
}

// lookAt carries out the run that is due, if there is one, and finds the next.
func (s *scheduled) lookAt(wall time.Time) {
	plan := s.plan
	run, due := plan.Due(plan.state.Settled, wall)
	past := plan.Past(wall)
	for _, once := range sortedKeys(past) {
		if _, known := plan.state.Over[once]; !known {
			plan.note(once, "missed")
		}
		if due && past[once].Equal(run.At) {
			plan.note(once, "done")
		}
	}
	from := wall
	if plan.state.Settled.After(from) {
		from = plan.state.Settled
	}
	before := pending{run, plan.state.Settled, plan.state.LastAt, plan.state.LastOn}
	if due {
		plan.state.Settled, plan.state.LastAt, plan.state.LastOn = run.At.UTC(), run.At.UTC(), run.On
	}
	plan.next, plan.comes = plan.Next(from)
	s.progressed()
	if due {
		s.carryOut(before)
	}
}

// miss takes back that a run was carried out.
func (p *plan) miss(run *pending) {
	p.state.LastAt, p.state.LastOn = run.lastAt, run.lastOn
	for once, at := range p.Past(run.At) {
		if at.Equal(run.At) {
			p.note(once, "missed")
		}
	}
}

func (p *plan) note(once, what string) {
	if p.state.Over == nil {
		p.state.Over = map[string]string{}
	}
	p.state.Over[once] = what
}

// carryOut switches the output. A pulse begins when it is saved: a process that is
// killed in between must not repeat it. A level may be switched again.
func (s *scheduled) carryOut(run pending) {
	s.log.Info("schedule", "shadow", s.id, "property", s.key, "at", run.At, "line", s.Drives, "on", run.On)
	if run.On && s.momentary[s.Drives] {
		s.plan.pending = &run
		s.beginWhenSaved(s.identity, s.runSaved)
		return
	}
	s.switchOutput(s.Drives, run.On, s.cause())
	s.saveWithin(0) // not before the lines have answered
}

// cause is what the schedule is called where it switches something.
func (s *scheduled) cause() lines.Cause {
	return lines.Cause{Kind: lines.BySchedule, Name: s.name()}
}

// runSaved begins a pulse that had to be saved first. While it cannot be, it waits,
// and is missed when it is too late.
func (s *scheduled) runSaved(failed error) {
	run := s.plan.pending
	switch {
	case run == nil || s.stopped:
		s.stopWaiting(s.identity)
	case s.plan.Missed(run.Run, s.clock.wall(s.now)):
		s.stopWaiting(s.identity)
		s.plan.pending = nil
		s.plan.miss(run)
		s.progressed()
		s.log.Warn("pulse of a schedule missed: it could not be saved in time", "shadow", s.id, "property", s.key, "at", run.At, "line", s.Drives)
	case failed != nil:
	default:
		s.stopWaiting(s.identity)
		s.plan.pending = nil
		s.switchOutput(s.Drives, run.On, s.cause())
	}
}

// show reports the schedule as it was adopted, and how far it has come.
func (s *scheduled) show() {
	value, ok := s.inForce.(map[string]any)
	if !ok {
		return
	}
	shown := maps.Clone(value)
	plan := s.plan
	switch {
	case !s.clock.set && !s.clock.told: // at the start, for a moment
	case !s.clock.set:
		shown["waits"] = "the clock is not set"
	case plan.comes:
		shown["next"] = showRun(plan.next.At, plan.next.On)
	}
	if !plan.state.LastAt.IsZero() {
		shown["last"] = showRun(plan.state.LastAt, plan.state.LastOn)
	}
	if len(plan.state.Over) > 0 {
		over := map[string]any{}
		for once, what := range plan.state.Over {
			over[once] = what
		}
		shown["over"] = over
	}
	s.report(shown)
}

func showRun(at time.Time, on bool) map[string]any {
	return map[string]any{"at": at.UTC().Format(time.RFC3339), "set": map[bool]string{true: "on", false: "off"}[on]}
}
