package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var (
	_ gpio.Adopter    = (*Remote)(nil)
	_ gpio.Descriptor = (*remoteLines)(nil)
)

// File implements [gpio.Descriptor].
func (l *remoteLines) File() (*os.File, error) {
	select {
	case <-l.ended:
		return nil, l.over("pass")
	default:
	}
	l.shared.Store(true)
	file, err := l.conn.File()
	if err != nil {
		return nil, l.broken("pass")
	}
	return file, nil
}

// Adopt implements [gpio.Adopter]. Unlike the kernel's, a request of a served Sim
// is for one user at a time: the others with a copy of its connection leave it
// alone. What the user before left unread, up to half an answer, is skipped.
func (r *Remote) Adopt(file *os.File, chip, consumer string, offsets []int) (gpio.Lines, error) {
	refuse := func(err error) (gpio.Lines, error) {
		return nil, &gpio.OpError{Op: "adopt", Chip: chip, Err: err}
	}
	conn, err := unixConn(file)
	if err != nil {
		return refuse(fmt.Errorf("the file is no connection to a simulation: %w: %w", syscall.EINVAL, err))
	}
	l := newRemoteLines(conn, chip)
	l.shared.Store(true)
	a, err := l.synchronize()
	if err == nil {
		err = r.matches(a, chip, consumer, offsets)
	}
	if err != nil {
		conn.Close()
		return refuse(err)
	}
	l.chip, l.label = a.Chip, a.Label
	go l.read()
	return l, nil
}

// unixConn makes a connection of a file, which it closes.
func unixConn(file *os.File) (*net.UnixConn, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("it is %s", conn.LocalAddr().Network())
	}
	return unix, nil
}

// synchronize skips what arrives until the answer to a mark, which says what the
// connection holds. Nothing reads the connection meanwhile.
func (l *remoteLines) synchronize() (answer, error) {
	mark := rand.Uint32()
	l.conn.SetDeadline(time.Now().Add(answerTimeout))
	defer l.conn.SetDeadline(time.Time{})
	if err := write(l.conn, command{Op: "mark", Mark: mark}); err != nil {
		return answer{}, fmt.Errorf("%w: %w", gpio.ErrGone, err)
	}
	for first := true; ; first = false {
		var a answer
		err := l.reader.read(&a)
		switch {
		case errors.Is(err, errMessage) && first: // the rest of an answer
		case err != nil:
			return answer{}, fmt.Errorf("%w: %w", gpio.ErrGone, err)
		case a.Event != nil:
			l.pass(a)
		case a.Mark == mark:
			return a, nil
		}
	}
}

// matches checks that a connection holds what it should. The ref of a chip is its
// name, label or path.
func (r *Remote) matches(a answer, chip, consumer string, offsets []int) error {
	if a.Held == nil {
		return fmt.Errorf("the connection holds no lines: %w", syscall.EINVAL)
	}
	chips, err := r.Chips()
	if err != nil {
		return err
	}
	info, err := gpio.MatchChip(chips, chip)
	if err != nil {
		return err
	}
	if info.Name != a.Chip || a.Held.Consumer != shown(consumer) || !slices.Equal(a.Held.Offsets, offsets) {
		return fmt.Errorf("want lines %s of %s held by %q, got %s of %s by %q: %w",
			list(offsets), info.Name, consumer, list(a.Held.Offsets), a.Chip, a.Held.Consumer, syscall.EINVAL)
	}
	return nil
}

func list(offsets []int) string { return strings.Trim(fmt.Sprint(offsets), "[]") }
