package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/board"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/environment"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// The hand on the far side of the simulated lines.

func pressCommand(env Env) *cobra.Command {
	return handCommand(env, "press LINE", "press the contact on a simulated line, and keep it pressed", 1,
		func(_ context.Context, h sim.Hand, chip string, offset int, _ []string) error {
			return h.Press(chip, offset)
		})
}

func releaseCommand(env Env) *cobra.Command {
	return handCommand(env, "release LINE", "let go of the contact on a simulated line", 1,
		func(_ context.Context, h sim.Hand, chip string, offset int, _ []string) error {
			return h.Release(chip, offset)
		})
}

func holdCommand(env Env) *cobra.Command {
	return handCommand(env, "hold LINE DURATION", "press, wait for a duration such as 2s, let go", 2,
		func(ctx context.Context, h sim.Hand, chip string, offset int, args []string) error {
			d, err := time.ParseDuration(args[1])
			if err != nil || d <= 0 {
				return command.UsageError(fmt.Errorf("want a duration such as 2s, got %q", args[1]))
			}
			return h.Hold(ctx, chip, offset, d)
		})
}

// A worn contact bounces for about ten milliseconds.
const (
	bounces       = 9
	bounceSpacing = time.Millisecond
)

func bounceCommand(env Env) *cobra.Command {
	return handCommand(env, "bounce LINE", "press or let go as a worn contact does, with many edges", 1,
		func(ctx context.Context, h sim.Hand, chip string, offset int, _ []string) error {
			return h.Bounce(ctx, chip, offset, bounces, bounceSpacing)
		})
}

type act func(ctx context.Context, h sim.Hand, chip string, offset int, args []string) error

func handCommand(env Env, use, short string, arguments int, do act) *cobra.Command {
	name, what, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use: use, Short: short, Args: command.Arguments(arguments, arguments, what),
		Long: fmt.Sprintf(`shadowctl %s plays the hand on a line of the simulated chip:
%s.
LINE is the name of the line, its offset, or its label in the configuration.`, name, short),
		RunE: command.Ends(func(ctx context.Context, args []string) int { return handle(ctx, env, args, do) }),
	}
}

// handle finds the line that the first argument names and lets the hand act.
func handle(ctx context.Context, env Env, args []string, do act) int {
	c, err := env.dir.Contact()
	if err != nil {
		return fail(env, err)
	}
	if c.Chips == "" {
		return fail(env, errors.New("the development core runs on a real chip; its lines are moved by wire"))
	}
	remote, err := sim.Dial(c.Chips)
	if err != nil {
		return fail(env, fmt.Errorf("simulated chip out of reach; does shadowctl dev still run? %w", err))
	}
	address, err := gpio.Find(remote, ref(env, c, args[0]))
	if errors.Is(err, gpio.ErrNoLine) {
		err = fmt.Errorf("%w; want its name, its offset, or a label of the configuration: %s", err, strings.Join(labels(env, c), ", "))
	}
	if err != nil {
		return fail(env, err)
	}
	if err := do(ctx, remote, address.Chip.Name, address.Line.Offset, args); err != nil {
		return fail(env, err)
	}
	return command.OK
}

// labels are those of the configuration.
func labels(env Env, c devenv.Contact) []string {
	cfg, err := environment.ReadConfig(*env.dir, c.ThingName)
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(cfg.Lines))
}

// ref takes labels of the configuration for the lines they stand for.
func ref(env Env, c devenv.Contact, line string) gpio.Ref {
	if cfg, err := environment.ReadConfig(*env.dir, c.ThingName); err == nil {
		if l, ok := cfg.Lines[line]; ok {
			return l.Ref
		}
	}
	return gpio.Ref{Chip: board.Label, Line: line}
}
