package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Serve offers s on a listener, which should be a Unix socket: who may connect
// may do everything. It returns when ctx is done (nil) or the listener fails (not
// for want of file descriptors, which passes), after it closed the listener and
// all connections and released their lines. The chips of s stay as they are.
//
// A connection without lines ends when its client sends no whole command for 30 s, or does
// not take an answer for 10 s. One with lines keeps them, as the kernel does for a process
// that is stopped; events that its client does not take are dropped beyond 256.
func Serve(ctx context.Context, listener net.Listener, s *Sim) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unhook := context.AfterFunc(ctx, func() { listener.Close() })
	defer unhook()
	var connections sync.WaitGroup
	holders := newHolders()
	for {
		conn, err := listener.Accept()
		if err == nil {
			connections.Go(func() { serveConn(ctx, conn, s, holders) })
			continue
		}
		interrupted := ctx.Err() != nil
		if !interrupted && passing(err) {
			wait(ctx, acceptPause)
			continue
		}
		cancel()
		connections.Wait()
		if interrupted {
			return nil
		}
		return err
	}
}

// The times that a client without lines has.
const (
	commandTimeout = 30 * time.Second // to the end of the next command
	takeTimeout    = 10 * time.Second // for an answer
)

var errIdle = errors.New("the client sends no command")

// acceptPause is the wait after an Accept that failed and may succeed again.
const acceptPause = 100 * time.Millisecond

// passing says whether the listener is well in spite of the error.
func passing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}

// session is one connection: the lines it holds, if any, and what it asks.
type session struct {
	sim      *Sim
	conn     net.Conn
	holders  *holders
	lines    *request // nil until a request
	commands chan received
}

// received is a command, or an errMessage in its place.
type received struct {
	command
	err error
}

// serveConn works for one connection until it ends. Lines are released before
// the connection is closed, so that a client may wait for that.
func serveConn(ctx context.Context, conn net.Conn, s *Sim, all *holders) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A deadline in the past ends what waits for the client.
	unhook := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer unhook()
	c := &session{sim: s, conn: conn, holders: all, commands: make(chan received)}
	var reading sync.WaitGroup
	reading.Go(func() { cancel(c.read(ctx)) })
	cancel(c.work(ctx))
	if c.lines != nil {
		c.lines.Close()
		all.remove(conn)
	}
	conn.Close()
	reading.Wait()
}

// read passes the commands on until the connection ends. It reads on while one
// is being worked on, to see the end of a connection that waits for a long one.
func (c *session) read(ctx context.Context) error {
	r := newReader(c.conn)
	for {
		var next received
		next.err = r.read(&next.command)
		if next.err != nil && !errors.Is(next.err, errMessage) {
			return next.err
		}
		select {
		case c.commands <- next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if next.err != nil {
			<-ctx.Done()
			return next.err
		}
	}
}

// work is the only writer of the connection.
func (c *session) work(ctx context.Context) error {
	for {
		var events <-chan gpio.Event // nil blocks
		var idle <-chan time.Time
		if c.lines != nil {
			events = c.lines.Events()
		} else {
			idle = time.After(commandTimeout)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-idle:
			return errIdle
		case next := <-c.commands:
			a := c.do(ctx, next)
			c.limitWrite(ctx)
			if err := errors.Join(write(c.conn, a), next.err); err != nil {
				return err
			}
		case event, ok := <-events:
			if !ok {
				return gpio.ErrGone
			}
			if err := write(c.conn, answer{Event: &event}); err != nil {
				return err
			}
		}
	}
}

// limitWrite gives a client without lines its time to take an answer.
func (c *session) limitWrite(ctx context.Context) {
	switch {
	case c.lines != nil:
		c.conn.SetWriteDeadline(time.Time{})
	default:
		c.conn.SetWriteDeadline(time.Now().Add(takeTimeout))
	}
	if ctx.Err() != nil { // which has set a deadline in the past meanwhile
		c.conn.SetWriteDeadline(time.Unix(1, 0))
	}
}

func (c *session) do(ctx context.Context, next received) answer {
	if next.err != nil {
		return answer{Error: newFailure(next.err)}
	}
	a, err := c.execute(ctx, next.command)
	if err != nil {
		return answer{Error: newFailure(err)}
	}
	return a
}

func (c *session) execute(ctx context.Context, cmd command) (a answer, err error) {
	if c.lines == nil {
		c.holders.settle()
	}
	switch cmd.Op {
	case "chips":
		a.Chips, err = c.sim.Chips()
	case "infos":
		a.Infos, err = c.sim.LineInfos(cmd.Chip)
	case "request":
		return c.request(cmd)
	case "mark":
		return c.mark(cmd), nil
	case "values", "set", "reconfigure":
		return c.use(cmd)
	case "add", "plug":
		return c.plug(cmd)
	case "unplug":
		err = c.sim.Unplug(cmd.Chip)
	case "level":
		a.High, err = c.sim.Level(cmd.Chip, cmd.Offset)
	case "pull":
		err = c.sim.SetPull(cmd.Chip, cmd.Offset, cmd.High)
	case "press":
		err = c.sim.Press(cmd.Chip, cmd.Offset)
	case "release":
		err = c.sim.Release(cmd.Chip, cmd.Offset)
	case "hold":
		err = c.sim.Hold(ctx, cmd.Chip, cmd.Offset, cmd.Duration)
	case "bounce":
		err = c.sim.Bounce(ctx, cmd.Chip, cmd.Offset, cmd.Count, cmd.Duration)
	default:
		err = fmt.Errorf("unknown op %q: %w", cmd.Op, syscall.EINVAL)
	}
	return a, err
}

func (c *session) request(cmd command) (answer, error) {
	if c.lines != nil {
		return answer{}, fmt.Errorf("this connection holds lines already: %w", syscall.EINVAL)
	}
	lines, err := c.sim.Request(cmd.Chip, cmd.Consumer, cmd.Lines)
	if err != nil {
		return answer{}, err
	}
	c.lines = lines.(*request)
	c.holders.add(c.conn)
	return answer{Chip: c.lines.chip, Label: c.lines.label}, nil
}

// mark answers with the mark and what the connection holds.
func (c *session) mark(cmd command) answer {
	a := answer{Mark: cmd.Mark}
	if c.lines != nil {
		a.Chip, a.Label = c.lines.chip, c.lines.label
		a.Held = &held{Consumer: c.lines.consumer, Offsets: c.lines.offsets}
	}
	return a
}

func (c *session) use(cmd command) (a answer, err error) {
	if c.lines == nil {
		return answer{}, fmt.Errorf("this connection holds no lines: %w", syscall.EINVAL)
	}
	switch cmd.Op {
	case "values":
		a.Values, err = c.lines.Values()
	case "set":
		err = c.lines.SetValues(cmd.Values)
	case "reconfigure":
		err = c.lines.Reconfigure(cmd.Lines)
	}
	return a, err
}

func (c *session) plug(cmd command) (answer, error) {
	if cmd.Op == "plug" {
		info, err := c.sim.Plug(cmd.Chip)
		return answer{Chips: []gpio.ChipInfo{info}}, err
	}
	if cmd.Config == nil {
		return answer{}, fmt.Errorf("add needs a config: %w", syscall.EINVAL)
	}
	info, err := c.sim.Add(*cmd.Config)
	return answer{Chips: []gpio.ChipInfo{info}}, err
}
