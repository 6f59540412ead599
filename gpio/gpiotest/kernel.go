package gpiotest

import (
	"os"
	"testing"
)

// gpioSim is where a kernel with gpio-sim takes simulated chips
// (torvalds/linux Documentation/admin-guide/gpio/gpio-sim.rst).
const gpioSim = "/sys/kernel/config/gpio-sim"

// RequireKernel skips a test on a machine that cannot make simulated chips in its
// kernel. With SHADOWGPIO_KERNEL=require in the environment, as scripts/kernel.sh
// sets it, the test fails instead: a run that reached no kernel must not pass.
func RequireKernel(t testing.TB) {
	t.Helper()
	info, err := os.Stat(gpioSim)
	if err == nil && info.IsDir() {
		return
	}
	const reason = "needs a kernel with gpio-sim and root (no " + gpioSim + "): use scripts/kernel.sh run"
	if os.Getenv("SHADOWGPIO_KERNEL") == "require" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
