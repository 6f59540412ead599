package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/agent"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/deployed"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/logpipe"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/workdir"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/ipc"
)

const runText = `shadowgpio run keeps device shadows and GPIO lines in step. The nucleus starts it;
by hand it needs the environment that the nucleus gives a component:
  AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT  the nucleus's socket
  SVCUID                                               the component's token
  AWS_IOT_THING_NAME                                   the core device
Without --config it takes the component configuration of the deployment.
SIGTERM or SIGINT ends it: outputs take their stop state and the last reports are sent.

One run at a time works in a work directory. A second one reads and writes nothing
there: it names the process that has it, and waits for its end or, on a terminal,
ends with code 7; --if-busy says which. What a crashed nucleus left running ends by
itself when it learns that its token is refused.`

// Values of --if-busy.
const (
	busyWaits = "wait"
	busyEnds  = "end"
)

// lockPatience is how long a work directory that cannot be opened is tried again.
const lockPatience = 5 * time.Second

// hangPatience is how long a work directory may take to answer at all.
const hangPatience = lockPatience + time.Second

// logPatience is how long the last lines of the log may take to be read.
const logPatience = 200 * time.Millisecond

// Bounds of memory, whatever the nucleus and other components send.
const (
	// payloadLimit is far above a shadow with its metadata, 450 kB at most, and a
	// configuration.
	payloadLimit = 1 << 20
	// inboxLimit is how many bytes of messages of one topic wait to be read.
	inboxLimit = 512 << 10
	// memoryLimit is where the garbage collector works harder. The component needs about 10
	// MB, and more only for as long as it parses what is large.
	memoryLimit = 40 << 20
)

// refusedPause is the pause before a token that was never accepted is tried again.
const refusedPause = 30 * time.Second

func runCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "keep device shadows and GPIO lines in step (what the nucleus starts)", Long: runText, Args: command.Nothing,
		Example: `  shadowgpio run
  shadowgpio run --config lamp.yaml --state-dir /var/lib/shadowgpio`,
	}
	file := c.Flags().String("config", "", "configuration `FILE` (YAML or JSON) instead of the deployment's")
	dir := c.Flags().String("state-dir", ".", "`DIRECTORY` of the local state; the nucleus starts us in our work directory")
	ifBusy := c.Flags().String("if-busy", "", "`WHAT` to do while another process has the state directory: wait or end; default end on a terminal, else wait")
	c.MarkFlagFilename("config", "yaml", "yml", "json")
	c.MarkFlagDirname("state-dir")
	c.RegisterFlagCompletionFunc("if-busy", cobra.FixedCompletions([]cobra.Completion{busyWaits, busyEnds}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		switch {
		case *ifBusy == busyWaits, *ifBusy == busyEnds:
		case *ifBusy != "":
			printable.Fprintf(env.Stderr, "shadowgpio run: --if-busy: want wait or end, got %q\n", *ifBusy)
			return command.Usage
		case isTerminal(env.Stderr): // somebody reads who it is
			*ifBusy = busyEnds
		}
		return run(ctx, env, *file, *dir, *ifBusy != busyEnds)
	})
	return c
}

func run(ctx context.Context, env Env, file, dir string, waits bool) int {
	level := new(slog.LevelVar)
	// The pipes of the log break when the nucleus dies, and fill up when nobody reads
	// them. Neither must end the component, or hold up a line.
	signal.Ignore(syscall.SIGPIPE)
	out, errs := logpipe.New(env.Stdout), logpipe.New(env.Stderr)
	defer out.Close(logPatience)
	defer errs.Close(logPatience)
	limit := logpipe.NewLimit(newLogger(out, errs, level).Handler())
	defer limit.Flush()
	log := slog.New(limit)
	ipcConfig, err := ipc.ConfigFromEnv(env.Getenv)
	if err != nil {
		log.Error("the nucleus is out of reach", "error", err)
		return command.Usage
	}
	ipcConfig.Logger = log
	ipcConfig.PayloadLimit, ipcConfig.InboxLimit = payloadLimit, inboxLimit
	if env.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	session, err := ipc.NewSession(ipc.SessionConfig{Config: ipcConfig})
	if err != nil {
		log.Error("the nucleus is out of reach", "error", err)
		return command.Usage
	}
	r := &runner{env: env, log: log, session: session}
	// Paths stay good when the directory is deleted and made again.
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	if r.lock, err = r.takeDirectory(ctx, dir, waits); err != nil {
		return r.exit(ctx, err)
	}
	defer r.lock.Release()

	// The session outlives ctx, since the last reports need it.
	sessionCtx, endSession := context.WithCancel(context.WithoutCancel(ctx))
	ctx, orphaned := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.connect(sessionCtx); err != nil {
			orphaned(err)
		}
	}()
	defer func() { endSession(); <-done }()

	// Ends before the session, which it uses.
	following, endFollowing := context.WithCancel(ctx)
	var follower sync.WaitGroup
	defer func() { endFollowing(); follower.Wait() }()

	updates := make(chan deployed.Update)
	var first deployed.Update
	if file != "" {
		first.Config, err = readConfig(file, thingName(env.Getenv))
	} else {
		source := &deployed.Source{
			Session:   session,
			ThingName: thingName(env.Getenv),
			File:      filepath.Join(dir, "configuration.json"),
			Logger:    log,
		}
		follower.Go(func() { source.Follow(following, updates) })
		first, err = r.firstConfig(ctx, updates)
	}
	if cfg := first.Config; err == nil {
		level.Set(cfg.LogLevel)
		log.Info("shadowgpio starts", "version", Version, "lines", len(cfg.Lines), "shadows", len(cfg.Shadows))
		err = agent.Run(ctx, agent.Parts{
			Config:     cfg,
			ConfigFile: first.File,
			Updates:    updates,
			Backend:    env.Backend(),
			Session:    session,
			State:      state.In(dir),
			Version:    Version,
			Holder:     holder.Config{Command: holdCommand(env), Sole: r.lock != nil},
			Dir:        dir,
			Control:    filepath.Join(dir, control.SocketName),
			Clock:      env.Clock,
			Sensors:    env.Sensors,
			LogDropped: func() int64 { return out.Dropped() + errs.Dropped() },
			Logger:     log,
			Level:      level,
		})
	}
	return r.exit(ctx, err)
}

type runner struct {
	env     Env
	log     *slog.Logger
	session *ipc.Session
	lock    *workdir.Lock
}

// takeDirectory takes the work directory before anything in it is touched. While
// another process has it, it waits or returns that error. A directory that cannot be
// locked for another reason, or a disk that hangs, is no obstacle for lines: the run goes
// on without a lock.
func (r *runner) takeDirectory(ctx context.Context, dir string, waits bool) (*workdir.Lock, error) {
	type result struct {
		lock *workdir.Lock
		err  error
	}
	waiting, taken := make(chan struct{}), make(chan result, 1)
	begins := sync.OnceFunc(func() { close(waiting) })
	take := func() (*workdir.Lock, error) { return workdir.Take(dir) }
	if waits {
		take = func() (*workdir.Lock, error) {
			return workdir.Wait(ctx, dir, func(busy *workdir.BusyError) { begins(); r.waits(busy) })
		}
	}
	// A lock that comes too late is kept until this process ends.
	go func() {
		lock, err := r.lockDirectory(ctx, take)
		taken <- result{lock, err}
	}()
	late := time.NewTimer(hangPatience)
	defer late.Stop()
	for {
		select {
		case got := <-taken:
			return got.lock, got.err
		case <-waiting:
			late.Stop() // the disk answers
			waiting = nil
		case <-late.C:
			r.unlocked(fmt.Errorf("the disk has not answered for %v", 2*lockPatience))
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// lockDirectory repeats an attempt that fails for another reason than another process.
func (r *runner) lockDirectory(ctx context.Context, take func() (*workdir.Lock, error)) (*workdir.Lock, error) {
	for patience := time.After(lockPatience); ; {
		lock, err := take()
		_, busy := errors.AsType[*workdir.BusyError](err)
		switch {
		case err == nil, busy, ctx.Err() != nil:
			return lock, err
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			return nil, fmt.Errorf("no work directory; create it, or choose another with --state-dir: %w", err)
		case errors.Is(err, workdir.ErrNoLocks):
			r.unlocked(err)
			return nil, nil
		}
		select {
		case <-time.After(lockPatience / 20): // such as too many open files
		case <-patience:
			r.unlocked(err)
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// waits tells which process this run waits for.
func (r *runner) waits(busy *workdir.BusyError) {
	r.log.Warn("another run has the work directory; waiting for its end", "error", busy)
}

func (r *runner) unlocked(err error) {
	r.log.Warn("work directory is not locked; a second run would not be noticed", "error", err)
}

// connect runs the session until ctx ends. A token that was never accepted is
// tried again slowly: lines keep working meanwhile, and whoever starts us may yet
// come up. One that was accepted before belongs to a nucleus that is gone; its
// successor starts a second copy of us, which needs our lines, so that is an error.
// So is a token that was never accepted, once a second copy waits.
func (r *runner) connect(ctx context.Context) error {
	for {
		err := r.session.Run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if r.session.Status().Connects > 0 {
			return orphanError{fmt.Errorf("the nucleus no longer knows this component: %w", err)}
		}
		r.log.Error("the nucleus refuses this component; lines work, shadows do not", "error", err, "retry", refusedPause)
		if r.wantedWithin(ctx, refusedPause) {
			return orphanError{fmt.Errorf("the nucleus does not know this component, and another run waits for the work directory: %w", err)}
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// wantedWithin reports whether another run waits for the work directory, and returns
// as soon as one does.
func (r *runner) wantedWithin(ctx context.Context, pause time.Duration) bool {
	over := time.NewTimer(pause)
	defer over.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		if r.lock.Wanted() {
			return true
		}
		select {
		case <-look.C:
		case <-over.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// orphanError says that the nucleus that started us is gone, or never knew us.
type orphanError struct{ error }

func (e orphanError) Unwrap() error { return e.error }

// firstConfig waits for a configuration that is good. One that is not is waited
// out: the next deployment may bring a better one, and three quick ends would leave
// the component broken.
func (r *runner) firstConfig(ctx context.Context, updates <-chan deployed.Update) (deployed.Update, error) {
	for {
		select {
		case u := <-updates:
			if u.Config != nil {
				return u, nil
			}
			if u.Err == nil {
				continue
			}
			for _, fault := range config.Faults(u.Err) {
				r.log.Error("configuration refused", "fault", fault)
			}
			r.log.Error("no line is touched before there is a configuration without faults")
		case <-ctx.Done():
			return deployed.Update{}, context.Cause(ctx)
		}
	}
}

// exit logs how the run ended and tells the nucleus by the code: 0 only after it
// was asked to stop, since any other end is to be followed by a restart.
func (r *runner) exit(ctx context.Context, err error) int {
	cause := context.Cause(ctx)
	var orphan orphanError
	var fault *config.FieldError
	var busy *workdir.BusyError
	switch {
	case errors.As(cause, &orphan):
		r.log.Error("shadowgpio ends", "error", orphan)
		return command.Failure
	case cause != nil && (err == nil || errors.Is(err, cause)):
		r.log.Info("shadowgpio ends", "cause", cause)
		return command.OK
	case errors.As(err, &busy):
		r.log.Error("another run has the work directory; this one ends", "error", busy, "instead", "end that process, choose another --state-dir, or wait for it with --if-busy wait")
		return command.Busy
	case errors.As(err, &fault):
		for _, e := range config.Faults(err) {
			r.log.Error("configuration", "fault", e)
		}
		return command.Usage
	case err != nil:
		r.log.Error("shadowgpio ends", "error", err)
	}
	return command.Failure
}
