package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/environment"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	gateway "github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// runComponentCommand makes this program shadowgpio, run unless another command is given,
// but on the simulated chip whose socket [environment.ChipsVariable] names. It keeps the
// simulation out of the edge binary, and lets shadowctl dev work without another
// program.
const runComponentCommand = "run-component"

// componentProcess is that command, which has options of its own.
func componentProcess(env Env) *cobra.Command {
	return &cobra.Command{
		Use: runComponentCommand, Hidden: true, DisableFlagParsing: true,
		RunE: command.Ends(func(ctx context.Context, args []string) int { return runComponent(ctx, env, args) }),
	}
}

func runComponent(ctx context.Context, env Env, args []string) int {
	var backend gpio.Backend = cdev.New()
	if socket := env.Getenv(environment.ChipsVariable); socket != "" {
		remote, err := sim.Dial(socket)
		if err != nil {
			return fail(env, err)
		}
		backend = remote
	}
	if len(args) == 0 {
		args = []string{"run"}
	}
	var self []string
	if exe, err := os.Executable(); err == nil {
		self = []string{exe, runComponentCommand}
	}
	return gateway.Run(ctx, gateway.Env{
		Args:    args,
		Self:    self,
		Stdout:  env.Stdout,
		Stderr:  env.Stderr,
		Getenv:  env.Getenv,
		Backend: func() gpio.Backend { return backend },
		Sensors: sensor.Machine{Root: env.Getenv(environment.SensorsVariable)},
		// Developers know what time it is, also in a container that cannot tell.
		Clock: func() engine.Clock { return engine.Clock{Synchronised: true} },
	})
}
