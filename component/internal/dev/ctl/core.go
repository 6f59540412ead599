package ctl

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// maxAway is how long the core device may be away.
const maxAway = 24 * time.Hour

const restartText = `shadowctl core restart has the core device go away and come back: connections and
subscriptions end, nobody listens, what is stored is kept. Components keep running.`

func coreCommand(env Env) *cobra.Command {
	restart := &cobra.Command{Use: "restart", Short: "end all connections and be away for a while", Long: restartText, Args: command.Nothing}
	away := restart.Flags().Duration("away", time.Second, "for how long, a `DURATION` such as 3s")
	restart.RunE = command.Ends(func(ctx context.Context, _ []string) int { return restartCore(ctx, env, *away) })
	return command.Group("core", "restart the core device", "shadowctl core acts on the running core device as a whole.", restart)
}

func restartCore(ctx context.Context, env Env, away time.Duration) int {
	if away < 0 || away > maxAway {
		fmt.Fprintf(env.Stderr, "shadowctl core restart: --away: want a duration from 0s to %v, got %v\n", maxAway, away)
		return command.Usage
	}
	if err := env.place().ask(ctx, http.MethodPost, "/core/restart", awayTime{away.String()}, &nothing{}); err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "the core restarts, away for %v\n", away)
	return command.OK
}

func linkCommand(env Env) *cobra.Command {
	act := func(use, short, method string, request any) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: command.Nothing, RunE: command.Ends(func(ctx context.Context, _ []string) int {
			return link(ctx, env, method, request)
		})}
	}
	slow := &cobra.Command{
		Use: "slow DURATION", Short: "have each request to the cloud take longer", Args: command.Arguments(1, 1, "one DURATION"),
		Long: "shadowctl link slow has each request of the core device to the cloud wait for so long; 0s ends that.",
		RunE: command.Ends(func(ctx context.Context, args []string) int { return slowLink(ctx, env, args[0]) }),
	}
	return command.Group("link", "connect the core device to the cloud, cut or slow the connection", "shadowctl link is the connection of the core device to the cloud.",
		act("up", "connect; a slow link stays slow", http.MethodPut, linkState{true}),
		act("down", "cut the connection; messages to the cloud wait or are refused", http.MethodPut, linkState{false}),
		slow,
		act("status", "say whether it is up", http.MethodGet, nothing{}),
	)
}

func link(ctx context.Context, env Env, method string, request any) int {
	var state linkState
	if err := env.place().ask(ctx, method, "/link", request, &state); err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "link %s\n", map[bool]string{true: "up", false: "down"}[state.Up])
	return command.OK
}
