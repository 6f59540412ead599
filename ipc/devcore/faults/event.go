package faults

import (
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// maxHeld is how many events of one stream are held back. The next one lets all go.
const maxHeld = 10000

// gate holds back events of one stream.
type gate struct {
	events []*server.Event
	next   bool // the next event opens it, and comes first
}

// InterceptEvent is for [server.Config].
func (s *Set) InterceptEvent(e *server.Event) {
	if s.busy.Load() == 0 {
		e.Deliver()
		return
	}
	o := occasion{operation: e.Operation().Name, component: e.Component(), subject: subject(e.Payload), event: true}
	if a := s.event(o, e); a != nil {
		s.host.Observe(o.hit(a))
	}
}

// event delivers an event, or makes the fault of the rule that it returns. It keeps
// the lock meanwhile, so that events stay in order.
func (s *Set) event(o occasion, e *server.Event) *active {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.gates[e.Stream]; g != nil {
		s.behind(g, e)
		return nil
	}
	a := s.pick(o)
	if a == nil {
		e.Deliver()
		return nil
	}
	switch a.Rule.Do {
	case Delay, Reorder:
		s.close(a.Rule, e)
	case Duplicate:
		e.Deliver()
		e.Deliver()
	case Lose:
	}
	return a
}

// behind takes an event of a stream on which one is held back. No rule is tried on
// it. The caller holds mu.
func (s *Set) behind(g *gate, e *server.Event) {
	if g.next {
		e.Deliver()
		s.open(e.Stream, g)
		return
	}
	if g.events = append(g.events, e); len(g.events) > maxHeld {
		s.open(e.Stream, g)
	}
}

// close holds back an event, and those behind it. The caller holds mu.
func (s *Set) close(rule Rule, e *server.Event) {
	g := &gate{events: []*server.Event{e}, next: rule.Do == Reorder}
	s.gates[e.Stream] = g
	s.count()
	time.AfterFunc(rule.Duration, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open(e.Stream, g)
	})
}

// open delivers what is held back, unless that was done. The caller holds mu.
func (s *Set) open(stream *server.Stream, g *gate) {
	if s.gates[stream] != g {
		return
	}
	delete(s.gates, stream)
	s.count()
	for _, e := range g.events {
		e.Deliver()
	}
}
