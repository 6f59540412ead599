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
	// clockCheck is the interval between checks of the clock while a schedule is in
	// force: somebody may set the clock. It must be shorter than schedule.Late.
	clockCheck = time.Minute
	// backToday is the largest step back of the clock regarded as a correction, after
	// which past runs do not repeat. A larger step means the clock was wrong before, so
	// schedules restart at the new time.
	backToday = 24 * time.Hour
)

// scheduled is a schedule of an output. A request puts it in force.
type scheduled struct {
	plain
	line          string // identity and polarity of the output line
	inForce       any    // the schedule as requested; nil for none
	plan          *plan
	waitsForClock bool // reported as waiting for the clock
}

// plan is a schedule in force, with its progress.
type plan struct {
	*schedule.Schedule
	state     state.Schedule
	checkedAt time.Time    // wall time of the last search for next; zero for never
	next      schedule.Run // valid if hasNext
	hasNext   bool
	pending   *pending // a pulse waiting for its save
}

// pending is a run waiting for its save, with the progress before the run.
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

// remember omits a pulse not started when the component stops: the next run carries it
// out, unless it is too late by then.
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

// adopt continues a pulse waiting for its save if the output is the same.
func (s *scheduled) adopt(old kind) {
	before := old.(*scheduled)
	switch {
	case !s.core.isWaiting(s.identity):
	case s.plan != nil && s.line == before.line && s.momentary[s.Drives]:
		s.plan.pending = before.plan.pending
		s.beginWhenSaved(s.identity, s.runSaved)
	default:
		s.stopWaiting(s.identity)
		if s.plan != nil {
			s.plan.markMissed(before.plan.pending)
			s.progressed()
		}
	}
}

func (s *scheduled) drop() {
	s.stopWaiting(s.identity)
	if s.plan != nil && s.plan.pending != nil {
		s.plan.markMissed(s.plan.pending)
		s.plan.pending = nil
	}
}

// applyRequest adopts a schedule. Runs before this moment are skipped. A repeated
// request for the same schedule changes nothing.
func (s *scheduled) applyRequest(r replica.Request) {
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
				// In another zone, the same text means another moment.
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

// differs compares with the schedule in force: the reported value has additional
// members.
func (s *scheduled) differs(value any, _ bool) bool { return !shadow.Equal(s.inForce, value) }

// progressed saves and reports the progress.
func (s *scheduled) progressed() {
	s.saveWithin(saveDelay)
	s.show()
}

// run carries out due runs.
func (s *scheduled) run() {
	if waits := s.plan != nil && s.clock.hasInput && !s.clock.set; waits != s.waitsForClock {
		s.waitsForClock = waits
		s.statusStale = true
		if s.plan != nil {
			s.show()
		}
	}
	if s.plan == nil || !s.clock.set {
		return
	}
	plan, wall := s.plan, s.clock.wall(s.now)
	if settled := plan.settledUpTo(wall); !settled.Equal(plan.state.Settled) {
		plan.state.Settled, plan.checkedAt = settled, time.Time{}
		s.progressed()
	}
	if stepped := wall.Before(plan.checkedAt); plan.checkedAt.IsZero() || stepped || plan.hasNext && !wall.Before(plan.next.At) {
		s.runDue(wall)
	}
	plan.checkedAt = wall
	wait := clockCheck
	if plan.hasNext {
		wait = min(wait, plan.next.At.Sub(wall))
	}
	s.wakeAt(s.now.Add(wait))
}

// settledUpTo returns the time up to which no run is left, even if the clock was set
// back.
func (p *plan) settledUpTo(wall time.Time) time.Time {
	settled, last := p.state.Settled, p.state.LastAt
	switch {
	case settled.IsZero(), settled.Sub(wall) > backToday:
		return wall
	case !settled.After(wall):
		return settled
	case last.After(settled), last.Before(wall):
		return wall // the clock was ahead at the adoption, and no run has come since
	}
	return last
}

// runDue carries out the due run, if any, and finds the next.
func (s *scheduled) runDue(wall time.Time) {
	plan := s.plan
	run, due := plan.Due(plan.state.Settled, wall)
	past := plan.Past(wall)
	for _, once := range sortedKeys(past) {
		if _, known := plan.state.Over[once]; !known {
			plan.recordOutcome(once, "missed")
		}
		if due && past[once].Equal(run.At) {
			plan.recordOutcome(once, "done")
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
	plan.next, plan.hasNext = plan.Next(from)
	s.progressed()
	if due {
		s.carryOut(before)
	}
}

// markMissed marks a run as missed instead of done.
func (p *plan) markMissed(run *pending) {
	p.state.LastAt, p.state.LastOn = run.lastAt, run.lastOn
	for once, at := range p.Past(run.At) {
		if at.Equal(run.At) {
			p.recordOutcome(once, "missed")
		}
	}
}

func (p *plan) recordOutcome(once, what string) {
	if p.state.Over == nil {
		p.state.Over = map[string]string{}
	}
	p.state.Over[once] = what
}

// carryOut switches the output. A pulse waits for its save, so a killed process does
// not repeat it. Switching a level twice does no harm.
func (s *scheduled) carryOut(run pending) {
	s.log.Info("schedule", "shadow", s.id, "property", s.key, "at", run.At, "line", s.Drives, "on", run.On)
	if run.On && s.momentary[s.Drives] {
		s.plan.pending = &run
		s.beginWhenSaved(s.identity, s.runSaved)
		return
	}
	s.switchOutput(s.Drives, run.On, s.cause())
	s.saveWithin(0) // after the lines have answered
}

// cause names the schedule as the cause of a switch.
func (s *scheduled) cause() lines.Cause {
	return lines.Cause{Kind: lines.BySchedule, Name: s.name()}
}

// runSaved starts a pulse after its save. If saving fails for too long, the pulse
// counts as missed.
func (s *scheduled) runSaved(failed error) {
	run := s.plan.pending
	switch {
	case run == nil || s.stopped:
		s.stopWaiting(s.identity)
	case s.plan.Missed(run.Run, s.clock.wall(s.now)):
		s.stopWaiting(s.identity)
		s.plan.pending = nil
		s.plan.markMissed(run)
		s.progressed()
		s.log.Warn("pulse of a schedule missed: it could not be saved in time", "shadow", s.id, "property", s.key, "at", run.At, "line", s.Drives)
	case failed != nil:
	default:
		s.stopWaiting(s.identity)
		s.plan.pending = nil
		s.switchOutput(s.Drives, run.On, s.cause())
	}
}

// show reports the schedule as adopted, and its progress.
func (s *scheduled) show() {
	value, ok := s.inForce.(map[string]any)
	if !ok {
		return
	}
	shown := maps.Clone(value)
	plan := s.plan
	switch {
	case !s.clock.set && !s.clock.hasInput: // right after the start
	case !s.clock.set:
		shown["waits"] = "the clock is not set"
	case plan.hasNext:
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
