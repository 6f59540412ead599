package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// MaxSocketPath is the longest path that a Unix socket can have on Linux.
const MaxSocketPath = 107

// Listen listens on a Unix socket that everybody may use, as both nuclei have
// it: who may connect is decided by the token, and by the directory, which is
// made private if it has to be made.
//
// A socket that an earlier server left behind is replaced; anything else at that
// path, a socket with a server behind it included, is an error. The socket
// disappears when the listener is closed.
func Listen(path string) (net.Listener, error) {
	if len(path) > MaxSocketPath {
		return nil, fmt.Errorf("socket path of %d bytes is over the limit of %d: %s", len(path), MaxSocketPath, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen on %s: there is a file that is no socket", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return fmt.Errorf("listen on %s: another server listens there", path)
	}
	return os.Remove(path)
}
