// Command shadowgpio is the Greengrass component that keeps AWS IoT device
// shadows in step with Linux GPIO lines.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
)

func main() {
	// A second signal ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	code := cli.Run(ctx, cli.Env{
		Args:    os.Args[1:],
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Getenv:  os.Getenv,
		Backend: func() gpio.Backend { return cdev.New() },
	})
	stop()
	os.Exit(code)
}
