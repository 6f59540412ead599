package holder

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// TestOtherProtocol has a holder of another release hand over what it has and go.
func TestOtherProtocol(t *testing.T) {
	r := newRig(t)
	listener, err := Listen(filepath.Join(r.dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	lines := r.request(1, true)
	file, err := lines.(gpio.Descriptor).File()
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan command, 1)
	go func() { // a holder of the future
		conn, err := listener.AcceptUnix()
		if err != nil {
			return
		}
		var c command
		receiver := newReceiver(conn)
		receiver.receive(&c)
		send(conn, map[string]any{"id": c.ID, "protocol": 99, "held": 1, "mood": "fine"}, nil)
		send(conn, map[string]any{"key": "lamp", "request": Request{r.chip, "test", []int{1}}, "colour": "red"}, file)
		file.Close()
		receiver.receive(&c)
		left <- c
		send(conn, answer{ID: c.ID}, nil)
		conn.Close()
		listener.Close()
	}()
	c := r.start(nil)
	if got := <-left; got.Op != "leave" || got.Keep {
		t.Errorf("it was told %+v", got)
	}
	r.eventually("its end", func() bool { conn, err := dial(filepath.Join(r.dir, SocketName)); closeConn(conn); return err != nil })
	lines.Close()
	r.is(1, true)
	r.serve()
	r.synced(c, "lamp")
	if held, ok := c.Take("lamp"); !ok {
		t.Error("nothing was handed over")
	} else {
		held.Close()
	}
}

// TestSilentHolder has a holder that does not answer cost one short wait, and no
// more than that.
func TestSilentHolder(t *testing.T) {
	r := newRig(t)
	listener, err := Listen(filepath.Join(r.dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.AcceptUnix()
		if err != nil {
			return
		}
		defer conn.Close()
		var c command
		receiver := newReceiver(conn)
		receiver.receive(&c)
		send(conn, answer{ID: c.ID, Protocol: protocol}, nil)
		for {
			file, err := receiver.receive(&c)
			if err != nil {
				return
			}
			closeFile(file)
		}
	}()
	c := r.start(nil)
	lines := r.request(1, true)
	if err := c.Keep("lamp", lines, Request{Chip: r.chip, Consumer: "test", Offsets: []int{1}}); err != nil {
		t.Fatal(err)
	}
	for range 1000 { // a wait for each would take minutes
		if err := c.GuardNow("lamp"); !errors.Is(err, ErrAbsent) {
			t.Fatalf("got %v", err)
		}
		if err := c.Release("lamp"); !errors.Is(err, ErrAbsent) {
			t.Fatalf("got %v", err)
		}
		if err := c.Keep("lamp", lines, Request{Chip: r.chip, Consumer: "test", Offsets: []int{1}}); err != nil {
			t.Fatal(err)
		}
	}
	c.Want(func(string) bool { return false })
}

func closeConn(conn *net.UnixConn) {
	if conn != nil {
		conn.Close()
	}
}

// TestBadOwner has what makes no sense refused, and hurt nobody.
func TestBadOwner(t *testing.T) {
	r := newRig(t)
	r.serve()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	some := &Request{Chip: r.chip, Consumer: "test", Offsets: []int{1}}
	for name, c := range map[string]struct {
		command
		file *os.File
		want string
	}{
		"an unknown op":           {command{Op: "jump"}, nil, `unknown op "jump"`},
		"guard what is not held":  {command{Op: "guard", Key: "x"}, nil, `"x" is not held`},
		"keep nothing":            {command{Op: "keep", Key: "x", Request: some}, nil, "want a key"},
		"keep without a request":  {command{Op: "keep", Key: "x"}, file, "want a key"},
		"keep without a key":      {command{Op: "keep", Request: some}, file, "want a key"},
		"orders for other lines":  {command{Op: "keep", Key: "x", Request: some, Orders: []order{{Values: []bool{true, true}}}}, file, "2 values for 1 lines"},
		"too many orders":         {command{Op: "keep", Key: "x", Request: some, Orders: make([]order, 17)}, file, "17 orders"},
		"release what is not had": {command{Op: "release", Key: "x"}, nil, ""},
	} {
		conn, err := dial(filepath.Join(r.dir, SocketName))
		if err != nil {
			t.Fatal(err)
		}
		l := newLink(t.Context(), conn)
		if _, err := l.call(command{Op: "hello", Protocol: protocol, HoldFor: time.Minute}, nil, patience); err != nil {
			t.Fatal(err)
		}
		a, err := l.call(c.command, c.file, patience)
		if err != nil || !strings.Contains(a.Error, c.want) || (a.Error == "") != (c.want == "") {
			t.Errorf("%s: got %q, %v, want %q", name, a.Error, err, c.want)
		}
		l.end()
	}
	for _, packet := range []string{"{", "[]", "null", `{"op":"keep"}`, strings.Repeat("x", maxPacket+1)} {
		conn, err := dial(filepath.Join(r.dir, SocketName))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(packet)); err != nil {
			t.Fatal(err)
		}
		var a answer
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := newReceiver(conn).receive(&a); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%.9s: got %+v, %v", packet, a, err)
		}
		conn.Close()
	}
	c := r.start(nil)
	lines := r.request(1, true)
	r.keep(c, "lamp", 1, lines)
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, SocketName)
	for range 2 { // the second replaces what the first left behind
		listener, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v", info, err)
		}
		conn, err := dial(path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another holder") {
			t.Errorf("a second one listens: %v", err)
		}
		listener.Close()
	}
}

func TestWireStaysAsItWas(t *testing.T) {
	// What a component of another release sends and gets.
	text, err := json.Marshal(command{ID: 1, Op: "keep", Key: "lamp", Orders: []order{{After: time.Second, Values: []bool{false}}},
		Request: &Request{Chip: gpio.ChipInfo{Name: "gpiochip0", Path: "/dev/gpiochip0", Label: "board", Lines: 4}, Consumer: "c", Offsets: []int{1}}})
	const want = `{"id":1,"op":"keep","key":"lamp","request":{"chip":{"name":"gpiochip0","path":"/dev/gpiochip0","label":"board","lines":4},` +
		`"consumer":"c","offsets":[1]},"orders":[{"after":1000000000,"values":[false]}]}`
	if err != nil || string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

// TestStranger has a process of another user listen in the holder's place. It gets nothing,
// and the holder takes its place back.
func TestStranger(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this needs root")
	}
	t.Parallel()
	r := newRig(t)
	path := filepath.Join(r.dir, SocketName)
	if err := os.Chmod(r.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	strange := func() *net.UnixListener {
		listeners := make(chan *net.UnixListener, 1)
		go func() {
			defer close(listeners)
			runtime.LockOSThread() // it ends with its thread, which is of another user
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); errno != 0 {
				t.Error(errno)
				return
			}
			l, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
			if err != nil {
				t.Error(err)
				return
			}
			l.SetUnlinkOnClose(false)
			listeners <- l
		}()
		l := <-listeners
		if l == nil {
			t.FailNow()
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	stranger := strange()
	c := r.start(nil)
	conn, err := stranger.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, maxPacket)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the stranger got %d bytes, %v", n, err)
	}
	lines := r.request(1, true)
	if err := c.Keep("lamp", lines, Request{Chip: r.chip, Consumer: "test", Offsets: []int{1}}); err != nil {
		t.Fatal(err)
	}
	r.serve() // it replaces the stranger's socket
	r.synced(c, "lamp")
	before, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	strange()
	r.eventually("our own socket", func() bool {
		now, err := os.Lstat(path)
		if err != nil || os.SameFile(before, now) {
			return false
		}
		conn, _, err := dialHolder(path)
		closeConn(conn)
		return err == nil
	})
	r.synced(c, "lamp")
}
