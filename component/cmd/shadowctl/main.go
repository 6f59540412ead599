// Command shadowctl develops and drives ShadowGPIO: a development core device on
// one machine, and the application's side of device shadows.
package main

import (
	"os"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cli"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

func main() {
	ctx, stop := command.Context()
	code := cli.Run(ctx, cli.Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv})
	stop()
	os.Exit(code)
}
