package servertest

import (
	"net"
	"sync"
)

// Pipes is a listener in memory. With it a server can run in simulated time.
type Pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// NewPipes returns a listener without connections.
func NewPipes() *Pipes { return &Pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

// Dial connects, and returns when the server has accepted. It returns nil when the
// listener is closed.
func (p *Pipes) Dial() net.Conn {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near
	case <-p.done:
		return nil
	}
}

// Accept returns the other end of the next Dial.
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Connections stay.
func (p *Pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr is no address of anything.
func (p *Pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
