// Package cli is the command line of shadowgpio, the program on the gateway: one
// file for each command.
package cli

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Version is the component's version, set when it is built.
var Version = "dev"

// Exit codes. 100 to 199 are the nucleus's own.
const (
	exitOK      = 0
	exitFailure = 1 // something failed while running
	exitUsage   = 2 // wrong usage, or a configuration that cannot start anything
)

// Env is what a command has of the world.
type Env struct {
	Args    []string // without the program's name
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
	Backend func() gpio.Backend // the chips of this machine
}

type command struct {
	name, summary string
	run           func(context.Context, Env) int
}

func commands() []command {
	return []command{
		{"run", "keep device shadows and GPIO lines in step (what the nucleus starts)", run},
		{"check", "check a configuration without touching a line", check},
		{"lines", "list chips and lines, and who holds them", lines},
		{"version", "print the version", version},
	}
}

// Run runs the command that env.Args names and returns its exit code.
func Run(ctx context.Context, env Env) int {
	if len(env.Args) == 0 {
		usage(env.Stderr)
		return exitUsage
	}
	name := env.Args[0]
	for _, c := range commands() {
		if c.name == name {
			env.Args = env.Args[1:]
			return c.run(ctx, env)
		}
	}
	switch name {
	case "help", "-h", "-help", "--help":
		usage(env.Stdout)
		return exitOK
	}
	fmt.Fprintf(env.Stderr, "shadowgpio: unknown command %q\n\n", name)
	usage(env.Stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "shadowgpio keeps AWS IoT device shadows in step with Linux GPIO lines.\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  shadowgpio %-8s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nshadowgpio COMMAND -h tells more about one.\n")
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
		return exitOK, true
	case err != nil:
		return exitUsage, true
	case fs.NArg() > 0:
		fmt.Fprintf(fs.Output(), "%s: unexpected argument %q\n", fs.Name(), fs.Arg(0))
		return exitUsage, true
	}
	return exitOK, false
}

func version(_ context.Context, env Env) int {
	fmt.Fprintln(env.Stdout, "shadowgpio", Version)
	return exitOK
}
