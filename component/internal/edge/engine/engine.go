// Package engine is the heart of the component: it ties lines to device shadows.
//
// [Engine.Step] takes one [Input] and returns [Effect] values. It does no I/O and
// reads no clock: the time comes with the call. A thin loop (package agent) feeds
// it from one goroutine and carries out the effects, whose results come back as
// inputs. So every behavior can be replayed, and nothing here needs a lock. Step is
// deterministic: equal inputs give equal effects in the same order.
//
//	edges, documents, messages, replies, ticks -> Step -> set lines, fetch, update, save
//
// The engine composes three parts and owns time and memory:
//
//   - package lines decides what lines may be, and when;
//   - package replica keeps the copy of each shadow in step;
//   - kinds of properties (kind_*.go) tie the two: each knows what a requested value
//     asks of the lines, and what is reported of them.
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
	since    time.Time // when it started, or stopped
	refused  string    // why the latest configuration is not in force; "" if it is

	aside    aside
	followed map[shadow.ID]bool      // their messages are asked for
	retired  map[shadow.ID]time.Time // no longer configured since then, and not withdrawn yet
	waiting  bool                    // it was logged that schedules wait for the clock
}

// New makes an engine. version is the component's; remembered is what an earlier run
// saved; random spreads retries.
func New(cfg *config.Config, version string, remembered state.State, random *rand.Rand, log *slog.Logger) *Engine {
	if remembered.Labeled != nil {
		remembered = identified(cfg, *remembered.Labeled)
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

// withdraw has deleted what an earlier run may have reported and the configuration
// no longer has.
func (e *Engine) withdraw(remembered state.State) {
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
		case ok: // also without keys: there may be acknowledgements
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

// Step takes one input at time now, which never goes back, and returns what is
// to be done. The effects must be carried out in order.
func (e *Engine) Step(now time.Time, in Input) []Effect {
	e.now, e.effects = now, nil
	e.take(in)
	e.heed()
	if !e.stopped {
		e.testAlarms()
		e.runSchedules()
		e.heed()
	}
	e.showStatus()
	if e.stopped {
		e.save()
	}
	for _, effect := range e.bank.Effects() {
		e.do(effect)
	}
	if !e.bank.Moving() {
		// Not before every line has answered: its level belongs into the same report as
		// the answer to the request, and is remembered.
		e.save()
		for _, effect := range e.replicas.Flush(now) {
			e.do(effect)
		}
		e.closeGhosts()
	}
	return e.effects
}

// take does what the input says.
func (e *Engine) take(in Input) {
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
		e.sample(in)
	case Saved:
		e.saved(in)
	case DiskFault:
		e.fault(in.What, in.Err)
	case ShadowLive:
		e.replicas.Live(e.now, in.ID)
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

// Wake is when the next [Tick] is wanted, zero when none is.
func (e *Engine) Wake() time.Time {
	wake := e.wake
	for _, at := range []time.Time{e.bank.Wake(), e.replicas.Wake()} {
		if wake.IsZero() || !at.IsZero() && at.Before(wake) {
			wake = at
		}
	}
	return wake
}

// Idle reports whether everything that can be reported has been: nothing is in
// flight or waiting for a shadow whose link is up, nor to be saved.
func (e *Engine) Idle() bool { return e.replicas.Idle() && e.memory.idle(e.stopped) }

// Busy says what goes on that should not be cut short, and until when at least.
// why is empty when nothing does.
func (e *Engine) Busy(now time.Time) (until time.Time, why string) { return e.bank.Busy(now) }

func (e *Engine) start() {
	e.since = e.now
	remembered := e.memory.last
	e.parts = assemble(&e.core, e.replicas, remembered)
	e.withdraw(remembered)
	e.aside = putAside(e.clock.latest(e.now), remembered, e.identities(e.cfg))
	e.saveWithin(saveDelay)
	e.bank.Start(e.now)
	e.restoreAlarms()
	e.follow()
	e.at(e.now)
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

// heed does what follows from what happened to the lines.
func (e *Engine) heed() {
	for notices := e.bank.Notices(); len(notices) > 0; notices = e.bank.Notices() {
		for _, notice := range notices {
			switch n := notice.(type) {
			case lines.OutputChanged:
				e.statusStale = true // faults may be others
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
					_, off := o.switched(false)
					outputOf(o).overrule(off, true)
				}
			case lines.InputChanged:
				e.statusStale = e.statusStale || n.Rising+n.Falling == 0
				act(&e.core, e.controls[n.Input], n)
				e.switchAll()
				for _, k := range e.inputs[n.Input] {
					k.show()
				}
			}
		}
	}
}

// switchAll makes the local changes that were asked for.
func (e *Engine) switchAll() { switchboard{&e.core, e.outputs}.apply() }

// sample hands a sample to its reading.
func (e *Engine) sample(in Sampled) {
	for _, r := range e.readings {
		if r.id == in.ID && r.key == in.Property && r.Sensor == in.Sensor && !e.stopped {
			r.sample(in)
		}
	}
}

// testAlarms compares what alarms watch with their limits.
func (e *Engine) testAlarms() {
	for _, a := range e.alarms {
		a.test()
	}
	e.switchAll()
}

// restoreAlarms has the outputs of raised alarms follow them that start as
// something else. What is requested of them is heard when the shadow is read.
func (e *Engine) restoreAlarms() {
	for _, a := range e.alarms {
		start := e.cfg.Lines[a.Output].Start
		if !a.raised || a.Output == "" || start != config.StartOn && start != config.StartOff {
			continue
		}
		demand := lines.Level(a.Set)
		if o := e.outputs[a.Output]; o != nil {
			demand, _ = o.switched(a.Set)
		}
		if !demand.IsPulse() { // it is over
			e.bank.Drive(e.now, map[string]lines.Order{a.Output: {Demand: demand, Cause: a.cause()}})
		}
	}
}

// runSchedules carries out what is due.
func (e *Engine) runSchedules() {
	for _, s := range e.schedules {
		s.run()
	}
	e.switchAll()
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

// showStatus reports the status if it may be different.
func (e *Engine) showStatus() {
	if !e.statusStale {
		return
	}
	e.statusStale = false
	for _, s := range e.ordered {
		s.reportStatus(e.status)
	}
}

// status is what the component reports of itself.
func (e *Engine) status() map[string]any {
	troubles := e.troubles()
	for label, err := range e.bank.Faults() {
		troubles[label] = err.Error()
	}
	return status{!e.stopped, e.since, e.version, e.refused, troubles, e.faults}.document()
}

// configure puts another configuration in force. What is the same goes on as it is.
func (e *Engine) configure(cfg *config.Config) {
	if e.stopped {
		return
	}
	e.drop(cfg) // first: what it ends is remembered as ended
	remembered := e.snapshot()
	before, old := e.cfg, e.parts
	e.cfg, e.refused, e.statusStale = cfg, "", true
	e.bank.Configure(e.now, Setup(cfg))
	e.orders, e.switches = map[string]order{}, nil
	e.parts = assemble(&e.core, e.replicas, remembered)
	e.aside = putAside(e.clock.latest(e.now), remembered, e.identities(cfg))
	e.adopt(old)
	e.switchAll()
	e.follow()
	for _, s := range e.ordered {
		if !old.shows(before, s, e.cfg) {
			s.replica.Reread(e.now) // a requested value may mean something else now
		}
	}
	for _, k := range e.all() {
		k.show()
	}
	e.saveWithin(saveDelay)
}

// follow has the messages of all shadows followed that have a replica, and what was
// reported in those that the configuration lacks withdrawn.
func (e *Engine) follow() {
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
			e.do(FollowShadow{id})
		}
	}
	for id := range bound {
		delete(e.retired, id)
	}
	// The oldest that cannot be reached give way.
	for _, id := range oldest(e.retired, maxGhosts) {
		e.unfollow(id)
	}
}

// unfollow gives up a shadow that the configuration no longer has.
func (e *Engine) unfollow(id shadow.ID) {
	e.replicas.Close(id)
	delete(e.retired, id)
	delete(e.followed, id)
	e.do(UnfollowShadow{id})
	e.saveWithin(saveDelay)
}

// ghosts are the shadows that the configuration no longer has and that still report
// something, in order.
func (e *Engine) ghosts() []shadow.ID {
	return slices.SortedFunc(maps.Keys(e.retired), func(a, b shadow.ID) int {
		return cmp.Or(cmp.Compare(a.Thing, b.Thing), cmp.Compare(a.Name, b.Name))
	})
}

// closeGhosts gives up shadows from which all is withdrawn.
func (e *Engine) closeGhosts() {
	if len(e.retired) == 0 {
		return
	}
	for _, id := range e.ghosts() {
		if e.replicas.Retired(id) {
			e.unfollow(id)
		}
	}
}

// snapshot is what is to be remembered now.
func (e *Engine) snapshot() state.State {
	outputs := e.bank.Memory()
	if e.memory.frozen != nil {
		outputs = *e.memory.frozen
	}
	s := state.State{
		Outputs: maps.Clone(outputs.Levels), Waves: map[string]state.Wave{}, Demands: map[string]state.Demand{},
		Properties: make(map[string]state.Property, len(e.memory.last.Properties)), Alarms: map[string]bool{}, Shadows: map[string][]string{},
		Aside: own(e.aside.since), Clock: e.clock.memory(e.clock.wall(e.now)),
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
