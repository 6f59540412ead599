package replica

import (
	"maps"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Values of View.Sync.
const (
	OutOfReach = "out of reach" // no messages arrive
	Reading    = "reading"
	Reporting  = "reporting" // there are differences to report
	InStep     = "in step"
)

// View is a replica as shown to people.
type View struct {
	Sync    string // a constant from the list above
	Version int64  // the newest known version; 0 for none
	Warning string // the current problem
}

// View describes the replica.
func (r *Replica) View() View {
	return View{r.sync(), r.version(), r.warned}
}

func (r *Replica) version() int64 { return max(r.newest, r.gate.Seen(), r.replied) }

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

// DesiredKeys returns the known keys of the desired section, sorted.
func (r *Replica) DesiredKeys() []string { return slices.Sorted(maps.Keys(r.desired)) }

// KeyView is a key as shown to people.
type KeyView struct {
	Value    any // to report, nil for none
	Reported any // in the shadow, if different
	Desired  any
	Ack      *shadow.Ack // of the last request
	Pending  bool        // the shadow does not have the ack yet
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

// Clearing reports whether an ended command still has to be cleared.
func (r *Replica) Clearing(key string) bool { return r.clears[key] }

// Reported returns the known reported section, acknowledgements included.
func (r *Replica) Reported() map[string]any {
	reported := maps.Clone(r.have)
	reported[shadow.AckKey] = maps.Clone(r.haveAck)
	return reported
}
