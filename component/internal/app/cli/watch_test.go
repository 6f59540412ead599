package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/app/devenv"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

// patience is for what must happen: long, since machines are shared.
const patience = 30 * time.Second

// door passes connections on to an address, or ends them.
type door struct {
	net.Listener
	to string

	mu     sync.Mutex
	open   bool
	conns  []net.Conn
	knocks chan struct{} // connections that were ended at once
}

func newDoor(t *testing.T, to string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{Listener: l, to: to, open: true, knocks: make(chan struct{}, 1000)}
	t.Cleanup(func() { l.Close(); d.shut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.pass(c)
		}
	}()
	return d
}

func (d *door) pass(client net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		client.Close()
		d.knocks <- struct{}{}
		return
	}
	server, err := net.Dial("tcp", d.to)
	if err != nil {
		client.Close()
		return
	}
	d.conns = append(d.conns, client, server)
	go func() { io.Copy(server, client); server.Close() }()
	go func() { io.Copy(client, server); client.Close() }()
}

// shut resets what is connected, and lets nobody in.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = false
	for _, c := range d.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	d.conns = nil
}

func (d *door) unlock() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = true
}

// follower is a watch --json that runs.
type follower struct {
	t      *testing.T
	events chan watched
	code   chan int
}

func (f *follower) next() watched {
	f.t.Helper()
	select {
	case e := <-f.events:
		return e
	case <-time.After(patience):
		f.t.Fatal("watch prints nothing")
		panic("unreachable")
	}
}

// says skips events about the connection, up to one with that text.
func (f *follower) says(text string) {
	f.t.Helper()
	for {
		e := f.next()
		if e.Kind != "connection" {
			f.t.Fatalf("watch prints %+v, want %q", e, text)
		}
		if strings.Contains(e.Text, text) {
			return
		}
	}
}

// changes wants the next event to be about a document.
func (f *follower) changes(name string, missed bool, want string) {
	f.t.Helper()
	e := f.next()
	var texts []string
	for _, c := range e.Changes {
		texts = append(texts, c.String())
	}
	if got := strings.TrimSpace(strings.Join(texts, "; ") + e.Text); e.Kind != "documents" || e.Shadow != name || e.Missed != missed || got != want {
		f.t.Fatalf("watch prints %+v, want %q of shadow %q, missed %v", e, want, name, missed)
	}
}

func startWatch(ctx context.Context, t *testing.T, endpoint string) *follower {
	t.Helper()
	r, w := io.Pipe()
	f := &follower{t: t, events: make(chan watched, 1000), code: make(chan int, 1)}
	dir := devenv.Dir(t.TempDir())
	root := command.Group("shadowctl", "", "")
	AddTo(root, Env{Stdin: strings.NewReader(""), Stdout: w, Stderr: io.Discard, Dir: &dir})
	go func() {
		f.code <- command.Execute(ctx, root, []string{"watch", "T", "--json", "--show", "documents", "--endpoint", endpoint, "--region", cloud.Region}, w, w)
		w.Close()
	}()
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			var e watched
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Errorf("%s: %v", lines.Text(), err)
			}
			f.events <- e
		}
	}()
	return f
}

// TestWatchCatchesUp changes shadows while the connection is lost. Each change is shown
// once.
func TestWatchCatchesUp(t *testing.T) {
	c := startCloud(t)
	t.Setenv("AWS_ACCESS_KEY_ID", cloud.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", cloud.SecretAccessKey)
	set := func(name, document string) {
		t.Helper()
		if _, err := c.Shadows.Update(shadow.ID{Thing: "T", Name: name}, []byte(`{"state":`+document+`}`)); err != nil {
			t.Fatal(err)
		}
	}
	set("", `{"desired":{"a":1,"same":1},"reported":{"b":1}}`)
	set("room", `{"desired":{"fan":1}}`)
	set("gone", `{"desired":{"x":1}}`)
	asked := make(chan string, 100)
	if _, err := c.Broker.Subscribe("$aws/things/T/shadow/#", func(m broker.Message) {
		if strings.HasSuffix(m.Topic, "/get/accepted") {
			asked <- m.Topic
		}
	}); err != nil {
		t.Fatal(err)
	}
	readAll := func() { // classic, gone, room
		t.Helper()
		for range 3 {
			select {
			case <-asked:
			case <-time.After(patience):
				t.Fatal("the shadows are not read")
			}
		}
	}
	d := newDoor(t, c.HTTP)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	f := startWatch(ctx, t, "http://"+d.Addr().String())
	readAll()
	set("", `{"desired":{"a":2}}`)
	f.changes("", false, "desired a: 1 → 2")

	d.shut()
	f.says("no connection: ")
	<-d.knocks
	set("", `{"desired":{"a":3},"reported":{"b":2}}`)
	set("", `{"desired":{"a":4}}`)
	set("later", `{"desired":{"new":true}}`)
	if _, err := c.Shadows.Delete(shadow.ID{Thing: "T", Name: "gone"}, nil); err != nil {
		t.Fatal(err)
	}
	<-d.knocks // it tries again and again
	d.unlock()
	f.says("connected again")
	f.says("messages may have been missed")
	f.changes("", true, "desired a: 2 → 4; reported b: 1 → 2")
	f.changes("gone", true, "deleted, without a connection")
	f.changes("later", true, "desired new: - → true")
	readAll() // classic, gone, later, room: gone is rejected
	set("room", `{"desired":{"fan":2}}`)
	f.changes("room", false, "desired fan: 1 → 2")
	set("later", `{"desired":{"new":false}}`)
	f.changes("later", false, "desired new: true → false")

	d.shut() // nothing changes this time
	f.says("no connection: ")
	d.unlock()
	f.says("messages may have been missed")
	readAll() // as before
	set("", `{"desired":{"a":5}}`)
	f.changes("", false, "desired a: 4 → 5")

	interrupt()
	if code := <-f.code; code != command.OK {
		t.Errorf("exit code %d", code)
	}
}
