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

// outputKind has the differences between the kinds of outputs.
type outputKind interface {
	kind
	// demandOf returns the demand of a requested value. The error goes into the
	// acknowledgement.
	demandOf(value any) (lines.Demand, error)
	// demandTaken is called when the lines accept the demand of a requested value.
	demandTaken(value any, d lines.Demand)
	// shownValue returns the value for the shadow: the levels read from the lines, or
	// the wave in progress. ok is false if the property has no value for this status.
	shownValue(s lines.Status) (value any, ok bool)
	// switchDemand returns the demand of a local switch, and its value for the shadow.
	// A nil value is not recorded as a local change.
	switchDemand(on bool) (d lines.Demand, value any)
	// acksWhenDone reports whether the property acknowledges a value as soon as its
	// lines match. A pulse acknowledges at its end.
	acksWhenDone(value any) bool
	// demandRejected is called when an interlock rejects the requested value.
	demandRejected(reason string)
	// pulseEnded is called at the end of a pulse. cut names the cause of an early end.
	pulseEnded(cut string)
}

// output is the common part of all properties with output lines.
type output struct {
	plain
	impl   outputKind
	output string // the label in the bank
	lines  string // the identity of the lines

	moved          bool            // the output has changed and no request has arrived since
	followsRequest bool            // the lines follow the request and determine its acknowledgement
	conflict       string          // why an interlock rejected the request; kept until the next request
	rejected       *state.Rejected // that request, for a later run; nil for commands, which have their own memory
	local          *state.Local    // a local change not yet in the shadow
}

func newOutput(p *property) output {
	label := lines.Label(p.Lines()...)
	return output{plain: plain{p}, output: label, lines: p.claims[label]}
}

func (o *output) driven() *output { return o }

func (o *output) resume(saved state.Property) {
	if saved.Rejected != nil && saved.Rejected.Output == o.lines {
		o.rejected = saved.Rejected
	}
	// A change of another output must not move this output.
	if saved.Local != nil && saved.Local.Output == o.lines {
		o.takeLocal(*saved.Local)
	}
}

// takeLocal takes over a local change of an earlier run or configuration, under the
// present override setting.
func (o *output) takeLocal(local state.Local) {
	if !o.understands(&local) || local.Yields && o.Override == config.CloudWins {
		return
	}
	local.Write = o.Override == config.UpdatesDesired
	o.local = &local
}

// understands reports whether the value of a local change is still valid: the
// configuration may have other words or bounds.
func (o *output) understands(local *state.Local) bool {
	_, err := o.impl.demandOf(local.Value)
	return err == nil
}

func (o *output) remember(saved state.Property) state.Property {
	if o.local != nil {
		local := *o.local
		saved.Local = &local
	}
	saved.Rejected = o.rejected
	return saved
}

// adoptOutput takes over the state from the previous configuration if the output is the
// same.
func (o *output) adoptOutput(old *output) (same bool) {
	if o.lines != old.lines {
		o.moved = true
		o.replica.Disown(o.key)
		return false
	}
	o.moved, o.followsRequest, o.conflict, o.local = old.moved, old.followsRequest, old.conflict, nil
	if old.local != nil {
		o.takeLocal(*old.local)
	}
	return true
}

// admit records a request, and reports whether to carry it out.
func (o *output) admit(r replica.Request) bool {
	if !r.Repeat {
		o.followsRequest, o.conflict = false, o.standingRejection(r)
		o.moved = false
		if o.conflict == "" {
			o.setRejected(nil)
		}
	}
	if o.conflict == "" {
		return true
	}
	if _, err := o.impl.demandOf(r.Value); err != nil {
		o.conflict = "" // a value without a meaning is the stronger reason
		return true
	}
	o.acknowledge(shadow.Conflict, o.conflict)
	return false
}

// standingRejection returns the reason if the rejection of a request by an earlier run
// still applies, else "". If the output has or approaches the requested value, the
// rejection concerned another value. A rejection for another output or kind applies to
// commands alone: a late command must not set anything in motion.
func (o *output) standingRejection(r replica.Request) string {
	reason := r.Rejected
	if was := o.rejected; reason == "" && was != nil && !r.Fresh && r.At != 0 && r.At == was.At && shadow.Equal(r.Value, was.Value) {
		reason = was.Reason // the clock of the device was behind, so the document does not tell
	}
	if reason == "" || (o.moved || o.retyped != 0) && !o.impl.isCommand() {
		return ""
	}
	status := o.bank.Output(o.output)
	shown, known := o.impl.shownValue(status)
	demand, err := o.impl.demandOf(r.Value)
	if known && shadow.Equal(shown, r.Value) || err == nil && demand.Equal(status.Demand) {
		return ""
	}
	return reason
}

// setRejected remembers the request that an interlock rejected, nil for none.
func (o *output) setRejected(rejected *state.Rejected) {
	if o.rejected != rejected {
		o.rejected = rejected
		o.saveWithin(saveDelay)
	}
}

// applyRequest applies a requested level, unless a local change overrides it.
func (o *output) applyRequest(r replica.Request) {
	if r.Fresh {
		o.dropLocal()
	}
	if !o.admit(r) {
		return
	}
	local := o.localHolds(r)
	switch demand, err := o.impl.demandOf(r.Value); {
	case err != nil:
		o.reject(err)
	case !local:
		o.driveRequest(r, demand)
	}
}

// reject rejects a value without a meaning for the property. The previous configuration
// may have accepted it.
func (o *output) reject(err error) {
	o.followsRequest = false
	o.acknowledge(shadow.Refused, err.Error())
}

// driveRequest applies a request, together with the other requests of this step.
func (o *output) driveRequest(r replica.Request, d lines.Demand) {
	o.followsRequest = true
	cause := lines.Cause{Kind: lines.ByDesired, Name: o.shadow, Version: r.Version}
	o.demand(o.output, order{lines.Order{Demand: d, Cause: cause, Rank: r.At}, func(refused error) {
		if refused != nil {
			o.rejectByInterlock(refused)
			return
		}
		o.impl.demandTaken(r.Value, d)
		o.show()
	}})
}

// rejectByInterlock rejects a request because of an interlock. The rejection stands
// until another request: the end of the conflict must not set anything in motion.
func (o *output) rejectByInterlock(err error) {
	o.followsRequest, o.conflict = false, err.Error()
	if r, requested := o.replica.Requested(o.key); requested && !o.impl.isCommand() {
		o.setRejected(&state.Rejected{Output: o.lines, Value: r.Value, At: r.At, Reason: o.conflict})
	}
	o.impl.demandRejected(o.conflict)
	o.acknowledge(shadow.Conflict, err.Error())
}

func (o *output) withdrawn() {
	o.followsRequest, o.conflict = false, ""
	o.setRejected(nil)
	o.dropLocal()
}

// show reports the output, and acknowledges its request.
func (o *output) show() {
	status := o.bank.Output(o.output)
	if value, ok := o.impl.shownValue(status); ok {
		o.report(value)
	} else if status.Known {
		o.report(nil)
	}
	r, requested := o.replica.Requested(o.key)
	if !o.followsRequest || !requested || o.stopped {
		return
	}
	if o.turnedOff(r, status) {
		o.rejectByInterlock(fmt.Errorf("turned off by interlock %s", status.Cause.Name))
		return
	}
	if demand, err := o.impl.demandOf(r.Value); err == nil && !demand.Equal(status.Demand) {
		return // another demand drives the output, and its progress answers no request
	}
	switch status.Progress {
	case lines.Done:
		if o.impl.acksWhenDone(r.Value) {
			o.acknowledge(shadow.Done, "")
		}
	case lines.Underway:
		o.acknowledge(shadow.InProgress, status.Reason)
	case lines.Failed:
		o.acknowledge(shadow.LineFailed, status.Reason)
	}
}

// turnedOff reports whether an interlock has ended the demand of a request, because a
// configuration added the interlock or a line came back on against it. A command cut
// short concludes at its end.
func (o *output) turnedOff(r replica.Request, status lines.Status) bool {
	if status.Cause.Kind != lines.ByInterlock || o.impl.isCommand() {
		return false
	}
	demand, err := o.impl.demandOf(r.Value)
	return err == nil && !demand.Equal(status.Demand)
}

func (o *output) acksWhenDone(any) bool         { return true }
func (o *output) demandTaken(any, lines.Demand) {}
func (o *output) demandRejected(string)         {}
func (o *output) pulseEnded(string)             {}

// requestGoverns reports whether a current request controls the output.
func (o *output) requestGoverns() bool { return o.followsRequest && o.replica.InStep() }

// overruledReason acknowledges a value overridden on the device.
const overruledReason = "overruled by a local change"

// overrule records a local change against the requested value, according to the
// override setting of the property. forced marks a change by MaxOn: after an output was
// on for too long, the same request must not turn it on again under any override.
func (o *output) overrule(value any, forced bool) {
	if value == nil || o.Override == config.CloudWins && !forced {
		return
	}
	local := &state.Local{Output: o.lines, Value: value, Made: o.now.Unix(), Write: o.Override == config.UpdatesDesired, Yields: !forced}
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
		o.followsRequest = true
		o.show()
		return
	}
	o.local = local
	o.saveWithin(saveDelay)
	switch {
	case local.Write:
		o.followsRequest, o.conflict = false, ""
		o.replica.Propose(o.key, value)
	case o.followsRequest:
		o.followsRequest = false
		if ack, _ := o.replica.Acknowledged(o.key); ack.Code != shadow.Done { // keep a "done"
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

// shadowRead decides on a local change once the document is known. A change made
// without a desired value holds until somebody writes a desired value.
func (o *output) shadowRead() {
	if desired, _ := o.replica.Desired(o.key); desired != nil {
		return // the request follows
	}
	o.followsRequest, o.conflict = false, ""
	switch {
	case o.local == nil:
	case o.local.Write && o.local.Seen == nil:
		o.replica.Propose(o.key, o.local.Value)
		o.redriveLocal(0)
	default:
		o.dropLocal()
	}
}

// stored drops a local change once the shadow has it.
func (o *output) stored(value any) {
	if value != nil {
		o.dropLocal()
	}
}

// localHolds reports whether a local change still overrides a requested value, and if
// so drives the change again. It does if the requested value was current when the
// change was made or, if unknown, is older than the change.
func (o *output) localHolds(r replica.Request) bool {
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
	o.redriveLocal(r.At)
	if local.Write {
		o.followsRequest = false
		o.replica.Propose(o.key, local.Value)
		return true
	}
	ack, answered := o.replica.Acknowledged(o.key)
	switch {
	case answered && ack.Version >= r.Version && (ack.Code == shadow.Done || ack.Code == shadow.Conflict):
		// Keep this acknowledgement. An older one belongs to another value, and a line
		// failure is history.
	case o.replica.KeepDone(o.key): // acknowledged as done before this change
	default:
		o.acknowledge(shadow.Conflict, overruledReason)
	}
	return true
}

// redriveLocal drives a local change again: the line may have been restored to another
// level, or have taken its fail-safe state.
func (o *output) redriveLocal(rank int64) {
	value := o.local.Value
	demand, err := o.impl.demandOf(value)
	if err != nil {
		return
	}
	o.demand(o.output, order{lines.Order{Demand: demand, Cause: lines.Cause{Kind: lines.ByLocal}, Rank: rank}, func(refused error) {
		if refused != nil {
			o.dropLocal()
			o.rejectByInterlock(refused)
			o.replica.Retract(o.now, o.key)
			return
		}
		o.impl.demandTaken(value, demand)
		o.show()
	}})
}

// switchboard applies local changes to outputs, made by controls, alarms and schedules.
type switchboard struct {
	*core
	outputs map[string]outputKind // outputs of properties, by label
}

// apply applies all queued local changes at once, so an output turning off makes way
// for an output turning on. The later of two changes of one output wins. A rejected
// change leaves no trace.
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
			if driven := outputOf(o); driven.Override == config.CloudWins && driven.requestGoverns() {
				b.log.Info("local change has no effect: the shadow is in reach and its desired value wins", "line", s.output, "cause", s.cause)
				continue
			}
			demand, value = o.switchDemand(s.on)
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

// outputOf returns the common part of an output.
func outputOf(k kind) *output {
	if d, ok := k.(interface{ driven() *output }); ok {
		return d.driven()
	}
	return nil
}
