package cdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/warthog618/go-gpiocdev"
	"github.com/warthog618/go-gpiocdev/uapi"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// device is an open chip. Reading permission is enough for everything: the
// kernel does not look at how the file was opened
// (torvalds/linux drivers/gpio/gpiolib-cdev.c, gpio_ioctl).
type device struct {
	file        *os.File
	path        string
	name, label string
	lines       int
}

func openDevice(op, path string) (*device, error) {
	refuse := func(err error) (*device, error) {
		return nil, &gpio.OpError{Op: op, Chip: path, Err: explain(path, err)}
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return refuse(err)
	}
	// A device of another kind would get ioctls that mean something else to it.
	if err := gpiocdev.IsChip(path); err != nil {
		return refuse(err)
	}
	file, err := os.Open(path)
	if err != nil {
		return refuse(err)
	}
	info, err := getChipInfo(file.Fd())
	if err != nil {
		file.Close()
		return refuse(err)
	}
	return &device{
		file:  file,
		path:  path,
		name:  uapi.BytesToString(info.Name[:]),
		label: uapi.BytesToString(info.Label[:]),
		lines: int(info.Lines),
	}, nil
}

// explain adds to an error of opening what it means and what to do.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return denied(path, err)
	case errors.Is(err, gpiocdev.ErrNotCharacterDevice):
		return fmt.Errorf("%w: %s is not a GPIO device", gpio.ErrNoChip, path)
	}
	return err
}

func (d *device) Close() error { return d.file.Close() }

func (d *device) fail(op, line string, err error) *gpio.OpError {
	return &gpio.OpError{Op: op, Chip: d.name, Line: line, Err: err}
}

func (d *device) noLine(offset int) error {
	return fmt.Errorf("%w %d: offsets are 0 to %d", gpio.ErrNoLine, offset, d.lines-1)
}

// linesName is the name of a file that is a request.
func (d *device) linesName() string { return d.path + " lines" }

func (d *device) info() gpio.ChipInfo {
	return gpio.ChipInfo{Name: d.name, Path: d.path, Label: d.label, Lines: d.lines}
}

func (d *device) lineInfo(offset int) (gpio.LineInfo, error) {
	info, err := getLineInfo(d.file.Fd(), offset)
	if errors.Is(err, syscall.EINVAL) {
		// The offset is good, so it is the call that the kernel does not know.
		return gpio.LineInfo{}, fmt.Errorf("%w: Linux 5.10 or later is needed: %w", gpio.ErrUnsupported, err)
	}
	return decodeInfo(info), err
}

// free checks that lines are there and nobody holds them, before anything is
// touched: the kernel takes lines one by one, and outputs that it had to give
// back because of a later line would have moved. It gives the lines' labels.
func (d *device) free(lines []gpio.LineConfig) ([]string, error) {
	labels := make([]string, len(lines))
	asked := map[int]bool{}
	for i, line := range lines {
		offset := strconv.Itoa(line.Offset)
		if line.Offset < 0 || line.Offset >= d.lines {
			return nil, d.fail("request", offset, d.noLine(line.Offset))
		}
		info, err := d.lineInfo(line.Offset)
		if err != nil {
			return nil, d.fail("request", offset, err)
		}
		labels[i] = info.Name
		if info.Name == "" {
			labels[i] = offset
		}
		switch {
		case info.Used:
			busy := d.fail("request", labels[i], syscall.EBUSY)
			busy.Holder = info.Consumer
			return nil, busy
		case asked[line.Offset]:
			return nil, d.fail("request", labels[i], fmt.Errorf("asked for twice: %w", syscall.EBUSY))
		}
		asked[line.Offset] = true
	}
	return labels, nil
}
