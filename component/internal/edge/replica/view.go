package replica

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// How well a shadow is known.
const (
	OutOfReach = "out of reach" // its messages do not arrive
	Reading    = "reading"
	Reporting  = "reporting" // there are differences to be reported
	InStep     = "in step"
)

// View is what people may want to know of a replica.
type View struct {
	Sync    string // one of the words above
	Version int64  // the newest one known; 0 for none
	Warning string // the trouble of the moment
}

// View describes the replica.
func (r *Replica) View() View {
	return View{r.sync(), max(r.newest, r.gate.Seen(), r.replied), r.warned}
}

func (r *Replica) sync() string {
	switch {
	case !r.live:
		return OutOfReach
	case r.phase != synced:
		return Reading
	case r.flight != nil || !r.difference().empty():
		return Reporting
	}
	return InStep
}

// DesiredKeys are the keys of the desired section as far as it is known, sorted.
func (r *Replica) DesiredKeys() []string { return slices.Sorted(maps.Keys(r.desired)) }

// KeyView is what people may want to know of one key.
type KeyView struct {
	Value    any // to be reported, nil for none
	Reported any // known to be reported, where that differs
	Desired  any
	Ack      *shadow.Ack // of the last request
	Pending  bool        // the ack is not in the shadow yet
}

// ViewKey describes one key.
func (r *Replica) ViewKey(key string) KeyView {
	v := KeyView{Value: r.want[key], Desired: r.desired[key]}
	if have := r.have[key]; !shadow.Equal(have, v.Value) {
		v.Reported = have
	}
	if ack, ok := r.wantAck[key]; ok {
		v.Ack, v.Pending = &ack, ack != r.haveAck[key]
	}
	return v
}

// Clearing reports whether a command that is over has yet to be cleared.
func (r *Replica) Clearing(key string) bool { return r.clears[key] }

// Reported is what the shadow is known to report, acknowledgements included.
func (r *Replica) Reported() map[string]any {
	reported := maps.Clone(r.have)
	reported[shadow.AckKey] = maps.Clone(r.haveAck)
	return reported
}
