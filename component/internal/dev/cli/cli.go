// Package cli is the command line of shadowctl, the tool of developers and of the
// application side. It has the commands that drive the development environment, one
// file for each, and adds those of component/internal/app/cli.
package cli

import (
	"context"
	"errors"
	"io"

	app "github.com/shadowgpio/shadowgpio/component/internal/app/cli"
	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// Env is what a command has of the world.
type Env struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string

	dir   *devenv.Dir  // of the development environment
	cause func() error // why the command was ended
}

// control reaches the running environment.
func (env Env) control() control.Client { return control.Client{Dir: *env.dir} }

const aboutText = `shadowctl is for those who build with ShadowGPIO: the application's side of device shadows,
one device or a fleet, on AWS or without an account; and the development of components
without AWS and without hardware.`

// Run runs the command that env.Args names and returns its exit code. A command ends when
// its standard output has no reader any longer; the component does not.
func Run(ctx context.Context, env Env) int {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	env.cause = func() error { return context.Cause(ctx) }
	env.dir = new(devenv.Dir)
	component := componentProcess(env)
	env.Stdout = command.EndsWithReader(env.Stdout, end)
	root := command.Group("shadowctl", "drive device shadows, and develop ShadowGPIO", aboutText, component)
	root.PersistentFlags().StringVar((*string)(env.dir), "dir", string(devenv.DefaultDir(env.Getenv)), "`DIRECTORY` of shadowctl dev; also "+devenv.DirVariable)
	app.AddTo(root, app.Env{Stdin: env.Stdin, Stdout: env.Stdout, Stderr: env.Stderr, Dir: env.dir, Cause: env.cause})
	command.AddGroup(root, "development", "Development, with shadowctl dev:",
		devCommand(env), pressCommand(env), releaseCommand(env), holdCommand(env), bounceCommand(env), componentCommand(env), deployCommand(env),
		compareCommand(env), certificateCommand(env), linkCommand(env), coreCommand(env), faultCommand(env))
	return command.Execute(ctx, root, env.Args, env.Stdout, env.Stderr)
}

// fail prints an error as the last word of a command, and returns its exit code.
func fail(env Env, err error) int {
	return command.Fail(env.Stderr, "shadowctl", command.Because(err, env.cause()))
}

// printJSON prints a value for programs. That nobody reads it is no failure.
func printJSON(env Env, value any) int {
	if err := command.PrintJSON(env.Stdout, value); err != nil && !errors.Is(err, command.ErrNoReader) {
		return fail(env, err)
	}
	return command.OK
}
