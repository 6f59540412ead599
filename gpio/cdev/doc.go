// Package cdev is the GPIO backend on the Linux character device
// (/dev/gpiochipN, uAPI v2, Linux 5.10 or later). On other systems it compiles,
// and every call is [gpio.ErrUnsupported].
//
// # On go-gpiocdev
//
// Chips and line infos come from package gpiocdev of
// github.com/warthog618/go-gpiocdev v0.9.1. Lines are requested through its uapi
// package and not through gpiocdev.Lines, because there
//
//   - the watcher goroutine does not end when the chip disappears: it ignores the
//     ENODEV of each read and polls again (watcher.go, watch), which is a busy
//     loop on kernels that report the loss, and silence on those that do not;
//   - the size of the event buffer never reaches the kernel (gpiocdev.go, getLine);
//   - the descriptor cannot be had, while a line that must keep its level over an
//     update of this program needs it handed on;
//   - SetValues looks at the direction of the request's default alone, so that it
//     refuses outputs that are configured line by line (gpiocdev.go, SetValues);
//   - Close waits for the event handler with the lock of the lines held
//     (warthog618/go-gpiocdev issue 14).
//
// # Waiting
//
// The descriptor of a request is non-blocking and waits in the runtime's poller,
// so that a request costs no thread. It has one goroutine, which moves the
// kernel's events to [gpio.Lines.Events] and never waits for the reader; Close
// waits for it.
//
// # Handing lines over
//
// A request is an open file, and its lines are held until the last copy of it is
// closed. So they can be passed to a process that outlives this one and back
// ([gpio.Descriptor], [gpio.Adopter]): no release, no change of level.
//
// # A chip that disappears
//
// Newer kernels wake who waits on a request when its chip goes
// (torvalds/linux drivers/gpio/gpiolib-cdev.c, linereq_unregistered_notify); Linux
// 6.1 does not, and one would never be told. So the backend also listens to the
// kernel's device events while it holds lines. Where a sandbox forbids netlink
// sockets, an older kernel's loss of a chip shows at the next call on its lines.
//
// # Event times
//
// The kernel stamps events on CLOCK_MONOTONIC. When an event is read, its age is
// the monotonic clock less its stamp, and its wall time is the wall clock less
// its age. So an event that waited in the kernel has its right time, a wall clock
// that is set moves later events only, and a suspend between an edge and its
// reading makes the edge look later than it was.
package cdev
