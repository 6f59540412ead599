package cdev

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"github.com/warthog618/go-gpiocdev/uapi"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Request implements [gpio.Backend]. Beside a name or label, chip may be any path
// of the device, a symbolic link included.
func (b *Backend) Request(chip, consumer string, configs []gpio.LineConfig) (gpio.Lines, error) {
	dev, err := b.device("request", chip)
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	if err := gpio.Validate(configs); err != nil {
		return nil, inChip(err, "request", dev.name)
	}
	labels, err := dev.free(configs)
	if err != nil {
		return nil, err
	}
	file, err := dev.request(consumer, configs)
	if err != nil {
		return nil, dev.refused(configs, labels, err)
	}
	l := newLines(b, file, configs)
	l.chip, l.label = dev.name, strings.Join(labels, ", ")
	if err := l.start(); err != nil {
		return nil, err
	}
	return l, nil
}

// maxConsumer is what the kernel keeps of a consumer, in bytes; its NUL comes on top.
const maxConsumer = len(uapi.LineRequest{}.Consumer) - 1

// request makes the kernel's request. The file is the lines: who closes it, or
// dies, releases them.
func (d *device) request(consumer string, configs []gpio.LineConfig) (*os.File, error) {
	request := uapi.LineRequest{Config: *encode(configs), Lines: uint32(len(configs))}
	copy(request.Consumer[:maxConsumer], consumer)
	for i, config := range configs {
		request.Offsets[i] = uint32(config.Offset)
	}
	if err := getLine(d.file.Fd(), &request); err != nil {
		return nil, err
	}
	// Non-blocking, the file waits in the runtime's poller. In Linux 6.1 a blocking
	// read would also keep the chip from being removed, as it waits with the device
	// locked (torvalds/linux drivers/gpio/gpiolib-cdev.c, call_read_locked).
	if err := syscall.SetNonblock(int(request.Fd), true); err != nil {
		syscall.Close(int(request.Fd))
		return nil, err
	}
	return os.NewFile(uintptr(request.Fd), d.linesName()), nil
}

// refused is the error of a request that the kernel did not take.
func (d *device) refused(configs []gpio.LineConfig, labels []string, err error) error {
	if errors.Is(err, syscall.EBUSY) {
		if _, busy := d.free(configs); busy != nil {
			return busy
		}
	}
	return d.fail("request", strings.Join(labels, ", "), err)
}

func isOpError(err error) bool {
	_, ok := errors.AsType[*gpio.OpError](err)
	return ok
}

// inChip completes an error of gpio.Validate.
func inChip(err error, op, chip string) error {
	if opErr, ok := errors.AsType[*gpio.OpError](err); ok {
		opErr.Op, opErr.Chip = op, chip
	}
	return err
}
