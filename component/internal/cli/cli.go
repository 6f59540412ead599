// Package cli is the command line of shadowgpio, the program on the gateway: one
// file for each command.
package cli

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
	"github.com/shadowgpio/shadowgpio/component/internal/engine"
	"github.com/shadowgpio/shadowgpio/gpio"
)

// Version is the component's version, set when it is built.
var Version = "dev"

// Env is what a command has of the world.
type Env struct {
	Args    []string // without the program's name
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
	Backend func() gpio.Backend // the chips of this machine
	// Clock is what is known of the wall clock; nil is to ask the kernel.
	Clock func() engine.Clock
	// Self is how this program is started as shadowgpio; nil is its own path.
	Self []string
}

// Run runs the command that env.Args names and returns its exit code.
func Run(ctx context.Context, env Env) int {
	with := func(run func(context.Context, Env) int) func(context.Context, []string) int {
		return func(ctx context.Context, args []string) int {
			env.Args = args
			return run(ctx, env)
		}
	}
	return command.Set{
		Program: "shadowgpio",
		About:   "shadowgpio keeps AWS IoT device shadows in step with Linux GPIO lines.",
		Commands: []command.Command{
			{Name: "run", Summary: "keep device shadows and GPIO lines in step (what the nucleus starts)", Run: with(run)},
			{Name: "check", Summary: "check a configuration without touching a line", Run: with(check)},
			{Name: "lines", Summary: "list chips and lines, and who holds them", Run: with(lines)},
			{Name: "doctor", Summary: "find out why the component does not work on this machine", Run: with(doctor)},
			{Name: "hold", Summary: "keep outputs over a restart of run, which starts it", Run: with(hold)},
			{Name: "version", Summary: "print the version", Run: with(version)},
		},
	}.Run(ctx, env.Args, env.Stdout, env.Stderr)
}

// flags makes the flag set of a command; its usage begins with text.
func flags(env Env, name, text string) *flag.FlagSet {
	fs := flag.NewFlagSet("shadowgpio "+name, flag.ContinueOnError)
	fs.SetOutput(env.Stderr)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "%s\n\nOptions:\n", text)
		fs.PrintDefaults()
	}
	return fs
}

// parse reads the options of a command that takes no further arguments. When it
// is done is true, the command ends with code.
func parse(fs *flag.FlagSet, args []string) (code int, done bool) {
	switch err := fs.Parse(args); {
	case err == flag.ErrHelp:
		return command.OK, true
	case err != nil:
		return command.Usage, true
	case fs.NArg() > 0:
		fmt.Fprintf(fs.Output(), "%s: unexpected argument %q\n", fs.Name(), fs.Arg(0))
		return command.Usage, true
	}
	return command.OK, false
}

func version(_ context.Context, env Env) int {
	fmt.Fprintln(env.Stdout, "shadowgpio", Version)
	return command.OK
}
