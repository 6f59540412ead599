package sim

import (
	"context"
	"net"
)

// WithoutPump runs do while no pump can take events from the kernel's buffer.
func WithoutPump(s *Sim, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// SetPullLocked is SetPull for use within WithoutPump.
func SetPullLocked(s *Sim, ref string, offset int, high bool) {
	l, err := s.line("pull", ref, offset)
	if err != nil {
		panic(err)
	}
	l.rest = high
	l.settle(ByHand)
}

// ServeConn is the server for one connection.
func ServeConn(ctx context.Context, conn net.Conn, s *Sim) { serveConn(ctx, conn, s, newHolders()) }

// Held counts the lines that requests hold.
func Held(s *Sim) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.chips {
		for _, l := range c.lines {
			if l.request != nil {
				n++
			}
		}
	}
	return n
}
