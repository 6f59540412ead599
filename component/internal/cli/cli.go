// Package cli is the command line of shadowgpio, the program on the gateway: one
// file for each command.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/command"
	"github.com/shadowgpio/shadowgpio/component/internal/config"
	"github.com/shadowgpio/shadowgpio/component/internal/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/sensor"
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
	Sensors sensor.Machine      // the zero value is this machine
	// Clock is what is known of the wall clock; nil is to ask the kernel.
	Clock func() engine.Clock
	// Self is how this program is started as shadowgpio; nil is its own path.
	Self []string
}

const aboutText = `shadowgpio keeps AWS IoT device shadows in step with Linux GPIO lines.

The nucleus starts "shadowgpio run". The other commands are for the person on the
gateway: doctor when something does not work, status and watch to see what goes on,
get and set as an application would, check before a deployment.`

// Run runs the command that env.Args names and returns its exit code.
func Run(ctx context.Context, env Env) int {
	root := &cobra.Command{
		Use:   "shadowgpio",
		Short: "keep AWS IoT device shadows in step with Linux GPIO lines",
		Long:  aboutText,
		Args:  cobra.ArbitraryArgs, // so that one that is no command is told in our words
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknown(c, args[0])
			}
			return errors.New("want a command")
		},
		SilenceErrors: true, SilenceUsage: true, DisableFlagsInUseLine: true,
	}
	root.AddCommand(
		runCommand(env), statusCommand(env), watchCommand(env), getCommand(env), setCommand(env),
		linesCommand(env), sensorsCommand(env), checkCommand(env), doctorCommand(env), holdCommandLine(env), versionCommand(env),
	)
	root.SetArgs(env.Args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	c, err := root.ExecuteContextC(ctx)
	var code exitCode
	switch {
	case err == nil:
		return command.OK
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(env.Stderr, "%s: %v\n%s --help tells what it takes\n", c.CommandPath(), err, c.CommandPath())
	return command.Usage
}

// unknown is a word that is no command, with the one that was meant perhaps.
func unknown(root *cobra.Command, word string) error {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	if hint := config.Nearest(word, names); hint != "" {
		return fmt.Errorf("unknown command %q; %s", word, hint)
	}
	return fmt.Errorf("unknown command %q", word)
}

// exitCode is the end of a command that has said itself what there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// ends makes a command's function of one that returns an exit code.
func ends(run func(ctx context.Context, args []string) int) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if code := run(c.Context(), args); code != command.OK {
			return exitCode(code)
		}
		return nil
	}
}

// noArguments refuses arguments.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// printJSON prints what --json asks for.
func printJSON(env Env, value any) {
	encoder := json.NewEncoder(env.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	encoder.Encode(value)
}

func versionCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "print the version", Args: noArguments}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = ends(func(context.Context, []string) int {
		if *asJSON {
			printJSON(env, struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				OS      string `json:"os"`
				Arch    string `json:"arch"`
			}{Version, runtime.Version(), runtime.GOOS, runtime.GOARCH})
		} else {
			fmt.Fprintln(env.Stdout, "shadowgpio", Version)
		}
		return command.OK
	})
	return c
}
