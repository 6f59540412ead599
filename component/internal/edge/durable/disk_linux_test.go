package durable

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// tmpfs mounts a file system of 64 kB.
func tmpfs(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("this machine does not let root mount a file system: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestWriteOnAFullDisk fills a real file system, frees it, and makes it read-only.
func TestWriteOnAFullDisk(t *testing.T) {
	dir := tmpfs(t)
	path, fill := filepath.Join(dir, "file"), filepath.Join(dir, "fill")
	if err := Write(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fill, make([]byte, 100<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	has := func(want string) {
		t.Helper()
		if text, err := Read(path, 1<<20); string(text) != want {
			t.Errorf("the file has %d bytes, %v; want %q", len(text), err, want)
		}
		if _, err := os.Lstat(Temporary(path)); err == nil {
			t.Error("the temporary file takes room on a full disk")
		}
	}
	big := bytes.Repeat([]byte("x"), 8<<10)
	for range 2 {
		if err := Write(path, big); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v", err)
		}
		has("old")
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, big); !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v", err)
	}
	has("new")
}
