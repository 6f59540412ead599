package engine

import (
	"fmt"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// outputKind is what tells the kinds of outputs apart.
type outputKind interface {
	kind
	// demandOf is the demand of a requested value. The error is for the answer.
	demandOf(value any) (lines.Demand, error)
	// taken tells that the lines took the demand of a requested value.
	taken(value any, d lines.Demand)
	// shown is what the output shows in the shadow: what its lines read, or what they
	// do where that is more than they read at one moment. ok is false when the
	// property has no value for it.
	shown(s lines.Status) (value any, ok bool)
	// switched is what a switch on the device makes of the output, and how the shadow
	// shows that; a nil value is not noted as a local change.
	switched(on bool) (d lines.Demand, value any)
	// answersDone reports whether the property acknowledges a value when its lines
	// are as requested. A pulse acknowledges at its end.
	answersDone(value any) bool
	// refused tells that an interlock does not allow the requested value.
	refused()
	// pulseEnded tells that a pulse is over; cut says what cut it short.
	pulseEnded(cut string)
}

// output is what all properties that drive lines have in common.
type output struct {
	plain
	does   outputKind
	output string // its label in the bank
	lines  string // the identity of its lines

	moved    bool         // the property drove another output; no request was told since
	follows  bool         // the lines follow the request, and give the answer
	conflict string       // why an interlock rejected the request; that stands until another one
	local    *state.Local // a change on the device that the shadow does not show yet
}

func newOutput(p *property) output {
	label := lines.Label(p.Lines()...)
	return output{plain: plain{p}, output: label, lines: p.claims[label]}
}

func (o *output) driven() *output { return o }

func (o *output) resume(saved state.Property) {
	// A change of another output must not move this one.
	if saved.Local != nil && saved.Local.Output == o.lines && o.understands(saved.Local) {
		o.local = saved.Local
	}
}

// understands reports whether the property still has the value of a local change: the
// configuration may have other words or bounds.
func (o *output) understands(local *state.Local) bool {
	_, err := o.does.demandOf(local.Value)
	return err == nil
}

func (o *output) remember(saved state.Property) state.Property {
	if o.local != nil {
		local := *o.local
		saved.Local = &local
	}
	return saved
}

// carryOn takes over from the property under the configuration before, unless that
// drove another output.
func (o *output) carryOn(old *output) (same bool) {
	if o.lines != old.lines {
		o.moved = true
		o.replica.Disown(o.key)
		return false
	}
	o.moved, o.follows, o.conflict, o.local = old.moved, old.follows, old.conflict, nil
	if old.local != nil && o.understands(old.local) {
		o.local = old.local
	}
	return true
}

// hear notes a request, and reports whether it is to be carried out.
func (o *output) hear(r replica.Request) bool {
	if !r.Repeat {
		o.follows, o.conflict = false, o.standing(r)
		o.moved = false
	}
	if o.conflict == "" {
		return true
	}
	if _, err := o.does.demandOf(r.Value); err != nil {
		o.conflict = "" // the value means nothing any more, which is the stronger reason
		return true
	}
	o.acknowledge(shadow.Conflict, o.conflict)
	return false
}

// standing is the reason of a rejection by an earlier run that stands against a
// request, "" if none does: an output that is, or is to be, as requested tells that
// another value was rejected. That of another output or kind stands against commands
// alone: a command that is too late must not set anything in motion.
func (o *output) standing(r replica.Request) string {
	if r.Rejected == "" || (o.moved || o.retyped != 0) && !o.does.isCommand() {
		return ""
	}
	status := o.bank.Output(o.output)
	shown, known := o.does.shown(status)
	demand, err := o.does.demandOf(r.Value)
	if known && shadow.Equal(shown, r.Value) || err == nil && demand.Equal(status.Demand) {
		return ""
	}
	return r.Rejected
}

// obey has the lines follow a requested level, unless a local change stands against it.
func (o *output) obey(r replica.Request) {
	if r.Fresh {
		o.dropLocal()
	}
	if !o.hear(r) {
		return
	}
	local := o.localStands(r)
	switch demand, err := o.does.demandOf(r.Value); {
	case err != nil:
		o.reject(err)
	case !local:
		o.follow(r, demand)
	}
}

// reject answers a value that means nothing to the property. It may have meant
// something under the configuration before.
func (o *output) reject(err error) {
	o.follows = false
	o.acknowledge(shadow.Refused, err.Error())
}

// follow has the lines follow a request, together with what else is requested in
// this step.
func (o *output) follow(r replica.Request, d lines.Demand) {
	o.follows = true
	cause := lines.Cause{Kind: lines.ByDesired, Name: o.shadow, Version: r.Version}
	o.demand(o.output, order{lines.Order{Demand: d, Cause: cause, Rank: r.At}, func(refused error) {
		if refused != nil {
			o.refuse(refused)
			return
		}
		o.does.taken(r.Value, d)
		o.show()
	}})
}

// refuse rejects a request that an interlock does not allow. That stands until
// another request: a way that is free later must not set anything in motion.
func (o *output) refuse(err error) {
	o.follows, o.conflict = false, err.Error()
	o.does.refused()
	o.acknowledge(shadow.Conflict, err.Error())
}

func (o *output) withdrawn() {
	o.follows, o.conflict = false, ""
	o.dropLocal()
}

// show reports the output, and answers the request that it follows.
func (o *output) show() {
	status := o.bank.Output(o.output)
	if value, ok := o.does.shown(status); ok {
		o.report(value)
	} else if status.Known {
		o.report(nil)
	}
	r, requested := o.replica.Requested(o.key)
	if !o.follows || !requested || o.stopped {
		return
	}
	if o.turnedOff(r, status) {
		o.refuse(fmt.Errorf("turned off by interlock %s", status.Cause.Name))
		return
	}
	switch status.Progress {
	case lines.Done:
		if o.does.answersDone(r.Value) {
			o.acknowledge(shadow.Done, "")
		}
	case lines.Underway:
		o.acknowledge(shadow.InProgress, status.Reason)
	case lines.Failed:
		o.acknowledge(shadow.LineFailed, status.Reason)
	}
}

// turnedOff reports whether an interlock has put an end to the demand of a request: a
// configuration has added it, or a line came back on against it. A command that is cut
// short is concluded at its end.
func (o *output) turnedOff(r replica.Request, status lines.Status) bool {
	if status.Cause.Kind != lines.ByInterlock || o.does.isCommand() {
		return false
	}
	demand, err := o.does.demandOf(r.Value)
	return err == nil && !demand.Equal(status.Demand)
}

func (o *output) answersDone(any) bool    { return true }
func (o *output) taken(any, lines.Demand) {}
func (o *output) refused()                {}
func (o *output) pulseEnded(string)       {}

// governs reports whether a request in reach decides over the output.
func (o *output) governs() bool { return o.follows && o.replica.InStep() }

// overruledReason answers a value that is not carried out any more.
const overruledReason = "overruled by a local change"

// overrule notes a local change against the requested value, as the override of the
// property says. forced is set when a MaxOn made it: no override lets the same value
// turn on again what was on for too long.
func (o *output) overrule(value any, forced bool) {
	if value == nil || o.Override == config.CloudWins && !forced {
		return
	}
	local := &state.Local{Output: o.lines, Value: value, Made: o.now.Unix(), Write: o.Override == config.UpdatesDesired}
	if o.replica.Known() {
		local.Seen, local.At = o.replica.Desired(o.key)
		local.Sent = o.replica.Sent(o.key)
	} else {
		local.Unseen = true
		if o.local != nil {
			local.Seen, local.At, local.Sent = o.local.Seen, o.local.At, o.local.Sent
		}
	}
	if r, requested := o.replica.Requested(o.key); !local.Write && requested && shadow.Equal(r.Value, value) {
		// The output became what is requested: nothing is overruled any more.
		o.dropLocal()
		o.follows = true
		o.show()
		return
	}
	o.local = local
	o.saveWithin(saveDelay)
	switch {
	case local.Write:
		o.follows, o.conflict = false, ""
		o.replica.Propose(o.key, value)
	case o.follows:
		o.follows = false
		if ack, _ := o.replica.Acknowledged(o.key); ack.Code != shadow.Done { // that answer stays
			o.acknowledge(shadow.Conflict, overruledReason)
		}
	}
}

// dropLocal forgets a local change.
func (o *output) dropLocal() {
	if o.local != nil {
		o.local = nil
		o.saveWithin(saveDelay)
	}
}

// shadowRead looks at a local change now that the document is known. One made where
// nothing was desired holds unless something is by now.
func (o *output) shadowRead() {
	if desired, _ := o.replica.Desired(o.key); desired != nil {
		return // the request follows
	}
	o.follows, o.conflict = false, ""
	switch {
	case o.local == nil:
	case o.local.Write && o.local.Seen == nil:
		o.replica.Propose(o.key, o.local.Value)
		o.restate(0)
	default:
		o.dropLocal()
	}
}

// stored notes that a local change is in the shadow.
func (o *output) stored(value any) {
	if value != nil {
		o.dropLocal()
	}
}

// localStands reports whether a local change still holds against a requested value
// that was read, and drives it if so: the value is the one that the change was made
// against or, where that is not known, an older one.
func (o *output) localStands(r replica.Request) bool {
	local := o.local
	if local == nil {
		return false
	}
	before := r.At <= local.Made
	seen := local.Seen != nil && shadow.Equal(local.Seen, r.Value) && (local.At == r.At || local.At == 0 && before)
	sent := local.Sent != nil && shadow.Equal(local.Sent, r.Value) && before
	if !seen && !sent && !(local.Unseen && r.At < local.Made) || shadow.Equal(local.Value, r.Value) {
		o.dropLocal()
		return false
	}
	o.restate(r.At)
	if local.Write {
		o.follows = false
		o.replica.Propose(o.key, local.Value)
		return true
	}
	ack, answered := o.replica.Acknowledged(o.key)
	switch {
	case answered && ack.Version >= r.Version && (ack.Code == shadow.Done || ack.Code == shadow.Conflict):
		// It stays; an older one is to another value, and one about the line is over.
	case o.replica.KeepDone(o.key): // it was done, before this change
	default:
		o.acknowledge(shadow.Conflict, overruledReason)
	}
	return true
}

// restate drives a local change that still holds: the line may have been restored as
// something else, or taken its failsafe state.
func (o *output) restate(rank int64) {
	value := o.local.Value
	demand, err := o.does.demandOf(value)
	if err != nil {
		return
	}
	o.demand(o.output, order{lines.Order{Demand: demand, Cause: lines.Cause{Kind: lines.ByLocal}, Rank: rank}, func(refused error) {
		if refused != nil {
			o.dropLocal()
			o.refuse(refused)
			o.replica.Retract(o.now, o.key)
			return
		}
		o.does.taken(value, demand)
		o.show()
	}})
}

// switchboard makes local changes of outputs: by controls, alarms and schedules.
type switchboard struct {
	*core
	outputs map[string]outputKind // by label, those that a property drives
}

// apply makes the local changes that were asked for, all of them at one time: an
// output that goes off makes way for one that goes on. Of two changes of one output
// the later one counts. A change that is refused leaves no trace.
func (b switchboard) apply() {
	if len(b.switches) == 0 {
		return
	}
	switches := b.switches
	b.switches = nil
	orders := map[string]lines.Order{}
	values := map[string]any{}
	var changed []string
	for _, s := range switches {
		demand, value := lines.Level(s.on), any(nil)
		if o := b.outputs[s.output]; o != nil {
			if driven := outputOf(o); driven.Override == config.CloudWins && driven.governs() {
				b.log.Info("local change has no effect: the shadow is in reach and its desired value wins", "line", s.output, "cause", s.cause)
				continue
			}
			demand, value = o.switched(s.on)
		}
		if _, twice := orders[s.output]; !twice {
			changed = append(changed, s.output)
		}
		orders[s.output], values[s.output] = lines.Order{Demand: demand, Cause: s.cause}, value
	}
	refused := b.bank.Drive(b.now, orders)
	slices.Sort(changed)
	for _, label := range changed {
		if err := refused[label]; err != nil {
			b.log.Warn("line not switched", "line", label, "cause", orders[label].Cause, "error", err)
		} else if o := b.outputs[label]; o != nil {
			outputOf(o).overrule(values[label], false)
		}
	}
}

// outputOf is what an output has in common with the others.
func outputOf(k kind) *output {
	if d, ok := k.(interface{ driven() *output }); ok {
		return d.driven()
	}
	return nil
}
