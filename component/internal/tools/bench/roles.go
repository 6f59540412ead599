package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

const (
	chipsVariable = "SHADOWGPIO_BENCH_CHIPS"
	chipName      = "gpiochip0"
	lampOffset    = 1
	doorOffset    = 2
	componentName = "io.shadowgpio.ShadowGpio"
	configuration = `{
		"lines": {
			"lamp": {"chip": "gpiochip0", "line": "1", "direction": "output"},
			"door": {"chip": "gpiochip0", "line": "2", "direction": "input"}},
		"shadows": {"bench": {"name": "bench", "properties": {"lamp": {"line": "lamp"}, "door": {"line": "door"}}}}}`
)

// ready is the first line that the core prints.
type ready struct {
	Socket, Chips, Floor  string
	Token, ComponentToken string
}

// event is each further line: a line that changed, or a report that was accepted.
type event struct {
	Time     time.Time
	Line     int
	High     bool
	Reported map[string]any
}

// serveCore is the core's process: core device, chip, and the floor.
func serveCore(ctx context.Context, dir string) error {
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	tell := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		out.Encode(v)
	}
	core, err := devcore.New(devcore.Config{
		// No directory: the real shadow manager's database does not sync each
		// update to disk, so ours should not in what is measured here.
		ThingName:  thing,
		RateLimits: devcore.RateLimits{Total: 1_000_000, PerThing: 1_000_000},
		Observe: func(e devcore.Event) {
			var sent struct {
				State struct{ Reported map[string]any }
			}
			if e.Kind == devcore.ShadowUpdated && e.Component == componentName && json.Unmarshal(e.Sent, &sent) == nil && sent.State.Reported != nil {
				tell(event{Time: e.Time, Line: -1, Reported: sent.State.Reported})
			}
		},
	})
	if err != nil {
		return err
	}
	if err := core.SetConfiguration(componentName, json.RawMessage(configuration)); err != nil {
		return err
	}
	document := `{"state":{"desired":{"lamp":false},"reported":{"lamp":false,"ack":{"lamp":{"code":200,"version":1}}}}}`
	if _, err := core.Shadows().Update(thing, shadow, []byte(document)); err != nil {
		return err
	}
	board, err := sim.New(sim.Chip{Lines: 4})
	if err != nil {
		return err
	}
	r := ready{
		Socket: filepath.Join(dir, "ipc.socket"), Chips: filepath.Join(dir, "chips.socket"), Floor: filepath.Join(dir, "floor.socket"),
		Token: core.IssueToken("bench"), ComponentToken: core.IssueToken(componentName),
	}
	var parts sync.WaitGroup
	for path, serve := range map[string]func(context.Context, net.Listener) error{
		r.Socket: core.Serve,
		r.Chips:  func(ctx context.Context, l net.Listener) error { return sim.Serve(ctx, l, board) },
		r.Floor:  serveFloor,
	} {
		l, err := server.Listen(path)
		if err != nil {
			return err
		}
		parts.Go(func() { serve(ctx, l) })
	}
	tell(r)
	for c := range board.Watch(ctx) {
		tell(event{Time: c.Time, Line: c.Offset, High: c.High})
	}
	parts.Wait()
	return nil
}

// serveFloor answers so many bytes with so many, and does nothing else. A negative
// number asks for that many answers at once.
func serveFloor(ctx context.Context, l net.Listener) error {
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer conn.Close()
			var there, back int
			sizes := make([]byte, 16)
			if readFull(conn, sizes) != nil {
				return
			}
			if _, err := fmt.Sscan(string(sizes[:8])+" "+string(sizes[8:]), &there, &back); err != nil {
				return
			}
			out := make([]byte, back)
			if there < 0 {
				for range -there {
					if _, err := conn.Write(out); err != nil {
						return
					}
				}
				return
			}
			in := make([]byte, there)
			for readFull(conn, in) == nil {
				if _, err := conn.Write(out); err != nil {
					return
				}
			}
		}()
	}
}

func readFull(r io.Reader, buf []byte) error {
	_, err := io.ReadFull(r, buf)
	return err
}

// askAllocations has a component print how many objects it has allocated.
const askAllocations = syscall.SIGUSR1

func tellAllocations(ctx context.Context) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, askAllocations)
	for {
		select {
		case <-asked:
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Printf("allocations=%d\n", m.Mallocs)
		case <-ctx.Done():
			return
		}
	}
}

// runComponent is the component's process: what shadowgpio run does.
func runComponent(ctx context.Context, args []string) error {
	chips, err := sim.Dial(os.Getenv(chipsVariable))
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"run"}
	}
	go tellAllocations(ctx)
	code := cli.Run(ctx, cli.Env{
		Args: args, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Backend: func() gpio.Backend { return chips },
		Sensors: sensor.Machine{Root: os.Getenv(sensorsVariable)},
		// It starts its holder in this role, too, and not another measurement.
		Self: []string{exe, "-role", "component"},
	})
	if code != 0 {
		return fmt.Errorf("component: exit code %d", code)
	}
	return nil
}
