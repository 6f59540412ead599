package holder

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/socketpath"
)

// network is that of the socket.
const network = "unixpacket"

// lockWait is how long a new holder waits for one that is about to end.
const lockWait = 2 * time.Second

// Listener is the socket of a holder.
type Listener struct {
	*net.UnixListener
	lock *os.File
}

// Listen makes the socket at path, which only one process has at a time; what an
// earlier one left there is replaced. The lock is a file beside it, ".lock".
func Listen(path string) (*Listener, error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	os.Remove(path)
	var listener *net.UnixListener
	err = at(path, func(address *net.UnixAddr) error {
		listener, err = net.ListenUnix(network, address)
		return err
	})
	if err == nil {
		listener.SetUnlinkOnClose(false) // the next holder may have it by then
		if err = os.Chmod(path, 0o600); err == nil {
			return &Listener{listener, lock}, nil
		}
		listener.Close()
	}
	lock.Close()
	return nil, err
}

// Close ends the listening and lets the next holder have the socket.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	l.lock.Close()
	return err
}

// lockFile locks a file until it is closed, however that happens.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockWait); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if err != unix.EWOULDBLOCK || time.Now().After(deadline) {
			file.Close()
			return nil, fmt.Errorf("another holder has %s: %w", path, err)
		}
	}
}

// dial connects to the holder at path.
func dial(path string) (conn *net.UnixConn, err error) {
	err = at(path, func(address *net.UnixAddr) error {
		conn, err = net.DialUnix(network, nil, address)
		return err
	})
	return conn, err
}

// at gives the address of a path.
func at(path string, do func(*net.UnixAddr) error) error {
	return socketpath.At(path, func(address string) error { return do(&net.UnixAddr{Name: address, Net: network}) })
}

// sameUser checks that the other end is a process of our user.
func sameUser(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	if closed := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); closed != nil {
		return closed
	}
	if err == nil && int(peer.Uid) != os.Geteuid() {
		err = fmt.Errorf("want a process of user %d, got %d of user %d", os.Geteuid(), peer.Pid, peer.Uid)
	}
	return err
}
