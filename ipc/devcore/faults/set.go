package faults

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// Host is the core that faults are made on. All members are required.
type Host struct {
	Restart   func(away time.Duration) // closes all connections, and returns before it is back
	NotReady  func(d time.Duration)    // keeps the shadow manager's database closed
	Throttled error                    // with which it refuses requests over its rate limit
	Observe   func(Hit)                // must neither block nor call the Set
}

// Hit tells of a fault that was made, or of a step of a script.
type Hit struct {
	Rule      int    // number of the rule; 0 for a step
	Did       string // what was done
	Component string // whose request or event it was
	Operation string
	Subject   string // what it was about, "" for nothing
	Event     bool   // an event, not a request
}

// Set is the rules in force. Its methods may be called from any goroutine.
type Set struct {
	host Host
	busy atomic.Int64 // rules, replies and streams that are held back: 0 costs nothing

	mu      sync.Mutex
	rules   []*active
	last    int // number of the newest rule
	seed    uint64
	random  *rand.Rand
	replies map[uint64]chan struct{} // those held back, by connection: closed by the next
	gates   map[*server.Stream]*gate
}

// active is a rule in force.
type active struct {
	Status
	component, match pattern
}

// Status is a rule in force, and what it has done.
type Status struct {
	ID      int // a number of its own, from 1
	Rule    Rule
	Matched int // how many requests or events it was tried on that it is about
	Hits    int // how many faults it has made
}

// New returns a set without rules and with a random seed.
func New(host Host) *Set {
	s := &Set{host: host, replies: map[uint64]chan struct{}{}, gates: map[*server.Stream]*gate{}}
	s.reseed(rand.Uint64N(1e9) + 1)
	return s
}

func (s *Set) reseed(seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seed, s.random = seed, rand.New(rand.NewPCG(seed, 0))
}

// Seed is that of the probabilities: the same seed, rules and requests make the
// same faults.
func (s *Set) Seed() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seed
}

// Add puts rules in force behind those that are, and returns their numbers.
func (s *Set) Add(rules ...Rule) (ids []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rules {
		s.last++
		s.rules = append(s.rules, &active{Status{ID: s.last, Rule: r}, compile(r.Component), compile(r.Match)})
		ids = append(ids, s.last)
	}
	s.count()
	return ids
}

// List returns the rules in force, in their order.
func (s *Set) List() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Status, len(s.rules))
	for i, r := range s.rules {
		list[i] = r.Status
	}
	return list
}

// Clear takes the rules with these numbers out of force, all without any, and
// returns how many there were. What is held back already comes in its time.
func (s *Set) Clear(ids ...int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.rules)
	s.rules = slices.DeleteFunc(s.rules, func(r *active) bool { return len(ids) == 0 || slices.Contains(ids, r.ID) })
	s.count()
	return before - len(s.rules)
}

// count updates busy. The caller holds mu.
func (s *Set) count() { s.busy.Store(int64(len(s.rules) + len(s.replies) + len(s.gates))) }

// occasion is a request or event that a rule may be about.
type occasion struct {
	operation, component, subject string
	event                         bool
	streams                       bool // the operation has events
}

func (o occasion) hit(a *active) Hit {
	return Hit{Rule: a.ID, Did: a.Rule.did(), Component: o.component, Operation: o.operation, Subject: o.subject, Event: o.event}
}

// pick returns the rule that makes a fault, nil if none does. The caller holds mu.
func (s *Set) pick(o occasion) *active {
	for _, a := range s.rules {
		if a.about(o) && a.due(s.random) {
			return a
		}
	}
	return nil
}

func (a *active) about(o occasion) bool {
	r := &a.Rule
	return r.Event == o.event && (r.Operation == "*" || r.Operation == o.operation) &&
		(r.Do != Throttle || throttled(o.operation)) && (r.Do != Redeliver || !o.streams) &&
		a.component.MatchString(o.component) && a.match.MatchString(o.subject)
}

// due counts a match, and decides whether it is a fault.
func (a *active) due(random *rand.Rand) bool {
	a.Matched++
	r := &a.Rule
	if a.Matched <= r.Skip || r.Times > 0 && a.Hits >= r.Times || r.Probability < 1 && random.Float64() >= r.Probability {
		return false
	}
	a.Hits++
	return true
}
