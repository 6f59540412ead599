// Package e2e runs the real component as a process of its own against the
// development core and a chip, over real sockets.
package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	ctl "github.com/shadowgpio/shadowgpio/component/internal/dev/cli"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/sensor"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
	"github.com/shadowgpio/shadowgpio/ipc/devcore"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

const (
	thing         = "gw"
	componentName = "io.shadowgpio.ShadowGpio"
	// patience is for what must happen: long, since machines are shared.
	patience = 30 * time.Second
)

// roleVariable makes the test binary one of the programs.
const (
	roleVariable  = "SHADOWGPIO_E2E_ROLE"
	chipsVariable = "SHADOWGPIO_E2E_CHIPS"
	// sensorsVariable names the directory above proc and sys; "" is this machine.
	sensorsVariable = "SHADOWGPIO_E2E_SENSORS"
	clockVariable   = "SHADOWGPIO_E2E_CLOCK" // "unset" is a machine whose clock was not set yet
)

func TestMain(m *testing.M) {
	programs := map[string]func(){
		"shadowgpio": program(func(ctx context.Context) int {
			return cli.Run(ctx, cli.Env{
				Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
				Backend: chosenBackend, Clock: chosenClock, Sensors: sensor.Machine{Root: os.Getenv(sensorsVariable)},
			})
		}),
		"shadowctl": func() { // as its main function
			ctx, stop := command.Context()
			code := ctl.Run(ctx, ctl.Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv})
			stop()
			os.Exit(code)
		},
		"core": program(func(ctx context.Context) int {
			if err := coreMain(ctx, os.Getenv(coreVariable), os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			return 0
		}),
	}
	if run, ok := programs[os.Getenv(roleVariable)]; ok {
		run()
	}
	testscript.Main(m, programs) // in scripts by their names
}

// program makes a program's main function, which ends orderly when it is asked to.
func program(run func(context.Context) int) func() {
	return func() {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		code := run(ctx)
		stop()
		os.Exit(code)
	}
}

// chosenClock is what is known of the clock, whatever this machine knows.
func chosenClock() engine.Clock {
	return engine.Clock{Synchronised: os.Getenv(clockVariable) != "unset"}
}

// chosenBackend is the simulated chip of the test, or the machine's own chips.
func chosenBackend() gpio.Backend {
	socket := os.Getenv(chipsVariable)
	if socket == "" {
		return cdev.New()
	}
	remote, err := sim.Dial(socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return remote
}

// rig is a core device, and a simulated chip unless the test has a real one.
type rig struct {
	t      *testing.T
	dir    string
	core   *devcore.Core
	chip   *sim.Sim
	events *journal
	token  string

	stopCore func()
	coreAt   string // socket path
	chipsAt  string
}

const chipName = "gpiochip0"

var board = sim.Chip{
	Label: "board",
	Lines: 8,
	Names: map[int]string{1: "LAMP", 2: "FAN", 3: "DOOR", 4: "HOGGED"},
	Hogs:  map[int]sim.Hog{4: {Consumer: "power-button"}},
}

const (
	lampOffset = 1
	fanOffset  = 2
	doorOffset = 3
)

const houseConfig = `
lines:
  lamp: {line: LAMP, direction: output}
  fan:  {line: FAN, direction: output, stop: "off"}
  door: {line: DOOR, direction: input}
shadows:
  main:
    properties:
      lights: {line: lamp, values: {"on": on, "off": off}}
      locked: {line: door}
  room:
    name: room
    properties:
      fan: {line: fan}
`

// newRig makes a core that serves the configuration to the component.
func newRig(t *testing.T, config string) *rig {
	r := &rig{t: t, dir: shortDir(t), events: newJournal()}
	r.coreAt, r.chipsAt = filepath.Join(r.dir, "ipc.socket"), filepath.Join(r.dir, "chips.socket")
	t.Cleanup(r.checkReports)
	t.Cleanup(func() { holder.End(r.work()) }) // which would outlive the test
	file := filepath.Join(r.dir, "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r.newCore(file)
	if err := os.MkdirAll(r.work(), 0o700); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) newCore(configFile string) {
	r.t.Helper()
	if r.core != nil {
		r.core.Close()
	}
	var err error
	r.core, err = devcore.New(devcore.Config{Dir: filepath.Join(r.dir, "core"), ThingName: thing, Observe: r.events.add})
	if err == nil {
		err = r.core.LoadConfiguration(componentName, configFile)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if r.token == "" {
		r.token = r.core.IssueToken(componentName)
	}
	r.core.SetToken(componentName, r.token)
}

func (r *rig) work() string { return filepath.Join(r.dir, "work") }

// serve starts the core's socket.
func (r *rig) serve() {
	r.t.Helper()
	r.stopCore = serve(r.t, r.coreAt, r.core.Serve)
}

// simulate starts the simulated chip.
func (r *rig) simulate() {
	r.t.Helper()
	r.simulateChip(board)
}

func (r *rig) simulateChip(chip sim.Chip) {
	r.t.Helper()
	var err error
	if r.chip, err = sim.New(chip); err != nil {
		r.t.Fatal(err)
	}
	r.serveChips()
}

// serveChips starts the socket of the simulated chips.
func (r *rig) serveChips() {
	r.t.Helper()
	serve(r.t, r.chipsAt, func(ctx context.Context, l net.Listener) error { return sim.Serve(ctx, l, r.chip) })
}

// serve runs a server until it is stopped or the test ends.
func serve(t *testing.T, path string, run func(context.Context, net.Listener) error) (stop func()) {
	t.Helper()
	l, err := server.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("server of %s: %v", path, err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// house is a running component on the simulated chip, with both shadows reported.
func house(t *testing.T) (*rig, *process) {
	t.Helper()
	r := newRig(t, houseConfig)
	r.simulate()
	r.serve()
	p := r.start()
	r.reported("", `{"lights":"off","locked":false}`)
	r.reported("room", `{"fan":false}`)
	return r, p
}

// level is the physical level of a line of the simulated chip.
func (r *rig) level(offset int) bool {
	r.t.Helper()
	high, err := r.chip.Level(chipName, offset)
	if err != nil {
		r.t.Fatal(err)
	}
	return high
}

// desire writes desired values as an application does, and returns the version.
func (r *rig) desire(shadow, desired string) int64 {
	r.t.Helper()
	return r.update(thing, shadow, `{"state":{"desired":`+desired+`}}`)
}

// update sends an update document and returns the version it made.
func (r *rig) update(thing, shadow, document string) int64 {
	r.t.Helper()
	reply, err := r.core.Shadows().Update(thing, shadow, []byte(document))
	if err != nil {
		r.t.Fatal(err)
	}
	var accepted struct {
		Version int64 `json:"version"`
	}
	if err := json.Unmarshal(reply, &accepted); err != nil {
		r.t.Fatal(err)
	}
	return accepted.Version
}

// process is a program under test.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	input io.Writer // its standard input
	log   *log
	done  chan struct{}
	code  int
}

// start runs the component; extra variables override those of the nucleus.
func (r *rig) start(extra ...string) *process {
	r.t.Helper()
	return run(r.t, r.work(), append(r.environment(), extra...), "run")
}

// environment is what the nucleus would give the component.
func (r *rig) environment() []string {
	env := []string{
		roleVariable + "=shadowgpio",
		"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT=" + r.coreAt,
		"SVCUID=" + r.token,
		"AWS_IOT_THING_NAME=" + thing,
	}
	if r.chip != nil {
		env = append(env, chipsVariable+"="+r.chipsAt)
	}
	return env
}

// startWithFile starts the component with a configuration file of its own.
func (r *rig) startWithFile(config string, extra ...string) *process {
	r.t.Helper()
	file := filepath.Join(r.dir, "own.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return run(r.t, r.work(), append(r.environment(), extra...), "run", "--config", file)
}

// run starts this test binary in one of its roles.
func run(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Dir = dir
	cmd.Env = append(environ(), env...)
	return start(t, cmd)
}

// start starts a program whose log is read, and which ends with the test.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, log: newLog(), done: make(chan struct{})}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.log.read(out)
		p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s printed:\n%s", strings.Join(cmd.Args[1:], " "), p.log)
		}
	})
	return p
}

// environ is ours, without the second that the race detector sleeps at each exit.
func environ() []string { return append(os.Environ(), "GORACE=atexit_sleep_ms=0") }

// ends waits for the end of the process and returns its exit code.
func (p *process) ends() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.code
	case <-time.After(patience):
		p.t.Fatalf("process did not end; it printed\n%s", p.log)
		return 0
	}
}

// types writes a line to its standard input.
func (p *process) types(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.input, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// says waits for a log line with all parts.
func (p *process) says(parts ...string) string {
	p.t.Helper()
	line, ok := p.log.wait(func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	})
	if !ok {
		p.t.Fatalf("no line with %q in\n%s", parts, p.log)
	}
	return line
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// waiter is a list that grows, and that one can wait on.
type waiter[T any] struct {
	mu      sync.Mutex
	items   []T
	changed chan struct{}
}

func (w *waiter[T]) append(item T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.items = append(w.items, item)
	if w.changed != nil {
		close(w.changed)
	}
	w.changed = make(chan struct{})
}

// wait returns the first item that matches, also one that is there already.
func (w *waiter[T]) wait(match func(T) bool) (item T, ok bool) {
	deadline := time.After(patience)
	for next := 0; ; {
		w.mu.Lock()
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		items, changed := w.items[next:], w.changed
		w.mu.Unlock()
		for _, item := range items {
			next++
			if match(item) {
				return item, true
			}
		}
		select {
		case <-changed:
		case <-deadline:
			return item, false
		}
	}
}

type log struct{ waiter[string] }

func newLog() *log { return new(log) }

func (l *log) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		l.append(scanner.Text())
	}
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.items, "\n")
}

// journal is what the core observed.
type journal struct{ waiter[devcore.Event] }

func newJournal() *journal { return new(journal) }

func (j *journal) add(e devcore.Event) { j.append(e) }

// count counts the events that match.
func (j *journal) count(match func(devcore.Event) bool) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.items {
		if match(e) {
			n++
		}
	}
	return n
}

// reported waits until the shadow's reported section holds the members of want,
// and returns the document. Acks count like any other member.
func (r *rig) reported(shadow, want string) devcore.Event {
	r.t.Helper()
	return r.reportedOf(thing, shadow, want, 0)
}

// answered waits for the answer to a desired value of that version.
func (r *rig) answered(shadow string, version int64, want string) devcore.Event {
	r.t.Helper()
	return r.reportedOf(thing, shadow, want, version)
}

func (r *rig) reportedOf(thing, shadow, want string, after int64) devcore.Event {
	r.t.Helper()
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		r.t.Fatal(err)
	}
	var last string
	schema := schematest.Load(r.t, "shadow")
	e, ok := r.events.wait(func(e devcore.Event) bool {
		if e.Kind != devcore.ShadowUpdated || e.Thing != thing || e.Shadow != shadow || e.Version <= after {
			return false
		}
		var doc struct {
			State struct {
				Reported map[string]any `json:"reported"`
			} `json:"state"`
		}
		if err := json.Unmarshal(e.Document, &doc); err != nil {
			r.t.Fatalf("document %s: %v", e.Document, err)
		}
		last = string(e.Document)
		if err := schema.Check(e.Document); err != nil {
			r.t.Errorf("the schema refuses a document: %v\n%s", err, e.Document)
		}
		return contains(doc.State.Reported, wanted)
	})
	if !ok {
		r.t.Fatalf("shadow %s of %s never reported %s; last document %s", cmp.Or(shadow, "(classic)"), thing, want, last)
	}
	return e
}

// contains reports whether got has all members of want, at any depth.
func contains(got, want map[string]any) bool {
	for key, w := range maps.All(want) {
		g, ok := got[key]
		if !ok {
			return false
		}
		wm, wok := w.(map[string]any)
		gm, gok := g.(map[string]any)
		if wok && gok {
			if !contains(gm, wm) {
				return false
			}
		} else if !reflect.DeepEqual(g, w) {
			return false
		}
	}
	return true
}

// shortDir is a temporary directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
