// Package durable replaces small files so that a power cut leaves either the old text
// or the new text, and reads them safely whatever lies in their place.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrTooLarge reports a file larger than its reader allows.
var ErrTooLarge = errors.New("file is too large")

// KindError reports something other than a regular file, such as a directory, a named
// pipe or a device. Nothing reads or replaces it.
type KindError struct{ Mode fs.FileMode }

func (e *KindError) Error() string {
	return "want a regular file, got " + kind(e.Mode)
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link to a missing file"
	}
	return "another kind of file"
}

// The steps of Write. Tests replace them to simulate failures.
var (
	createStep  = create
	writeStep   = (*os.File).Write
	syncStep    = (*os.File).Sync
	closeStep   = (*os.File).Close
	renameStep  = os.Rename
	removeStep  = os.Remove
	syncDirStep = (*os.File).Sync
)

// Write replaces the text of a file, and creates a missing file with mode 0600. It
// returns nil when the new text is on the disk. After an error the file has its old
// text, unless only the directory could not be synced: then it has the new text, and a
// power cut may bring the old text back.
//
// The new text is first written to [Temporary]. A process killed in the middle leaves
// that file behind, and the next Write overwrites it. At most one Write of a path runs
// at a time.
func Write(path string, text []byte) error {
	if err := replaceable(path); err != nil {
		return err
	}
	temporary := Temporary(path)
	err := writeTo(temporary, text)
	if err == nil {
		err = renameStep(temporary, path)
	}
	if err != nil {
		removeStep(temporary) // if this fails too, the next Write overwrites it
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Temporary returns the file used by Write on its way to path. It lies in the same
// directory, since a file cannot be renamed across file systems.
func Temporary(path string) string {
	dir, name := filepath.Split(path)
	return filepath.Join(dir, "."+name+".new")
}

// replaceable returns an error if Write must not replace path.
func replaceable(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return &fs.PathError{Op: "replace", Path: path, Err: &KindError{info.Mode()}}
	}
	return nil
}

func create(path string) (*os.File, error) {
	return Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
}

// writeTo returns nil when text is on the disk, though its name may not be.
func writeTo(path string, text []byte) error {
	file, err := createStep(path)
	if err != nil {
		return err
	}
	_, err = writeStep(file, text)
	if err == nil {
		err = syncStep(file)
	}
	if closed := closeStep(file); err == nil {
		err = closed // some network file systems report a failed write only here
	}
	return err
}

// SyncDir returns when the names in a directory are on the disk. The name of a new
// file may get there later than its text: ext4 writes it within 5 s.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = syncDirStep(d)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil // the file system does not sync directories
	}
	return err
}

// Open opens a regular file like [os.OpenFile], and nothing else: it returns a
// [KindError] for a named pipe or a device instead of waiting for the other end. A
// symbolic link to a missing file is a KindError too, and not [fs.ErrNotExist]: the
// file may be on a disk that is not mounted yet.
func Open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil:
		err = regular(path, info)
	case errors.Is(err, fs.ErrNotExist):
		if link, linkErr := os.Lstat(path); linkErr == nil {
			err = regular(path, link)
		} else if flag&os.O_CREATE != 0 {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, flag|syscall.O_NONBLOCK, perm)
	if err != nil {
		return nil, err
	}
	if info, err = file.Stat(); err == nil {
		err = regular(path, info) // something else may have taken the place of the file
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func regular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "open", Path: path, Err: &KindError{info.Mode()}}
}

// Read returns the text of a regular file. A file of more than limit bytes gives
// [ErrTooLarge].
func Read(path string, limit int64) ([]byte, error) {
	file, err := Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("want at most %d bytes: %w", limit, ErrTooLarge)}
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

// Reason returns the cause of an error of this package without path and operation, for
// the little room in a shadow.
func Reason(err error) error {
	for {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err
		} else if link, ok := errors.AsType[*os.LinkError](err); ok {
			err = link.Err
		} else {
			return err
		}
	}
}
