package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// clock is what the engine knows of the wall clock. Everything but schedules goes by
// the time of steps, which never goes back.
type clock struct {
	set  bool          // it can be trusted: once set, it stays so
	boot string        // the run of the kernel
	skew time.Duration // what the wall clock shows less the time of steps; other than 0 in simulations only
	told bool          // something is known of it, if only that it is not set
	said bool          // that it is waited for was said
}

// clockSlack is how far a clock may be behind what it showed earlier.
const clockSlack = 10 * time.Minute

// firstYear is when no clock that is set can be before.
const firstYear = 2025

// wall is what the clock on the wall shows.
func (e *Engine) wall(now time.Time) time.Time { return now.Round(0).Add(e.clock.skew).UTC() }

// apply judges the clock. One that the kernel synchronises is set, and so is one
// that was in the same run of the kernel, whatever became of the time server. A
// hardware clock is believed unless it is behind what was seen of it, and so is whoever
// sets the clock while we look, such as a modem that hears of the time.
func (in Clock) apply(e *Engine, now time.Time) {
	e.clock.told = true
	if e.clock.boot = in.Boot; e.clock.set || e.stopped {
		return
	}
	saved, wall := e.memory.clock, e.wall(now)
	plausible := wall.Year() >= firstYear && !wall.Before(saved.Latest.Add(-clockSlack))
	if !in.Synchronised && !(in.Boot != "" && in.Boot == saved.Boot) && !((in.Kept || in.Set) && plausible) {
		return
	}
	e.clock.set = true
	e.log.Debug("clock is set", "time", wall)
	e.remember(now, saveDelay)
}

// clockMemory is what to remember of the clock.
func (e *Engine) clockMemory(now time.Time) state.Clock {
	if e.clock.set {
		return state.Clock{Latest: e.wall(now), Boot: e.clock.boot}
	}
	return e.memory.clock
}

// clockAwaited reports whether a schedule waits for the clock.
func (e *Engine) clockAwaited() bool { return e.clock.said }

// showClock says when schedules begin or end to wait for the clock.
func (e *Engine) showClock() {
	awaited := false
	for _, p := range e.schedules {
		awaited = awaited || p.plan != nil && e.clock.told && !e.clock.set
	}
	if awaited == e.clock.said {
		return
	}
	if e.clock.said = awaited; awaited {
		e.log.Warn("schedules wait: the clock is not set")
	} else {
		e.log.Info("schedules go on: the clock is set")
	}
	for _, p := range e.schedules {
		if p.plan != nil {
			e.showSchedule(p)
		}
	}
	e.showStatus()
}
