package engine

import (
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// clock is the engine's knowledge of the wall clock. Only schedules use it. Everything
// else uses the time of the steps, which never goes back.
type clock struct {
	set      bool          // the clock can be trusted; never reverts to false
	boot     string        // the boot ID of the kernel
	skew     time.Duration // the wall clock minus the time of the steps; not 0 in simulations only
	hasInput bool          // at least one [Clock] input has arrived
	saved    state.Clock   // by an earlier run
}

// clockSlack is how far a clock may be behind the latest time seen earlier.
const clockSlack = 10 * time.Minute

// firstYear is a year before any correctly set clock.
const firstYear = 2025

// wall returns the wall time of a step.
func (c *clock) wall(now time.Time) time.Time { return now.Round(0).Add(c.skew).UTC() }

// latest returns the wall time, or the latest time seen by an earlier run if the clock
// is behind: the clock may not be set yet.
func (c *clock) latest(now time.Time) time.Time {
	if wall := c.wall(now); wall.After(c.saved.Latest) {
		return wall
	}
	return c.saved.Latest
}

// judge decides whether the clock can be trusted, and reports whether it just became
// trusted. It trusts a clock synchronized by the kernel, and a clock trusted earlier in
// the same boot, even if the time server is gone. It trusts a hardware clock, or a
// clock set while the component runs (by a modem, for example), unless the time is
// behind the latest time seen.
func (c *clock) judge(in Clock, wall time.Time) (becameSet bool) {
	c.hasInput = true
	if c.boot = in.Boot; c.set {
		return false
	}
	plausible := wall.Year() >= firstYear && !wall.Before(c.saved.Latest.Add(-clockSlack))
	c.set = in.Synchronised || in.Boot != "" && in.Boot == c.saved.Boot || (in.Kept || in.Set) && plausible
	return c.set
}

// memory returns the part of the clock to save.
func (c *clock) memory(wall time.Time) state.Clock {
	if c.set {
		return state.Clock{Latest: wall, Boot: c.boot}
	}
	return c.saved
}
