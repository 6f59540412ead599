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

// wall is what the clock on the wall shows at the time of a step.
func (c *clock) wall(now time.Time) time.Time { return now.Round(0).Add(c.skew).UTC() }

// latest is the time by the wall clock, or the latest time that an earlier run saw
// if the clock is behind: it may not be set yet.
func (c *clock) latest(now time.Time) time.Time {
	if wall := c.wall(now); wall.After(c.saved.Latest) {
		return wall
	}
	return c.saved.Latest
}

// judge decides whether the clock is set, and reports whether it has become so. One
// that the kernel synchronises is set, and so is one that was in the same run of the
// kernel, whatever became of the time server. A hardware clock is believed unless it is
// behind what was seen of it, and so is one that is set while the component runs, as
// by a modem.
func (c *clock) judge(in Clock, wall time.Time) (becameSet bool) {
	c.told = true
	if c.boot = in.Boot; c.set {
		return false
	}
	plausible := wall.Year() >= firstYear && !wall.Before(c.saved.Latest.Add(-clockSlack))
	c.set = in.Synchronised || in.Boot != "" && in.Boot == c.saved.Boot || (in.Kept || in.Set) && plausible
	return c.set
}

// memory is what to remember of the clock.
func (c *clock) memory(wall time.Time) state.Clock {
	if c.set {
		return state.Clock{Latest: wall, Boot: c.boot}
	}
	return c.saved
}
