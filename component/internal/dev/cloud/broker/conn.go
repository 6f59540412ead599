package broker

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// The bounds of a connection.
const (
	// connectTimeout is for the handshakes below MQTT and the CONNECT.
	connectTimeout = 10 * time.Second
	// maxSilence is how long a client may be silent, whatever its keep-alive interval: one
	// and a half times the longest interval of AWS IoT Core, 1200 s.
	maxSilence = 30 * time.Minute
	// writeTimeout is for a client that takes nothing of a message.
	writeTimeout = 10 * time.Second
	// byeTimeout is for what still waits when the connection is closed.
	byeTimeout = time.Second

	maxQueue  = 8 << 20  // bytes that wait for one client
	maxQueued = 64 << 20 // bytes that wait for all clients
	frameCost = 64       // bytes that a waiting packet costs beside its own
)

var (
	errSlow  = errors.New("the client does not read")
	errStuck = fmt.Errorf("the client took nothing for %v", writeTimeout)
)

// conn is the network end of a client. Writing never blocks: a packet waits in a queue,
// and a client that lets its queue overflow is disconnected. The broker writes under
// locks that others wait for, so one client that does not read would hold up all.
type conn struct {
	net.Conn
	queued *atomic.Int64 // bytes that wait for all clients
	slow   func(error)   // told why the connection was cut
	done   chan struct{} // closed when the connection is

	client atomic.Pointer[mqtt.Client] // since its CONNECT

	mu      sync.Mutex
	packets [][]byte
	size    int // of packets
	closing bool
	wake    chan struct{} // one slot
}

// newConn starts the time of a client. It must be closed.
func newConn(c net.Conn, queued *atomic.Int64, slow func(error)) *conn {
	out := &conn{Conn: c, queued: queued, slow: slow, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	c.SetReadDeadline(time.Now().Add(connectTimeout))
	go out.send()
	return out
}

// Write queues a packet.
func (c *conn) Write(p []byte) (int, error) {
	cost := len(p) + frameCost
	c.mu.Lock()
	switch total := c.queued.Add(int64(cost)); {
	case c.closing:
		c.queued.Add(-int64(cost))
		c.mu.Unlock()
		return 0, net.ErrClosed
	case len(c.packets) > 0 && (c.size+cost > maxQueue || total > maxQueued): // an empty queue takes any packet
		c.queued.Add(-int64(cost))
		c.mu.Unlock()
		c.cut(errSlow)
		return 0, errSlow
	}
	c.packets = append(c.packets, append([]byte(nil), p...))
	c.size += cost
	c.mu.Unlock()
	c.signal()
	return len(p), nil
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take removes the oldest packet; without one it waits. It returns nil when the
// connection is closing and all is sent.
func (c *conn) take() []byte {
	for {
		c.mu.Lock()
		if len(c.packets) > 0 {
			p := c.packets[0]
			c.packets[0] = nil
			c.packets = c.packets[1:]
			c.size -= len(p) + frameCost
			c.mu.Unlock()
			c.queued.Add(-int64(len(p) + frameCost))
			return p
		}
		c.packets = nil
		closing := c.closing
		c.mu.Unlock()
		if closing {
			return nil
		}
		<-c.wake
	}
}

// send is the only writer of the connection, and closes it.
func (c *conn) send() {
	defer close(c.done)
	defer c.Conn.Close()
	for p := c.take(); p != nil; p = c.take() {
		c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := c.Conn.Write(p); err != nil {
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				err = errStuck
			}
			c.cut(err)
			c.drop()
			return
		}
	}
}

// drop forgets what waits.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued.Add(-int64(c.size))
	c.packets, c.size = nil, 0
}

// cut ends the connection without another word, not even the farewell of TLS, for which
// the client would have to read.
func (c *conn) cut(why error) {
	c.mu.Lock()
	first := !c.closing
	c.closing = true
	c.mu.Unlock()
	if first && (errors.Is(why, errSlow) || errors.Is(why, errStuck)) {
		c.slow(why)
	}
	below(c.Conn).Close()
	c.drop()
	c.signal()
}

// below is the connection of the operating system.
func below(c net.Conn) net.Conn {
	for {
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = outer.NetConn()
	}
}

// Close ends reading at once. What waits is still sent, which takes a moment at most;
// then the connection is closed, and done with it.
func (c *conn) Close() error {
	c.mu.Lock()
	if !c.closing {
		c.closing = true
		c.Conn.SetReadDeadline(time.Unix(1, 0))
		time.AfterFunc(byeTimeout, func() { below(c.Conn).Close() })
	}
	c.mu.Unlock()
	c.signal()
	return nil
}

// SetDeadline is how the broker limits the time to the next packet, by the client's
// keep-alive interval; it sets none for a client without one.
func (c *conn) SetDeadline(t time.Time) error {
	if latest := time.Now().Add(maxSilence); t.IsZero() || t.After(latest) {
		t = latest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return net.ErrClosed
	}
	return c.Conn.SetReadDeadline(t)
}
