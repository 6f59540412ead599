package cdev_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/warthog618/go-gpiosim"

	"github.com/shadowgpio/shadowgpio/gpio"
	"github.com/shadowgpio/shadowgpio/gpio/cdev"
	"github.com/shadowgpio/shadowgpio/gpio/gpiotest"
)

// chip is a gpio-sim chip of the running kernel, as a bench's far side.
type chip struct {
	bank *gpiosim.Bank
	sim  *gpiosim.Sim
}

func (c *chip) Plug() (err error) {
	c.sim, err = gpiosim.NewSim(gpiosim.WithBank(c.bank))
	return err
}

func (c *chip) Unplug() error {
	c.sim.Close()
	return nil
}

func (c *chip) SetPull(offset int, high bool) error {
	level := gpiosim.LevelInactive
	if high {
		level = gpiosim.LevelActive
	}
	return c.sim.Chips[0].SetPull(offset, level)
}

func (c *chip) Level(offset int) (bool, error) {
	level, err := c.sim.Chips[0].Level(offset)
	return level == gpiosim.LevelActive, err
}

var benches atomic.Uint32

// newChip makes a chip in the kernel until the end of the test.
func newChip(t testing.TB, options ...gpiosim.NewBankOption) *chip {
	t.Helper()
	gpiotest.RequireKernel(t)
	label := fmt.Sprintf("bench-%d", benches.Add(1))
	c := &chip{bank: gpiosim.NewBank(label, gpiotest.LineCount, options...)}
	if err := c.Plug(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.sim.Close() })
	return c
}

func (c *chip) name() string { return c.sim.Chips[0].ChipName() }

func newBench(t *testing.T) gpiotest.Bench {
	t.Helper()
	var options []gpiosim.NewBankOption
	for offset, name := range gpiotest.Names() {
		options = append(options, gpiosim.WithNamedLine(offset, name))
	}
	for _, offset := range gpiotest.Hogs() {
		options = append(options, gpiosim.WithHoggedLine(offset, gpiotest.HogConsumer, gpiosim.HogDirectionInput))
	}
	c := newChip(t, options...)
	return gpiotest.Bench{
		Backend: cdev.New(),
		Hand:    c,
		Chip: gpio.ChipInfo{
			Name:  c.name(),
			Path:  c.sim.Chips[0].DevPath(),
			Label: c.bank.Label,
			Lines: gpiotest.LineCount,
		},
	}
}

func TestKernelSuite(t *testing.T) {
	gpiotest.RequireKernel(t)
	gpiotest.Run(t, newBench)
}
