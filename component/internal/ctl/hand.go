package ctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// The hand on the far side of the simulated lines.

func press(ctx context.Context, env Env) int {
	return handle(ctx, env, "press", 1, func(h sim.Hand, chip string, offset int, _ []string) error {
		return h.Press(chip, offset)
	})
}

func release(ctx context.Context, env Env) int {
	return handle(ctx, env, "release", 1, func(h sim.Hand, chip string, offset int, _ []string) error {
		return h.Release(chip, offset)
	})
}

func hold(ctx context.Context, env Env) int {
	return handle(ctx, env, "hold", 2, func(h sim.Hand, chip string, offset int, args []string) error {
		d, err := time.ParseDuration(args[1])
		if err != nil || d <= 0 {
			return fmt.Errorf("want a duration such as 2s, got %q", args[1])
		}
		return h.Hold(ctx, chip, offset, d)
	})
}

// A worn contact bounces for about ten milliseconds.
const (
	bounces       = 9
	bounceSpacing = time.Millisecond
)

func bounce(ctx context.Context, env Env) int {
	return handle(ctx, env, "bounce", 1, func(h sim.Hand, chip string, offset int, _ []string) error {
		return h.Bounce(ctx, chip, offset, bounces, bounceSpacing)
	})
}

// handle finds the line that the first argument names and lets the hand act.
func handle(_ context.Context, env Env, name string, args int, act func(h sim.Hand, chip string, offset int, args []string) error) int {
	o := newOptions(env, name, fmt.Sprintf(`shadowctl %s plays the hand on a line of the simulated chip.
LINE is the name of the line, its offset, or its label in the configuration.`, name))
	if code, done := o.parse(env.Args, args, args); done {
		return code
	}
	p := place{o.dir}
	c, err := p.read()
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
	address, err := gpio.Find(remote, p.ref(c, o.args[0]))
	if err != nil {
		return fail(env, err)
	}
	if err := act(remote, address.Chip.Name, address.Line.Offset, o.args); err != nil {
		return fail(env, err)
	}
	return command.OK
}

// ref takes labels of the configuration for the lines they stand for.
func (p place) ref(c contact, line string) gpio.Ref {
	if cfg, err := p.readConfig(c.ThingName); err == nil {
		if l, ok := cfg.Lines[line]; ok {
			return l.Ref
		}
	}
	return gpio.Ref{Chip: boardLabel, Line: line}
}
