package agent

import (
	"time"

	"golang.org/x/sys/unix"
)

// synchronised asks the kernel, which whoever keeps the clock tells
// (torvalds/linux include/uapi/linux/timex.h, STA_UNSYNC). Where it may not be asked
// it is not.
func synchronised() bool {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err == nil && t.Status&unix.STA_UNSYNC == 0
}

// sinceBoot goes on while the machine is asleep.
func sinceBoot() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // always there
	return time.Duration(t.Nano())
}
