// Package cli has the commands of shadowctl for applications and operators of fleets,
// one file for each: they get, set and watch shadows, on AWS or in the development
// environment. The commands that drive the development environment itself are in
// component/internal/dev/cli, which puts shadowctl together.
package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// Env is what a command has of the world.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Dir    *devenv.Dir // of the development environment, as --dir says
	// Cause tells why the command was ended: what [context.Cause] says of its context. nil
	// leaves errors as they are.
	Cause func() error
}

// AddTo adds the commands to shadowctl.
func AddTo(root *cobra.Command, env Env) {
	command.AddGroup(root, "shadows", "Device shadows, in the cloud or in shadowctl dev:",
		getCommand(env), setCommand(env), watchCommand(env), listCommand(env), deleteCommand(env), interactiveCommand(env), fleetCommand(env))
	command.AddGroup(root, "configuration", "Configurations:", migrateCommand(env))
}

// fail prints an error as the last word of a command, and returns its exit code.
func fail(env Env, err error) int { return command.Fail(env.Stderr, "shadowctl", because(env, err)) }

// because names the reason of an error where the command was ended.
func because(env Env, err error) error {
	if env.Cause == nil {
		return err
	}
	return command.Because(err, env.Cause())
}

// printJSON prints a value for programs. That nobody reads it is no failure.
func printJSON(env Env, value any) int {
	if err := command.PrintJSON(env.Stdout, value); err != nil && !errors.Is(err, command.ErrNoReader) {
		return fail(env, err)
	}
	return command.OK
}
