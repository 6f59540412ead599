package ctl

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
)

// maxAway is how long the core device may be away.
const maxAway = 24 * time.Hour

func coreCommands(ctx context.Context, env Env) int {
	return command.Set{
		Program: "shadowctl core",
		About:   "shadowctl core acts on the running core device as a whole.",
		Commands: []command.Command{
			{Name: "restart", Summary: "end all connections and be away for a while", Run: env.with(restartCore)},
		},
	}.Run(ctx, env.Args, env.Stdout, env.Stderr)
}

func restartCore(ctx context.Context, env Env) int {
	o := newOptions(env, "core restart", `shadowctl core restart has the core device go away and come back: connections and
subscriptions end, nobody listens, what is stored is kept. Components keep running.`)
	away := o.Duration("away", time.Second, "how `LONG`, such as 3s")
	if code, done := o.parse(env.Args, 0, 0); done {
		return code
	}
	if *away < 0 || *away > maxAway {
		fmt.Fprintf(env.Stderr, "shadowctl core restart: --away: want a duration from 0s to %v, got %v\n", maxAway, *away)
		return command.Usage
	}
	if err := o.place().ask(ctx, http.MethodPost, "/core/restart", awayTime{away.String()}, &nothing{}); err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "the core restarts, away for %v\n", *away)
	return command.OK
}

func linkCommands(ctx context.Context, env Env) int {
	act := func(method string, request any) func(context.Context, []string) int {
		return env.with(func(ctx context.Context, env Env) int { return link(ctx, env, method, request) })
	}
	return command.Set{
		Program: "shadowctl link",
		About:   "shadowctl link is the connection of the core device to the cloud.",
		Commands: []command.Command{
			{Name: "up", Summary: "connect", Run: act(http.MethodPut, linkState{true})},
			{Name: "down", Summary: "cut the connection; messages to the cloud wait or are refused", Run: act(http.MethodPut, linkState{false})},
			{Name: "slow", Args: "DURATION", Summary: "have each request to the cloud take longer", Run: env.with(slowLink)},
			{Name: "status", Summary: "say whether it is up", Run: act(http.MethodGet, nothing{})},
		},
	}.Run(ctx, env.Args, env.Stdout, env.Stderr)
}

func link(ctx context.Context, env Env, method string, request any) int {
	o := newOptions(env, "link", "shadowctl link up|down|status takes no arguments.")
	if code, done := o.parse(env.Args, 0, 0); done {
		return code
	}
	var state linkState
	if err := o.place().ask(ctx, method, "/link", request, &state); err != nil {
		return fail(env, err)
	}
	fmt.Fprintf(env.Stdout, "link %s\n", map[bool]string{true: "up", false: "down"}[state.Up])
	return command.OK
}
