package holder

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// DefaultHoldFor is how long a holder holds lines without an owner by default.
const DefaultHoldFor = time.Minute

const (
	startWait = 2 * time.Second        // for an existing holder to hand over
	orderWait = 150 * time.Millisecond // for Want, Release and GuardNow
	leaveWait = 800 * time.Millisecond // for Leave to tell the holder
	dieWait   = 200 * time.Millisecond // for Leave, when the connection is closed
)

// ErrAbsent says that there is no holder, or that it does not answer in time.
var ErrAbsent = errors.New("no holder")

// SocketName is the holder's socket in the component's work directory.
const SocketName = "holder.socket"

// Config says how a component uses a holder.
type Config struct {
	// Dir is the component's work directory, which has the holder's socket.
	Dir string
	// Command starts a holder that listens on the socket. nil is this program's
	// "hold --detach"; --socket and its path follow.
	Command []string
	// HoldFor is how long lines are held when this process is gone; 0 is
	// DefaultHoldFor. Lines with orders are held until these are carried out.
	HoldFor time.Duration
	// Sole says that no other process can be the owner of the holder, since this one has
	// locked the work directory. Then a holder that does not answer, or cannot be reached,
	// is ended, which frees its lines: after a second, or after five if it is busy.
	Sole   bool
	Logger *slog.Logger
}

// Client is the component's side of a holder. Only Want, Release, GuardNow and Leave wait
// for the holder. The former three wait for 150 ms in any second, all together, and not
// again until it has answered: whether there is one or not, lines work the same until the
// process ends. A holder that hangs is replaced, as far as the kernel proves that it is one.
// All methods may be called concurrently.
type Client struct {
	config Config
	ctx    context.Context // no holder is started after its end

	life, death context.Context // until Leave, and until its patience ends
	leave, die  context.CancelFunc
	finished    chan struct{} // closed when the session's goroutine has returned
	wake        chan struct{} // one slot: there is something to send

	mu      sync.Mutex
	entries map[string]*entry
	count   uint64                // of changes that were asked for
	present bool                  // a holder is our own
	changed chan struct{}         // closed when an answer came, or the holder came or went
	slow    bool                  // the holder let somebody wait in vain, and has not answered since
	waited  time.Duration         // for the holder, since counted
	counted time.Time             // when waited began at 0; another second begins there
	wanted  func(key string) bool // of what a holder hands over; nil wants all
	keep    bool                  // what Leave was told
}

// Start gets to the holder of an earlier run and takes over what it has, or starts
// one. It waits for the former, for two seconds at most; everything else, also
// what takes longer, is done beside. The client's goroutine ends with Leave.
func Start(ctx context.Context, config Config) *Client {
	config.HoldFor = cmp.Or(config.HoldFor, DefaultHoldFor)
	c := &Client{
		config:   config,
		ctx:      ctx,
		entries:  map[string]*entry{},
		changed:  make(chan struct{}),
		wake:     make(chan struct{}, 1),
		finished: make(chan struct{}),
	}
	c.life, c.leave = context.WithCancel(context.Background())
	c.death, c.die = context.WithCancel(context.Background())
	begun := make(chan struct{})
	go func() {
		defer close(c.finished)
		c.run(sync.OnceFunc(func() { close(begun) }))
	}()
	timeout := time.NewTimer(startWait)
	defer timeout.Stop()
	select {
	case <-begun:
	case <-timeout.C:
		config.Logger.Warn("the holder of an earlier run does not answer; going on without")
	}
	return c
}

func (c *Client) socket() (string, error) {
	return filepath.Abs(filepath.Join(c.config.Dir, SocketName))
}

// command is what starts a holder.
func (c *Client) command(socket string) ([]string, error) {
	command := c.config.Command
	if command == nil {
		program, err := os.Executable()
		if err != nil {
			return nil, err
		}
		command = []string{program, "hold", "--detach"}
	}
	return append(slices.Clone(command), "--socket", socket), nil
}

// Want says which requests of an earlier run are of use, by their keys, and has the
// holder release the others, also those that a slow holder hands over later. Without
// it all are of use. It waits until they are released, so that their lines can be
// requested in another way.
func (c *Client) Want(wanted func(key string) bool) {
	c.mu.Lock()
	c.wanted = wanted
	var last string // the holder takes releases in their order, so this is the last to wait for
	var asked uint64
	for key, e := range c.entries {
		if given, ok := e.lines.(*handed); ok && !given.taken && !wanted(key) {
			e.become(nil, Request{}, nil)
			c.ask(e)
		}
		if e.lines == nil && e.asked > asked {
			last, asked = key, e.asked
		}
	}
	c.mu.Unlock()
	if asked > 0 {
		c.awaitOnce(last, asked) // else the lines are busy for a while
	}
}

// Take gives what the holder had under a key, once. A holder that was slow may
// hand over later: ask before each request of lines.
func (c *Client) Take(key string) (Held, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return Held{}, false
	}
	given, ok := e.lines.(*handed)
	if !ok || given.taken {
		return Held{}, false
	}
	file, err := given.File()
	if err != nil {
		return Held{}, false
	}
	given.taken = true
	return Held{Request: e.request, Orders: e.orders, file: file}, true
}

// Keep has the holder hold lines from now on, in place of what it had under the
// key. Lines that have been closed are not held any more. The error is
// [gpio.ErrUnsupported] for lines that are no descriptor.
func (c *Client) Keep(key string, lines gpio.Lines, request Request, orders ...Order) error {
	descriptor, ok := lines.(gpio.Descriptor)
	if !ok {
		return &gpio.OpError{Op: "pass", Chip: request.Chip.Name, Err: gpio.ErrUnsupported}
	}
	c.become(key, descriptor, request, orders)
	return nil
}

// Guard replaces the orders of a request that is kept. Without any the lines are
// left as they are should this process vanish. Of several changes in a row the
// holder may get the last one only.
func (c *Client) Guard(key string, orders ...Order) { c.guard(key, orders) }

// guard returns 0 for a request that is not kept.
func (c *Client) guard(key string, orders []Order) (asked uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil || e.lines == nil {
		return 0
	}
	e.orders = orders
	return c.ask(e)
}

// GuardNow is Guard that returns when the holder has the orders, which is before a
// line may go on for a time. It waits for 150 ms at most, and not at all for a holder
// that has let it wait in vain. The error is ErrAbsent: the holder gets the orders of
// a request that is kept later.
func (c *Client) GuardNow(key string, orders ...Order) error {
	asked := c.guard(key, orders)
	if asked == 0 {
		return ErrAbsent
	}
	return c.awaitOnce(key, asked)
}

// Release has the holder let go of what it has under a key. When it returns nil,
// closing the lines releases them. It waits for 150 ms at most, and not at all for a
// holder that has let somebody wait in vain.
func (c *Client) Release(key string) error {
	asked := c.become(key, nil, Request{}, nil)
	if err := c.awaitOnce(key, asked); err != nil && c.isPresent() {
		return err
	}
	return nil
}

// Holds are the keys of what the holder has by now, sorted: what would stay as it is
// should this process vanish.
func (c *Client) Holds() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []string
	for key, e := range c.entries {
		if c.present && e.lines != nil && !e.pending() {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (c *Client) isPresent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.present
}

// become changes what is kept under a key; nil lines are to be released.
func (c *Client) become(key string, lines gpio.Descriptor, request Request, orders []Order) (asked uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		e = &entry{}
		c.entries[key] = e
	}
	e.become(lines, request, orders)
	return c.ask(e)
}

// ask counts a change of an entry and has it sent. c.mu is held.
func (c *Client) ask(e *entry) (asked uint64) {
	c.count++
	e.asked = c.count
	c.stir()
	return c.count
}

// stir has the session look whether there is something to send.
func (c *Client) stir() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// awaitOnce waits until the holder has a change, unless the holder has let somebody wait in
// vain, or for orderWait in this second.
func (c *Client) awaitOnce(key string, asked uint64) error {
	c.mu.Lock()
	begun := time.Now()
	if begun.Sub(c.counted) >= time.Second {
		c.waited, c.counted = 0, begun
	}
	patience := orderWait - c.waited
	if c.slow {
		patience = 0
	}
	c.mu.Unlock()
	err := c.await(key, asked, patience)
	c.mu.Lock()
	c.slow = err != nil
	c.waited += time.Since(begun)
	c.mu.Unlock()
	return err
}

// await waits until the holder has a change.
func (c *Client) await(key string, asked uint64, patience time.Duration) error {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for late := false; ; {
		c.mu.Lock()
		e, present, changed := c.entries[key], c.present, c.changed
		has := e == nil || e.done >= asked
		c.mu.Unlock()
		switch {
		case has:
			return nil
		case !present, late, patience <= 0:
			return ErrAbsent
		}
		select {
		case <-changed:
		case <-timeout.C:
			late = true
		}
	}
}

// Leave ends the use of the holder, which has all that was asked for before. With
// keep it holds the lines as if this process had vanished; otherwise it lets go of
// all, and ends. Leave waits for a second at most. Lines that are kept may be closed after
// it.
func (c *Client) Leave(keep bool) {
	c.mu.Lock()
	c.keep = keep
	c.mu.Unlock()
	c.leave()
	if !c.finishes(leaveWait) {
		c.die()
		c.finishes(dieWait)
	}
	c.die()
}

// finishes reports whether the session ends in time.
func (c *Client) finishes(patience time.Duration) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-c.finished:
		return true
	case <-late.C:
		return false
	}
}

// End ends the holder that a work directory has, if any: it lets go of all lines. It
// waits for a few seconds at most. No component may use the directory any more.
func End(dir string) {
	over, cancel := context.WithCancel(context.Background())
	cancel() // so that none is started
	Start(over, Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}).Leave(false)
}
