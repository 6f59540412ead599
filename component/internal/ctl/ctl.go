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

	"github.com/shadowgpio/shadowgpio/component/internal/command"
)

// exitTimeout is the exit code when the device has not answered in time.
const exitTimeout = 3

// Env is what a command has of the world.
type Env struct {
	Args   []string // without the program's name
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
}

// with makes a command of a function.
func (env Env) with(run func(context.Context, Env) int) func(context.Context, []string) int {
	return func(ctx context.Context, args []string) int {
		env.Args = args
		return run(ctx, env)
	}
}

// Run runs the command that env.Args names and returns its exit code.
func Run(ctx context.Context, env Env) int {
	return command.Set{
		Program: "shadowctl",
		About:   "shadowctl develops and drives ShadowGPIO without AWS and without hardware.",
		Commands: []command.Command{
			{Name: "dev", Summary: "start everything on this machine: cloud, core device, chip and component", Run: env.with(dev)},
			{Name: "get", Summary: "show a shadow", Run: env.with(get)},
			{Name: "set", Args: "KEY=VALUE…", Summary: "desire values in a shadow", Run: env.with(set)},
			{Name: "delete", Summary: "delete a shadow", Run: env.with(deleteShadow)},
			{Name: "press", Args: "LINE", Summary: "press the contact on a simulated line, and keep it pressed", Run: env.with(press)},
			{Name: "release", Args: "LINE", Summary: "let go of the contact", Run: env.with(release)},
			{Name: "hold", Args: "LINE DURATION", Summary: "press, wait, let go", Run: env.with(hold)},
			{Name: "bounce", Args: "LINE", Summary: "press or let go as a worn contact does, with many edges", Run: env.with(bounce)},
			{Name: "component", Args: "list|restart|…", Summary: "show, restart, stop, pause or resume components", Run: env.with(componentCommands)},
			{Name: "deploy", Args: "CONFIG-FILE", Summary: "deploy a configuration, which the component may refuse", Run: env.with(deploy)},
			{Name: "migrate", Args: "FILE", Summary: "make a configuration of the Raspberry Pi GPIO connector's parameters (Greengrass V1)", Run: env.with(migrateConnector)},
			{Name: "compare", Summary: "show the shadows of device and cloud side by side", Run: env.with(compare)},
			{Name: "certificate", Args: "NAME", Summary: "make a client certificate for the development cloud", Run: env.with(certificate)},
			{Name: "link", Args: "up|down|slow|status", Summary: "connect the core device to the cloud, cut or slow the connection", Run: env.with(linkCommands)},
			{Name: "core", Args: "restart", Summary: "restart the core device", Run: env.with(coreCommands)},
			{Name: "fault", Args: "add|list|clear", Summary: "have the core device fail on purpose", Run: env.with(faultCommands)},
			{Name: componentCommand, Run: env.with(component)},
		},
	}.Run(ctx, env.Args, env.Stdout, env.Stderr)
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
			return command.OK, true
		case err != nil:
			return command.Usage, true
		}
		if o.NArg() == 0 {
			break
		}
		o.args = append(o.args, o.Arg(0))
		args = o.Args()[1:]
	}
	if n := len(o.args); n < low || high >= 0 && n > high {
		fmt.Fprintf(o.Output(), "%s: %d arguments; %s -h tells what it takes\n", o.Name(), n, o.Name())
		return command.Usage, true
	}
	return command.OK, false
}

// place is the directory that the options name.
func (o *options) place() place { return place{o.dir} }

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
	return command.Failure
}
