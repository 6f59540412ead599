package ipc

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
)

// maxSocketPath is the longest path in a socket address: 108 bytes with the NUL.
const maxSocketPath = 107

// checkSocketPath says whether dialSocket could ever reach the path.
func checkSocketPath(path string) error {
	if len(path) <= maxSocketPath {
		return nil
	}
	if n := len(filepath.Base(path)); n > maxLongName {
		return fmt.Errorf("socket path of %d characters is over the %d of a socket address, and its last element with %d over %d: %s",
			len(path), maxSocketPath, n, maxLongName, path)
	}
	return nil
}

// dialSocket connects to a Unix socket, long paths included: a nucleus that has
// its socket at one hands out a relative path, which a chdir would break.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	if path == "" {
		return nil, fmt.Errorf("no socket path")
	}
	if err := checkSocketPath(path); err != nil {
		return nil, err
	}
	if len(path) > maxSocketPath {
		return dialLong(ctx, path)
	}
	return dialUnix(ctx, path)
}

func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}
