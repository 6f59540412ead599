package cdev_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio/cdev"
)

// interruptedVariable makes TestInterruptedCall the process whose calls are interrupted.
const interruptedVariable = "SHADOWGPIO_CDEV_INTERRUPTED"

// TestInterruptedCall has every second ioctl of a thread be interrupted. The file is no
// request of lines: the kernel has to say so, and not that the call was interrupted.
func TestInterruptedCall(t *testing.T) {
	if os.Getenv(interruptedVariable) != "" {
		file, err := os.Open(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		_, err = cdev.New().Adopt(file, "gpiochip0", "consumer", []int{1})
		fmt.Printf("answer: %v, interrupted: %v\n", err, errors.Is(err, syscall.EINTR))
		return
	}
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed, so no system call can be interrupted: ", err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-o", trace, "-e", "trace=ioctl", "-e", "inject=ioctl:error=EINTR:when=1+2",
		os.Args[0], "-test.run=^TestInterruptedCall$", "-test.v")
	cmd.Env = append(os.Environ(), interruptedVariable+"=1")
	out, err := cmd.CombinedOutput()
	calls, _ := os.ReadFile(trace)
	if err != nil && len(calls) == 0 {
		t.Skipf("strace cannot trace a process here: %v\n%s", err, out)
	}
	if !strings.Contains(string(calls), "EINTR (Interrupted system call) (INJECTED)") {
		t.Errorf("no call was interrupted:\n%s", calls)
	}
	if !strings.Contains(string(out), "inappropriate ioctl for device, interrupted: false") {
		t.Errorf("printed\n%s\nafter\n%s", out, calls)
	}
}

// TestCallsAreRepeated keeps all calls where they are repeated.
func TestCallsAreRepeated(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	call := regexp.MustCompile(`uapi\.(Get|Set|Watch|Unwatch)\w*\(`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "ioctl_linux.go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := call.Find(text); found != nil {
			t.Errorf("%s calls %s itself; use the function of ioctl_linux.go", file, found)
		}
	}
}
