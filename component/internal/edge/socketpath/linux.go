//go:build linux

// Package socketpath gives Unix sockets addresses that fit.
package socketpath

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// At hands do an address of the socket at path: path itself, or a shorter way
// through the open directory if it is longer than an address may be (sun_path, 107
// bytes). The name of the file itself must fit.
func At(path string, do func(address string) error) error {
	if len(path) < len(syscall.RawSockaddrUnix{}.Path) {
		return do(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}
