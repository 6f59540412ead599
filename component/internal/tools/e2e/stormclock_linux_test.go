package e2e

import (
	"bytes"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// clockSign is where scripts/kernel/init.sh says of a guest, with the identity of its
// running kernel, that its clock may be set.
const clockSign = "/run/shadowgpio/clock-may-be-set"

// guestClock is nil but in a guest. The clock is right again when the test is over.
func guestClock(t *testing.T) *stormClock {
	t.Helper()
	sign, err := os.ReadFile(clockSign)
	boot, bootErr := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || bootErr != nil || len(boot) == 0 || !bytes.Equal(sign, boot) {
		if cpu, _ := os.ReadFile("/proc/cpuinfo"); bytes.Contains(cpu, []byte("User Mode Linux")) {
			t.Fatalf("a guest that does not say in %s that its clock may be set: %v, %v", clockSign, err, bootErr)
		}
		return nil
	}
	began := time.Now()
	t.Cleanup(func() { setClock(began.Round(0).Add(time.Since(began))) })
	return &stormClock{}
}

func setClock(wall time.Time) error {
	now := unix.NsecToTimespec(wall.UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
}
