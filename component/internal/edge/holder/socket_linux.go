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

// lockSuffix is what the name of a socket's lock file has more than that of the socket.
const lockSuffix = ".lock"

// Listener is the socket of a holder. Close it.
type Listener struct {
	*net.UnixListener
	path string
	lock *os.File
}

// Listen makes the socket at path, which only one process has at a time; what an
// earlier one left there is replaced. The lock is a file beside it, ".lock".
func Listen(path string) (*Listener, error) {
	lock, err := lockFile(path+lockSuffix, lockWait)
	if err != nil {
		return nil, err
	}
	l := &Listener{path: path, lock: lock}
	if l.UnixListener, err = bind(path); err != nil {
		lock.Close()
		return nil, err
	}
	return l, nil
}

func bind(path string) (listener *net.UnixListener, err error) {
	os.Remove(path)
	err = at(path, func(address *net.UnixAddr) error {
		listener, err = net.ListenUnix(network, address)
		return err
	})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // the next holder may have it by then
	if err = os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// again makes the socket once more, and first the lock if its file is another one by now.
// It fails if another holder has that.
func (l *Listener) again() (*net.UnixListener, error) {
	ours, err := l.lock.Stat()
	if err != nil {
		return nil, err
	}
	if now, err := os.Lstat(l.path + lockSuffix); err != nil || !os.SameFile(ours, now) {
		lock, err := lockFile(l.path+lockSuffix, 0)
		if err != nil {
			return nil, err
		}
		l.lock.Close()
		l.lock = lock
	}
	return bind(l.path)
}

// taken reports whether another process of our user answers at the path.
func (l *Listener) taken() bool {
	conn, pid, err := dialHolder(l.path)
	if err != nil {
		return false
	}
	conn.Close()
	return pid != os.Getpid()
}

// Close ends the listening and lets the next holder have the socket.
func (l *Listener) Close() error {
	err := l.UnixListener.Close()
	l.lock.Close()
	return err
}

// lockFile locks a file until it is closed, however that happens.
func lockFile(path string, patience time.Duration) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if err == unix.EINTR {
			continue
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

// sameUser checks that the other end is a process of our user, and returns its number.
func sameUser(conn *net.UnixConn) (pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	if closed := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); closed != nil {
		return 0, closed
	}
	if err != nil {
		return 0, err
	}
	if int(peer.Uid) != os.Geteuid() {
		return 0, fmt.Errorf("want a process of user %d, got %d of user %d", os.Geteuid(), peer.Pid, peer.Uid)
	}
	return int(peer.Pid), nil
}
