package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The name of a file is on the disk when its directory was synced after it came to
// be: a power cut before would bring the old text back.
func TestWriteSyncsTheDirectoryLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	real := syncDir
	t.Cleanup(func() { syncDir = real })
	broken := errors.New("input/output error")
	for _, c := range []struct{ synced, want error }{
		{nil, nil}, {broken, broken}, {syscall.EINVAL, nil},
	} {
		var there, dir string
		syncDir = func(d *os.File) error {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			there, dir = string(text), d.Name()
			return c.synced
		}
		if err := Write(path, []byte("new")); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("sync failed with %v: got %v, want %v", c.synced, err, c.want)
		}
		if there != "new" || dir != filepath.Dir(path) {
			t.Errorf("%q was synced while the file had %q", dir, there)
		}
	}
}

func TestWriteLeavesNothingBeside(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	for _, text := range []string{"a", "b"} {
		if err := Write(filepath.Join(dir, "file"), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("in the directory: %v, %v", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}
