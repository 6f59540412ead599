// Package ctl is the command line of shadowctl, the tool of developers and of the
// application side: one file for each command.
package ctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitTimeout = 3 // the device has not answered in time
)

// Env is what a command has of the world.
type Env struct {
	Args   []string // without the program's name
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
}

type command struct {
	name, args, summary string
	run                 func(context.Context, Env) int
}

func commands() []command {
	return []command{
		{"dev", "", "start everything on this machine: core device, chip and component", dev},
		{"get", "", "show a shadow", get},
		{"set", "KEY=VALUE…", "desire values in a shadow", set},
		{"delete", "", "delete a shadow", deleteShadow},
		{"press", "LINE", "press the contact on a simulated line, and keep it pressed", press},
		{"release", "LINE", "let go of the contact", release},
		{"hold", "LINE DURATION", "press, wait, let go", hold},
		{"bounce", "LINE", "press or let go as a worn contact does, with many edges", bounce},
	}
}

// Run runs the command that env.Args names and returns its exit code.
func Run(ctx context.Context, env Env) int {
	if len(env.Args) == 0 {
		usage(env.Stderr)
		return exitUsage
	}
	name := env.Args[0]
	env.Args = env.Args[1:]
	for _, c := range append(commands(), command{name: componentCommand, run: component}) {
		if c.name == name {
			return c.run(ctx, env)
		}
	}
	switch name {
	case "help", "-h", "-help", "--help":
		usage(env.Stdout)
		return exitOK
	}
	fmt.Fprintf(env.Stderr, "shadowctl: unknown command %q\n\n", name)
	usage(env.Stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "shadowctl develops and drives ShadowGPIO without AWS and without hardware.\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-32s %s\n", strings.TrimSpace("shadowctl "+c.name+" "+c.args), c.summary)
	}
	fmt.Fprint(w, "\nshadowctl COMMAND -h tells more about one.\n")
}

// options is the flag set of a command. Options and arguments may be mixed.
type options struct {
	*flag.FlagSet
	dir  string
	args []string
}

func newOptions(env Env, name, text string) *options {
	o := &options{FlagSet: flag.NewFlagSet("shadowctl "+name, flag.ContinueOnError)}
	o.SetOutput(env.Stderr)
	o.Usage = func() {
		fmt.Fprintf(o.Output(), "%s\n\nOptions:\n", text)
		o.PrintDefaults()
	}
	o.StringVar(&o.dir, "dir", defaultDir(env.Getenv), "`DIRECTORY` of the development core")
	return o
}

// parse reads the arguments, of which there must be from low to high; high below
// 0 is no limit. When done is true, the command ends with code.
func (o *options) parse(args []string, low, high int) (code int, done bool) {
	for {
		switch err := o.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return exitOK, true
		case err != nil:
			return exitUsage, true
		}
		if o.NArg() == 0 {
			break
		}
		o.args = append(o.args, o.Arg(0))
		args = o.Args()[1:]
	}
	if n := len(o.args); n < low || high >= 0 && n > high {
		fmt.Fprintf(o.Output(), "%s: %d arguments; %s -h tells what it takes\n", o.Name(), n, o.Name())
		return exitUsage, true
	}
	return exitOK, false
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

// fail prints an error as the last word of a command.
func fail(env Env, err error) int {
	fmt.Fprintln(env.Stderr, "shadowctl:", err)
	return exitFailure
}
