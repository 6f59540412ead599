// Package ctl is the command line of shadowctl, the tool of developers and of the
// application side: one file for each command.
package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// Env is what a command has of the world.
type Env struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string

	dir *string // of the development core
}

// place is the directory of the development core that the options name.
func (env Env) place() place { return place{*env.dir} }

const aboutText = `shadowctl is for those who build with ShadowGPIO: the application's side of device shadows,
one device or a fleet, on AWS or without an account; and the development of components
without AWS and without hardware.`

// The groups of the list of commands.
const (
	shadowGroup = "shadows"
	devGroup    = "development"
)

// Run runs the command that env.Args names and returns its exit code.
func Run(ctx context.Context, env Env) int {
	env.dir = new(string)
	root := command.Group("shadowctl", "drive device shadows, and develop ShadowGPIO", aboutText, componentProcess(env))
	root.PersistentFlags().StringVar(env.dir, "dir", defaultDir(env.Getenv), "`DIRECTORY` of shadowctl dev; also SHADOWGPIO_DEV_DIR")
	group(root, shadowGroup, "Device shadows, in the cloud or in shadowctl dev:",
		getCommand(env), setCommand(env), watchCommand(env), listCommand(env), deleteCommand(env), interactiveCommand(env), fleetCommand(env))
	group(root, devGroup, "Development, with shadowctl dev:",
		devCommand(env), pressCommand(env), releaseCommand(env), holdCommand(env), bounceCommand(env), componentCommand(env), deployCommand(env),
		compareCommand(env), certificateCommand(env), linkCommand(env), coreCommand(env), faultCommand(env), migrateCommand(env))
	return command.Execute(ctx, root, env.Args, env.Stdout, env.Stderr)
}

func group(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range commands {
		c.GroupID = id
		root.AddCommand(c)
	}
}

// defaultDir is where a development core keeps its state.
func defaultDir(getenv func(string) string) string {
	if dir := getenv("SHADOWGPIO_DEV_DIR"); dir != "" {
		return dir
	}
	base := getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = os.TempDir()
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "shadowgpio", "dev")
}

// usageError is an error about what was typed.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// failed is fail, with the exit code of wrong usage where that was the reason.
func failed(env Env, err error) int {
	if fail(env, err); errors.As(err, new(usageError)) {
		return command.Usage
	}
	return command.Failure
}

// fail prints an error as the last word of a command.
func fail(env Env, err error) int {
	fmt.Fprintln(env.Stderr, "shadowctl:", err)
	return command.Failure
}
