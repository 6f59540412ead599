package agent

import (
	"os"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
)

// clockPause is how often it is looked whether the wall clock was set.
const clockPause = 10 * time.Second

// followClock tells the engine what is known of the wall clock, and whenever that
// changes.
func (a *agent) followClock() {
	last, set := a.Clock(), false
	wall, boot := time.Now().Round(0), sinceBoot()
	a.send(last)
	ticks := time.NewTicker(clockPause)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			before, bootBefore := wall, boot
			wall, boot = time.Now().Round(0), sinceBoot()
			set = set || setForward(wall.Sub(before), boot-bootBefore)
			now := a.Clock()
			// These do not change while a process runs: a look that fails says nothing.
			now.Kept = now.Kept || last.Kept
			if now.Boot == "" {
				now.Boot = last.Boot
			}
			if now.Set = set; now != last {
				last = now
				a.send(now)
			}
		case <-a.ctx.Done():
			return
		}
	}
}

// setForward reports whether the wall clock was set while so much time went by. A clock
// that is kept in step moves by seconds at most.
func setForward(wall, elapsed time.Duration) bool { return wall-elapsed > time.Minute }

// kernelClock is what the kernel knows of its clock
// (torvalds/linux Documentation/ABI/testing/rtc-cdev, Documentation/admin-guide/sysctl/kernel.rst, random).
func kernelClock() engine.Clock {
	_, err := os.Stat("/sys/class/rtc/rtc0")
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // "" without
	return engine.Clock{Synchronised: synchronised(), Kept: err == nil, Boot: strings.TrimSpace(string(boot))}
}
