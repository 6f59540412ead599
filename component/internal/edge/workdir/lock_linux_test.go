package workdir

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A disk that is full, or read-only, keeps nobody from taking the directory, and
// names nobody who has not.
func TestDiskThatTakesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("this machine does not let root mount a file system: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 100<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	takes := func(known bool) {
		t.Helper()
		lock, err := Take(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Release()
		_, err = Take(dir)
		if owner := busy(t, err).Owner; (owner.PID == os.Getpid()) != known {
			t.Errorf("got %+v", owner)
		}
	}
	takes(false)
	if err := os.Remove(filepath.Join(dir, "fill")); err != nil {
		t.Fatal(err)
	}
	takes(true)
	if err := os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 100<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	takes(true) // in the place of the note before
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	takes(true) // the note before was this process's
}
