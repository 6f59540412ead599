package replica

import (
	"cmp"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Set is all replicas of a component. Those with something to send wait in one
// queue for the budget of requests, so busy shadows do not starve the others.
type Set struct {
	replicas map[shadow.ID]*Replica
	budget   *budget
	random   *rand.Rand
	tokens   string // what the client tokens of this run begin with
	log      *slog.Logger

	seq      uint64            // of the last request
	awaited  map[uint64]string // the thing of each request without an answer, by its number
	touched  []*Replica        // may have something to send
	queue    []*Replica        // have something to send, and wait for their turn
	draining bool
	wake     time.Time
	effects  []Effect
}

// NewSet makes an empty set. random spreads retries.
func NewSet(random *rand.Rand, log *slog.Logger) *Set {
	return &Set{
		replicas: map[shadow.ID]*Replica{}, budget: newBudget(), random: random, log: log,
		tokens: tokensOf(random.Uint64()), awaited: map[uint64]string{},
	}
}

// Open returns the replica of a shadow for an owner. A replica that exists goes on:
// requests are told anew when its document was read again, see [Replica.Reread].
func (s *Set) Open(id shadow.ID, owner Owner) *Replica {
	r := s.replicas[id]
	if r == nil {
		r = newReplica(s, id, owner)
		s.replicas[id] = r
	}
	r.owner = owner
	return r
}

// Retire withdraws all that was reported in a shadow that the configuration no longer
// has, acknowledgements included. Requests are not heard any more. The replica is of
// no more use when [Set.Retired] reports true; a new [Set.Open] takes it back.
func (s *Set) Retire(id shadow.ID) {
	if r := s.replicas[id]; r != nil {
		r.retire()
	}
}

// Retired reports whether all that was reported in a retired shadow is known to be
// deleted.
func (s *Set) Retired(id shadow.ID) bool {
	r := s.replicas[id]
	return r != nil && r.retired()
}

// Unfinished are the keys, sorted, that a shadow is still to lose.
func (s *Set) Unfinished(id shadow.ID) []string {
	r := s.replicas[id]
	if r == nil {
		return nil
	}
	keys := r.Unfinished()
	slices.Sort(keys)
	return keys
}

// Close forgets a replica.
func (s *Set) Close(id shadow.ID) {
	r := s.replicas[id]
	delete(s.replicas, id)
	same := func(other *Replica) bool { return other == r }
	s.touched = slices.DeleteFunc(s.touched, same)
	s.queue = slices.DeleteFunc(s.queue, same)
}

// Live tells that the messages of a shadow arrive from now on; those published
// before are unknown.
func (s *Set) Live(now time.Time, id shadow.ID) {
	if r := s.replicas[id]; r != nil {
		r.setLive(now)
	}
}

// Lost tells that the messages of a shadow no longer arrive.
func (s *Set) Lost(id shadow.ID, err error) {
	if r := s.replicas[id]; r != nil {
		r.setLost(err)
	}
}

// Accepted takes a message of update/accepted.
func (s *Set) Accepted(now time.Time, id shadow.ID, in shadow.Accepted) {
	if r := s.replicas[id]; r != nil {
		r.accepted(now, in)
	}
}

// Deleted takes a message of delete/accepted.
func (s *Set) Deleted(now time.Time, id shadow.ID) {
	if r := s.replicas[id]; r != nil {
		r.deleted(now)
	}
}

// Fetched takes the answer to a [Fetch].
func (s *Set) Fetched(now time.Time, in Fetched) {
	if r := s.answered(now, in.ID, in.Seq); r != nil {
		r.fetched(now, in)
	}
}

// Updated takes the answer to an [Update].
func (s *Set) Updated(now time.Time, in Updated) {
	if r := s.answered(now, in.ID, in.Seq); r != nil {
		r.updated(now, in)
	}
}

// answered takes note of the answer to a request, and returns its replica, nil if
// there is none any more.
func (s *Set) answered(now time.Time, id shadow.ID, seq uint64) *Replica {
	if thing, awaited := s.awaited[seq]; awaited {
		delete(s.awaited, seq)
		s.budget.answered(now, thing)
	}
	return s.replicas[id]
}

// Tick notes that the time Wake has come.
func (s *Set) Tick(now time.Time) {
	s.wake = time.Time{}
	for _, r := range s.replicas {
		switch {
		case r.due.IsZero():
		case now.Before(r.due):
			s.at(r.due)
		default:
			r.touch()
		}
	}
}

// Drain has the last reports sent without their pauses.
func (s *Set) Drain() {
	s.draining = true
	for _, r := range s.replicas {
		r.touch()
	}
}

// Flush sends what may be sent now.
func (s *Set) Flush(now time.Time) []Effect {
	slices.SortFunc(s.touched, byID)
	touched := s.touched
	s.touched = nil
	for _, r := range touched {
		r.touched = false
		s.pump(now, r)
	}
	s.serve(now)
	effects := s.effects
	s.effects = nil
	return effects
}

func byID(a, b *Replica) int {
	return cmp.Or(cmp.Compare(a.id.Thing, b.id.Thing), cmp.Compare(a.id.Name, b.id.Name))
}

// Wake is when the next [Set.Tick] is wanted, zero when none is.
func (s *Set) Wake() time.Time { return s.wake }

// Idle reports whether nothing is in flight or waits for a shadow whose messages
// arrive. A retired shadow does not wait: a later run can withdraw what is left.
func (s *Set) Idle() bool {
	for _, r := range s.replicas {
		if r.live && r.owner != nil && (r.phase != synced || r.flight != nil || !r.difference().empty()) {
			return false
		}
	}
	return true
}

// IDs are the shadows that have a replica, in order.
func (s *Set) IDs() []shadow.ID {
	var ids []shadow.ID
	for _, r := range slices.SortedFunc(maps.Values(s.replicas), byID) {
		ids = append(ids, r.id)
	}
	return ids
}

func (s *Set) touch(r *Replica) {
	if !r.touched {
		r.touched = true
		s.touched = append(s.touched, r)
	}
}

// at asks for a tick at t at the latest.
func (s *Set) at(t time.Time) {
	if !t.IsZero() && (s.wake.IsZero() || t.Before(s.wake)) {
		s.wake = t
	}
}

// jitter is d plus up to half of it.
func (s *Set) jitter(d time.Duration) time.Duration {
	return d + time.Duration(s.random.Int64N(int64(d)/2+1))
}

// pump queues a replica that has something to send, or asks for a tick when its
// time has not come.
func (s *Set) pump(now time.Time, r *Replica) {
	r.due = time.Time{}
	earliest, wants := r.wants()
	switch {
	case !wants || r.queued:
	case now.Before(earliest) && !s.hurries(r):
		r.due = earliest
		s.at(earliest)
	default:
		r.queued = true
		s.queue = append(s.queue, r)
	}
}

// hurries reports whether the pause between two reports of a replica does not count.
func (s *Set) hurries(r *Replica) bool {
	return s.draining && r.phase == synced && r.owner != nil && !r.denied
}

// serve sends for the replicas in the queue what the budget allows. The first to
// come is served first; one that only its thing's limit holds up does not hold up
// other things.
func (s *Set) serve(now time.Time) {
	waiting := s.queue[:0]
	for i, r := range s.queue {
		if room, when := s.budget.all.room(now); !room {
			s.at(when)
			waiting = append(waiting, s.queue[i:]...)
			break
		}
		if earliest, wants := r.wants(); !wants || now.Before(earliest) && !s.hurries(r) {
			r.queued = false
			s.pump(now, r) // it was overtaken by something
			continue
		}
		if ok, when := s.budget.take(now, r.id.Thing); !ok {
			s.at(when)
			waiting = append(waiting, r)
			continue
		}
		r.queued = false
		s.seq++
		r.seq = s.seq
		s.awaited[r.seq] = r.id.Thing
		if r.phase == unknown {
			s.effects = append(s.effects, r.fetchNow())
		} else {
			s.effects = append(s.effects, r.sendNow(now))
		}
	}
	clear(s.queue[len(waiting):])
	s.queue = waiting
}
