package replica

import "time"

// The shadow manager accepts 20 requests per second for one thing, from all components
// together, and 200 for all things, counted in windows of a second
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/ipc/InboundRateLimiter.java). We use
// at most 80 % of each limit, in any interval of a second.
const (
	perThing  = 16
	allThings = 160
	window    = time.Second
)

// budget counts requests, gets and updates alike. The shadow manager counts a request
// at an unknown time between our sending and its answer. So the budget counts a request
// from its sending until a second after its answer, and a slow nucleus gets fewer
// requests.
type budget struct {
	things map[string]*allowance
	all    *allowance
}

func newBudget() *budget {
	return &budget{things: map[string]*allowance{}, all: newAllowance(allThings)}
}

// take counts one request for thing. Without room it counts nothing and returns when
// there will be room, zero for not before an answer.
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

// answered notes the answer to a request for thing, whatever the outcome.
func (b *budget) answered(now time.Time, thing string) {
	b.things[thing].answer(now)
	b.all.answer(now)
}

// allowance limits the number of requests counted at a time.
type allowance struct {
	open  int         // not answered yet
	done  []time.Time // a ring of the times of answers
	first int         // index of the oldest answer
	count int
}

func newAllowance(size int) *allowance { return &allowance{done: make([]time.Time, size)} }

// room reports whether another request may be sent, and if not, when.
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
