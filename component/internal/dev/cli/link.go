package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

func linkCommand(env Env) *cobra.Command {
	act := func(use, short string, run func(ctx context.Context) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: command.Nothing, RunE: command.Ends(func(ctx context.Context, _ []string) int {
			return link(ctx, env, run)
		})}
	}
	set := func(up bool) func(context.Context) error {
		return func(ctx context.Context) error { return env.control().SetLink(ctx, up) }
	}
	slow := &cobra.Command{
		Use: "slow DURATION", Short: "have each request to the cloud take longer", Args: command.Arguments(1, 1, "one DURATION"),
		Long: "shadowctl link slow has each request of the core device to the cloud wait for so long; 0s ends that.",
		RunE: command.Ends(func(ctx context.Context, args []string) int { return slowLink(ctx, env, args[0]) }),
	}
	return command.Group("link", "connect the core device to the cloud, cut or slow the connection", "shadowctl link is the connection of the core device to the cloud.",
		act("up", "connect; a slow link stays slow", set(true)),
		act("down", "cut the connection; messages to the cloud wait or are refused", set(false)),
		slow,
		act("status", "say whether it is up", func(context.Context) error { return nil }),
	)
}

// link does something about the link, and says in which state it is.
func link(ctx context.Context, env Env, act func(context.Context) error) int {
	if err := act(ctx); err != nil {
		return fail(env, err)
	}
	up, err := env.control().Link(ctx)
	if err != nil {
		return fail(env, err)
	}
	printable.Fprintf(env.Stdout, "link %s\n", map[bool]string{true: "up", false: "down"}[up])
	return command.OK
}

func slowLink(ctx context.Context, env Env, text string) int {
	delay, err := time.ParseDuration(text)
	if err != nil || delay < 0 || delay > control.MaxDelay {
		printable.Fprintf(env.Stderr, "shadowctl link slow: want a DURATION from 0s to %v, got %q\n", control.MaxDelay, text)
		return command.Usage
	}
	if err := env.control().SlowLink(ctx, delay); err != nil {
		return fail(env, err)
	}
	return command.OK
}
