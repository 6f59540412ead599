package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/schedule"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

const (
	// look is how often the clock is looked at while a schedule is in force: it can
	// be set meanwhile. It is shorter than schedule.Late.
	look = time.Minute
	// backToday is the largest step back of the clock that is taken for a
	// correction: what was carried out is not carried out again. After a larger one
	// the clock was wrong before, and schedules begin at the new time.
	backToday = 24 * time.Hour
)

// plan is a schedule in force, and how far it has come.
type plan struct {
	*schedule.Schedule
	state   state.Schedule
	looked  time.Time    // the wall clock when next was found; zero for never
	next    schedule.Run // valid when comes
	comes   bool
	pending *pending // a pulse that begins when it is remembered
}

// pending is a run that is remembered first, and what was the last one before it.
type pending struct {
	schedule.Run
	lastAt time.Time
	lastOn bool
}

// bindSchedule puts the schedule in force that an earlier run adopted.
func (e *Engine) bindSchedule(p *property) {
	saved, known := e.memory.plans[p.id()]
	if !known {
		return
	}
	parsed, err := schedule.Parse(saved.Value)
	if err != nil {
		e.log.Warn("remembered schedule is not understood; it is left out", "shadow", p.shadow.id, "property", p.key, "error", err)
		return
	}
	saved.Over = maps.Clone(saved.Over)
	p.value, p.plan = saved.Value, &plan{Schedule: parsed, state: saved}
	e.showSchedule(p)
}

// schedule adopts a schedule that is desired. What was to come before this moment
// is not carried out; the same schedule again goes on as it was.
func (e *Engine) schedule(now time.Time, p *property, desired any) {
	text, err := json.Marshal(desired)
	if err == nil && len(text) > p.MaxSize {
		err = fmt.Errorf("want at most %d bytes of JSON, got %d", p.MaxSize, len(text))
	}
	var parsed *schedule.Schedule
	if err == nil {
		parsed, err = schedule.Parse(desired)
	}
	if err != nil {
		e.answer(p.shadow, p.key, shadow.Refused, err.Error())
		return
	}
	if p.plan == nil || !shadow.Equal(p.value, desired) {
		next := &plan{Schedule: parsed, state: state.Schedule{Value: desired}}
		if e.clock.set {
			next.state.Settled = e.wall(now)
		}
		if old := p.plan; old != nil {
			next.state.LastAt, next.state.LastOn, next.state.Over = old.state.LastAt, old.state.LastOn, old.state.Over
			maps.DeleteFunc(next.state.Over, func(once string, _ string) bool {
				// The same text is another moment in another zone.
				at, ok := parsed.Once(once)
				was, _ := old.Once(once)
				return !ok || !at.Equal(was)
			})
		}
		p.value, p.plan = desired, next
		e.planned(now, p, saveDelay)
	}
	e.answer(p.shadow, p.key, shadow.Done, "")
}

// planned remembers and reports how far a schedule has come.
func (e *Engine) planned(now time.Time, p *property, delay time.Duration) {
	saved := p.plan.state
	saved.Over = maps.Clone(saved.Over)
	e.memory.plans[p.id()] = saved
	e.remember(now, delay)
	e.showSchedule(p)
}

// runSchedules carries out what is due.
func (e *Engine) runSchedules(now time.Time) {
	for _, p := range e.schedules {
		if p.plan != nil && e.clock.set {
			e.runSchedule(now, p)
		}
	}
	e.showClock()
}

func (e *Engine) runSchedule(now time.Time, p *property) {
	plan, wall := p.plan, e.wall(now)
	if settled := plan.settle(wall); !settled.Equal(plan.state.Settled) {
		plan.state.Settled, plan.looked = settled, time.Time{}
		e.planned(now, p, saveDelay)
	}
	if stepped := wall.Before(plan.looked); plan.looked.IsZero() || stepped || plan.comes && !wall.Before(plan.next.At) {
		e.lookAt(now, p, wall)
	}
	plan.looked = wall
	wait := look
	if plan.comes {
		wait = min(wait, plan.next.At.Sub(wall))
	}
	e.at(now.Add(wait))
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
func (e *Engine) lookAt(now time.Time, p *property, wall time.Time) {
	plan := p.plan
	run, due := plan.Due(plan.state.Settled, wall)
	over := plan.Past(wall)
	for once, at := range over {
		if _, known := plan.state.Over[once]; !known {
			plan.note(once, "missed")
		}
		if due && at.Equal(run.At) {
			plan.note(once, "done")
		}
	}
	from := wall
	if plan.state.Settled.After(from) {
		from = plan.state.Settled
	}
	before := pending{run, plan.state.LastAt, plan.state.LastOn}
	if due {
		plan.state.Settled, plan.state.LastAt, plan.state.LastOn = run.At.UTC(), run.At.UTC(), run.On
	}
	plan.next, plan.comes = plan.Next(from)
	e.planned(now, p, saveDelay)
	if due {
		e.carryOutRun(now, p, before)
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

// carryOutRun switches the output of a schedule. A pulse begins when it is
// remembered: a process that is killed in between must not begin it again. What is
// only switched may be switched again.
func (e *Engine) carryOutRun(now time.Time, p *property, run pending) {
	e.log.Info("schedule", "shadow", p.shadow.id, "property", p.key, "at", run.At, "line", p.Drives, "on", run.On)
	if driven := e.outputs[p.Drives]; run.On && driven != nil && driven.Kind == config.Pulse {
		p.plan.pending = &run
		e.saveFor(now, p)
		return
	}
	e.switchLocally(now, p.Drives, run.On, p.cause())
	e.saveNow(now)
}

// cause is what a schedule is called where it switches something.
func (p *property) cause() lines.Cause {
	return lines.Cause{Kind: lines.BySchedule, Name: p.id()}
}

// runSaved begins a pulse that had to be remembered first. While it cannot be, it
// waits, and is missed when it is too late.
func (e *Engine) runSaved(now time.Time, p *property, seq uint64, failed error) {
	run := p.plan.pending
	switch {
	case run == nil || e.stopped:
		delete(e.memory.waiting, p.id())
	case p.plan.Missed(run.Run, e.wall(now)):
		delete(e.memory.waiting, p.id())
		p.plan.pending = nil
		p.plan.miss(run)
		e.planned(now, p, saveDelay)
		e.log.Warn("pulse of a schedule missed: it could not be remembered in time", "shadow", p.shadow.id, "property", p.key, "at", run.At, "line", p.Drives)
	case failed != nil || seq > e.memory.seq:
	default:
		delete(e.memory.waiting, p.id())
		p.plan.pending = nil
		e.switchLocally(now, p.Drives, run.On, p.cause())
	}
}

// showSchedule reports a schedule as it was adopted, and how far it has come.
func (e *Engine) showSchedule(p *property) {
	value, ok := p.value.(map[string]any)
	if !ok {
		return
	}
	shown := maps.Clone(value)
	plan := p.plan
	switch {
	case !e.clock.set && !e.clock.told: // at the start, for a moment
	case !e.clock.set:
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
	p.shadow.want[p.key] = shown
	e.touch(p.shadow)
}

func showRun(at time.Time, on bool) map[string]any {
	return map[string]any{"at": at.UTC().Format(time.RFC3339), "set": map[bool]string{true: "on", false: "off"}[on]}
}
