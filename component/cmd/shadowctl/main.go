// Command shadowctl develops and drives ShadowGPIO: a development core device on
// one machine, and the application's side of device shadows.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cli"
)

func main() {
	// A second signal ends the process at once. One who reads our output no longer asks us to
	// end, too: shadowctl dev has processes and files to tidy up.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGPIPE)
	context.AfterFunc(ctx, stop)
	code := cli.Run(ctx, cli.Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv})
	stop()
	os.Exit(code)
}
