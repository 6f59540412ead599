package cli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/environment"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/logpipe"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	gateway "github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const devText = `shadowctl dev starts everything on this machine, without AWS and without hardware:
a development cloud, a core device, a simulated chip, and the component as a process of its
own, and prints what is going on. Ctrl-C ends all of it. Shadows and state stay in --dir,
for the next time.

With --lite the core device is a nucleus lite, which has no shadow manager: the component
reaches its shadows over the topics of AWS IoT Core, through the core device.

With --chip it uses a real chip, and --lamp and --door say which of its lines are
an output and an input; or give a configuration of your own with --config.`

// printPatience is how long the last lines may take to be read.
const printPatience = 2 * time.Second

func devCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "dev", Short: "start everything on this machine: cloud, core device, chip and component", Long: devText, Args: command.Nothing}
	o := environment.Options{Version: gateway.Version}
	f := c.Flags()
	f.StringVar(&o.Thing, "thing", "MyGateway", "thing `NAME` of the core device")
	f.StringVar(&o.ConfigFile, "config", "", "configuration `FILE` of the component, kept in --dir; else that kept there")
	f.BoolVar(&o.Lite, "lite", false, "be a nucleus lite, without a shadow manager")
	faultFile := f.String("faults", "", "script `FILE` of faults; go doc ./ipc/devcore/faults describes it")
	f.StringVar(&o.Chip, "chip", "", "real `CHIP` (name, label or path) instead of the simulated one")
	f.StringVar(&o.Lamp, "lamp", "", "`LINE` of the real chip that is an output")
	f.StringVar(&o.Sensors, "sensors", "", "`DIRECTORY` with proc and sys to read sensors from; else this machine's")
	f.StringVar(&o.Door, "door", "", "`LINE` of the real chip that is an input")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int { return dev(ctx, env, o, *faultFile) })
	return c
}

func dev(ctx context.Context, env Env, o environment.Options, faultFile string) int {
	if o.Chip != "" && o.ConfigFile == "" && (o.Lamp == "" || o.Door == "") {
		printable.Fprintln(env.Stderr, "shadowctl dev: --chip wants --lamp LINE and --door LINE, or --config FILE; shadowgpio lines lists the lines")
		return command.Usage
	}
	if err := complete(&o, *env.dir, faultFile); err != nil {
		return fail(env, err)
	}
	e, err := environment.Open(o)
	if err != nil {
		return fail(env, err)
	}
	defer e.Close()
	// A reader that stops, such as a terminal that is held, must not hold up the parts.
	printed := logpipe.New(env.Stdout)
	defer printed.Close(printPatience)
	env.Stdout = printed
	if err := e.Run(ctx, env.Stdout, func(c devenv.Contact, token string) { greet(env, o, c, token) }); err != nil {
		return fail(env, err)
	}
	return command.OK
}

// complete makes the options that do not stand for themselves on the command line.
func complete(o *environment.Options, at devenv.Dir, faultFile string) error {
	dir, err := filepath.Abs(string(at))
	if err != nil {
		return err
	}
	o.Dir = devenv.Dir(dir)
	if o.Faults, err = readFaults(faultFile); err != nil {
		return err
	}
	if o.Sensors != "" {
		if o.Sensors, err = filepath.Abs(o.Sensors); err != nil {
			return err
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	o.Component = []string{exe, runComponentCommand}
	return nil
}
