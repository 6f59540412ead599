package sim

import (
	"net"
	"sync"
)

// holders are the connections of a server that hold lines. The kernel releases
// lines before the process that closed them, or died, can be seen to have done so;
// a server learns of it later, so it looks before it does anything else.
type holders struct {
	mu   sync.Mutex
	held map[net.Conn]chan struct{} // closed when the lines are released
}

func newHolders() *holders { return &holders{held: map[net.Conn]chan struct{}{}} }

func (h *holders) add(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[conn] = make(chan struct{})
}

func (h *holders) remove(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.held[conn])
	delete(h.held, conn)
}

// settle waits until the lines of connections that have ended are released. It is
// not called on a connection with lines, so that none waits for another in turn.
func (h *holders) settle() {
	h.mu.Lock()
	var ending []chan struct{}
	for conn, released := range h.held {
		if hungUp(conn) {
			ending = append(ending, released)
		}
	}
	h.mu.Unlock()
	for _, released := range ending {
		<-released
	}
}
