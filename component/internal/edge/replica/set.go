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

// Set holds all replicas of a component. Replicas with something to send wait in one
// queue for the budget of requests, so busy shadows do not starve the others.
type Set struct {
	replicas map[shadow.ID]*Replica
	budget   *budget
	random   *rand.Rand
	tokens   string // prefix of the client tokens of this run
	log      *slog.Logger

	lost     bool              // see [Set.DoubtAll]
	seq      uint64            // of the last request
	awaited  map[uint64]string // the thing of each unanswered request, by number
	touched  []*Replica        // replicas to check for something to send
	queue    []*Replica        // replicas with something to send, in turn
	draining bool
	now      time.Time // of the last Flush
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

// Open returns the replica of a shadow for an owner. An existing replica continues. It
// repeats requests after a [Replica.Reread].
func (s *Set) Open(id shadow.ID, owner Owner) *Replica {
	r := s.replicas[id]
	if r == nil {
		r = newReplica(s, id, owner)
		r.assure.lost = s.lost
		s.replicas[id] = r
	}
	r.owner = owner
	return r
}

// DoubtAll has the shadows opened from now on repeat once all that they have of the
// component: an earlier run ended without a word, and perhaps before it could make sure
// of its last reports.
func (s *Set) DoubtAll() { s.lost = true }

// Retire withdraws all reported values and acknowledgements of a shadow dropped from
// the configuration. Requests are ignored from now on. Once [Set.Retired] reports true,
// the replica can be closed. A new [Set.Open] takes it back.
func (s *Set) Retire(id shadow.ID) {
	if r := s.replicas[id]; r != nil {
		r.retire()
	}
}

// Retired reports whether everything reported in a retired shadow is known to be
// deleted.
func (s *Set) Retired(id shadow.ID) bool {
	r := s.replicas[id]
	return r != nil && r.retired()
}

// Unfinished returns, sorted, the keys still to delete from a shadow.
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

// Live notes the arrival of the messages of a shadow from now on. Earlier messages are
// unknown. direct means that they come from the cloud, and not from a shadow manager
// that synchronizes with it.
func (s *Set) Live(now time.Time, id shadow.ID, direct bool) {
	if r := s.replicas[id]; r != nil {
		r.setLive(now, direct)
	}
}

// Lost notes the end of the messages of a shadow.
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

// answered releases the budget of a request, and returns its replica, nil if closed.
func (s *Set) answered(now time.Time, id shadow.ID, seq uint64) *Replica {
	if thing, awaited := s.awaited[seq]; awaited {
		delete(s.awaited, seq)
		s.budget.answered(now, thing)
	}
	return s.replicas[id]
}

// Tick must be called at the time returned by Wake.
func (s *Set) Tick(now time.Time) {
	s.wake = time.Time{}
	for _, r := range s.replicas {
		switch {
		case r.due.IsZero():
		case now.Before(r.due):
			s.wakeAt(r.due)
		default:
			r.touch()
		}
	}
}

// Drain sends the last reports without pauses.
func (s *Set) Drain() {
	s.draining = true
	for _, r := range s.replicas {
		r.touch()
	}
}

// Flush returns the requests allowed now.
func (s *Set) Flush(now time.Time) []Effect {
	s.now = now
	slices.SortFunc(s.touched, byID)
	touched := s.touched
	s.touched = nil
	for _, r := range touched {
		r.touched = false
		s.enqueue(now, r)
	}
	s.sendQueued(now)
	effects := s.effects
	s.effects = nil
	return effects
}

func byID(a, b *Replica) int {
	return cmp.Or(cmp.Compare(a.id.Thing, b.id.Thing), cmp.Compare(a.id.Name, b.id.Name))
}

// Wake returns when the next [Set.Tick] is due, zero for never.
func (s *Set) Wake() time.Time { return s.wake }

// Idle reports whether no live shadow has anything in flight or to send. Retired
// shadows do not count: a later run can withdraw the rest.
func (s *Set) Idle() bool {
	for _, r := range s.replicas {
		if r.live && r.owner != nil && (r.phase != synced || r.flight != nil || r.assure.pending() || !r.difference().empty()) {
			return false
		}
	}
	return true
}

// IDs returns the shadows with a replica, in order.
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

// wakeAt requests a tick at t or earlier.
func (s *Set) wakeAt(t time.Time) {
	if !t.IsZero() && (s.wake.IsZero() || t.Before(s.wake)) {
		s.wake = t
	}
}

// jitter returns d plus up to half of it.
func (s *Set) jitter(d time.Duration) time.Duration {
	return d + time.Duration(s.random.Int64N(int64(d)/2+1))
}

// enqueue queues a replica with something to send, or requests a tick for the time it
// may send.
func (s *Set) enqueue(now time.Time, r *Replica) {
	r.due = time.Time{}
	earliest, wants := r.nextSend()
	switch {
	case !wants || r.queued:
	case now.Before(earliest) && !s.skipsPauses(r):
		r.due = earliest
		s.wakeAt(earliest)
	default:
		r.queued = true
		s.queue = append(s.queue, r)
	}
}

// skipsPauses reports whether a replica skips the pauses between its reports.
func (s *Set) skipsPauses(r *Replica) bool {
	return s.draining && r.phase == synced && r.owner != nil && !r.denied
}

// sendQueued sends for the queued replicas as far as the budget allows, first come,
// first served. A replica blocked by the limit of its thing does not block other
// things.
func (s *Set) sendQueued(now time.Time) {
	waiting := s.queue[:0]
	for i, r := range s.queue {
		if room, when := s.budget.all.room(now); !room {
			s.wakeAt(when)
			waiting = append(waiting, s.queue[i:]...)
			break
		}
		if earliest, wants := r.nextSend(); !wants || now.Before(earliest) && !s.skipsPauses(r) {
			r.queued = false
			s.enqueue(now, r) // a later event made this obsolete
			continue
		}
		if ok, when := s.budget.reserve(now, r.id.Thing); !ok {
			s.wakeAt(when)
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
