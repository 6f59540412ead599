package sim

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// remoteLines are lines that a server holds for the one connection they have.
type remoteLines struct {
	chip, label string
	conn        *net.UnixConn
	reader      reader
	turn        chan struct{} // one slot: whose command is under way
	answers     chan answer
	events      chan gpio.Event
	ended       chan struct{} // closed when the reader has returned
	cause       error         // why it did; valid once ended is closed
	closed      atomic.Bool
	shared      atomic.Bool // others may have copies of the connection
}

var _ gpio.Lines = (*remoteLines)(nil)

func newRemoteLines(conn *net.UnixConn, chip string) *remoteLines {
	l := &remoteLines{
		chip:    chip,
		conn:    conn,
		reader:  newReader(conn),
		turn:    make(chan struct{}, 1),
		answers: make(chan answer, 1),
		events:  make(chan gpio.Event, gpio.EventBuffer),
		ended:   make(chan struct{}),
	}
	return l
}

// read sorts what arrives until the connection ends. An event that finds no room
// is dropped.
func (l *remoteLines) read() {
	defer close(l.ended)
	defer close(l.events)
	for {
		var a answer
		if l.cause = l.reader.read(&a); l.cause != nil {
			return
		}
		if l.cause = l.pass(a); l.cause != nil {
			return
		}
	}
}

func (l *remoteLines) pass(a answer) error {
	if a.Event != nil {
		select {
		case l.events <- *a.Event:
		default:
		}
		return nil
	}
	select {
	case l.answers <- a:
		return nil
	default:
		return fmt.Errorf("%w: an answer that nobody asked for", errMessage)
	}
}

// call has one command answered. Callers take turns.
func (l *remoteLines) call(op string, cmd command) (answer, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-l.ended:
		return answer{}, l.over(op)
	}
	if l.closed.Load() {
		return answer{}, l.over(op)
	}
	l.conn.SetWriteDeadline(time.Now().Add(answerTimeout))
	if err := write(l.conn, cmd); err != nil {
		return answer{}, l.broken(op)
	}
	timeout := time.NewTimer(answerTimeout)
	defer timeout.Stop()
	select {
	case a := <-l.answers:
		if a.Error != nil {
			return answer{}, a.Error.err()
		}
		return a, nil
	case <-timeout.C:
		return answer{}, l.broken(op)
	case <-l.ended:
		return answer{}, l.over(op)
	}
}

// broken ends a connection on which a command failed halfway.
func (l *remoteLines) broken(op string) error {
	if !l.closed.Load() {
		l.conn.Close()
		<-l.ended
	}
	return l.over(op)
}

// over is the error of a call on lines that are not held any more.
func (l *remoteLines) over(op string) error {
	if l.closed.Load() {
		return &gpio.OpError{Op: op, Chip: l.chip, Line: l.label, Err: gpio.ErrClosed}
	}
	return gone(op, l.chip, l.label, l.cause)
}

// Values implements [gpio.Lines].
func (l *remoteLines) Values() ([]bool, error) {
	a, err := l.call("read", command{Op: "values"})
	return a.Values, err
}

// SetValues implements [gpio.Lines].
func (l *remoteLines) SetValues(values []bool) error {
	_, err := l.call("set", command{Op: "set", Values: values})
	return err
}

// Reconfigure implements [gpio.Lines].
func (l *remoteLines) Reconfigure(lines []gpio.LineConfig) error {
	select {
	case <-l.ended:
		return l.over("reconfigure")
	default:
	}
	// What is not valid may have no form on the wire.
	if err := gpio.Validate(lines); err != nil {
		return inChip(err, "reconfigure", l.chip)
	}
	_, err := l.call("reconfigure", command{Op: "reconfigure", Lines: lines})
	return err
}

// Events implements [gpio.Lines].
func (l *remoteLines) Events() <-chan gpio.Event { return l.events }

// Close implements [gpio.Lines]. It ends the sending side and waits for the
// server to close, which it does when the lines are free. Where others may have
// copies of the connection it only closes this one.
func (l *remoteLines) Close() error {
	if !l.closed.Swap(true) {
		l.end()
	}
	<-l.ended
	l.conn.Close()
	return nil
}

func (l *remoteLines) end() {
	if l.shared.Load() {
		// A command under way has its answer first: whoever goes on with the
		// connection would get it.
		l.turn <- struct{}{}
		l.conn.Close()
		return
	}
	l.conn.SetReadDeadline(time.Now().Add(answerTimeout))
	l.conn.CloseWrite()
}
