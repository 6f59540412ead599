package cdev

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// departures has held lines checked when the kernel says that a GPIO device was
// removed. It listens only while there are lines, and the zero value is ready.
type departures struct {
	mu     sync.Mutex
	held   map[*lines]struct{}
	socket *os.File      // nil while nothing is held, and where it was refused
	heard  chan struct{} // closed when the listener has returned
}

func (d *departures) add(l *lines) {
	d.mu.Lock()
	if d.held == nil {
		d.held = map[*lines]struct{}{}
	}
	d.held[l] = struct{}{}
	if len(d.held) == 1 {
		d.listen()
	}
	d.mu.Unlock()
	l.check() // it may have gone before the listening began
}

func (d *departures) remove(l *lines) {
	d.mu.Lock()
	delete(d.held, l)
	if len(d.held) > 0 || d.socket == nil {
		d.mu.Unlock()
		return
	}
	socket, heard := d.socket, d.heard
	d.socket = nil
	d.mu.Unlock()
	socket.Close()
	<-heard
}

// listen starts the listener, where the system lets it. d.mu is held.
func (d *departures) listen() {
	socket, err := ueventSocket()
	if err != nil {
		return // doc.go says what is lost without
	}
	heard := make(chan struct{})
	d.socket, d.heard = socket, heard
	go func() {
		defer close(heard)
		d.hear(socket)
	}()
}

// hear reads device events until the socket is closed.
func (d *departures) hear(socket *os.File) {
	buffer := make([]byte, 8<<10) // the kernel's are at most 2 KiB and the header
	for {
		n, err := socket.Read(buffer)
		lost := errors.Is(err, syscall.ENOBUFS)
		if err != nil && !lost {
			return
		}
		if lost || isDeparture(buffer[:n]) {
			d.check()
		}
	}
}

func (d *departures) check() {
	d.mu.Lock()
	held := slices.Collect(maps.Keys(d.held))
	d.mu.Unlock()
	for _, l := range held {
		l.check()
	}
}

// isDeparture knows the message of a GPIO device that was removed
// (torvalds/linux lib/kobject_uevent.c, kobject_uevent_env).
func isDeparture(message []byte) bool {
	return bytes.HasPrefix(message, []byte("remove@")) && bytes.Contains(message, []byte("\x00SUBSYSTEM=gpio\x00"))
}

// ueventSocket hears the kernel's device events; any user may.
func ueventSocket() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, err
	}
	const kernel = 1 // the group of the kernel's own messages
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernel}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "uevents"), nil
}
