package cdev

import (
	"syscall"

	"github.com/warthog618/go-gpiocdev/uapi"
)

// The calls of the kernel's interface. A line behind a bus can be interrupted by a signal
// (i2c and SPI adapters that wait interruptibly), and the Go runtime sends itself many. The
// kernel undoes what it has begun of a request, and values are set as a whole, so all of
// them can be repeated.

func uninterrupted(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

func getChipInfo(fd uintptr) (info uapi.ChipInfo, err error) {
	err = uninterrupted(func() (err error) { info, err = uapi.GetChipInfo(fd); return err })
	return info, err
}

func getLineInfo(fd uintptr, offset int) (info uapi.LineInfoV2, err error) {
	err = uninterrupted(func() (err error) { info, err = uapi.GetLineInfoV2(fd, offset); return err })
	return info, err
}

func getLine(fd uintptr, request *uapi.LineRequest) error {
	return uninterrupted(func() error { return uapi.GetLine(fd, request) })
}

func getValues(fd uintptr, values *uapi.LineValues) error {
	return uninterrupted(func() error { return uapi.GetLineValuesV2(fd, values) })
}

func setValues(fd uintptr, values uapi.LineValues) error {
	return uninterrupted(func() error { return uapi.SetLineValuesV2(fd, values) })
}

func setConfig(fd uintptr, config *uapi.LineConfig) error {
	return uninterrupted(func() error { return uapi.SetLineConfigV2(fd, config) })
}
