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
//	reader of the state  it is read, or Run ends; when  nobody
//	                     the disk answers
//	saver, journalist    Run ends, and the disk         Run, for 0.4 s
//	                     answers
//	announce,            Run ends                       Run
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
// is read anew. The loop itself waits for the chips, and for a holder that hangs once, for
// 0.15 s. It waits for no disk, log, socket or client.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

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

// Parts are what the agent is made of. All are required, unless they say otherwise.
type Parts struct {
	Config     *config.Config         // the first
	ConfigFile error                  // why it is not kept for the next start; nil if it is
	Updates    <-chan deployed.Update // further ones; nil for none
	Backend    gpio.Backend
	Session    *ipc.Session // run by the caller until after Run has returned
	State      state.File
	Version    string // of the component, for its status
	// Holder says how outputs are held over a restart; its Dir, HoldFor and
	// Logger are set here.
	Holder  holder.Config
	Dir     string              // the work directory
	Control string              // path of the control socket
	Sensors sensor.Machine      // of readings
	Clock   func() engine.Clock // what is known of the wall clock, now; nil is to ask the kernel
	Logger  *slog.Logger
	// LogDropped is how many lines of the log nobody read so far; nil is not known.
	LogDropped func() int64
	Level      *slog.LevelVar // of Logger, which the configuration sets
}

// Run keeps lines and shadows in step until ctx is done. It then sets outputs to
// their stop state, reports, and releases the lines.
//
// A state file that cannot be read holds lines up for five seconds; then they start
// without it, and nothing is saved. Once it can be read, Run starts again with it, as
// after a restart of the component: the holder keeps the outputs meanwhile.
func Run(ctx context.Context, parts Parts) error {
	if parts.Clock == nil {
		parts.Clock = kernelClock
	}
	for {
		a := newAgent(ctx, parts)
		err := a.run(ctx)
		if !errors.Is(err, errStateRead) {
			return err
		}
		parts.Config, parts.ConfigFile = a.Config, a.ConfigFile
	}
}

// newAgent makes an agent. What runs beside its loop outlives ctx, since the last
// reports need it.
func newAgent(ctx context.Context, parts Parts) *agent {
	a := &agent{
		Parts:     parts,
		inputs:    make(chan engine.Input, 64),
		weighed:   semaphore.NewWeighted(maxWaiting),
		questions: make(chan func()),
		saves:     make(chan engine.Save, 1),
		states:    make(chan loaded),
		again:     make(chan struct{}),
		claims:    map[string]*claim{},
		feeds:     map[shadow.ID]*feed{},
		samplers:  map[string]*sampler{},
		moved:     make(chan struct{}, 1),
	}
	a.ctx, a.end = context.WithCancel(context.WithoutCancel(ctx))
	return a
}

// run returns errStateRead if the agent is to start again.
func (a *agent) run(ctx context.Context) error {
	defer a.end()
	go readState(a.ctx, a.State, a.states)
	saved := a.firstState(ctx)
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	a.engine = engine.New(a.Config, a.Version, saved, random, a.Logger)
	a.journal = journal.New(a.Dir)
	if a.Config.HoldFor > 0 {
		a.Holder.Dir, a.Holder.HoldFor = a.Dir, a.Config.HoldFor
		a.Holder.Logger = a.Logger
		a.holder = holder.Start(a.ctx, a.Holder)
		a.holder.Want(wanted(a.Config))
	}
	a.listen()
	a.work.Go(a.saver)
	a.work.Go(a.journalist)
	a.work.Go(a.announce)
	a.work.Go(a.followClock)
	a.work.Go(a.deferUpdates)
	a.transports = a.newTransports()
	a.via = a.transports[a.Config.Transport]
	a.sample(a.Config.Shadows)
	again := a.loop(ctx)
	if a.holder != nil {
		a.holder.Leave(true)
	}
	err := a.closeAll()
	a.end()
	a.rest()
	if again {
		return errStateRead
	}
	return err
}

// rest waits for all that runs beside the loop. What hangs in a disk is left there: a
// stop and a new start come to an end without it.
func (a *agent) rest() {
	done := make(chan struct{})
	go func() { a.work.Wait(); close(done) }()
	late := time.NewTimer(endPatience)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		a.Logger.Warn("stopped before the disk answered; the last changes may not be on it")
	}
}

type agent struct {
	Parts
	engine     *engine.Engine
	inputs     chan engine.Input
	weighed    *semaphore.Weighted            // the bytes of messages on their way to the engine
	questions  chan func()                    // run by the loop, which owns the engine
	saves      chan engine.Save               // one at a time: the engine waits for its answer
	states     chan loaded                    // what came of attempts to read the state, until one succeeds
	unread     bool                           // the state file is not read; owned by the saver
	again      chan struct{}                  // closed when the agent is to start again
	claims     map[string]*claim              // owned by the loop, as are Config and feeds
	feeds      map[shadow.ID]*feed            // as the engine follows shadows
	transports map[config.Transport]transport // all there are
	via        transport                      // the one in use; owned by the loop
	kind       *nucleusKind
	samplers   map[string]*sampler // by property
	holder     *holder.Client      // nil without
	journal    *journal.Journal
	// journalFault is the failure of the journal that was told last, "" for none.
	journalFault   string
	journalDropped int64         // changes that the log tells are not in its files
	moved          chan struct{} // one slot: the journal is to be written
	watchers       watchers
	ctx            context.Context // of everything beside the loop
	end            context.CancelFunc
	work           sync.WaitGroup
}

// loop is the engine's goroutine. It reports whether the agent is to start again.
func (a *agent) loop(ctx context.Context) (again bool) {
	a.step(engine.Start{})
	// Not by way of the inputs, where an update could overtake it.
	a.step(engine.DiskFault{What: configurationFault, Err: a.ConfigFile})
	stop, restart := ctx.Done(), a.again
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
			if message, ok := in.(engine.Accepted); ok {
				a.weighed.Release(int64(message.Size))
			}
		case ask := <-a.questions:
			ask()
		case u := <-a.Updates:
			a.configure(u)
		case <-wake.C:
			a.step(engine.Tick{})
		case <-restart:
			return true
		case <-stop:
			stop, restart, deadline = nil, nil, time.After(flushTime)
			a.step(engine.Stop{Kept: a.holder != nil})
		case <-deadline:
			a.Logger.Warn("stopped before everything was reported")
			return false
		}
	}
	return false
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

// closeAll closes our copies of the requests; the holder may have others.
func (a *agent) closeAll() error {
	var errs []error
	for _, c := range a.claims {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
