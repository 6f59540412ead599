package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const restartText = `shadowctl core restart has the core device go away and come back: connections and
subscriptions end, nobody listens, what is stored is kept. Components keep running.`

func coreCommand(env Env) *cobra.Command {
	restart := &cobra.Command{Use: "restart", Short: "end all connections and be away for a while", Long: restartText, Args: command.Nothing}
	away := restart.Flags().Duration("away", time.Second, "for how long, a `DURATION` such as 3s")
	restart.RunE = command.Ends(func(ctx context.Context, _ []string) int { return restartCore(ctx, env, *away) })
	return command.Group("core", "restart the core device", "shadowctl core acts on the running core device as a whole.", restart)
}

func restartCore(ctx context.Context, env Env, away time.Duration) int {
	if away < 0 || away > control.MaxAway {
		printable.Fprintf(env.Stderr, "shadowctl core restart: --away: want a duration from 0s to %v, got %v\n", control.MaxAway, away)
		return command.Usage
	}
	if err := env.control().RestartCore(ctx, away); err != nil {
		return fail(env, err)
	}
	printable.Fprintf(env.Stdout, "the core restarts, away for %v\n", away)
	return command.OK
}
