package holder_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/holder"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/cli"
	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// patience is for what must happen: long, since machines are shared.
const patience = 30 * time.Second

// These make the test binary one of the programs. Without chips it uses the
// machine's own.
const (
	roleVariable  = "SHADOWGPIO_HOLDER_ROLE"
	chipsVariable = "SHADOWGPIO_HOLDER_CHIPS"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "deaf":
		deaf(os.Args[1], os.Args[2])
	case "shadowgpio":
		if len(os.Args) > 1 && os.Args[1] == "hold" {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			code := cli.Run(ctx, cli.Env{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Backend: chips})
			stop()
			os.Exit(code)
		}
		component(os.Args[1], os.Args[2:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func chips() gpio.Backend {
	if socket := os.Getenv(chipsVariable); socket != "" {
		remote, err := sim.Dial(socket)
		if err != nil {
			fatal(err)
		}
		return remote
	}
	return cdev.New()
}

func fatal(v ...any) {
	fmt.Println(append([]any{"fatal:"}, v...)...)
	os.Exit(1)
}

// deaf is a holder that has the lamp, and hangs.
func deaf(socket, chip string) {
	listener, err := holder.Listen(socket)
	if err != nil {
		fatal(err)
	}
	lines := take(chips(), nil, chip)
	time.Sleep(time.Hour)
	lines.Close()
	listener.Close()
}

const key, consumer = "lamp", "shadowgpio lamp"

// component is a program that has one output. It does what it is told on standard
// input, and says so.
func component(dir string, args []string) {
	backend := chips()
	var client *holder.Client
	if args[0] == "held" {
		client = holder.Start(context.Background(), holder.Config{Dir: dir, Sole: true, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	}
	lines := take(backend, client, args[1])
	for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
		words := strings.Fields(scanner.Text())
		switch words[0] {
		case "set":
			if err := lines.SetValues([]bool{words[1] == "1"}); err != nil {
				fatal(err)
			}
		case "off-in":
			d, err := time.ParseDuration(words[1])
			if err != nil {
				fatal(err)
			}
			guarded(client, holder.Order{At: time.Now().Add(d), Values: []bool{false}})
		case "sync":
			guarded(client)
		case "leave":
			client.Leave(words[1] == "keep")
			lines.Close()
			fmt.Println("done")
			return
		}
		fmt.Println("done")
	}
}

func guarded(client *holder.Client, orders ...holder.Order) {
	for client.GuardNow(key, orders...) != nil {
		time.Sleep(10 * time.Millisecond) // the holder is being started
	}
}

// take goes on with the lamp or requests it, off.
func take(backend gpio.Backend, client *holder.Client, ref string) gpio.Lines {
	address, err := gpio.Find(backend, gpio.Ref{Chip: ref, Line: "1"})
	if err != nil {
		fatal(err)
	}
	config := []gpio.LineConfig{{Offset: 1, Direction: gpio.Output}}
	var lines gpio.Lines
	how := "requested"
	if client != nil {
		if held, ok := client.Take(key); ok {
			how = "adopted"
			lines, err = held.Adopt(backend, address.Chip, config)
		}
	}
	if lines == nil && err == nil {
		lines, err = backend.Request(address.Chip.Path, consumer, config)
	}
	if err != nil {
		fatal(err)
	}
	values, err := lines.Values()
	if err != nil {
		fatal(err)
	}
	if client != nil {
		if err := client.Keep(key, lines, holder.Request{Chip: address.Chip, Consumer: consumer, Offsets: []int{1}}); err != nil {
			fatal(err)
		}
	}
	fmt.Println(how, values[0])
	return lines
}

// world is a chip with the lamp, seen from the far side, and a work directory.
type world struct {
	*testing.T
	dir   string
	chip  string   // label
	env   []string // for programs
	level func() bool
}

// process is a component under test.
type process struct {
	w   *world
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

// start starts a component, "held" or "bare", and requires how it got its line.
func (w *world) start(with, how string) *process {
	w.Helper()
	p := w.run("shadowgpio", w.dir, with, w.chip)
	p.says(how)
	return p
}

// run starts this test binary in a role.
func (w *world) run(role string, args ...string) *process {
	w.Helper()
	exe, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	p := &process{w: w, cmd: exec.Command(exe, args...)}
	p.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0", roleVariable+"="+role), w.env...)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		w.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(p.kill)
	late := time.AfterFunc(patience, func() { p.cmd.Process.Signal(syscall.SIGQUIT) }) // it shows where it hangs
	w.Cleanup(func() { late.Stop() })
	return p
}

func (p *process) says(want string) {
	p.w.Helper()
	if got, err := p.out.ReadString('\n'); err != nil || got != want+"\n" {
		p.w.Fatalf("the component said %q, %v, want %q", got, err, want)
	}
}

func (p *process) do(what string) {
	p.w.Helper()
	if _, err := io.WriteString(p.in, what+"\n"); err != nil {
		p.w.Fatal(err)
	}
	p.says("done")
}

// kill kills it with SIGKILL, and waits for its death.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (w *world) socket() string { return filepath.Join(w.dir, holder.SocketName) }

// holder is the process that listens on the socket.
func (w *world) holder() int {
	w.Helper()
	conn, err := net.Dial("unixpacket", w.socket())
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		w.Fatal(err)
	}
	var peer *unix.Ucred
	raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil {
		w.Fatal(err)
	}
	return int(peer.Pid)
}

// stat gives the parent and the session of a process; 0 when it is gone.
func stat(pid int) (parent, session int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if fields[0] == "Z" {
		return 0, 0
	}
	parent, _ = strconv.Atoi(fields[1])
	session, _ = strconv.Atoi(fields[3])
	return parent, session
}

// eventually waits until what is so.
func (w *world) eventually(what string, so func() bool) {
	w.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("it never came: %s", what)
		}
	}
}

func (w *world) is(want bool) {
	w.Helper()
	if got := w.level(); got != want {
		w.Errorf("the lamp is %v, want %v", got, want)
	}
}

// ends waits for the end of the holder.
func (w *world) ends(pid int) {
	w.Helper()
	w.eventually("the end of the holder", func() bool { _, session := stat(pid); return session == 0 })
}
