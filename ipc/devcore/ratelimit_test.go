package devcore

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// passes is how many of n requests for a thing pass at once.
func passes(l *rateLimiter, thing string, n int) (passed int) {
	for range n {
		if l.allow(thing) {
			passed++
		}
	}
	return passed
}

func TestRateLimits(t *testing.T) {
	limits := RateLimits{}
	if err := limits.setDefaults(); err != nil || limits != (RateLimits{200, 20}) {
		t.Fatalf("defaults: %+v, %v", limits, err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimiter(limits)
		want := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d passed, want %d", what, got, want)
			}
		}
		want("first window", passes(l, "a", 30), 20)
		want("another thing", passes(l, "b", 30), 20)
		time.Sleep(time.Second - time.Nanosecond)
		want("just before its end", passes(l, "a", 1), 0)
		time.Sleep(time.Nanosecond)
		want("second window", passes(l, "a", 30), 20)

		// A window begins with its first request: twice the rate can pass around
		// the end of one.
		time.Sleep(1500 * time.Millisecond)
		want("one that begins the window", passes(l, "a", 1), 1)
		time.Sleep(900 * time.Millisecond)
		want("at its end", passes(l, "a", 30), 19)
		time.Sleep(100 * time.Millisecond)
		want("and in the next", passes(l, "a", 30), 20)

		// What is refused for its thing counts for the total.
		time.Sleep(time.Second)
		want("one thing", passes(l, "a", 199), 20)
		want("what is left of the total", passes(l, "b", 5), 1)
		want("names that are empty do not count", passes(l, "", 500), 500)
	})
}

func TestRateLimitForgetsOldThings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimiter(RateLimits{Total: 3, PerThing: 1})
		passes(l, "a", 1)
		for i := range 3 {
			time.Sleep(100 * time.Millisecond)
			l.mu.Lock()
			l.total.count = 0
			l.mu.Unlock()
			passes(l, fmt.Sprint(i), 1)
		}
		l.mu.Lock()
		l.total.count = 0
		l.mu.Unlock()
		if got := passes(l, "a", 1); got != 1 {
			t.Error("the oldest thing is still limited, although three newer ones are tracked")
		}
		if len(l.things) != 3 || len(l.oldest) != 3 {
			t.Errorf("%d things, %d in order", len(l.things), len(l.oldest))
		}
	})
}
