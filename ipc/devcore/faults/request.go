package faults

import (
	"errors"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// ErrDropped is why a connection ends that a rule has dropped.
var ErrDropped = errors.New("dropped by a fault rule")

// Intercept is for [server.Config].
func (s *Set) Intercept(r *server.Request) {
	if s.busy.Load() == 0 {
		r.Answer(r.Serve())
		return
	}
	o := occasion{operation: r.Operation.Name, component: r.Component, subject: subject(r.Payload), streams: r.Operation.Event != ""}
	a := s.request(o, r.Connection)
	if a == nil {
		s.answer(r)
		return
	}
	s.host.Observe(o.hit(a))
	s.do(a.Rule, r)
}

// request returns the rule that makes a fault on a request. None is tried on one
// behind which a reply is held back.
func (s *Set) request(o occasion, connection uint64) *active {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replies[connection] != nil {
		return nil
	}
	return s.pick(o)
}

// answer executes and answers a request.
func (s *Set) answer(r *server.Request) { s.reply(r, r.Serve) }

// reply sends an answer, and then the one that was held back behind it.
func (s *Set) reply(r *server.Request, result func() (any, error)) {
	r.Answer(result())
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := s.replies[r.Connection]; next != nil {
		close(next)
		s.unhold(r.Connection, next)
	}
}

// do makes a fault on a request.
func (s *Set) do(rule Rule, r *server.Request) {
	switch rule.Do {
	case Delay:
		r.Async()
		if pause(r, rule.Duration, nil) {
			s.answer(r)
		}
	case Refuse:
		s.reply(r, func() (any, error) { return nil, &server.Error{Code: rule.Code, Message: rule.Message} })
	case Throttle:
		s.reply(r, func() (any, error) { return nil, s.host.Throttled })
	case Drop:
		r.Disconnect(ErrDropped)
	case Restart:
		s.host.Restart(rule.Duration)
	case NotReady:
		s.host.NotReady(rule.Duration)
		s.answer(r)
	case Redeliver:
		r.Serve()
		s.answer(r)
	default:
		s.doAfter(rule, r)
	}
}

// doAfter makes the faults of requests that are executed first.
func (s *Set) doAfter(rule Rule, r *server.Request) {
	response, err := r.Serve()
	result := func() (any, error) { return response, err }
	switch rule.Do {
	case DropReply:
		r.Disconnect(ErrDropped)
	case Silence:
		r.Async()
		<-r.Context.Done()
	case DelayReply:
		r.Async()
		if pause(r, rule.Duration, nil) {
			s.reply(r, result)
		}
	case Reorder:
		next := s.hold(r.Connection)
		r.Async()
		goesOn := pause(r, rule.Duration, next)
		s.mu.Lock()
		s.unhold(r.Connection, next)
		s.mu.Unlock()
		if goesOn {
			s.reply(r, result)
		}
	}
}

// pause waits until the time is over or next is closed. It reports false when the
// request has ended meanwhile.
func pause(r *server.Request, d time.Duration, next <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-next:
		return true
	case <-r.Context.Done():
		return false
	}
}

// hold notes that a reply is held back until the next one of its connection, which
// closes the channel.
func (s *Set) hold(connection uint64) chan struct{} {
	next := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[connection] = next
	s.count()
	return next
}

// unhold forgets a held reply, if it is there. The caller holds mu.
func (s *Set) unhold(connection uint64, next chan struct{}) {
	if s.replies[connection] == next {
		delete(s.replies, connection)
		s.count()
	}
}
