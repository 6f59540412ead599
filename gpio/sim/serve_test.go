package sim_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

// holderPath in the environment makes the test binary a process that holds lines.
const holderPath = "SHADOWGPIO_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holderPath); path != "" {
		hold(path)
	}
	os.Exit(m.Run())
}

// hold drives line 0 high, presses line 1 for an hour, says so and waits to die.
func hold(path string) {
	remote, err := sim.Dial(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if _, err = remote.Request(chipName, "holder", []gpio.LineConfig{{Direction: gpio.Output, Value: true}}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	err = remote.Hold(context.Background(), chipName, 1, time.Hour)
	fmt.Println(err)
	os.Exit(1)
}

func socket(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }

// next is the next level change; it is what lets a test wait without polling.
func next(t *testing.T, changes <-chan sim.Change) sim.Change {
	t.Helper()
	select {
	case change := <-changes:
		return change
	case <-time.After(20 * time.Second):
		t.Fatal("no level changed")
	}
	panic("not reached")
}

func closed(t *testing.T, events <-chan gpio.Event) {
	t.Helper()
	select {
	case e, ok := <-events:
		if ok {
			t.Fatalf("got event %+v", e)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("events were not closed")
	}
}

func TestKilledProcessReleasesItsLines(t *testing.T) {
	s, path := newSim(t, sim.Chip{Lines: 2}), socket(t)
	serve(t, s, path)
	changes := s.Watch(t.Context())

	holder := exec.CommandContext(t.Context(), os.Args[0])
	holder.Env = append(os.Environ(), holderPath+"="+path)
	holder.Stdout = os.Stderr
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if got := next(t, changes); got.Offset != 0 || !got.High || got.Consumer != "holder" {
		t.Errorf("got %+v, want the line driven", got)
	}
	if got := next(t, changes); got.Offset != 1 || !got.High || got.By != sim.ByHand {
		t.Errorf("got %+v, want the button pressed", got)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Wait()
	for range 2 { // in any order
		if got := next(t, changes); got.High {
			t.Errorf("got %+v", got)
		}
	}
	lines, err := s.Request(chipName, "test", []gpio.LineConfig{{Offset: 0}})
	if err != nil {
		t.Fatal(err)
	}
	lines.Close()
}

func TestServerLostAndBack(t *testing.T) {
	s, path := newSim(t, sim.Chip{Lines: 2}), socket(t)
	stop := serve(t, s, path)
	remote := dial(t, path)
	config := []gpio.LineConfig{{Direction: gpio.Output, Value: true}, {Offset: 1, Direction: gpio.Input, Edges: gpio.BothEdges}}
	lines, err := remote.Request(chipName, "test", config)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	closed(t, lines.Events())
	_, valuesErr := lines.Values()
	_, chipsErr := remote.Chips()
	_, requestErr := remote.Request(chipName, "test", config)
	for _, err := range []error{valuesErr, chipsErr, requestErr, lines.SetValues(nil), lines.Reconfigure(nil), remote.Press(chipName, 0)} {
		opErr, ok := errors.AsType[*gpio.OpError](err)
		if !errors.Is(err, gpio.ErrGone) || !ok || opErr.Op == "" {
			t.Errorf("without a server: got %v", err)
		}
	}
	if err := lines.Close(); err != nil {
		t.Error(err)
	}
	if _, err := lines.Values(); !errors.Is(err, gpio.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
	if high, _ := s.Level(chipName, 0); high {
		t.Error("the lines were not released with the server")
	}

	serve(t, s, path)
	lines, err = remote.Request(chipName, "test", config)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	if err := remote.Press(chipName, 1); err != nil {
		t.Fatal(err)
	}
	if e := <-lines.Events(); e.Edge != gpio.Rising || e.Seqno != 1 {
		t.Errorf("got %+v", e)
	}
}

func TestDialWithoutServer(t *testing.T) {
	if _, err := sim.Dial(socket(t)); !errors.Is(err, gpio.ErrGone) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestServeEndsWithItsListener(t *testing.T) {
	listener, err := net.Listen("unix", socket(t))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- sim.Serve(t.Context(), listener, newSim(t)) }()
	listener.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestRemoteHand(t *testing.T) {
	s, path := newSim(t), socket(t)
	serve(t, s, path)
	remote := dial(t, path)
	changes := s.Watch(t.Context())
	if _, err := remote.Add(sim.Chip{Label: "far", Lines: 2, Names: map[int]string{1: "DOOR"}, Pulls: map[int]bool{1: true}}); err != nil {
		t.Fatal(err)
	}
	found, err := gpio.Find(remote, gpio.Ref{Line: "DOOR"})
	if err != nil {
		t.Fatal(err)
	}
	check := func(op string, err error, want ...bool) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		for _, high := range want {
			if got := next(t, changes); got.High != high || got.Name != "DOOR" {
				t.Errorf("%s: got %+v, want %v", op, got, high)
			}
		}
	}
	chip, door := found.Chip.Name, found.Line.Offset
	check("press", remote.Press(chip, door), false)
	check("release", remote.Release(chip, door), true)
	check("hold", remote.Hold(t.Context(), chip, door, time.Millisecond), false, true)
	check("bounce", remote.Bounce(t.Context(), chip, door, 1, time.Millisecond), false, true, false)
	check("pull", remote.SetPull(chip, door, true), true)
	check("unplug", remote.Unplug(chip))
	_, err = remote.Plug("far")
	check("plug", err)
	high, err := remote.Level(chip, door)
	if check("level", err); !high {
		t.Error("level is low")
	}
}

// A hold ends when its caller gives up, although the server is far away.
func TestRemoteHoldIsInterrupted(t *testing.T) {
	s, path := newSim(t, sim.Chip{Lines: 1}), socket(t)
	serve(t, s, path)
	remote, changes := dial(t, path), s.Watch(t.Context())
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		held := make(chan error)
		go func() { held <- remote.Hold(ctx, chipName, 0, time.Hour) }()
		if !next(t, changes).High {
			t.Error("not pressed")
		}
		cancel()
		if err := <-held; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if high, err := s.Level(chipName, 0); high || err != nil {
			t.Fatalf("the button is pressed when Hold has returned: %v", err)
		}
		next(t, changes)
	}
}

// A bounce that is interrupted has come to rest when it returns.
func TestRemoteBounceIsInterrupted(t *testing.T) {
	s, path := newSim(t, sim.Chip{Lines: 1}), socket(t)
	serve(t, s, path)
	remote, changes := dial(t, path), s.Watch(t.Context())
	for pressed := range 20 { // a bounce changes the button
		want := pressed%2 == 0
		ctx, cancel := context.WithCancel(t.Context())
		bounced := make(chan error)
		go func() { bounced <- remote.Bounce(ctx, chipName, 0, 1000, 10*time.Millisecond) }()
		next(t, changes)
		if next(t, changes).High == want {
			t.Error("did not fall back")
		}
		cancel()
		if err := <-bounced; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if high, err := s.Level(chipName, 0); high != want || err != nil {
			t.Fatalf("level %v, want %v: %v", high, want, err)
		}
		for len(changes) > 0 {
			<-changes
		}
	}
}

// scarce is a listener for which there are no file descriptors at times.
type scarce struct {
	net.Listener
	errs []error
}

func (l *scarce) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return l.Listener.Accept()
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Net: "unix", Err: os.NewSyscallError("accept4", err)}
}

func TestServeOutlivesWantOfDescriptors(t *testing.T) {
	path := socket(t)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() {
		served <- sim.Serve(ctx, &scarce{listener, []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}}, newSim(t))
	}()
	if _, err := sim.Dial(path); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestErrorsOverTheWire(t *testing.T) {
	s, path := newSim(t, sim.Chip{Label: "one", Lines: 2, Names: map[int]string{1: "DOOR"}, Hogs: map[int]sim.Hog{1: {Consumer: "led"}}}), socket(t)
	serve(t, s, path)
	remote := dial(t, path)
	door := []gpio.LineConfig{{Offset: 1}}
	for name, call := range map[string]func(gpio.Backend, sim.Hand) error{
		"busy":    func(b gpio.Backend, _ sim.Hand) error { _, err := b.Request("one", "test", door); return err },
		"no chip": func(b gpio.Backend, _ sim.Hand) error { _, err := b.LineInfos("two"); return err },
		"no line": func(_ gpio.Backend, h sim.Hand) error { return h.Press("one", 2) },
		"invalid": func(_ gpio.Backend, h sim.Hand) error { return h.Bounce(t.Context(), "one", 0, -1, 0) },
		"name taken": func(_ gpio.Backend, h sim.Hand) error {
			_, err := h.Add(sim.Chip{Name: chipName, Lines: 1})
			return err
		},
	} {
		here, there := call(s, s), call(remote, remote)
		a, _ := errors.AsType[*gpio.OpError](here)
		b, ok := errors.AsType[*gpio.OpError](there)
		if !ok || a.Error() != b.Error() || a.Holder != b.Holder || a.Chip != b.Chip || a.Line != b.Line {
			t.Errorf("%s: here %v, there %v", name, here, there)
		}
		for _, target := range []error{gpio.ErrBusy, gpio.ErrNoChip, gpio.ErrNoLine, gpio.ErrGone, syscall.EBUSY, syscall.EINVAL, syscall.EEXIST} {
			if errors.Is(here, target) != errors.Is(there, target) {
				t.Errorf("%s: here and there are not both %v", name, target)
			}
		}
	}
}

// TestRogueClient has each connection answered with an error, and closed after
// what is not a command. The server goes on.
func TestRogueClient(t *testing.T) {
	s, path := newSim(t, sim.Chip{Lines: 1}), socket(t)
	serve(t, s, path)
	for name, c := range map[string]struct {
		send    string
		answers []string
		ends    bool
	}{
		"not JSON":       {"hello\n", []string{"not a message"}, true},
		"wrong type":     {`{"op":7}` + "\n", []string{"not a message"}, true},
		"unknown words":  {`{"op":"request","lines":[{"Direction":"up"}]}` + "\n", []string{"not a message"}, true},
		"endless line":   {strings.Repeat("x", 1<<20) + "\n", []string{"longer than"}, true},
		"unknown op":     {`{"op":"fly"}` + "\n", []string{`unknown op \"fly\"`}, false},
		"no lines yet":   {`{"op":"values"}` + "\n", []string{"holds no lines"}, false},
		"add of nothing": {`{"op":"add"}` + "\n", []string{"needs a config"}, false},
		"two requests":   {strings.Repeat(`{"op":"request","chip":"gpiochip0","lines":[{}]}`+"\n", 2), []string{`"label":"0"`, "holds lines already"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			go io.WriteString(conn, c.send)
			answers := bufio.NewReader(conn)
			for _, want := range c.answers {
				if got, err := answers.ReadString('\n'); err != nil || !strings.Contains(got, want) {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
			if c.ends {
				if rest, err := answers.ReadString('\n'); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %q, %v, want the end", rest, err)
				}
			}
		})
	}
	dial(t, path)
}

// TestRogueServer has a client that neither hangs nor believes.
func TestRogueServer(t *testing.T) {
	for name, c := range map[string]struct{ first, then string }{
		"nothing":            {"", ""},
		"no message":         {"hello\n", ""},
		"endless line":       {strings.Repeat("x", 1<<20) + "\n", ""},
		"then no message":    {"{}\n", "hello\n"},
		"unasked answers":    {"{}\n", "{}\n{}\n{}\n"},
		"then the end":       {"{}\n", ""},
		"unknown error":      {`{"error":{"text":"odd","states":["odd"]}}` + "\n", ""},
		"plug without chips": {"{}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("unix", socket(t))
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					bufio.NewReader(conn).ReadString('\n')
					io.WriteString(conn, c.first+c.then)
					conn.Close()
				}
			}()
			path := listener.Addr().String()
			remote, err := sim.Dial(path)
			if err != nil {
				if c.then != "" || c.first == "{}\n" {
					t.Errorf("dial: %v", err)
				}
				return
			}
			if _, err := remote.Plug(chipName); !errors.Is(err, gpio.ErrGone) {
				t.Errorf("plug: %v", err)
			}
			lines, err := remote.Request(chipName, "test", []gpio.LineConfig{{}})
			if err != nil {
				if !errors.Is(err, gpio.ErrGone) {
					t.Errorf("request: %v", err)
				}
				return
			}
			closed(t, lines.Events())
			if err := lines.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// FuzzServe feeds a server any bytes: it must end with the connection, with no
// line held.
func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		`{"op":"chips"}`,
		`{"op":"infos","chip":"gpiochip0"}`,
		`{"op":"request","chip":"gpiochip0","consumer":"c","lines":[{"Offset":1,"Direction":"output","Value":true}]}` + "\n" + `{"op":"values"}` + "\n" + `{"op":"set","values":[false]}`,
		`{"op":"request","chip":"fuzz","lines":[{"Direction":"input","Edges":"both","Debounce":1000}]}` + "\n" + `{"op":"press","chip":"fuzz"}` + "\n" + `{"op":"reconfigure","lines":[{}]}`,
		`{"op":"add","config":{"lines":3,"names":{"1":"X"},"hogs":{"2":{"consumer":"h","direction":"output"}},"pulls":{"0":true}}}`,
		`{"op":"unplug","chip":"fuzz"}` + "\n" + `{"op":"plug","chip":"fuzz"}`,
		`{"op":"hold","chip":"fuzz","duration":9223372036854775807}`,
		`{"op":"bounce","chip":"fuzz","count":3,"duration":-1}` + "\n" + `{"op":"level","chip":"fuzz","offset":-1}`,
		`{"op":"pull","high":true,"chip":"fuzz"}` + "\n\n" + `[]`,
	} {
		f.Add([]byte(seed + "\n"))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		s := newSim(t, sim.Chip{Label: "fuzz", Lines: 2})
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			sim.ServeConn(t.Context(), there, s)
		}()
		go io.Copy(io.Discard, here)
		here.Write(sent)
		here.Close()
		<-done
		if n := sim.Held(s); n > 0 {
			t.Errorf("%d lines are still held", n)
		}
	})
}
