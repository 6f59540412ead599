package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/logpipe"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/gpio"
)

const holdText = `shadowgpio hold keeps the outputs of "shadowgpio run" as they are while that is away:
over a restart, an update, a crash. run starts it by itself when there is none, and
it ends when it has nothing to hold. As a service of its own, with --stay, it also
outlives "systemctl restart greengrass", which kills all that the nucleus started.`

func holdCommandLine(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "hold", Short: "keep outputs over a restart of run, which starts it", Long: holdText, Args: command.Nothing,
		Example: "  shadowgpio hold --socket /greengrass/v2/work/io.shadowgpio.ShadowGpio/" + holder.SocketName + " --stay",
	}
	fs := c.Flags()
	socket := fs.String("socket", "", "`PATH` of the socket: "+holder.SocketName+" in the component's work directory")
	detach := fs.Bool("detach", false, "start it as a process of its own, and return when it is there")
	stay := fs.Bool("stay", false, "stay also without lines, as a service does")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int {
		if *socket == "" {
			printable.Fprintln(env.Stderr, "shadowgpio hold: want --socket PATH")
			return command.Usage
		}
		serve := holdLines
		if *detach {
			serve = detachHolder
		}
		if err := serve(ctx, env, *socket, *stay); err != nil {
			printable.Fprintln(env.Stderr, "shadowgpio hold:", err)
			return command.Failure
		}
		return command.OK
	})
	return c
}

// detachHolder starts this program again, as nobody's child.
func detachHolder(_ context.Context, env Env, socket string, stay bool) error {
	self, err := env.self()
	if err != nil {
		return err
	}
	return holder.Detach(self[0], append(self[1:], "hold", "--socket", socket, fmt.Sprintf("--stay=%v", stay))...)
}

// self is how this program is started as shadowgpio.
func (env Env) self() ([]string, error) {
	if env.Self != nil {
		return slices.Clone(env.Self), nil
	}
	program, err := os.Executable()
	return []string{program}, err
}

// holdCommand is what run starts a holder with, nil for the usual.
func holdCommand(env Env) []string {
	if env.Self == nil {
		return nil
	}
	return append(slices.Clone(env.Self), "hold", "--detach")
}

func holdLines(ctx context.Context, env Env, socket string, stay bool) error {
	adopter, ok := env.Backend().(gpio.Adopter)
	if !ok {
		return fmt.Errorf("handing lines over: %w", gpio.ErrUnsupported)
	}
	listener, err := holder.Listen(socket)
	if err != nil {
		return err
	}
	// Nobody reads the log of a detached holder, and that must not end it; the next
	// owner is told what matters.
	signal.Ignore(syscall.SIGPIPE)
	printable.Fprintln(env.Stdout, holder.Ready)
	errs := logpipe.New(env.Stderr)
	defer errs.Close(logPatience)
	log := newLogger(errs, errs, slog.LevelInfo)
	holder.Server{Adopter: adopter, Stay: stay, Logger: log}.Serve(ctx, listener)
	return nil
}
