package cli

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	examination "github.com/shadowgpio/shadowgpio/component/internal/gateway/doctor"
)

const doctorText = `shadowgpio doctor finds out why the component does not work here: permissions, chips
and lines, socket, token, accessControl, shadow manager, clock, disk. It tells of each
what was found, what is wanted, and a line for the shell that cures it.

It judges by what the running component may do. Its user, groups, work directory and
environment (socket, token) it reads from /proc, which root may do, and the component's
own user:

  sudo shadowgpio doctor                       everything
  sudo -u ggc_user -g gpio shadowgpio doctor   everything, and tries what may be tried
  shadowgpio doctor                            what a person sees without the token

Where the component does not run there is no token: calls on shadows are not checked,
all else is. Nothing that it does changes a line or a shadow, and it prints no token.
TROUBLESHOOTING.md has an entry for each word in brackets.

Exit codes: 0 no fault, 1 faults, 2 wrong usage.`

func doctorCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "doctor", Short: "find out why the component does not work on this machine", Long: doctorText, Args: command.Nothing}
	fs := c.Flags()
	o := examination.Options{Self: env.Self}
	fs.StringVar(&o.Config, "config", "", "configuration `FILE`, instead of that of the component")
	fs.StringVar(&o.Dir, "dir", "", "work `DIRECTORY`; default that of the running component, or below --root")
	fs.StringVar(&o.Root, "root", examination.DefaultRoot, "`DIRECTORY` of Greengrass")
	fs.StringVar(&o.User, "user", "", "user `NAME` if it does not run; default the owner of its work directory")
	asJSON := fs.Bool("json", false, "print JSON")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int { return doctor(ctx, env, o, *asJSON) })
	return c
}

func doctor(ctx context.Context, env Env, o examination.Options, asJSON bool) int {
	report := examination.Examine(ctx, examination.ThisMachine(env.Backend(), env.Getenv), o)
	write := func() error { return report.WriteText(env.Stdout, coloured(env)) }
	if asJSON {
		write = func() error { return report.WriteJSON(env.Stdout) }
	}
	if err := write(); err != nil {
		printable.Fprintln(env.Stderr, "shadowgpio doctor:", err)
		return command.Failure
	}
	if !report.Healthy() {
		return command.Failure
	}
	return command.OK
}

// coloured says whether colour is wanted: on a terminal, unless NO_COLOR is set or
// the terminal is a dumb one.
func coloured(env Env) bool {
	return isTerminal(env.Stdout) && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb"
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	raw, err := file.SyscallConn() // Fd would make the file a blocking one
	if err != nil {
		return false
	}
	var terminal bool
	err = raw.Control(func(fd uintptr) { terminal = term.IsTerminal(int(fd)) })
	return err == nil && terminal
}
