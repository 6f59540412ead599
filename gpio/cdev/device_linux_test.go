package cdev_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"github.com/warthog618/go-gpiosim"
	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
)

// allConfigs are all configurations of one line, the refused ones included.
func allConfigs() (configs []gpio.LineConfig) {
	for direction := range gpio.Output + 1 {
		for bias := range gpio.BiasPullDown + 1 {
			for drive := range gpio.OpenSource + 1 {
				for edges := range gpio.BothEdges + 1 {
					for _, debounce := range []time.Duration{0, time.Millisecond} {
						for _, low := range []bool{false, true} {
							configs = append(configs, gpio.LineConfig{Direction: direction, Bias: bias,
								Drive: drive, Edges: edges, Debounce: debounce, ActiveLow: low})
						}
					}
				}
			}
		}
	}
	return configs
}

// TestKernelRefusesWhatValidateRefuses asks the kernel itself, past our checks.
func TestKernelRefusesWhatValidateRefuses(t *testing.T) {
	device, err := os.Open(newChip(t).sim.Chips[0].DevPath())
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	taken := 0
	for _, config := range allConfigs() {
		lines := []gpio.LineConfig{config}
		request := uapi.LineRequest{Lines: 1, Config: *cdev.Encode(lines)}
		kernel := uapi.GetLine(device.Fd(), &request)
		if kernel == nil {
			unix.Close(int(request.Fd))
			taken++
		} else if !errors.Is(kernel, syscall.EINVAL) {
			t.Errorf("%+v: the kernel says %v", config, kernel)
		}
		if ours := gpio.Validate(lines); (ours == nil) != (kernel == nil) {
			t.Errorf("%+v: the kernel says %v, Validate says %v", config, kernel, ours)
		}
	}
	if taken == 0 || taken == len(allConfigs()) {
		t.Errorf("the kernel took %d of %d configurations", taken, len(allConfigs()))
	}
}

// asNobody runs do on a thread that may open what anyone may, and no more.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with us
		const nobody = 65534
		if err := unix.Setfsgid(nobody); err != nil {
			done <- err
			return
		}
		if err := unix.Setfsuid(nobody); err != nil { // the file capabilities go with it
			done <- err
			return
		}
		do()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestKernelPermission(t *testing.T) {
	c := newChip(t)
	path := c.sim.Chips[0].DevPath()
	const group = 4242
	if err := errors.Join(os.Chown(path, 0, group), os.Chmod(path, 0o660)); err != nil {
		t.Fatal(err)
	}
	check := func(ref string, err error) {
		t.Helper()
		for _, want := range []error{gpio.ErrPermission, syscall.EACCES} {
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", ref, err, want)
			}
		}
		if errors.Is(err, gpio.ErrBusy) || !strings.Contains(err.Error(), path+" is of group 4242: this user must be a member") {
			t.Errorf("%s: got %v", ref, err)
		}
	}
	asNobody(t, func() {
		b := cdev.New()
		for _, ref := range []string{c.name(), path, c.bank.Label} {
			_, err := b.Request(ref, "test", []gpio.LineConfig{{}})
			check(ref, err)
			_, err = b.LineInfos(ref)
			check(ref, err)
		}
		_, err := b.Chips()
		check("all chips", err)
		_, err = gpio.Find(b, gpio.Ref{Chip: c.name(), Line: "0"})
		check("find", err)
	})
}

// A device that udev has another name for is found by that name.
func TestKernelSymbolicLink(t *testing.T) {
	c := newChip(t)
	link := filepath.Join(t.TempDir(), "pump-gpio")
	if err := os.Symlink(c.sim.Chips[0].DevPath(), link); err != nil {
		t.Fatal(err)
	}
	lines, err := cdev.New().Request(link, "test", []gpio.LineConfig{{}})
	if err != nil {
		t.Fatal(err)
	}
	lines.Close()
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestKernelGoneIsQuiet has lines of a chip that is gone cost nothing until they
// are closed.
func TestKernelGoneIsQuiet(t *testing.T) {
	c := newChip(t)
	lines, err := cdev.New().Request(c.name(), "test", []gpio.LineConfig{{Direction: gpio.Input, Edges: gpio.BothEdges}})
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	c.Unplug()
	for range lines.Events() {
	}
	before := cpuTime(t)
	const span = 400 * time.Millisecond
	<-time.After(span)
	if used := cpuTime(t) - before; used > span/4 {
		t.Errorf("%v of processor time in %v", used, span)
	}
}

// TestKernelOthersGo has the removal of one chip leave the lines of another.
func TestKernelOthersGo(t *testing.T) {
	b, first, second := cdev.New(), newChip(t), newChip(t)
	config := []gpio.LineConfig{{Direction: gpio.Input, Edges: gpio.BothEdges}}
	gone, err := b.Request(first.name(), "test", config)
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	stays, err := b.Request(second.name(), "test", config)
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	first.Unplug()
	for range gone.Events() {
	}
	if err := second.SetPull(0, true); err != nil {
		t.Fatal(err)
	}
	if e := <-stays.Events(); e.Edge != gpio.Rising || e.Seqno != 1 {
		t.Errorf("got %+v", e)
	}
}

// TestKernelLabels has two chips with one label told apart by their names.
func TestKernelLabels(t *testing.T) {
	first := newChip(t)
	second, err := gpiosim.NewSim(gpiosim.WithBank(gpiosim.NewBank(first.bank.Label, 2)))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	b := cdev.New()
	if _, err := b.LineInfos(first.bank.Label); !errors.Is(err, gpio.ErrAmbiguous) {
		t.Errorf("got %v", err)
	}
	infos, err := b.LineInfos(second.Chips[0].ChipName())
	if err != nil || len(infos) != 2 {
		t.Errorf("got %v, %v", infos, err)
	}
}
