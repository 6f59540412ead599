package sim

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// answerTimeout bounds the wait for a server that has stopped to answer.
const answerTimeout = 10 * time.Second

var errSilent = fmt.Errorf("%w: no answer within %s", gpio.ErrGone, answerTimeout)

// Remote is the [Sim] that another process serves, as backend and as hand. It
// keeps nothing open: each call and each request of lines has its own
// connection. While there is no server, calls are [gpio.ErrGone]; when there is
// one again, they work again, as with a chip that came back. All methods may be
// called concurrently.
type Remote struct {
	path string
}

var (
	_ gpio.Backend = (*Remote)(nil)
	_ Hand         = (*Remote)(nil)
)

// Dial gives the Sim that is served on the Unix socket at path. The server must
// be there.
func Dial(path string) (*Remote, error) {
	r := &Remote{path: path}
	if _, err := r.Chips(); err != nil {
		return nil, err
	}
	return r, nil
}

// gone is a call that found no server, or lost it.
func gone(op, chip, line string, err error) error {
	return &gpio.OpError{Op: op, Chip: chip, Line: line, Err: fmt.Errorf("%w: %w", gpio.ErrGone, err)}
}

func (r *Remote) connect(cmd command) (*net.UnixConn, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.path, Net: "unix"})
	if err != nil {
		return nil, gone(cmd.Op, cmd.Chip, "", err)
	}
	return conn, nil
}

// call sends one command on a connection of its own and waits for its answer.
func (r *Remote) call(cmd command) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), answerTimeout, errSilent)
	defer cancel()
	return r.callContext(ctx, cmd, func(conn *net.UnixConn) { conn.Close() })
}

// press is a call that its caller may end: it returns when the server has let go
// of the button, which is before it closes.
func (r *Remote) press(ctx context.Context, cmd command) error {
	_, err := r.callContext(ctx, cmd, func(conn *net.UnixConn) {
		conn.SetDeadline(time.Now().Add(answerTimeout))
		conn.CloseWrite()
	})
	return err
}

// callContext is a call that is interrupted when ctx ends.
func (r *Remote) callContext(ctx context.Context, cmd command, interrupt func(*net.UnixConn)) (answer, error) {
	conn, err := r.connect(cmd)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	unhook := context.AfterFunc(ctx, func() { interrupt(conn) })
	defer unhook()
	var a answer
	err = write(conn, cmd)
	if err == nil {
		err = newReader(conn).read(&a)
	}
	switch {
	case ctx.Err() != nil:
		return answer{}, &gpio.OpError{Op: cmd.Op, Chip: cmd.Chip, Err: context.Cause(ctx)}
	case err != nil:
		return answer{}, gone(cmd.Op, cmd.Chip, "", err)
	case a.Error != nil:
		return answer{}, a.Error.err()
	}
	return a, nil
}

// Chips implements [gpio.Backend].
func (r *Remote) Chips() ([]gpio.ChipInfo, error) {
	a, err := r.call(command{Op: "chips"})
	return a.Chips, err
}

// LineInfos implements [gpio.Backend].
func (r *Remote) LineInfos(chip string) ([]gpio.LineInfo, error) {
	a, err := r.call(command{Op: "infos", Chip: chip})
	return a.Infos, err
}

// Add implements [Hand].
func (r *Remote) Add(chip Chip) (gpio.ChipInfo, error) {
	return r.plug(command{Op: "add", Config: &chip})
}

// Plug implements [Hand].
func (r *Remote) Plug(chip string) (gpio.ChipInfo, error) {
	return r.plug(command{Op: "plug", Chip: chip})
}

func (r *Remote) plug(cmd command) (gpio.ChipInfo, error) {
	a, err := r.call(cmd)
	if err != nil {
		return gpio.ChipInfo{}, err
	}
	if len(a.Chips) != 1 {
		return gpio.ChipInfo{}, gone(cmd.Op, cmd.Chip, "", errMessage)
	}
	return a.Chips[0], nil
}

// Unplug implements [Hand].
func (r *Remote) Unplug(chip string) error { return r.hand(command{Op: "unplug", Chip: chip}) }

// Level implements [Hand].
func (r *Remote) Level(chip string, offset int) (bool, error) {
	a, err := r.call(command{Op: "level", Chip: chip, Offset: offset})
	return a.High, err
}

// SetPull implements [Hand].
func (r *Remote) SetPull(chip string, offset int, high bool) error {
	return r.hand(command{Op: "pull", Chip: chip, Offset: offset, High: high})
}

// Press implements [Hand].
func (r *Remote) Press(chip string, offset int) error {
	return r.hand(command{Op: "press", Chip: chip, Offset: offset})
}

// Release implements [Hand].
func (r *Remote) Release(chip string, offset int) error {
	return r.hand(command{Op: "release", Chip: chip, Offset: offset})
}

func (r *Remote) hand(cmd command) error {
	_, err := r.call(cmd)
	return err
}

// Hold implements [Hand]. The server lets go also when this process dies. When ctx
// ends Hold waits for that, as Bounce does, for ten seconds at most.
func (r *Remote) Hold(ctx context.Context, chip string, offset int, d time.Duration) error {
	return r.press(ctx, command{Op: "hold", Chip: chip, Offset: offset, Duration: d})
}

// Bounce implements [Hand].
func (r *Remote) Bounce(ctx context.Context, chip string, offset, n int, every time.Duration) error {
	return r.press(ctx, command{Op: "bounce", Chip: chip, Offset: offset, Count: n, Duration: every})
}

// Request implements [gpio.Backend].
func (r *Remote) Request(chip, consumer string, lines []gpio.LineConfig) (gpio.Lines, error) {
	// What is not valid may have no form on the wire.
	if err := gpio.Validate(lines); err != nil {
		return nil, inChip(err, "request", chip)
	}
	conn, err := r.connect(command{Op: "request", Chip: chip})
	if err != nil {
		return nil, err
	}
	held := newRemoteLines(conn, chip)
	go held.read()
	a, err := held.call("request", command{Op: "request", Chip: chip, Consumer: consumer, Lines: lines})
	if err != nil {
		held.Close()
		return nil, err
	}
	held.chip, held.label = a.Chip, a.Label
	return held, nil
}
