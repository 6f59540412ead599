// Package engine is the heart of the component: it connects lines to device shadows.
//
// [Engine.Step] takes one [Input] and returns [Effect] values. It does no I/O and reads
// no clock: the caller passes the time. A thin loop (package agent) feeds it from one
// goroutine and carries out the effects, whose results come back as inputs. So every
// behavior can be replayed, and the engine needs no lock. Step is deterministic: equal
// inputs give equal effects in the same order.
//
//	edges, documents, messages, replies, ticks -> Step -> set lines, fetch, update, save
//
// The engine owns time and memory, and composes three parts:
//
//   - package lines decides which levels lines may take, and when;
//   - package replica keeps the copy of each shadow in step;
//   - kinds of properties (kind_*.go) connect the two: each kind turns a requested
//     value into a demand on lines, and line levels into a reported value.
//
// The files lie in layers, from the top: snapshot; engine; parts; shadow; kinds;
// kind_*; alarm; output, command, meter and sample; property; core.
package engine

import (
	"cmp"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
)

// Engine is not safe for concurrent use.
type Engine struct {
	core
	parts
	replicas *replica.Set
	version  string    // of the component
	since    time.Time // when the component started or stopped
	refused  string    // why the latest configuration was rejected; "" if it was accepted

	aside    aside
	followed map[shadow.ID]bool      // shadows with message subscriptions
	retired  map[shadow.ID]time.Time // shadows dropped from the configuration but not withdrawn yet, with the time of the drop
	waiting  bool                    // logged: schedules wait for the clock
}

// New makes an engine. version is the component's version, remembered the state saved
// by an earlier run. random spreads retries.
func New(cfg *config.Config, version string, remembered state.State, random *rand.Rand, log *slog.Logger) *Engine {
	if remembered.Labeled != nil {
		remembered = stateByIdentity(cfg, *remembered.Labeled)
	}
	e := &Engine{
		core: core{
			cfg: cfg, random: random, log: log,
			bank:   lines.New(Setup(cfg), linesMemory(remembered), random, log),
			orders: map[string]order{}, faults: map[string]error{}, statusStale: true,
			memory: memory{last: remembered, waiting: map[string]await{}},
			clock:  clock{saved: remembered.Clock},
		},
		replicas: replica.NewSet(random, log),
		version:  version,
		followed: map[shadow.ID]bool{}, retired: map[shadow.ID]time.Time{},
	}
	e.memory.snapshot = e.snapshot
	return e
}

func linesMemory(s state.State) lines.Memory {
	m := lines.Memory{Levels: s.Outputs, Waves: map[string]lines.Demand{}, Demands: map[string]lines.Order{}}
	for id, w := range s.Waves {
		m.Waves[id] = lines.Wave(w.On, w.Off)
	}
	for id, d := range s.Demands {
		m.Demands[id] = lines.Order{Demand: lines.Pattern(d.Levels), Cause: lines.Cause{Kind: d.Kind, Name: d.Name, Version: d.Version}}
	}
	return m
}

// withdrawDropped deletes values reported by an earlier run and dropped from the
// configuration since.
func (e *Engine) withdrawDropped(remembered state.State) {
	reported := remembered.Shadows
	bound := map[string]*boundShadow{}
	for _, s := range e.shadows {
		bound[state.ShadowID(s.id)] = s
	}
	for _, name := range sortedKeys(reported) {
		var gone []string
		s := bound[name]
		for _, key := range reported[name] {
			if s == nil || !s.Owns(key) {
				gone = append(gone, key)
			}
		}
		switch id, ok := state.ParseShadowID(name); {
		case s != nil:
			s.replica.Withdraw(gone)
		case ok: // even without keys: acknowledgements may be left
			since, known := remembered.Aside["shadows/"+name]
			if !known {
				since = e.clock.latest(e.now)
			}
			if e.clock.latest(e.now).Sub(since) < keepAside {
				e.replicas.Open(id, nil).Withdraw(gone)
				e.retired[id] = since
			}
		}
	}
}

// Step handles one input at time now, which never goes back, and returns the effects.
// The caller must carry them out in order.
func (e *Engine) Step(now time.Time, in Input) []Effect {
	e.now, e.effects = now, nil
	e.handle(in)
	e.handleNotices()
	if !e.stopped {
		e.testAlarms()
		e.runSchedules()
		e.handleNotices()
	}
	e.showStatus()
	if e.stopped {
		e.save()
	}
	for _, effect := range e.bank.Effects() {
		e.emit(effect)
	}
	if !e.bank.Moving() {
		// Wait until every line has answered: the report needs the level together with
		// the acknowledgement, and so does the memory.
		e.save()
		for _, effect := range e.replicas.Flush(now) {
			e.emit(effect)
		}
		e.closeGhosts()
		if e.noteWithdrawals() {
			e.saveWithin(saveDelay)
		}
	}
	return e.effects
}

// handle dispatches an input.
func (e *Engine) handle(in Input) {
	switch in := in.(type) {
	case Start:
		e.start()
	case Stop:
		e.stop(in.Kept)
	case Configure:
		e.configure(in.Config)
	case Refused:
		e.refused, e.statusStale = in.Reason, true
	case Tick:
		e.tick()
	case Clock:
		if e.clock.judge(in, e.clock.wall(e.now)) && !e.stopped {
			e.log.Debug("clock is set", "time", e.clock.wall(e.now))
			e.saveWithin(saveDelay)
		}
	case Link:
		e.bank.Link(e.now, in.Up)
	case LinesReady:
		if in.Held {
			e.bank.Held(in.Claim)
		}
		e.bank.Ready(e.now, in.Claim, in.Values)
	case LinesWritten:
		e.bank.Written(e.now, in.Claim, in.Values)
	case LineSeen:
		e.bank.Seen(e.now, in.Claim, in.Request, in.Burst)
	case LinesFailed:
		e.bank.Failed(e.now, in.Claim, in.Request, in.Err)
	case Sampled:
		e.handleSample(in)
	case Saved:
		e.handleSaved(in)
	case DiskFault:
		e.setFault(in.What, in.Err)
	case ShadowLive:
		e.replicas.Live(e.now, in.ID, in.Direct)
	case ShadowLost:
		e.replicas.Lost(in.ID, in.Err)
	case Accepted:
		e.replicas.Accepted(e.now, in.ID, in.Accepted)
	case Deleted:
		e.replicas.Deleted(e.now, in.ID)
	case replica.Fetched:
		e.replicas.Fetched(e.now, in)
	case replica.Updated:
		e.replicas.Updated(e.now, in)
	}
}

// Wake returns when the next [Tick] is due, zero for never.
func (e *Engine) Wake() time.Time {
	wake := e.wake
	for _, at := range []time.Time{e.bank.Wake(), e.replicas.Wake()} {
		if wake.IsZero() || !at.IsZero() && at.Before(wake) {
			wake = at
		}
	}
	return wake
}

// Idle reports whether nothing is left to save, and nothing is in flight or waiting for
// a shadow with a live link.
func (e *Engine) Idle() bool { return e.replicas.Idle() && e.memory.idle(e.stopped) }

// Busy returns the reason not to interrupt the lines now, and the earliest time without
// this reason. why is empty if an interruption is safe.
func (e *Engine) Busy(now time.Time) (until time.Time, why string) { return e.bank.Busy(now) }

func (e *Engine) start() {
	e.since = e.now
	remembered := e.memory.last
	if !remembered.Ended && len(remembered.Shadows) > 0 {
		e.replicas.DoubtAll()
	}
	e.parts = assemble(&e.core, e.replicas, remembered, parts{})
	e.withdrawDropped(remembered)
	e.aside = putAside(e.clock.latest(e.now), remembered, e.identities(e.cfg))
	e.saveWithin(saveDelay)
	e.bank.Start(e.now)
	e.restoreAlarms()
	e.followShadows()
	e.wakeAt(e.now)
}

func (e *Engine) stop(kept bool) {
	for _, k := range e.ticking {
		k.flush()
	}
	frozen := e.bank.Memory()
	e.memory.frozen = &frozen
	e.stopped, e.since, e.statusStale = true, e.now, true
	e.bank.Stop(e.now, kept)
	e.saveNow()
	e.replicas.Drain()
}

func (e *Engine) tick() {
	e.wake = time.Time{}
	e.bank.Tick(e.now)
	for _, k := range e.ticking {
		k.tick()
	}
	e.replicas.Tick(e.now)
	e.save()
}

// handleNotices handles the notices of the lines.
func (e *Engine) handleNotices() {
	for notices := e.bank.Notices(); len(notices) > 0; notices = e.bank.Notices() {
		for _, notice := range notices {
			switch n := notice.(type) {
			case lines.OutputChanged:
				e.statusStale = true // faults may have changed
				e.saveWithin(saveDelay)
				if o := e.outputs[n.Output]; o != nil {
					o.show()
				}
			case lines.PulseEnded:
				if o := e.outputs[n.Output]; o != nil {
					o.pulseEnded(n.Cut)
				}
			case lines.ForcedOff:
				if o := e.outputs[n.Output]; o != nil {
					_, off := o.switchDemand(false)
					outputOf(o).overrule(off, true)
				}
			case lines.InputChanged:
				e.statusStale = e.statusStale || n.Rising+n.Falling == 0
				applyControls(&e.core, e.controls[n.Input], n)
				e.applySwitches()
				for _, k := range e.inputs[n.Input] {
					k.show()
				}
			}
		}
	}
}

// applySwitches applies the queued local changes.
func (e *Engine) applySwitches() { switchboard{&e.core, e.outputs}.apply() }

// handleSample passes a sample to its reading.
func (e *Engine) handleSample(in Sampled) {
	for _, r := range e.readings {
		if r.id == in.ID && r.key == in.Property && r.Sensor == in.Sensor && !e.stopped {
			r.sample(in)
		}
	}
}

// testAlarms compares watched values with their limits.
func (e *Engine) testAlarms() {
	for _, a := range e.alarms {
		a.test()
	}
	e.applySwitches()
}

// restoreAlarms drives the outputs of raised alarms with a configured start level.
// Requests for these outputs follow when the shadow is read.
func (e *Engine) restoreAlarms() {
	for _, a := range e.alarms {
		start := e.cfg.Lines[a.Output].Start
		if !a.raised || a.Output == "" || start != config.StartOn && start != config.StartOff {
			continue
		}
		demand := lines.Level(a.Set)
		if o := e.outputs[a.Output]; o != nil {
			demand, _ = o.switchDemand(a.Set)
		}
		if !demand.IsPulse() { // a past pulse does not repeat
			e.bank.Drive(e.now, map[string]lines.Order{a.Output: {Demand: demand, Cause: a.cause()}})
		}
	}
}

// runSchedules carries out due runs.
func (e *Engine) runSchedules() {
	for _, s := range e.schedules {
		s.run()
	}
	e.applySwitches()
	switch waiting := e.clockAwaited(); {
	case waiting == e.waiting:
	case waiting:
		e.waiting = true
		e.log.Warn("schedules wait: the clock is not set")
	default:
		e.waiting = false
		e.log.Info("schedules go on: the clock is set")
	}
}

// showStatus reports a changed status.
func (e *Engine) showStatus() {
	if !e.statusStale {
		return
	}
	e.statusStale = false
	for _, s := range e.ordered {
		s.reportStatus(e.status)
	}
}

// status returns the status of the component for the shadow.
func (e *Engine) status() map[string]any {
	troubles := e.troubles()
	for label, err := range e.bank.Faults() {
		troubles[label] = err.Error()
	}
	return status{!e.stopped, e.since, e.version, e.refused, troubles, e.faults}.document()
}

// configure puts another configuration in force. Unchanged parts continue.
func (e *Engine) configure(cfg *config.Config) {
	if e.stopped {
		return
	}
	e.drop(cfg) // first, so the snapshot remembers dropped commands as ended
	remembered := e.snapshot()
	before, old := e.cfg, e.parts
	e.cfg, e.refused, e.statusStale = cfg, "", true
	e.bank.Configure(e.now, Setup(cfg))
	e.orders, e.switches = map[string]order{}, nil
	e.parts = assemble(&e.core, e.replicas, remembered, old)
	e.aside = putAside(e.clock.latest(e.now), remembered, e.identities(cfg))
	e.adopt(old)
	e.applySwitches()
	e.followShadows()
	for _, s := range e.ordered {
		if !old.sameShadow(before, s, e.cfg) {
			s.replica.Reread(e.now) // requested values may have a new meaning
		}
	}
	for _, k := range e.all() {
		k.show()
	}
	e.saveWithin(saveDelay)
}

// followShadows subscribes to the messages of every shadow with a replica, and
// withdraws reported values from shadows dropped from the configuration.
func (e *Engine) followShadows() {
	bound := map[shadow.ID]bool{}
	for _, s := range e.shadows {
		bound[s.id] = true
	}
	for _, id := range e.replicas.IDs() {
		if _, retired := e.retired[id]; !bound[id] && !retired {
			e.retired[id] = e.clock.latest(e.now)
			e.replicas.Retire(id)
			e.log.Info("shadow is no longer configured; its reported values are deleted", "shadow", id)
		}
		if !e.followed[id] {
			e.followed[id] = true
			e.emit(FollowShadow{id})
		}
	}
	for id := range bound {
		delete(e.retired, id)
	}
	// Give up the oldest unreachable shadows.
	for _, id := range oldest(e.retired, maxGhosts) {
		e.unfollowShadow(id)
	}
}

// unfollowShadow gives up a shadow dropped from the configuration.
func (e *Engine) unfollowShadow(id shadow.ID) {
	e.replicas.Close(id)
	delete(e.retired, id)
	delete(e.followed, id)
	e.emit(UnfollowShadow{id})
	e.saveWithin(saveDelay)
}

// ghosts returns, in order, the shadows dropped from the configuration with values
// still reported.
func (e *Engine) ghosts() []shadow.ID {
	return slices.SortedFunc(maps.Keys(e.retired), func(a, b shadow.ID) int {
		return cmp.Or(cmp.Compare(a.Thing, b.Thing), cmp.Compare(a.Name, b.Name))
	})
}

// closeGhosts gives up shadows with everything withdrawn.
func (e *Engine) closeGhosts() {
	if len(e.retired) == 0 {
		return
	}
	for _, id := range e.ghosts() {
		if e.replicas.Retired(id) {
			e.unfollowShadow(id)
		}
	}
}

// snapshot returns the state to save.
func (e *Engine) snapshot() state.State {
	outputs := e.bank.Memory()
	if e.memory.frozen != nil {
		outputs = *e.memory.frozen
	}
	s := state.State{
		Outputs: maps.Clone(outputs.Levels), Waves: map[string]state.Wave{}, Demands: map[string]state.Demand{},
		Properties: make(map[string]state.Property, len(e.memory.last.Properties)), Alarms: map[string]bool{}, Shadows: map[string][]string{},
		Aside: cloneMap(e.aside.since), Clock: e.clock.memory(e.clock.wall(e.now)), Ended: e.stopped,
	}
	for id, w := range outputs.Waves {
		s.Waves[id] = state.Wave{On: w.On, Off: w.Off}
	}
	for id, o := range outputs.Demands {
		s.Demands[id] = state.Demand{Levels: o.Demand.Levels, Kind: o.Cause.Kind, Name: o.Cause.Name, Version: o.Cause.Version}
	}
	e.remember(&s)
	for id, since := range e.retired {
		s.Shadows[state.ShadowID(id)] = e.replicas.Unfinished(id)
		s.Aside["shadows/"+state.ShadowID(id)] = since
	}
	e.aside.addTo(&s)
	return s
}
