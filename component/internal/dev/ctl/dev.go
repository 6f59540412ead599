package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	gateway "github.com/shadowgpio/shadowgpio/component/internal/edge/control"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

const devText = `shadowctl dev starts everything on this machine, without AWS and without hardware:
a development cloud, a core device, a simulated chip, and the component as a process of its
own, and prints what is going on. Ctrl-C ends all of it. Shadows and state stay in --dir,
for the next time.

With --lite the core device is a nucleus lite, which has no shadow manager: the component
reaches its shadows over the topics of AWS IoT Core, through the core device.

With --chip it uses a real chip, and --lamp and --door say which of its lines are
an output and an input; or give a configuration of your own with --config.`

// componentName is the component's name towards the core device.
const componentName = "io.shadowgpio.ShadowGpio"

// ownName is how commands of this program appear to it.
const ownName = "shadowctl"

type devOptions struct {
	place
	thing, config    string
	chip, lamp, door string

	sensors string
	faults  faults.Script
	lite    bool
}

func devCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "dev", Short: "start everything on this machine: cloud, core device, chip and component", Long: devText, Args: command.Nothing}
	var d devOptions
	o := c.Flags()
	o.StringVar(&d.thing, "thing", "MyGateway", "thing `NAME` of the core device")
	o.StringVar(&d.config, "config", "", "configuration `FILE` of the component, kept in --dir; else that kept there")
	o.BoolVar(&d.lite, "lite", false, "be a nucleus lite, without a shadow manager")
	faultFile := o.String("faults", "", "script `FILE` of faults; go doc ./ipc/devcore/faults describes it")
	o.StringVar(&d.chip, "chip", "", "real `CHIP` (name, label or path) instead of the simulated one")
	o.StringVar(&d.lamp, "lamp", "", "`LINE` of the real chip that is an output")
	o.StringVar(&d.sensors, "sensors", "", "`DIRECTORY` with proc and sys to read sensors from; else this machine's")
	o.StringVar(&d.door, "door", "", "`LINE` of the real chip that is an input")
	c.RunE = command.Ends(func(ctx context.Context, _ []string) int { return d.dev(ctx, env, *faultFile) })
	return c
}

func (d *devOptions) dev(ctx context.Context, env Env, faultFile string) int {
	if d.chip != "" && d.config == "" && (d.lamp == "" || d.door == "") {
		fmt.Fprintln(env.Stderr, "shadowctl dev: --chip wants --lamp LINE and --door LINE, or --config FILE; shadowgpio lines lists the lines")
		return command.Usage
	}
	dir, err := filepath.Abs(env.place().dir)
	if err != nil {
		return fail(env, err)
	}
	if d.faults, err = readFaults(faultFile); err != nil {
		return fail(env, err)
	}
	if d.sensors != "" {
		if d.sensors, err = filepath.Abs(d.sensors); err != nil {
			return fail(env, err)
		}
	}
	d.place = place{dir}
	unlock, err := d.prepare()
	if err != nil {
		return fail(env, err)
	}
	defer unlock()
	if err := d.run(ctx, env); err != nil {
		return fail(env, err)
	}
	return command.OK
}

// prepare makes the directory and takes it for this process.
func (d *devOptions) prepare() (unlock func(), err error) {
	if err := os.MkdirAll(d.work(), 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(d.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another shadowctl dev uses %s; end it, or choose another directory with --dir", d.dir)
	}
	unlock = func() { lock.Close() }
	ready := boardConfig
	if d.chip != "" {
		ready = wiredConfig(d.chip, d.lamp, d.door)
		os.Remove(d.place.config()) // that of another chip
	}
	if err := d.prepareConfig(d.config, d.thing, ready); err != nil {
		unlock()
		return nil, err
	}
	if _, err := d.readConfig(d.thing); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// run starts the parts from the bottom up, and ends them in the other order.
func (d *devOptions) run(ctx context.Context, env Env) error {
	out := newStream(env.Stdout)
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	defer func() { end(); parts.Wait() }()

	c := contact{Socket: d.socket(), ThingName: d.thing, PID: os.Getpid(), Sensors: d.sensors}
	if d.chip == "" {
		if err := d.serveChips(serving, &parts, out); err != nil {
			return err
		}
		c.Chips = d.chips()
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	runs := newSupervisor(componentName, cli.Version, []string{exe, runComponentCommand}, d.work(),
		func(format string, args ...any) { out.say("component", format, args...) })
	above, err := d.startCloud(out)
	if err != nil {
		return err
	}
	// The core device ends first, since it is the cloud's client.
	defer func() { end(); parts.Wait(); out.ended("cloud", above.Close()) }()
	c.Cloud = cloudContact{above.MQTT, above.HTTPS, above.HTTP, above.PKI.CAFile()}
	core, err := d.serveCore(serving, &parts, out, runs, above)
	if err != nil {
		return err
	}
	c.Token = core.IssueToken(ownName)
	if err := d.place.write(c); err != nil {
		return err
	}
	defer os.Remove(d.contact())

	d.greet(env, c, core.IssueToken("my.own.Component"))
	runs.env = environment(c, core.IssueToken(componentName))
	runs.run(ctx)
	// What holds outputs between two components would wait for one that never comes.
	holder.End(d.work())
	return nil
}

// serveChips starts the simulated chip, which outlives the component.
func (d *devOptions) serveChips(ctx context.Context, parts *sync.WaitGroup, out *stream) error {
	board, err := newBoard()
	if err != nil {
		return err
	}
	l, err := server.Listen(d.chips())
	if err != nil {
		return err
	}
	changes := board.Watch(ctx)
	parts.Go(func() { out.lines(changes) })
	parts.Go(func() { out.ended("chip", sim.Serve(ctx, l, board)) })
	return nil
}

// serveCore starts the development core.
//
// The component's accessControl counts if its configuration has one; components
// without, such as one that is tried out beside it, may do everything.
func (d *devOptions) serveCore(ctx context.Context, parts *sync.WaitGroup, out *stream, runs devcore.Components, above *cloud.Cloud) (*devcore.Core, error) {
	var synchronize devcore.Synchronize
	if !d.lite {
		var err error
		if synchronize, err = d.synchronize(above); err != nil {
			return nil, err
		}
	}
	core, err := devcore.New(devcore.Config{
		Dir:                  d.core(),
		ThingName:            d.thing,
		Logger:               slog.New(out.handler("core", slog.LevelWarn)),
		Observe:              out.event,
		Components:           runs,
		EnforceAccessControl: true,
		LenientAccessControl: true,
		InterpolateThingName: true,
		Lite:                 d.lite,
		Broker:               above.Broker.CoreDevice(d.thing),
		Synchronize:          synchronize,
	})
	if err != nil {
		return nil, err
	}
	if err := core.LoadConfiguration(componentName, d.place.config()); err != nil {
		return nil, err
	}
	control, err := d.serveControl(ctx, &control{core: core, cloud: above, synchronized: synchronize.Shadows, runs: runs, out: out})
	if err != nil {
		return nil, err
	}
	parts.Go(control)
	core.Faults().Load(d.faults)
	if n, steps := len(d.faults.Rules), len(d.faults.Steps); n+steps > 0 {
		out.say("fault", "rules in force: %d, steps to come: %d, seed %d", n, steps, core.Faults().Seed())
	}
	l, err := server.Listen(d.socket())
	if err != nil {
		return nil, err
	}
	parts.Go(func() {
		defer core.Close()
		out.ended("core", core.Serve(ctx, l))
	})
	parts.Go(func() { core.Faults().Run(ctx, d.faults.Steps) })
	return core, nil
}

// greet says what runs and what to try.
func (d *devOptions) greet(env Env, c contact, token string) {
	ctl := commandLine()
	if d.dir != defaultDir(env.Getenv) {
		ctl = "SHADOWGPIO_DEV_DIR=" + d.dir + " " + ctl
	}
	w := env.Stdout
	kind := "development core"
	if d.lite {
		kind += " (nucleus lite)"
	}
	fmt.Fprintf(w, "ShadowGPIO %s, thing %s\n\n", kind, d.thing)
	chip := "simulated, the lines are those of the configuration"
	if d.chip != "" {
		chip = d.chip
	}
	fmt.Fprintf(w, "  configuration  %s\n  shadows        %s\n  chip           %s\n\n", d.place.config(), d.core(), chip)
	fmt.Fprintf(w, "In another terminal:\n\n")
	tries := [][2]string{
		{"get", "what is desired, reported, answered"},
		{"fault add '* drop times 1'", "the core device fails on purpose: it drops a connection"},
	}
	if text, err := os.ReadFile(d.place.config()); err == nil && bytes.Equal(text, boardConfig) {
		tries = append([][2]string{
			{"set lights=on --wait 5s", "desire a value, wait for the device's answer"},
			{"set lights=blue --wait 5s", "a value that the device refuses"},
		}, append(tries, [][2]string{
			{"press door", "close the contact of an input; release opens it"},
			{"bounce motion", "a worn contact: many edges, the right value in the end"},
			{"hold button 100ms", "a button on the wall: the lamp toggles, with or without a link"},
			{"set bell=true --shadow workshop --wait 5s", "a pulse: done when it is over"},
			{"set fan=true --shadow room", "a named shadow"},
		}...)...)
	}
	for _, t := range tries {
		fmt.Fprintf(w, "  %s %-41s # %s\n", ctl, t[0], t[1])
	}
	fmt.Fprintf(w, "\nWhat the component is doing, as on a gateway (also get, set, watch):\n\n")
	fmt.Fprintf(w, "  %s status --socket %s\n", gatewayCommand(), filepath.Join(d.work(), gateway.SocketName))
	greetCloud(w, c.Cloud, ctl, d.thing)
	fmt.Fprintf(w, "\nYour own component, in any language, with AWS's own clients:\n\n")
	fmt.Fprintf(w, "  export AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT=%s\n  export SVCUID=%s AWS_IOT_THING_NAME=%s\n\n", c.Socket, token, c.ThingName)
}

// commandLine is how this program was called, as it is typed again.
func commandLine() string {
	if strings.Contains(os.Args[0], string(filepath.Separator)+"go-build") {
		return "go run ./component/cmd/shadowctl"
	}
	return os.Args[0]
}

// gatewayCommand is how shadowgpio is called by whoever called this program.
func gatewayCommand() string {
	if strings.HasPrefix(commandLine(), "go run") {
		return "go run ./component/cmd/shadowgpio"
	}
	return "shadowgpio"
}

// ended reports a part that did not end by order.
func (s *stream) ended(part string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.say(part, "ended: %v", err)
	}
}
