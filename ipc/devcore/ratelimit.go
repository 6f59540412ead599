package devcore

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// RateLimits bounds the shadow requests that come over IPC. Zero values mean the
// defaults of the shadow manager.
type RateLimits struct {
	Total    int // requests per second of all things together; default 200
	PerThing int // requests per second of one thing; default 20
}

func (r *RateLimits) setDefaults() error {
	if r.Total == 0 {
		r.Total = 200
	}
	if r.PerThing == 0 {
		r.PerThing = 20
	}
	if r.Total < 0 || r.PerThing < 0 {
		return fmt.Errorf("rate limits: want more than 0 requests per second, got %d in all and %d per thing", r.Total, r.PerThing)
	}
	return nil
}

// window counts requests in fixed windows of a second. A window begins with the
// first request a second or more after the last one began.
type window struct {
	start time.Time
	count int
}

func (w *window) take(now time.Time, rate int) bool {
	if now.Sub(w.start) >= time.Second {
		w.start, w.count = now, 0
	}
	if w.count >= rate {
		return false
	}
	w.count++
	return true
}

// rateLimiter limits requests as the shadow manager does
// (ipc/InboundRateLimiter.java): what is refused for its thing has still used up
// one of the total, and at most Total things are remembered.
type rateLimiter struct {
	rates RateLimits

	mu     sync.Mutex
	total  window
	things map[string]*window
	oldest []string // the things, in the order in which they were first seen
}

func newRateLimiter(r RateLimits) *rateLimiter {
	now := time.Now()
	return &rateLimiter{rates: r, total: window{start: now}, things: map[string]*window{}}
}

func (l *rateLimiter) allow(thing string) bool {
	if thing == "" {
		return true
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total.take(now, l.rates.Total) && l.thing(thing, now).take(now, l.rates.PerThing)
}

// thing is the window of a thing. The caller holds mu.
func (l *rateLimiter) thing(name string, now time.Time) *window {
	w, ok := l.things[name]
	if !ok {
		w = &window{start: now}
		l.things[name] = w
		l.oldest = append(l.oldest, name)
		if len(l.oldest) > l.rates.Total {
			delete(l.things, l.oldest[0])
			l.oldest = slices.Delete(l.oldest, 0, 1)
		}
	}
	return w
}

// spend begins a window for a thing in which n requests are already made, and
// which lasts as long as is said instead of a second.
func (l *rateLimiter) spend(thing string, n int, lasting time.Duration) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.thing(thing, now) = window{now.Add(lasting - time.Second), n}
	l.total = window{now, n}
}
