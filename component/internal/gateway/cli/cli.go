// Package cli is the command line of shadowgpio, the program on the gateway: one
// file for each command.
package cli

import (
	"context"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
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
	root := command.Group("shadowgpio", "keep AWS IoT device shadows in step with Linux GPIO lines", aboutText,
		runCommand(env), statusCommand(env), watchCommand(env), getCommand(env), setCommand(env),
		linesCommand(env), sensorsCommand(env), checkCommand(env), doctorCommand(env), holdCommandLine(env), versionCommand(env))
	return command.Execute(ctx, root, env.Args, env.Stdout, env.Stderr)
}

// printJSON prints what --json asks for. Where nobody reads it, nothing is lost.
func printJSON(env Env, value any) { command.PrintJSON(env.Stdout, value) }

func versionCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "print the version", Args: command.Nothing}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = command.Ends(func(context.Context, []string) int {
		if *asJSON {
			printJSON(env, struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				OS      string `json:"os"`
				Arch    string `json:"arch"`
			}{Version, runtime.Version(), runtime.GOOS, runtime.GOARCH})
		} else {
			printable.Fprintln(env.Stdout, "shadowgpio", Version)
		}
		return command.OK
	})
	return c
}
