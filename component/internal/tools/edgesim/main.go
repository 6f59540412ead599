// Command edgesim is the program shadowgpio on simulated chips: small and without a race
// detector, as deployments have it, so that tests can trace its system calls.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// chipsVariable names the socket of the simulated chips.
const chipsVariable = "SHADOWGPIO_E2E_CHIPS"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	code := cli.Run(ctx, cli.Env{
		Args:    os.Args[1:],
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Getenv:  os.Getenv,
		Backend: chips,
		// A machine that cannot tell whether its clock is right would hold schedules up.
		Clock: func() engine.Clock { return engine.Clock{Synchronised: true} },
	})
	stop()
	os.Exit(code)
}

// chips never fails, as the chips of a machine: the first call to the socket may fail
// for want of memory or descriptors, and is repeated.
func chips() gpio.Backend {
	for {
		remote, err := sim.Dial(os.Getenv(chipsVariable))
		if err == nil {
			return remote
		}
		time.Sleep(100 * time.Millisecond)
	}
}
