// Package limit bounds what peers can take of the development environment, and logs when
// a bound is reached.
package limit

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// noticeInterval is the shortest time between two log records about the same bound.
const noticeInterval = time.Minute

// Notices logs that bounds were reached. A peer that runs into a bound a thousand times
// makes one record a minute, which has the number of times. Its methods may be called
// from any goroutine.
type Notices struct {
	log *slog.Logger

	mu     sync.Mutex
	bounds map[string]*notice
}

type notice struct {
	last  time.Time
	times int // since the last record
}

// NewNotices logs at the level of a warning to log.
func NewNotices(log *slog.Logger) *Notices {
	return &Notices{log: log, bounds: map[string]*notice{}}
}

// Reached logs that a bound was reached, and what follows from that. The bound is one of
// the texts of the program; what differs from time to time belongs into args.
func (n *Notices) Reached(bound string, args ...any) {
	n.mu.Lock()
	b := n.bounds[bound]
	if b == nil {
		b = &notice{}
		n.bounds[bound] = b
	}
	b.times++
	if now := time.Now(); now.Sub(b.last) < noticeInterval {
		n.mu.Unlock()
		return
	} else {
		b.last = now
	}
	times := b.times
	b.times = 0
	n.mu.Unlock()
	n.log.Log(context.Background(), slog.LevelWarn, bound, append(args, "times", times)...)
}

// Listener bounds the connections of another listener: while the most are open, it closes
// each further one at once and calls refused. A lack of file descriptors, which passes,
// makes Accept wait. Closing it closes the other listener; connections stay open.
func Listener(l net.Listener, most int, refused func()) net.Listener {
	return &listener{Listener: l, places: make(chan struct{}, most), refused: refused, closed: make(chan struct{})}
}

type listener struct {
	net.Listener
	places  chan struct{}
	refused func()
	once    sync.Once
	closed  chan struct{}
}

// acceptPause is the wait after an Accept that failed and may succeed again.
const acceptPause = 100 * time.Millisecond

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED),
			errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ENOBUFS):
			select {
			case <-time.After(acceptPause):
				continue
			case <-l.closed:
				return nil, net.ErrClosed
			}
		default:
			return nil, err
		}
		select {
		case l.places <- struct{}{}:
			return &conn{Conn: c, places: l.places}, nil
		default:
			c.Close()
			l.refused()
		}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// conn gives its place back when it is closed.
type conn struct {
	net.Conn
	once   sync.Once
	places chan struct{}
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.places })
	return err
}

// SyscallConn is that of the connection below.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	below, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return below.SyscallConn()
}

// NetConn returns the connection below.
func (c *conn) NetConn() net.Conn { return c.Conn }
