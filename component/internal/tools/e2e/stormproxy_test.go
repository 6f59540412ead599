package e2e

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy stands between the component and the core, and does to their connections
// what a bad day does.
type proxy struct {
	to    string // socket of the core
	owner atomic.Int64

	delay   atomic.Int64 // of each piece, in nanoseconds
	piece   atomic.Int64 // largest piece in bytes; 0 has no limit
	corrupt atomic.Int32 // pieces that get a bit turned over
	refuse  atomic.Bool  // new connections end at once

	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	requests []request
}

// request is one of the component to the shadow manager.
type request struct {
	at    time.Time
	owner int64 // which run of the component
}

func newProxy(to string) *proxy { return &proxy{to: to, conns: map[net.Conn]struct{}{}} }

func (p *proxy) serve(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { l.Close(); p.cut() })()
	for {
		near, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go p.connect(near)
	}
}

func (p *proxy) connect(near net.Conn) {
	defer near.Close()
	if p.refuse.Load() {
		return
	}
	far, err := net.Dial("unix", p.to)
	if err != nil {
		return
	}
	defer far.Close()
	p.hold(near, far)
	defer p.drop(near, far)
	owner := p.owner.Load()
	var both sync.WaitGroup
	both.Go(func() { p.copy(far, near, (&requestCounter{p: p, owner: owner}).see); far.Close(); near.Close() })
	both.Go(func() { p.copy(near, far, func([]byte) {}); far.Close(); near.Close() })
	both.Wait()
}

func (p *proxy) hold(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// copy reads at once, so that see tells when something was sent, and writes as
// the faults have it.
func (p *proxy) copy(to, from net.Conn, see func([]byte)) {
	pieces := make(chan []byte, 1024)
	go func() {
		defer close(pieces)
		for buffer := make([]byte, 32<<10); ; {
			n, err := from.Read(buffer)
			see(buffer[:n])
			if n > 0 {
				pieces <- bytes.Clone(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	failed := false
	for piece := range pieces { // to the end, for the reader
		failed = failed || p.write(to, piece) != nil
		if failed {
			from.Close()
		}
	}
}

func (p *proxy) write(to net.Conn, b []byte) error {
	if p.corrupt.Add(-1) >= 0 {
		b[len(b)/2] ^= 0x10
	}
	for len(b) > 0 {
		time.Sleep(time.Duration(p.delay.Load()))
		n := len(b)
		if most := int(p.piece.Load()); most > 0 {
			n = min(n, most)
		}
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// heal takes every fault back. A connection that a turned bit has damaged stays so.
func (p *proxy) heal() {
	p.delay.Store(0)
	p.piece.Store(0)
	p.corrupt.Store(0)
	p.refuse.Store(false)
}

// total is how many requests there were.
func (p *proxy) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

// busiest is how many requests one run of the component has sent in any such window.
func (p *proxy) busiest(window time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := 0
	recent := map[int64][]time.Time{}
	for _, r := range p.requests {
		times := append(recent[r.owner], r.at)
		for r.at.Sub(times[0]) >= window {
			times = times[1:]
		}
		recent[r.owner], most = times, max(most, len(times))
	}
	return most
}

// requestCounter finds requests in what passes by.
type requestCounter struct {
	p     *proxy
	owner int64
	tail  []byte // the beginning of what may be a name
}

// requestNames stand in the headers of requests, once in each.
var requestNames = [][]byte{
	[]byte("aws.greengrass#GetThingShadowRequest"),
	[]byte("aws.greengrass#UpdateThingShadowRequest"),
	[]byte("aws.greengrass#DeleteThingShadowRequest"),
}

func (c *requestCounter) see(b []byte) {
	now := time.Now()
	b = append(c.tail, b...)
	for {
		first, end := -1, 0
		for _, name := range requestNames {
			if i := bytes.Index(b, name); i >= 0 && (first < 0 || i < first) {
				first, end = i, i+len(name)
			}
		}
		if first < 0 {
			break
		}
		b = b[end:]
		c.p.mu.Lock()
		c.p.requests = append(c.p.requests, request{now, c.owner})
		c.p.mu.Unlock()
	}
	c.tail = bytes.Clone(b[max(0, len(b)-40):])
}
