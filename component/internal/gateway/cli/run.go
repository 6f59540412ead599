package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/agent"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/deployed"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/state"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/ipc"
)

const runText = `shadowgpio run keeps device shadows and GPIO lines in step. The nucleus starts it;
by hand it needs the environment that the nucleus gives a component:
  AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT  the nucleus's socket
  SVCUID                                               the component's token
  AWS_IOT_THING_NAME                                   the core device
Without --config it takes the component configuration of the deployment.
SIGTERM or SIGINT ends it: outputs take their stop state and the last reports are sent.`

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
	c.MarkFlagFilename("config", "yaml", "yml", "json")
	c.MarkFlagDirname("state-dir")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int { return run(ctx, env, *file, *dir) })
	return c
}

func run(ctx context.Context, env Env, file, dir string) int {
	level := new(slog.LevelVar)
	log := newLogger(env.Stdout, env.Stderr, level)
	ipcConfig, err := ipc.ConfigFromEnv(env.Getenv)
	if err != nil {
		log.Error("the nucleus is out of reach", "error", err)
		return command.Usage
	}
	ipcConfig.Logger = log
	session, err := ipc.NewSession(ipc.SessionConfig{Config: ipcConfig})
	if err != nil {
		log.Error("the nucleus is out of reach", "error", err)
		return command.Usage
	}
	r := &runner{env: env, log: log, session: session}

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
	var cfg *config.Config
	if file != "" {
		cfg, err = readConfig(file, thingName(env.Getenv))
	} else {
		source := &deployed.Source{
			Session:   session,
			ThingName: thingName(env.Getenv),
			File:      filepath.Join(dir, "configuration.json"),
			Logger:    log,
		}
		follower.Go(func() { source.Follow(following, updates) })
		cfg, err = r.firstConfig(ctx, updates)
	}
	if err == nil {
		level.Set(cfg.LogLevel)
		log.Info("shadowgpio starts", "version", Version, "lines", len(cfg.Lines), "shadows", len(cfg.Shadows))
		err = agent.Run(ctx, agent.Parts{
			Config:  cfg,
			Updates: updates,
			Backend: env.Backend(),
			Session: session,
			State:   state.In(dir),
			Version: Version,
			Holder:  holder.Config{Command: holdCommand(env)},
			Dir:     dir,
			Control: filepath.Join(dir, control.SocketName),
			Clock:   env.Clock,
			Sensors: env.Sensors,
			Logger:  log,
			Level:   level,
		})
	}
	return r.exit(ctx, err)
}

type runner struct {
	env     Env
	log     *slog.Logger
	session *ipc.Session
}

// connect runs the session until ctx ends. A token that was never accepted is
// tried again slowly: lines keep working meanwhile, and whoever starts us may yet
// come up. One that was accepted before belongs to a nucleus that is gone; its
// successor starts a second copy of us, which needs our lines, so that is an error.
func (r *runner) connect(ctx context.Context) error {
	for {
		err := r.session.Run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if r.session.Status().Connects > 0 {
			return orphanError{err}
		}
		r.log.Error("the nucleus refuses this component; lines work, shadows do not", "error", err, "retry", refusedPause)
		select {
		case <-time.After(refusedPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// orphanError says that the nucleus that started us is gone.
type orphanError struct{ err error }

func (e orphanError) Error() string {
	return fmt.Sprintf("the nucleus no longer knows this component: %v", e.err)
}

// firstConfig waits for a configuration that is good. One that is not is waited
// out: the next deployment may bring a better one, and three quick ends would leave
// the component broken.
func (r *runner) firstConfig(ctx context.Context, updates <-chan deployed.Update) (*config.Config, error) {
	for {
		select {
		case u := <-updates:
			if u.Err == nil {
				return u.Config, nil
			}
			for _, fault := range config.Faults(u.Err) {
				r.log.Error("configuration refused", "fault", fault)
			}
			r.log.Error("no line is touched before there is a configuration without faults")
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// exit logs how the run ended and tells the nucleus by the code: 0 only after it
// was asked to stop, since any other end is to be followed by a restart.
func (r *runner) exit(ctx context.Context, err error) int {
	cause := context.Cause(ctx)
	var orphan orphanError
	var fault *config.FieldError
	switch {
	case errors.As(cause, &orphan):
		r.log.Error("shadowgpio ends", "error", orphan)
		return command.Failure
	case cause != nil && (err == nil || errors.Is(err, cause)):
		r.log.Info("shadowgpio ends", "cause", cause)
		return command.OK
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
