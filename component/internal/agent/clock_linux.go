package agent

import "golang.org/x/sys/unix"

// synchronised asks the kernel, which whoever keeps the clock tells
// (torvalds/linux include/uapi/linux/timex.h, STA_UNSYNC). Where it may not be asked
// it is not.
func synchronised() bool {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err == nil && t.Status&unix.STA_UNSYNC == 0
}
