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

// reserve counts one request for thing. Without room it counts nothing and returns when
// there will be room, zero for not before an answer.
func (b *budget) reserve(now time.Time, thing string) (ok bool, when time.Time) {
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
	t.inFlight++
	b.all.inFlight++
	return true, time.Time{}
}

// answered notes the answer to a request for thing, whatever the outcome.
func (b *budget) answered(now time.Time, thing string) {
	b.things[thing].answer(now)
	b.all.answer(now)
}

// allowance limits the number of requests counted at a time.
type allowance struct {
	inFlight   int         // not answered yet
	answeredAt []time.Time // a ring of the times of answers
	first      int         // index of the oldest answer
	count      int
}

func newAllowance(size int) *allowance { return &allowance{answeredAt: make([]time.Time, size)} }

// room reports whether another request may be sent, and if not, when.
func (a *allowance) room(now time.Time) (ok bool, when time.Time) {
	for a.count > 0 && !now.Before(a.answeredAt[a.first].Add(window)) {
		a.first = (a.first + 1) % len(a.answeredAt)
		a.count--
	}
	switch {
	case a.inFlight+a.count < len(a.answeredAt):
		return true, time.Time{}
	case a.count == 0:
		return false, time.Time{}
	}
	return false, a.answeredAt[a.first].Add(window)
}

func (a *allowance) answer(now time.Time) {
	a.inFlight--
	a.answeredAt[(a.first+a.count)%len(a.answeredAt)] = now
	a.count++
}
