package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// clock is what the engine knows of the wall clock. Everything but schedules goes by
// the time of steps, which never goes back.
type clock struct {
	set   bool          // it can be trusted: once set, it stays so
	boot  string        // the run of the kernel
	skew  time.Duration // the wall clock less the time of steps; other than 0 in simulations only
	told  bool          // something is known of it, if only that it is not set
	saved state.Clock   // by an earlier run
}

// clockSlack is how far a clock may be behind what it showed earlier.
const clockSlack = 10 * time.Minute

// firstYear is before any clock that is set.
const firstYear = 2025

// wall is what the clock on the wall shows.
func (c *core) wall() time.Time { return c.now.Round(0).Add(c.clock.skew).UTC() }

// judgeClock decides whether the clock is set. One that the kernel synchronises is
// set, and so is one that was in the same run of the kernel, whatever became of the
// time server. A hardware clock is believed unless it is behind what was seen of it,
// and so is one that is set while the component runs, as by a modem.
func (c *core) judgeClock(in Clock) {
	c.clock.told = true
	if c.clock.boot = in.Boot; c.clock.set || c.stopped {
		return
	}
	saved, wall := c.clock.saved, c.wall()
	plausible := wall.Year() >= firstYear && !wall.Before(saved.Latest.Add(-clockSlack))
	if !in.Synchronised && !(in.Boot != "" && in.Boot == saved.Boot) && !((in.Kept || in.Set) && plausible) {
		return
	}
	c.clock.set = true
	c.log.Debug("clock is set", "time", wall)
	c.saveWithin(saveDelay)
}

// clockMemory is what to remember of the clock.
func (c *core) clockMemory() state.Clock {
	if c.clock.set {
		return state.Clock{Latest: c.wall(), Boot: c.clock.boot}
	}
	return c.clock.saved
}
