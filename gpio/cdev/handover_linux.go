package cdev

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"github.com/shadowgpio/shadowgpio/gpio"
)

var (
	_ gpio.Adopter    = (*Backend)(nil)
	_ gpio.Descriptor = (*lines)(nil)
)

// File implements [gpio.Descriptor].
func (l *lines) File() (*os.File, error) {
	var file *os.File
	err := l.call("pass", func(fd uintptr) (err error) {
		file, err = duplicate(fd, l.file.Name())
		return err
	})
	return file, err
}

func duplicate(fd uintptr, name string) (*os.File, error) {
	copied, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(copied), name), nil
}

// Adopt implements [gpio.Adopter]. Copies of the file may be used at the same
// time, in any process: the kernel takes calls on them in turns, and what one
// sets or configures is so for all. An event goes to one reader of several.
//
// Where procfs is mounted the kernel itself says what the file holds
// (torvalds/linux drivers/gpio/gpiolib-cdev.c, linereq_show_fdinfo, Linux 6.1);
// elsewhere the consumer and the number of lines have to do.
func (b *Backend) Adopt(file *os.File, chip, consumer string, offsets []int) (gpio.Lines, error) {
	defer file.Close()
	configs := make([]gpio.LineConfig, len(offsets))
	for i, offset := range offsets {
		configs[i].Offset = offset
	}
	l, err := b.adopt(file, chip, consumer, configs)
	if err != nil {
		return nil, err
	}
	if err := l.start(); err != nil {
		return nil, err
	}
	return l, nil
}

// adopt makes lines that are not watched yet, on a copy of the file.
func (b *Backend) adopt(file *os.File, chip, consumer string, configs []gpio.LineConfig) (*lines, error) {
	refuse := func(err error) (*lines, error) {
		return nil, &gpio.OpError{Op: "adopt", Chip: chip, Err: err}
	}
	if err := gpio.Validate(configs); err != nil {
		return nil, inChip(err, "adopt", chip)
	}
	// Before the chip is looked for: another one may have its name by now.
	if err := onFile(file, func(fd uintptr) error { return countLines(fd, len(configs)) }); err != nil {
		return refuse(err)
	}
	dev, err := b.device("adopt", chip)
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	labels, err := dev.heldBy(consumer, configs)
	if err != nil {
		return nil, err
	}
	var own *os.File
	err = onFile(file, func(fd uintptr) (err error) {
		if err := dev.told(fd, configs); err != nil {
			return err
		}
		own, err = duplicate(fd, dev.linesName())
		return err
	})
	if err != nil {
		return refuse(err)
	}
	l := newLines(b, own, configs)
	l.chip, l.label = dev.name, strings.Join(labels, ", ")
	return l, nil
}

func onFile(file *os.File, do func(fd uintptr) error) error {
	conn, err := file.SyscallConn()
	if err == nil {
		closed := conn.Control(func(fd uintptr) { err = do(fd) })
		if closed == nil {
			return err
		}
		err = closed
	}
	return fmt.Errorf("%w: %w", syscall.EINVAL, err)
}

// countLines checks that a file is a request of n lines whose chip is there. The
// kernel ignores bits of a mask beyond the lines, and refuses a mask without a line
// (torvalds/linux drivers/gpio/gpiolib-cdev.c, linereq_get_values).
func countLines(fd uintptr, n int) error {
	last := uapi.LineValues{Mask: uapi.NewLineBits(n - 1)}
	err := getValues(fd, &last)
	if errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("%w: %w", gpio.ErrGone, err)
	}
	if err == nil && n < uapi.LinesMax {
		beyond := uapi.LineValues{Mask: uapi.NewLineBits(n)}
		if getValues(fd, &beyond) == nil {
			err = errors.New("it holds more")
		}
	}
	if err != nil {
		return fmt.Errorf("the file is no request of %d lines: %w: %w", n, syscall.EINVAL, err)
	}
	return nil
}

// heldBy checks that consumer holds lines, and gives their labels.
func (d *device) heldBy(consumer string, configs []gpio.LineConfig) ([]string, error) {
	consumer = cmp.Or(consumer[:min(len(consumer), maxConsumer)], "?")
	labels := make([]string, len(configs))
	for i, config := range configs {
		offset := strconv.Itoa(config.Offset)
		if config.Offset < 0 || config.Offset >= d.lines {
			return nil, d.fail("adopt", offset, d.noLine(config.Offset))
		}
		info, err := d.lineInfo(config.Offset)
		if err != nil {
			return nil, d.fail("adopt", offset, err)
		}
		labels[i] = cmp.Or(info.Name, offset)
		if !info.Used || info.Consumer != consumer {
			return nil, d.fail("adopt", labels[i], fmt.Errorf("want it held by %q, got %q: %w", consumer, info.Consumer, syscall.EINVAL))
		}
	}
	return labels, nil
}

// told checks what the kernel tells of a request file, if it does.
func (d *device) told(fd uintptr, configs []gpio.LineConfig) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return nil
	}
	var chip string
	var got, want []string
	for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
		key, value, _ := strings.Cut(scanner.Text(), ":\t")
		switch key {
		case "gpio-chip":
			chip = value
		case "gpio-line":
			got = append(got, value)
		}
	}
	for _, config := range configs {
		want = append(want, strconv.Itoa(config.Offset))
	}
	if chip == "" || chip == d.name && slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("want a request of lines %s of %s, got %s of %s: %w",
		strings.Join(want, ", "), d.name, strings.Join(got, ", "), chip, syscall.EINVAL)
}
