package ipc

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// maxLongName is what "/proc/self/fd/<fd>/" leaves for the name of a socket.
const maxLongName = maxSocketPath - len("/proc/self/fd/1234567/")

const openPath = 0x200000 // O_PATH: search permission is enough

// dialLong reaches a socket through its directory's descriptor.
func dialLong(ctx context.Context, path string) (net.Conn, error) {
	dir, name := filepath.Split(path)
	fd, err := syscall.Open(dir, openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer func() { _ = syscall.Close(fd) }()
	return dialUnix(ctx, fmt.Sprintf("/proc/self/fd/%d/%s", fd, name))
}
