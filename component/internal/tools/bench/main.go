// Command bench measures the main job on this machine and prints the figures side
// by side: scripts/bench.sh runs it.
//
// The development core, the component and each client are processes of their own,
// as on a gateway. Durations are wall time; machines are noisy, so compare what
// stands in one run, never figures of two.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

const (
	thing  = "bench"
	shadow = "bench"
)

func main() {
	calls := flag.Int("calls", 3000, "round trips of each client")
	samples := flag.Int("samples", 80, "desired writes and edges, four a second")
	idle := flag.Duration("idle", 10*time.Second, "how long the idle component is watched")
	events := flag.Int("events", 50000, "events that each client takes")
	python := flag.String("python", os.Getenv("SHADOWGPIO_PYTHON"), "Python with awsiotsdk; without one AWS's client for it is left out")
	node := flag.String("node", os.Getenv("SHADOWGPIO_NODE"), "directory of the node_modules with aws-iot-device-sdk-v2; likewise")
	java := flag.String("java", os.Getenv("SHADOWGPIO_JAVA"), "class path of aws-iot-device-sdk; likewise")
	soaks := flag.Bool("soak", false, "instead, one component with many shadows of many things")
	reads := flag.Int("readings", 0, "instead, one component with `N` readings of a second each")
	asked := flag.Bool("application", false, "instead, from an application through the cloud to a line and back")
	fleet := flag.Int("fleet", 0, "instead, one setting on `N` simulated things")
	program := flag.String("shadowctl", os.Getenv("SHADOWGPIO_SHADOWCTL"), "the program shadowctl, for -application and -fleet")
	things := flag.Int("things", 200, "things of -soak")
	each := flag.Int("shadows", 5, "shadows of each thing of -soak")
	role := flag.String("role", "", "for the processes it starts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	switch *role {
	case "core":
		err = serveCore(ctx, flag.Arg(0))
	case "component":
		err = runComponent(ctx, flag.Args())
	case "subscriber":
		err = subscribe(ctx, flag.Arg(0))
	case "":
		b := bench{calls: *calls, eventCount: *events, samples: *samples, idle: *idle, python: *python, node: *node, java: *java}
		switch {
		case flag.NArg() > 0:
			err = fmt.Errorf("want options only, got %q", flag.Args())
		case *reads > 0:
			err = (&readings{soak: &soak{bench: &b}, count: *reads}).run(ctx)
		case *asked, *fleet > 0:
			err = (&applications{program: *program, python: *python, samples: *samples, things: *fleet}).run(ctx)
		case *soaks:
			err = (&soak{bench: &b, things: *things, each: *each}).run(ctx)
		default:
			err = b.run(ctx)
		}
	default:
		err = fmt.Errorf("want a role that is known, got %q", *role)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	calls, eventCount, samples int
	idle                       time.Duration
	python, node, java         string

	dir    string
	ready  ready        // what the core said of itself
	events <-chan event // what the core sees from then on
	conn   *ipc.Conn
	log    logBuffer // what the component printed
}

func (b *bench) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	core, err := b.startCore(ctx)
	if err != nil {
		return err
	}
	defer end(core)
	b.conn, err = ipc.Dial(ctx, ipc.Config{Socket: b.ready.Socket, Token: ipc.Token(b.ready.Token)})
	if err != nil {
		return err
	}
	defer b.conn.Close()
	if err := b.roundTrips(ctx); err != nil {
		return err
	}
	if err := b.throughput(ctx); err != nil {
		return err
	}
	component, err := b.start(ctx, "component", b.environment()...)
	if err != nil {
		return err
	}
	defer end(component)
	if err := b.awaitReport(ctx); err != nil {
		return err
	}
	if err := b.latencies(ctx); err != nil {
		return err
	}
	return b.footprint(ctx, component.Process.Pid)
}

// logBuffer is a buffer that a command may write to while we read it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs this program in a role, with what it prints on our standard error.
func (b *bench) start(ctx context.Context, role string, env ...string) (*exec.Cmd, error) {
	cmd, err := command(ctx, role, env...)
	if err != nil {
		return nil, err
	}
	// A pipe, as under a nucleus: a log file on a busy disk would hold up the
	// program that writes it.
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, &b.log, &b.log
	return cmd, cmd.Start()
}

func command(ctx context.Context, role string, env ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, "-role", role)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

func end(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
}

func (b *bench) startCore(ctx context.Context) (*exec.Cmd, error) {
	cmd, err := command(ctx, "core")
	if err != nil {
		return nil, err
	}
	cmd.Args = append(cmd.Args, b.dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bufio.NewReader(out))
	if err := decoder.Decode(&b.ready); err != nil {
		return nil, fmt.Errorf("core: %w", err)
	}
	events := make(chan event, 1024)
	b.events = events
	go func() {
		defer close(events)
		for {
			var e event
			if decoder.Decode(&e) != nil {
				return
			}
			events <- e
		}
	}()
	return cmd, nil
}

func (b *bench) environment() []string {
	return []string{
		"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT=" + b.ready.Socket,
		"SVCUID=" + b.ready.ComponentToken,
		"AWS_IOT_THING_NAME=" + thing,
		chipsVariable + "=" + b.ready.Chips,
	}
}

// roundTrips compares GetThingShadow of the clients with the same bytes sent to
// and fro on a bare Unix socket.
func (b *bench) roundTrips(ctx context.Context) error {
	request := model.GetThingShadowRequest{ThingName: thing, ShadowName: shadow}
	response, err := b.conn.GetThingShadow(ctx, request)
	if err != nil {
		return err
	}
	there, back, err := frameSizes(request, response)
	if err != nil {
		return err
	}
	floor, err := b.pingPong(there, back)
	if err != nil {
		return err
	}
	ours, err := measure(b.calls, func() error {
		_, err := b.conn.GetThingShadow(ctx, request)
		return err
	})
	if err != nil {
		return err
	}
	t := newTable(fmt.Sprintf("GetThingShadow round trip, %d calls, %d bytes there and %d back", b.calls, there, back), floor)
	t.row("bare Unix socket, the same bytes (floor)", floor)
	t.row("this project's client (Go)", ours)
	for _, o := range b.officials() {
		if o.missing != "" {
			t.note(o.missing)
			continue
		}
		d, err := b.officialRoundTrips(ctx, o)
		if err != nil {
			return err
		}
		t.row(o.name, d)
	}
	t.print()
	return nil
}

// frameSizes is how many bytes a call moves, as the classic nucleus has it.
func frameSizes(request, response any) (there, back int, err error) {
	op := model.GetThingShadow
	size := func(m eventstream.Message, payload any) int {
		text, jsonErr := json.Marshal(payload)
		m.Payload = text
		frame, frameErr := eventstream.Encode(&m)
		err = errors.Join(err, jsonErr, frameErr)
		return len(frame)
	}
	there = size(eventstream.Message{StreamID: 1, ContentType: eventstream.ContentJSON, ModelType: op.RequestType(), Operation: op.ID()}, request)
	back = size(eventstream.Message{StreamID: 1, ContentType: eventstream.ContentJSON, ModelType: op.ResponseType(), Flags: eventstream.TerminateStream}, response)
	return there, back, err
}

// pingPong is the floor: the same bytes between the same two processes.
func (b *bench) pingPong(there, back int) (durations, error) {
	conn, err := net.Dial("unix", b.ready.Floor)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%8d%8d", there, back); err != nil {
		return nil, err
	}
	out, in := make([]byte, there), make([]byte, back)
	return measure(b.calls, func() error {
		if _, err := conn.Write(out); err != nil {
			return err
		}
		return readFull(conn, in)
	})
}

// pause is longer than the interval at which the component reports.
const pause = 250 * time.Millisecond

// latencies measures from the application's write to the line, and from the line
// to the accepted report, with the component's process in between.
func (b *bench) latencies(ctx context.Context) error {
	chips, err := sim.Dial(b.ready.Chips)
	if err != nil {
		return err
	}
	var toLine, toReport durations
	for i := range b.samples {
		high := i%2 == 0
		desired := fmt.Sprintf(`{"state":{"desired":{"lamp":%v}}}`, high)
		start := time.Now()
		if _, err := b.conn.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{ThingName: thing, ShadowName: shadow, Payload: []byte(desired)}); err != nil {
			return err
		}
		set, err := b.await(ctx, func(e event) bool { return e.Line == lampOffset && e.High == high })
		if err != nil {
			return err
		}
		toLine = append(toLine, set.Time.Sub(start))
		time.Sleep(pause)

		if err := chips.SetPull(chipName, doorOffset, high); err != nil {
			return err
		}
		edge, err := b.await(ctx, func(e event) bool { return e.Line == doorOffset && e.High == high })
		if err != nil {
			return err
		}
		report, err := b.await(ctx, func(e event) bool { return e.Reported["door"] == high })
		if err != nil {
			return err
		}
		toReport = append(toReport, report.Time.Sub(edge.Time))
		time.Sleep(pause)
	}
	t := newTable(fmt.Sprintf("through the component, %d samples on the simulated chip", b.samples), nil)
	t.row("desired written to line set", toLine)
	t.row("line edge to reported accepted", toReport)
	t.print()
	return nil
}

func (b *bench) await(ctx context.Context, match func(event) bool) (event, error) {
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e, ok := <-b.events:
			if !ok {
				return e, errors.New("the core ended")
			}
			if match(e) {
				return e, nil
			}
		case <-timeout:
			return event{}, errors.New("nothing happened for 10 s")
		case <-ctx.Done():
			return event{}, ctx.Err()
		}
	}
}

func (b *bench) awaitReport(ctx context.Context) error {
	_, err := b.await(ctx, func(e event) bool { return e.Reported != nil })
	if err != nil {
		return fmt.Errorf("component: %w\n%s", err, b.log.String())
	}
	return nil
}
