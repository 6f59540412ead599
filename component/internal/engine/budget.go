package engine

import "time"

// The shadow manager takes 20 requests a second for one thing, by all components
// together, and 200 for all things, counted in windows of a second
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/ipc/InboundRateLimiter.java).
// We use at most 80 % of each, in any second however it is placed.
const (
	perThing  = 16
	allThings = 160
	window    = time.Second
)

// budget counts requests, of gets and updates alike.
type budget struct {
	things map[string]*ring
	all    *ring
}

func newBudget() *budget {
	return &budget{things: map[string]*ring{}, all: newRing(allThings)}
}

// take counts one request for thing at now. When there is no room it counts
// nothing and says when there will be.
func (b *budget) take(now time.Time, thing string) (ok bool, when time.Time) {
	r := b.things[thing]
	if r == nil {
		r = newRing(perThing)
		b.things[thing] = r
	}
	free := r.free()
	if all := b.all.free(); all.After(free) {
		free = all
	}
	if now.Before(free) {
		return false, free
	}
	r.add(now)
	b.all.add(now)
	return true, time.Time{}
}

// ring remembers the times of the last requests.
type ring struct {
	times []time.Time
	next  int
}

func newRing(size int) *ring { return &ring{times: make([]time.Time, size)} }

// free is when the oldest remembered request has left the window.
func (r *ring) free() time.Time {
	if oldest := r.times[r.next]; !oldest.IsZero() {
		return oldest.Add(window)
	}
	return time.Time{}
}

func (r *ring) add(now time.Time) {
	r.times[r.next] = now
	r.next = (r.next + 1) % len(r.times)
}
