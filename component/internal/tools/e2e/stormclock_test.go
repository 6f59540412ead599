package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
)

var clockStorms = flag.Int("storm.clock", 8, "how many storms TestKernelStorms plays")

// TestKernelStorms are the storms of TestStorms, and one in four of TestTopicStorms,
// with a clock that jumps, forward and back, by seconds and by hours, also while the
// component or the core is away. It does so in the guest of scripts/kernel.sh only: on
// a host that has gpio-sim itself the storms come without. They have one clock, so they
// come one after the other.
func TestKernelStorms(t *testing.T) {
	gpiotest.RequireKernel(t)
	clock := guestClock(t)
	if clock == nil {
		t.Log("not a guest: its clock stays as it is")
	}
	first, n := uint64(time.Now().UnixNano())>>10, *clockStorms
	if *stormSeed != 0 {
		first, n = *stormSeed, 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if seed%4 == 0 {
				topicStorm(t, seed, clock)
			} else {
				storming(t, seed, clock)
			}
			if t.Failed() {
				t.Logf("again with -test.run TestKernelStorms -storm %d", seed)
			}
		})
	}
	if clock != nil && n > 1 && clock.jumps == 0 {
		t.Error("the clock did not jump")
	}
}

// stormClock is the wall clock of a kernel that runs for nothing but these tests. The
// machine's own clock is none: where the stormClock is nil, the clock stays as it is.
type stormClock struct {
	mu     sync.RWMutex // held for reading while something is stamped by it
	back   time.Time    // when it was set back last
	latest time.Time    // what it showed when it was ahead the most
	jumps  int
}

// jump sets the clock forward or back.
func (c *stormClock) jump(t *testing.T, rng *rand.Rand) {
	d := time.Duration(rng.IntN(1000))*time.Millisecond + time.Second<<rng.IntN(15) // to four and a half hours
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jumps++
	if rng.IntN(2) == 0 {
		c.back, d = time.Now(), -d
		if now := c.back.Round(0); now.After(c.latest) {
			c.latest = now
		}
	}
	c.set(t, time.Now().Round(0).Add(d))
}

func (c *stormClock) set(t *testing.T, wall time.Time) {
	if err := setClock(wall); err != nil {
		t.Errorf("the clock cannot be set: %v", err)
	}
}

// catchUp sets the clock to no less than what it showed before: a nucleus takes no
// configuration that is older than the one it has.
func (c *stormClock) catchUp(t *testing.T) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if next := c.latest.Add(time.Second); next.After(time.Now().Round(0)) {
		c.set(t, next)
	}
}

// steady keeps the clock from jumping until what it returns is called.
func (c *stormClock) steady() (end func()) {
	if c == nil {
		return func() {}
	}
	c.mu.RLock()
	return c.mu.RUnlock
}

// setBackSince reports whether it was set back after t, so that what came later may
// look earlier.
func (c *stormClock) setBackSince(t time.Time) bool {
	if c == nil {
		return false
	}
	defer c.steady()()
	return c.back.After(t)
}
