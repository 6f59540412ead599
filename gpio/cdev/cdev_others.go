//go:build !linux

package cdev

import (
	"fmt"
	"runtime"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Backend has no chips on this system.
type Backend struct{}

var _ gpio.Backend = (*Backend)(nil)

// New makes a backend that can do nothing.
func New() *Backend { return &Backend{} }

func unsupported(op, chip string) error {
	return &gpio.OpError{Op: op, Chip: chip, Err: fmt.Errorf("%w: the GPIO character device is of Linux, this is %s", gpio.ErrUnsupported, runtime.GOOS)}
}

// Chips implements [gpio.Backend].
func (*Backend) Chips() ([]gpio.ChipInfo, error) { return nil, unsupported("list", "") }

// LineInfos implements [gpio.Backend].
func (*Backend) LineInfos(chip string) ([]gpio.LineInfo, error) {
	return nil, unsupported("list", chip)
}

// Request implements [gpio.Backend].
func (*Backend) Request(chip, _ string, _ []gpio.LineConfig) (gpio.Lines, error) {
	return nil, unsupported("request", chip)
}
