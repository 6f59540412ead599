package replica

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

// budget counts requests, of gets and updates alike. The shadow manager counts one
// when it takes it, which is at some time between our sending and its answer: so a
// request is counted from the one to a second after the other, and a nucleus that is
// slow gets fewer of them.
type budget struct {
	things map[string]*allowance
	all    *allowance
}

func newBudget() *budget {
	return &budget{things: map[string]*allowance{}, all: newAllowance(allThings)}
}

// take counts one request for thing. When there is no room it counts nothing and
// says when there will be, zero for not before an answer.
func (b *budget) take(now time.Time, thing string) (ok bool, when time.Time) {
	t := b.things[thing]
	if t == nil {
		t = newAllowance(perThing)
		b.things[thing] = t
	}
	for _, a := range []*allowance{b.all, t} {
		if room, when := a.room(now); !room {
			return false, when
		}
	}
	t.open++
	b.all.open++
	return true, time.Time{}
}

// answered notes the answer to a request for thing, whatever it was.
func (b *budget) answered(now time.Time, thing string) {
	b.things[thing].answer(now)
	b.all.answer(now)
}

// allowance is so many requests that are counted at a time.
type allowance struct {
	open  int         // not answered yet
	done  []time.Time // a ring of when others were answered
	first int         // the oldest of them
	count int
}

func newAllowance(size int) *allowance { return &allowance{done: make([]time.Time, size)} }

// room reports whether one more may be sent, and if not, when.
func (a *allowance) room(now time.Time) (ok bool, when time.Time) {
	for a.count > 0 && !now.Before(a.done[a.first].Add(window)) {
		a.first = (a.first + 1) % len(a.done)
		a.count--
	}
	switch {
	case a.open+a.count < len(a.done):
		return true, time.Time{}
	case a.count == 0:
		return false, time.Time{}
	}
	return false, a.done[a.first].Add(window)
}

func (a *allowance) answer(now time.Time) {
	a.open--
	a.done[(a.first+a.count)%len(a.done)] = now
	a.count++
}
