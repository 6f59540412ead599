// Package agent wires the component: it runs the engine's one loop and carries
// out what the engine asks, on lines (package gpio) and on shadows (package ipc).
//
//	goroutine            ends when                      waited on by
//	loop                 stopped and all reported       Run
//	session              Run ends                       Run
//	watcher per line     its request is released        release
//	feed per shadow      Run ends, or the engine no     Run
//	                     longer follows it
//	get or update        answered, 10 s at most         Run
//	kind of nucleus      known                          Run
//	link of topics       Run ends                       Run
//	saver, journalist,   Run ends                       Run
//	announce,
//	deferUpdates,
//	followClock
//	sampler per reading  Run ends, or it is no longer   Run
//	                     configured; its reader when
//	                     the driver answers             nobody
//	control socket, one  Run ends; a client leaves      Run
//	more per client
//	holder's client      Leave                          Run
//
// The engine's inputs come over one channel. Senders block while it is full: the
// edges of a line then wait in the backend, which counts what it must drop; the
// messages of a shadow wait in its subscription, which ends with an overflow and
// is read anew.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/deployed"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/ipc"
)

// flushTime is how long the last reports may take after the stop is asked for. A
// nucleus kills what is still there 5 s after SIGTERM
// (aws-greengrass/aws-greengrass-nucleus src/main/java/com/aws/greengrass/util/platforms/unix/UnixPlatform.java).
const flushTime = 2500 * time.Millisecond

// Parts are what the agent is made of. All are required.
type Parts struct {
	Config  *config.Config         // the first
	Updates <-chan deployed.Update // further ones; nil for none
	Backend gpio.Backend
	Session *ipc.Session // run by the caller until after Run has returned
	State   state.File
	Version string // of the component, for its status
	// Holder says how outputs are held over a restart; its Dir, HoldFor, Wanted
	// and Logger are set here.
	Holder  holder.Config
	Dir     string              // the work directory
	Control string              // path of the control socket
	Sensors sensor.Machine      // of readings
	Clock   func() engine.Clock // what is known of the wall clock, now; nil is to ask the kernel
	Logger  *slog.Logger
	Level   *slog.LevelVar // of Logger, which the configuration sets
}

// Run keeps lines and shadows in step until ctx is done. It then sets outputs to
// their stop state, reports, and releases the lines.
func Run(ctx context.Context, parts Parts) error {
	saved, err := parts.State.Load()
	if err != nil {
		parts.Logger.Error("outputs start without their last state", "error", err)
	}
	if parts.Clock == nil {
		parts.Clock = kernelClock
	}
	// What runs beside the loop outlives ctx, since the last reports need it.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	a := &agent{
		Parts:     parts,
		engine:    engine.New(parts.Config, parts.Version, saved, random, parts.Logger),
		inputs:    make(chan engine.Input, 64),
		questions: make(chan func()),
		saves:     make(chan engine.Save, 1),
		claims:    map[string]*claim{},
		feeds:     map[shadow.ID]*feed{},
		samplers:  map[string]*sampler{},
		moved:     make(chan lines.Moved, 256),
		ctx:       running,
	}
	if a.journal, err = journal.Open(parts.Dir); err != nil {
		parts.Logger.Warn("journal not written; the last changes are in memory alone", "error", err)
	}
	defer a.journal.Close()
	if parts.Config.HoldFor > 0 {
		parts.Holder.Dir, parts.Holder.HoldFor = parts.Dir, parts.Config.HoldFor
		parts.Holder.Wanted, parts.Holder.Logger = wanted(parts.Config), parts.Logger
		a.holder = holder.Start(running, parts.Holder)
	}
	a.listen()
	a.work.Go(a.saver)
	a.work.Go(a.journalist)
	a.work.Go(a.announce)
	a.work.Go(a.followClock)
	a.work.Go(a.deferUpdates)
	a.transports = a.newTransports()
	a.via = a.transports[parts.Config.Transport]
	a.sample(parts.Config.Shadows)
	a.loop(ctx)
	if a.holder != nil {
		a.holder.Leave(true)
	}
	err = a.closeAll()
	end()
	a.work.Wait()
	return err
}

type agent struct {
	Parts
	engine     *engine.Engine
	inputs     chan engine.Input
	questions  chan func()                    // run by the loop, which owns the engine
	saves      chan engine.Save               // one at a time: the engine waits for its answer
	claims     map[string]*claim              // owned by the loop, as are Config and feeds
	feeds      map[shadow.ID]*feed            // as the engine follows shadows
	transports map[config.Transport]transport // all there are
	via        transport                      // the one in use; owned by the loop
	kind       *nucleusKind
	samplers   map[string]*sampler // by property
	holder     *holder.Client      // nil without
	journal    *journal.Journal
	moved      chan lines.Moved // on its way to the journal
	watchers   watchers
	ctx        context.Context // of everything beside the loop
	work       sync.WaitGroup
}

// loop is the engine's goroutine.
func (a *agent) loop(ctx context.Context) {
	a.step(engine.Start{})
	stop := ctx.Done()
	var deadline <-chan time.Time
	wake := time.NewTimer(0)
	defer wake.Stop()
	for deadline == nil || !a.engine.Idle() {
		if at := a.engine.Wake(); !at.IsZero() {
			wake.Reset(time.Until(at))
		} else {
			wake.Stop()
		}
		select {
		case in := <-a.inputs:
			a.step(in)
		case ask := <-a.questions:
			ask()
		case u := <-a.Updates:
			a.configure(u)
		case <-wake.C:
			a.step(engine.Tick{})
		case <-stop:
			stop, deadline = nil, time.After(flushTime)
			a.step(engine.Stop{Kept: a.holder != nil})
		case <-deadline:
			a.Logger.Warn("stopped before everything was reported")
			return
		}
	}
}

// step feeds one input, and the answers of lines to its effects before any other.
func (a *agent) step(in engine.Input) {
	for queue := []engine.Input{in}; len(queue) > 0; queue = queue[1:] {
		for _, effect := range a.engine.Step(time.Now(), queue[0]) {
			if answer := a.carryOut(effect); answer != nil {
				queue = append(queue, answer)
			}
		}
	}
	a.watchers.tell()
}

// carryOut returns the answer of a line, nil for what is answered later or never.
func (a *agent) carryOut(effect engine.Effect) engine.Input {
	switch e := effect.(type) {
	case lines.Request:
		return a.requestLines(e)
	case lines.Write:
		return a.writeLines(e)
	case lines.Release:
		a.letGo(e)
	case lines.Guard:
		a.guard(e)
	case engine.FollowShadow:
		a.follow(e.ID)
	case engine.UnfollowShadow:
		a.feeds[e.ID].end()
		delete(a.feeds, e.ID)
	case replica.Fetch:
		via := a.via
		a.work.Go(func() { a.send(a.fetch(via, e)) })
	case replica.Update:
		via := a.via
		a.work.Go(func() { a.send(a.update(via, e)) })
	case engine.Save:
		a.saves <- e
	case lines.Moved:
		a.record(e)
	}
	return nil
}

// send gives the engine an input, unless the end has come.
func (a *agent) send(in engine.Input) {
	select {
	case a.inputs <- in:
	case <-a.ctx.Done():
	}
}

// saver writes the state beside the loop, since a slow disk must not hold a line.
func (a *agent) saver() {
	for {
		select {
		case e := <-a.saves:
			a.send(engine.Saved{Seq: e.Seq, Err: a.State.Save(e.State)})
		case <-a.ctx.Done():
			return
		}
	}
}

// closeAll closes our copies of the requests; the holder may have others.
func (a *agent) closeAll() error {
	var errs []error
	for _, c := range a.claims {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
