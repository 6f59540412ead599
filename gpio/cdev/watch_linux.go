package cdev

import (
	"time"
	"unsafe"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// batch is the number of events taken from the kernel with one read.
const batch = 16

const eventSize = int(unsafe.Sizeof(uapi.LineEvent{}))

// watch passes events on until the file is closed or the chip is gone. An event
// that finds no room is dropped.
func (l *lines) watch() {
	defer close(l.watched)
	defer close(l.events)
	var raw [batch]uapi.LineEvent
	buffer := unsafe.Slice((*byte)(unsafe.Pointer(&raw)), unsafe.Sizeof(raw))
	for {
		n, err := l.file.Read(buffer)
		if err != nil {
			return
		}
		wall, mono := now()
		for i := range n / eventSize {
			select {
			case l.events <- decodeEvent(&raw[i], wall, mono):
			default:
			}
		}
	}
}

// now is one instant on the wall clock and on the clock of the events.
func now() (wall time.Time, mono time.Duration) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("cdev: no monotonic clock: " + err.Error())
	}
	// Round strips Go's own monotonic reading, which would outlive a set clock.
	return time.Now().Round(0), time.Duration(t.Nano())
}

func decodeEvent(raw *uapi.LineEvent, wall time.Time, mono time.Duration) gpio.Event {
	clock := time.Duration(raw.Timestamp)
	edge := gpio.Falling
	if raw.ID == uapi.LineEventRisingEdge {
		edge = gpio.Rising
	}
	return gpio.Event{
		Offset:    int(raw.Offset),
		Edge:      edge,
		Time:      wall.Add(clock - mono),
		Clock:     clock,
		Seqno:     raw.Seqno,
		LineSeqno: raw.LineSeqno,
	}
}
