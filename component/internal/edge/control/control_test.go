package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/engine"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/journal"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/replica"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// device is a component of which the test says what it is.
type device struct {
	mu       sync.Mutex
	status   Status
	entries  []journal.Entry
	watchers map[chan struct{}]bool
	desired  []string
}

func (d *device) Status(context.Context) (Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Status{}.with(d.status), nil
}

func (d *device) Changed() (<-chan struct{}, func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := make(chan struct{}, 1)
	d.watchers[c] = true
	return c, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.watchers, c)
	}
}

func (d *device) Journal(after int64) ([]journal.Entry, int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := int64(len(d.entries))
	return d.entries[min(after, n):], n
}

func (d *device) Desire(_ context.Context, shadow, property string, value json.RawMessage) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if shadow != "main" {
		return 0, fmt.Errorf("want the label of a shadow, got %q", shadow)
	}
	d.desired = append(d.desired, property+"="+string(value))
	return int64(len(d.desired)), nil
}

// change changes what it is, and tells its watchers.
func (d *device) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status = Status{}.with(d.status)
	f()
	for c := range d.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func serve(t *testing.T) (*device, string) {
	t.Helper()
	d := &device{watchers: map[chan struct{}]bool{}}
	d.status.Lines = map[string]engine.LineView{"lamp": {Direction: "output", Value: "off"}, "door": {Direction: "input", Value: "off"}}
	d.status.Shadows = map[string]engine.ShadowView{"main": {Thing: "gw", Sync: replica.InStep, Properties: map[string]engine.PropertyView{
		"lights": {Value: "off", Ack: &shadow.Ack{Code: 200, Version: 1}},
	}}}
	dir, err := os.MkdirTemp("", "sc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, SocketName)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Serve(ctx, path, d, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() { stop(); <-done })
	eventually(t, "the socket", func() bool { return answers(path) })
	return d, path
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRequests(t *testing.T) {
	d, path := serve(t)
	d.entries = []journal.Entry{{Line: "a"}, {Line: "b"}, {Line: "c"}}
	c := dial(t, path)
	status, err := c.Status()
	if err != nil || status.Lines["lamp"].Value != "off" || status.Shadows["main"].Properties["lights"].Ack.Code != 200 {
		t.Errorf("status is %+v, %v", status, err)
	}
	if entries, err := c.Journal(2); err != nil || len(entries) != 2 || entries[1].Line != "c" {
		t.Errorf("journal is %v, %v", entries, err)
	}
	if version, err := c.Desire("main", "lights", json.RawMessage(`"on"`)); err != nil || version != 1 || d.desired[0] != `lights="on"` {
		t.Errorf("desired %v at version %d, %v", d.desired, version, err)
	}
	if _, err := c.Desire("mian", "lights", json.RawMessage(`1`)); err == nil || !strings.Contains(err.Error(), `got "mian"`) {
		t.Errorf("a wrong shadow: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v; want 0660", info.Mode(), err)
	}
}

func TestWatchTellsWhatChanges(t *testing.T) {
	d, path := serve(t)
	c := dial(t, path)
	step := 0
	err := c.Watch(t.Context(), func(now Status, entries []journal.Entry) bool {
		step++
		lamp, main := now.Lines["lamp"].Value, now.Shadows["main"]
		switch step {
		case 1:
			d.change(func() {
				d.status.Lines["lamp"] = engine.LineView{Direction: "output", Value: "on"}
				d.entries = append(d.entries, journal.Entry{Line: "lamp", On: true})
			})
		case 2:
			if lamp != "on" || main.Thing != "gw" || len(now.Lines) != 2 || len(entries) != 1 || !entries[0].On {
				t.Errorf("after the change: %+v, journal %v", now, entries)
			}
			d.change(func() { d.status.Lines = map[string]engine.LineView{"fan": {Direction: "output"}} })
		case 3:
			if len(now.Lines) != 1 || now.Lines["fan"].Direction == "" || len(entries) != 0 {
				t.Errorf("after another configuration: %+v, journal %v", now, entries)
			}
			return false
		}
		return true
	})
	if err != nil || step != 3 {
		t.Errorf("%d steps, %v", step, err)
	}
}

func TestWatchEndsWithTheComponentAndWithItsContext(t *testing.T) {
	_, path := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := dial(t, path).Watch(ctx, func(Status, []journal.Entry) bool { cancel(); return true })
	if err != nil {
		t.Errorf("after its context: %v", err)
	}
	l, err := listen(path) // a component that dies in the middle
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		conn, _ := l.Accept()
		fmt.Fprintf(conn, "{\"component\":\"shadowgpio\",\"protocol\":%d}\n", protocol)
		bufio.NewReader(conn).ReadString('\n')
		conn.Close()
	}()
	err = dial(t, path).Watch(t.Context(), func(Status, []journal.Entry) bool { return true })
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the component: %v", err)
	}
	l.Close()
}

// A client that does not read, one that sends nonsense, and too many of them are
// no trouble to the next one.
func TestBadClients(t *testing.T) {
	d, path := serve(t)
	d.change(func() {
		for i := range 2000 {
			d.status.Lines[fmt.Sprint(i)] = engine.LineView{Fault: strings.Repeat("x", 1000)}
		}
	})
	deaf, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	fmt.Fprintln(deaf, `{"op":"watch"}`)
	for text, want := range map[string]string{
		"{nonsense\n":                             "want one JSON object a line",
		`{"op":"explode"}` + "\n":                 `got \"explode\"`,
		strings.Repeat("x", 2*longestLine) + "\n": "want a line of at most 65536 bytes",
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(text))
		in := bufio.NewReader(conn)
		in.ReadString('\n') // the greeting
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if got, _ := in.ReadString('\n'); !strings.Contains(got, want) {
			t.Errorf("%.20q was answered with %q, want %q", text, got, want)
		}
		conn.Close()
	}
	var many []net.Conn
	for range mostClients + 5 {
		if conn, err := net.Dial("unix", path); err == nil {
			many = append(many, conn)
		}
	}
	for _, conn := range many {
		conn.Close()
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := Dial(path)
		if err == nil {
			_, err = c.Status()
			c.Close()
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the next client: %v", err)
		}
	}
}

func TestDialSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := Dial(filepath.Join(dir, "no.socket")); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "other.socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for answer, want := range map[string]string{
		`{"component":"shadowgpio","protocol":99}`: "want a shadowgpio that speaks protocol 1",
		`{}`:       "want a shadowgpio",
		"220 mail": "invalid character",
	} {
		go func() {
			conn, _ := l.Accept()
			fmt.Fprintln(conn, answer)
			conn.Close()
		}()
		if _, err := Dial(filepath.Join(dir, "other.socket")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", answer, err, want)
		}
	}
}

// What a killed component left is replaced.
func TestListenReplacesAStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 2 {
		l, err := listen(path)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	if _, err := Dial(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a stale socket: %v", err)
	}
}
