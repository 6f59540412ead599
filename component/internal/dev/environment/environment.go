// Package environment runs the development environment of shadowctl dev on one machine:
// a cloud, a core device, a simulated chip, and the component as a process of its own.
package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/board"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/control"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/eventlog"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/limit"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/supervise"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/preflight"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/devcore/faults"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// ComponentName is the component's name towards the core device.
const ComponentName = preflight.ComponentName

// Variables of the component's environment, beside those that a nucleus sets.
const (
	ChipsVariable   = "SHADOWGPIO_CHIPS"   // socket of the simulated chip; "" is a real chip
	SensorsVariable = "SHADOWGPIO_SENSORS" // the directory above proc and sys; "" is this machine
)

// Options say what the environment is made of.
type Options struct {
	Dir       devenv.Dir // absolute
	Thing     string
	Component []string // the command line of the component
	Version   string   // of the component

	ConfigFile string // the component's configuration; "" keeps that in Dir
	Lite       bool   // a nucleus lite, without a shadow manager
	Faults     faults.Script
	Sensors    string // the directory above proc and sys, absolute; "" is this machine

	Chip       string // a real chip; "" is the simulated one
	Lamp, Door string // its lines, for a configuration that is made of them
}

// Environment is a development environment that owns its directory.
type Environment struct {
	Options
	lock *os.File
}

// Open takes the directory for this process and puts the configuration in place. The
// environment must be closed.
func Open(o Options) (*Environment, error) {
	if err := os.MkdirAll(o.Dir.Work(), 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(o.Dir.Lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another shadowctl dev uses %s; end it, or choose another directory with --dir", o.Dir)
	}
	e := &Environment{o, lock}
	if err := e.configure(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Close gives the directory back.
func (e *Environment) Close() error { return e.lock.Close() }

// Run starts the parts from the bottom up, runs the component until ctx is done, and
// ends the parts in the other order. It prints what happens to w. When others can reach
// the environment, it calls started with a token for a component of the user's own.
func (e *Environment) Run(ctx context.Context, w io.Writer, started func(c devenv.Contact, token string)) error {
	log := eventlog.New(w)
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	defer func() { end(); parts.Wait() }()

	c := devenv.Contact{Socket: e.Dir.Socket(), ThingName: e.Thing, PID: os.Getpid(), Sensors: e.Sensors}
	if e.Chip == "" {
		if err := e.serveChips(serving, &parts, log); err != nil {
			return err
		}
		c.Chips = e.Dir.Chips()
	}
	component := supervise.New(ComponentName, e.Version, e.Component, e.Dir.Work(),
		func(format string, args ...any) { log.Say("component", format, args...) })
	above, err := e.startCloud(log)
	if err != nil {
		return err
	}
	// The core device ends first, since it is the cloud's client.
	defer func() { end(); parts.Wait(); log.Ended("cloud", above.Close()) }()
	c.Cloud = devenv.Cloud{
		MQTT: above.MQTT, HTTPS: above.HTTPS, HTTP: above.HTTP, CA: above.PKI.CAFile(),
		Region: cloud.Region, AccessKeyID: cloud.AccessKeyID, SecretAccessKey: cloud.SecretAccessKey,
	}
	core, err := e.serveCore(serving, &parts, log, component, above)
	if err != nil {
		return err
	}
	c.Token = core.IssueToken(devenv.ComponentName)
	if err := e.Dir.Write(c); err != nil {
		return err
	}
	defer os.Remove(e.Dir.ContactFile())

	started(c, core.IssueToken("my.own.Component"))
	component.Run(ctx, componentEnv(c, core.IssueToken(ComponentName)))
	// What holds outputs between two components would wait for one that never comes.
	holder.End(e.Dir.Work())
	return nil
}

// componentEnv is the environment of the component's process, as a nucleus sets it.
func componentEnv(c devenv.Contact, token string) []string {
	return append(os.Environ(),
		"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT="+c.Socket,
		"SVCUID="+token,
		"AWS_IOT_THING_NAME="+c.ThingName,
		ChipsVariable+"="+c.Chips,
		SensorsVariable+"="+c.Sensors,
	)
}

// maxChipConnections bounds the connections to the simulated chip; each request of lines
// is one.
const maxChipConnections = 500

// serveChips starts the simulated chip, which outlives the component.
func (e *Environment) serveChips(ctx context.Context, parts *sync.WaitGroup, log *eventlog.Log) error {
	chip, err := board.New()
	if err != nil {
		return err
	}
	notices := limit.NewNotices(slog.New(log.Handler("chip", slog.LevelWarn)))
	listen := func() (net.Listener, error) {
		l, err := server.Listen(e.Dir.Chips())
		if err != nil {
			return nil, err
		}
		return limit.Listener(l, maxChipConnections, func() {
			notices.Reached("connection refused: too many are open", "limit", maxChipConnections)
		}), nil
	}
	l, err := listen()
	if err != nil {
		return err
	}
	changes := chip.Watch(ctx)
	parts.Go(func() { log.Lines(changes) })
	parts.Go(func() {
		keep(ctx, log, "chip", l, listen,
			func(ctx context.Context, l net.Listener) error { return sim.Serve(ctx, l, chip) })
	})
	return nil
}

// The pauses before a part listens again: they double, and start over after a while.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 30 * time.Second
	steady     = 10 * time.Second
)

// keep serves the clients of a part until ctx is done. A part that ends for another reason
// says so, and listens again.
func keep(ctx context.Context, log *eventlog.Log, part string, l net.Listener, listen func() (net.Listener, error), serve func(context.Context, net.Listener) error) {
	var pause time.Duration
	for {
		began := time.Now()
		var err error
		if l == nil {
			if l, err = listen(); err == nil {
				log.Say(part, "is back")
			}
		}
		if err == nil {
			err = serve(ctx, l)
			l = nil
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= steady {
			pause = 0
		}
		pause = min(max(firstPause, 2*pause), lastPause)
		log.Say(part, "ended: %v; started again in %v", err, pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// startCloud starts the development cloud, and prints what happens in it.
func (e *Environment) startCloud(log *eventlog.Log) (*cloud.Cloud, error) {
	c, err := cloud.Start(cloud.Config{Dir: e.Dir.Cloud(), Logger: slog.New(log.Handler("cloud", slog.LevelWarn))})
	if err != nil {
		return nil, err
	}
	for _, filter := range []string{"$aws/things/+/shadow/+/accepted", "$aws/things/+/shadow/name/+/+/accepted"} {
		if _, err := c.Broker.Subscribe(filter, log.CloudMessage); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// serveCore starts the development core.
//
// The component's accessControl counts if its configuration has one; components
// without, such as one that is tried out beside it, may do everything.
func (e *Environment) serveCore(ctx context.Context, parts *sync.WaitGroup, log *eventlog.Log, components control.Components, above *cloud.Cloud) (*devcore.Core, error) {
	var synchronize devcore.Synchronize
	if !e.Lite {
		synchronize.Cloud = above.CoreDevice()
	}
	core, err := devcore.New(devcore.Config{
		Dir:                  e.Dir.Core(),
		ThingName:            e.Thing,
		Logger:               slog.New(log.Handler("core", slog.LevelWarn)),
		Observe:              log.Event,
		Components:           components,
		EnforceAccessControl: true,
		LenientAccessControl: true,
		InterpolateThingName: true,
		Lite:                 e.Lite,
		Broker:               above.Broker.CoreDevice(e.Thing),
		Synchronize:          synchronize,
	})
	if err != nil {
		return nil, err
	}
	if err := core.LoadConfiguration(ComponentName, e.Dir.Config()); err != nil {
		return nil, err
	}
	commands := &control.Server{Core: core, Cloud: above, Components: components, Log: log, Component: ComponentName}
	if !e.Lite { // which has no shadow manager
		shadows := newSynchronization(core, e.Thing, log)
		if err := shadows.begin(); err != nil { // it was deployed while no component could refuse it
			log.Say("cloud", "no shadow is synchronized: the configuration in force is not valid: %v", err)
		}
		parts.Go(func() { shadows.run(ctx) })
		commands.Deployed = shadows.deployed
	}
	controls, err := commands.Listen(e.Dir.Control())
	if err != nil {
		return nil, err
	}
	parts.Go(func() {
		keep(ctx, log, "control", controls, func() (net.Listener, error) { return commands.Listen(e.Dir.Control()) }, commands.Serve)
	})
	core.Faults().Load(e.Faults)
	if n, steps := len(e.Faults.Rules), len(e.Faults.Steps); n+steps > 0 {
		log.Say("fault", "rules in force: %d, steps to come: %d, seed %d", n, steps, core.Faults().Seed())
	}
	l, err := server.Listen(e.Dir.Socket())
	if err != nil {
		return nil, err
	}
	parts.Go(func() {
		defer core.Close()
		keep(ctx, log, "core", l, func() (net.Listener, error) { return server.Listen(e.Dir.Socket()) }, core.Serve)
	})
	parts.Go(func() { core.Faults().Run(ctx, e.Faults.Steps) })
	return core, nil
}
