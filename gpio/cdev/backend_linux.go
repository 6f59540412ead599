package cdev

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/warthog618/go-gpiocdev"

	"github.com/shadowgpio/shadowgpio/gpio"
)

// Backend is the chips of this machine. It holds nothing open beside the lines
// that are requested through it, and needs no closing. All methods may be called
// concurrently.
type Backend struct {
	departures departures
}

var _ gpio.Backend = (*Backend)(nil)

// New makes a backend.
func New() *Backend { return &Backend{} }

// Chips implements [gpio.Backend]. A chip that disappears while they are listed
// is left out.
func (b *Backend) Chips() ([]gpio.ChipInfo, error) {
	var infos []gpio.ChipInfo
	var problems []error
	for _, name := range gpiocdev.Chips() {
		dev, err := openDevice("open", "/dev/"+name)
		switch {
		case err == nil:
			infos = append(infos, dev.info())
			dev.Close()
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENODEV):
			problems = append(problems, err)
		}
	}
	return infos, errors.Join(problems...)
}

// LineInfos implements [gpio.Backend]. Beside a name or label, chip may be any
// path of the device, a symbolic link included.
func (b *Backend) LineInfos(chip string) ([]gpio.LineInfo, error) {
	dev, err := b.device("list", chip)
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	infos := make([]gpio.LineInfo, dev.lines)
	for offset := range infos {
		if infos[offset], err = dev.lineInfo(offset); err != nil {
			return nil, dev.fail("list", "", err)
		}
	}
	return infos, nil
}

// device opens the chip that ref names.
func (b *Backend) device(op, ref string) (*device, error) {
	if path := devicePath(ref); path != "" {
		dev, err := openDevice(op, path)
		if !errors.Is(err, fs.ErrNotExist) {
			return dev, err
		}
	}
	chips, problems := b.Chips()
	info, err := gpio.MatchChip(chips, ref)
	if err != nil {
		if problems != nil {
			err = fmt.Errorf("%w; %w", err, problems)
		}
		return nil, &gpio.OpError{Op: op, Chip: ref, Err: err}
	}
	return openDevice(op, info.Path)
}

// devicePath is the path that ref may be or stand for, "" for a label.
func devicePath(ref string) string {
	switch {
	case strings.HasPrefix(ref, "/"):
		return ref
	case strings.HasPrefix(ref, "gpiochip"):
		return "/dev/" + ref
	}
	return ""
}
