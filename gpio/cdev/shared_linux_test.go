package cdev_test

import (
	"sync"
	"testing"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
)

// shared is one request of line 0 and 1, in two hands that are both in use.
func shared(t *testing.T) (c *chip, first, second gpio.Lines) {
	t.Helper()
	c = newChip(t)
	first, err := cdev.New().Request(c.name(), "test", outputs(true, false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { first.Close() })
	file, err := first.(gpio.Descriptor).File()
	if err != nil {
		t.Fatal(err)
	}
	second, err = cdev.New().Adopt(file, c.name(), "test", []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { second.Close() })
	return c, first, second
}

func outputs(values ...bool) (configs []gpio.LineConfig) {
	for offset, value := range values {
		configs = append(configs, gpio.LineConfig{Offset: offset, Direction: gpio.Output, Value: value})
	}
	return configs
}

func (c *chip) has(t *testing.T, want ...bool) {
	t.Helper()
	for offset, want := range want {
		if got, err := c.Level(offset); err != nil || got != want {
			t.Errorf("line %d: got %v, %v, want %v", offset, got, err, want)
		}
	}
}

// TestKernelSharedRequest shows what the kernel makes of one request in two hands:
// each may set and reconfigure it, and each has what the other made of it.
func TestKernelSharedRequest(t *testing.T) {
	c, first, second := shared(t)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(second.SetValues([]bool{false, true}))
	c.has(t, false, true)
	do(first.SetValues([]bool{true, true}))
	c.has(t, true, true)

	// The one turns active-low, and the other's values are meant so from then on.
	low := outputs(false, false)
	low[0].ActiveLow, low[1].ActiveLow = true, true
	do(second.Reconfigure(low))
	c.has(t, true, true)
	if values, err := first.Values(); err != nil || values[0] || values[1] {
		t.Errorf("got %v, %v, want both off", values, err)
	}
	do(first.SetValues([]bool{true, false}))
	c.has(t, false, true)

	// The one makes inputs of them, and the other cannot set them any more.
	do(second.Reconfigure([]gpio.LineConfig{{Offset: 0, Direction: gpio.Input}, {Offset: 1, Direction: gpio.Input}}))
	if err := first.SetValues([]bool{true, true}); err == nil {
		t.Error("the inputs were set")
	}
	do(first.Reconfigure(outputs(true, true)))
	do(second.SetValues([]bool{true, true}))
	c.has(t, true, true)
	do(first.Close())
	do(second.SetValues([]bool{true, false}))
	c.has(t, true, false)
	do(second.Close())
	c.has(t, false, false)
}

// TestKernelSharedAtOnce has both hands set and read at the same time: no call
// fails, and the last one counts.
func TestKernelSharedAtOnce(t *testing.T) {
	c, first, second := shared(t)
	var group sync.WaitGroup
	for _, lines := range []gpio.Lines{first, second} {
		group.Go(func() {
			for i := range 200 {
				if err := lines.SetValues([]bool{i%2 == 0, i%2 == 0}); err != nil {
					t.Error(err)
				}
				if err := lines.Reconfigure(outputs(i%2 == 1, i%2 == 0)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	c.has(t, true, false)
}
