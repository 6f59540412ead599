package ipctest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Script is what a peer does on one connection. The connection is closed when it
// returns.
type Script func(*Peer)

// Dialer returns a dial function for a client whose connections are in memory: the
// n-th call runs the n-th script in a goroutine of its own; a nil script and all
// calls after the last one fail with ECONNREFUSED. The test waits for the scripts.
func Dialer(t testing.TB, scripts ...Script) func(context.Context) (net.Conn, error) {
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	var mu sync.Mutex
	return func(context.Context) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(scripts) == 0 || scripts[0] == nil {
			scripts = scripts[min(1, len(scripts)):]
			return nil, &net.OpError{Op: "dial", Net: "ipctest", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
		script := scripts[0]
		scripts = scripts[1:]
		near, peer := Pipe(t)
		running.Go(func() {
			defer peer.Close()
			script(peer)
		})
		return near, nil
	}
}

// Listener is a Unix socket in a directory of its own.
type Listener struct {
	Path string
	t    testing.TB
	l    net.Listener
}

// Listen opens a socket, which is closed and removed when the test ends.
func Listen(t testing.TB) *Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "ipc") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		_ = os.RemoveAll(dir)
	})
	return &Listener{Path: path, t: t, l: l}
}

// Accept waits for the next connection. It returns nil when the listener is closed.
func (l *Listener) Accept() *Peer {
	conn := l.AcceptConn()
	if conn == nil {
		return nil
	}
	return NewPeer(l.t, conn)
}

// AcceptConn is Accept for a far end that is no Peer. The caller closes it.
func (l *Listener) AcceptConn() net.Conn {
	conn, err := l.l.Accept()
	if err != nil {
		return nil
	}
	return conn
}

// Close closes the listener and removes its socket.
func (l *Listener) Close() { _ = l.l.Close() }
