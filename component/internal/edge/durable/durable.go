// Package durable replaces files so that a power cut leaves the old text or the
// new one, and never the old one once the replacement was said to be done.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// syncDir is replaced by tests.
var syncDir = func(dir *os.File) error { return dir.Sync() }

// Write replaces the text of a file, which it makes if there is none, and returns
// when that is on the disk. New files have mode 0600. A process that is killed in
// the middle leaves a file behind beside it, with a dot before its name and digits
// behind.
func Write(path string, text []byte) error {
	dir := filepath.Dir(path)
	// In no other directory: TMPDIR may be another's, or smaller.
	if err := renameio.WriteFile(path, text, 0o600, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	return SyncDir(dir)
}

// SyncDir returns when the names in a directory are on the disk. That of a new file need
// not be when its text is: ext4 writes it within 5 s.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = syncDir(d)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil // a file system that has no such thing
	}
	return err
}
