package holder

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/sim"
)

const patience = 30 * time.Second

// rig is a served chip and a work directory with a holder in this process.
type rig struct {
	*testing.T
	dir    string
	sim    *sim.Sim
	remote *sim.Remote
	chip   gpio.ChipInfo
	ended  chan struct{} // closed when the holder has ended
	log    *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *logBuffer) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.String(), text)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := ShortDir(t)
	s, path := ServeSim(t, dir)
	remote, err := sim.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	chips, err := remote.Chips()
	if err != nil {
		t.Fatal(err)
	}
	return &rig{T: t, dir: dir, sim: s, remote: remote, chip: chips[0], log: &logBuffer{}}
}

// serve runs a holder until it ends or the test does.
func (r *rig) serve() (stop func()) {
	r.Helper()
	listener, err := Listen(filepath.Join(r.dir, SocketName))
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	r.ended = ended
	go func() {
		defer close(ended)
		Server{Adopter: r.remote, Logger: slog.New(slog.DiscardHandler)}.Serve(ctx, listener)
	}()
	stop = func() { cancel(); <-ended }
	r.Cleanup(stop)
	return stop
}

func (r *rig) start(change func(*Config)) *Client {
	r.Helper()
	config := Config{Dir: r.dir, Command: []string{"/no/such/program"}, Logger: slog.New(slog.NewTextHandler(r.log, nil))}
	if change != nil {
		change(&config)
	}
	c := Start(r.Context(), config)
	r.Cleanup(func() { vanish(c) })
	return c
}

// vanish is what remains of a client whose process is killed, but for a last word
// that changes nothing.
func vanish(c *Client) {
	c.mu.Lock()
	c.keep = true
	c.mu.Unlock()
	c.die()
	c.leave()
	<-c.finished
}

func (r *rig) request(offset int, value bool) gpio.Lines {
	r.Helper()
	lines, err := r.remote.Request(r.chip.Path, "test", []gpio.LineConfig{{Offset: offset, Direction: gpio.Output, Value: value}})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { lines.Close() })
	return lines
}

func (r *rig) keep(c *Client, key string, offset int, lines gpio.Lines, orders ...Order) {
	r.Helper()
	if err := c.Keep(key, lines, Request{Chip: r.chip, Consumer: "test", Offsets: []int{offset}}, orders...); err != nil {
		r.Fatal(err)
	}
	r.synced(c, key, orders...)
}

// synced waits until the holder has the orders, and all that was asked before.
func (r *rig) synced(c *Client, key string, orders ...Order) {
	r.Helper()
	for deadline := time.Now().Add(patience); c.GuardNow(key, orders...) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("the holder never got %s; log:\n%s", key, r.log)
		}
	}
}

// is requires the level of a line, also as far as a release just made it so.
func (r *rig) is(offset int, want bool) {
	r.Helper()
	if got, err := r.remote.Level(r.chip.Path, offset); err != nil || got != want {
		r.Errorf("line %d: got %v, %v, want %v", offset, got, err, want)
	}
}

func (r *rig) eventually(what string, so func() bool) {
	r.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("it never came: %s; log:\n%s", what, r.log)
		}
	}
}
