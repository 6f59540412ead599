package lines

import (
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
)

// Stop ends all that goes on: outputs take their stop state at once, interlocks
// observed but not minimum times. A line that is kept as it is goes off nevertheless
// if it was demanded off and a rule made it wait, or if it goes on and off; unless
// kept, so does one with a MaxOn, since nobody would end what it does. kept says that
// somebody keeps the lines, and carries out their [Guard].
func (b *Bank) Stop(now time.Time, kept bool) {
	b.stopped = true
	for _, u := range b.outputOrder {
		if u.state != held {
			continue
		}
		levels := slices.Clone(u.values)
		for i, cfg := range u.cfgs {
			levels[i] = b.stopLevel(now, member{u, i}, cfg, kept)
		}
		b.replace(u, Pattern(levels), Cause{Kind: ByStop})
		if !u.is(levels) {
			b.write(now, u, levels)
		}
	}
}

func (b *Bank) stopLevel(now time.Time, m member, cfg config.Line, kept bool) bool {
	// A line that was set off and still reads on may be off by now.
	on := m.value() && m.set[m.index]
	switch {
	case cfg.Stop == config.StopOff:
		return false
	case cfg.Stop == config.StopOn:
		return on || b.locked(now, m).why == ""
	case m.demand.Timed() || cfg.MaxOn > 0 && !kept:
		return false
	}
	return on && m.wantsOn(m.index)
}

// guard tells what is to become of an output should this process vanish.
func (b *Bank) guard(now time.Time, u *output, levels []bool) {
	g := Guard{Claim: u.key, Lines: len(u.lines)}
	switch {
	case b.stopped:
	case u.demand.IsWave():
		g.Off = true
	case u.demand.IsPulse():
		g.Off, g.At = true, now.Add(u.demand.On)
		if !u.begun.IsZero() {
			g.At = u.begun.Add(u.demand.On)
		}
	}
	for i, cfg := range u.cfgs {
		if cfg.MaxOn == 0 || !levels[i] || g.Off {
			continue
		}
		g.Off, g.At = true, now.Add(cfg.MaxOn)
		if u.values[i] {
			g.At = u.since[i].Add(cfg.MaxOn)
		}
	}
	// The moment of the write and of its observation differ a little.
	if g.Off == u.guarded.Off && g.At.Sub(u.guarded.At).Abs() < 100*time.Millisecond {
		return
	}
	u.guarded = g
	b.do(g)
}
