package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// set replaces a step of Write until the end of the test.
func set[F any](t *testing.T, step *F, with F) {
	t.Helper()
	before := *step
	*step = with
	t.Cleanup(func() { *step = before })
}

// The name of a file is on the disk once its directory was synced after the
// rename: a power cut before would bring the old text back.
func TestWriteSyncsTheDirectoryLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	for _, c := range []struct{ synced, want error }{
		{nil, nil}, {broken, broken}, {syscall.EINVAL, nil},
	} {
		var there, dir string
		set(t, &syncDirStep, func(d *os.File) error {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			there, dir = string(text), d.Name()
			return c.synced
		})
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

// TestWriteThatFailsKeepsTheOldText has each step fail with each error of a broken
// disk, the removal of the temporary file with it. The old text stays, temporary
// files do not pile up, and Write works again when the disk does.
func TestWriteThatFailsKeepsTheOldText(t *testing.T) {
	steps := map[string]func(*testing.T, error){
		"create": func(t *testing.T, err error) {
			set(t, &createStep, func(string) (*os.File, error) { return nil, err })
		},
		"write": func(t *testing.T, err error) {
			set(t, &writeStep, func(f *os.File, text []byte) (int, error) {
				n, _ := f.Write(text[:len(text)/2]) // a full disk takes a part
				return n, err
			})
		},
		"sync":  func(t *testing.T, err error) { set(t, &syncStep, func(*os.File) error { return err }) },
		"close": func(t *testing.T, err error) { set(t, &closeStep, func(f *os.File) error { f.Close(); return err }) },
		"rename": func(t *testing.T, err error) {
			set(t, &renameStep, func(string, string) error { return err })
		},
	}
	for name, fail := range steps {
		for _, cause := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EIO, syscall.EDQUOT, syscall.EACCES} {
			t.Run(name+"/"+cause.Error(), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "file")
				if err := Write(path, []byte("the old text")); err != nil {
					t.Fatal(err)
				}
				t.Run("broken", func(t *testing.T) {
					fail(t, cause)
					set(t, &removeStep, func(string) error { return cause })
					for range 3 {
						if err := Write(path, []byte("the new text")); !errors.Is(err, cause) {
							t.Errorf("got %v, want %v", err, cause)
						}
					}
					if text, err := os.ReadFile(path); string(text) != "the old text" {
						t.Errorf("the file has %q, %v", text, err)
					}
					if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) > 2 {
						t.Errorf("temporary files pile up: %v, %v", files, err)
					}
				})
				if err := Write(path, []byte("new")); err != nil {
					t.Fatal(err)
				}
				if text, err := os.ReadFile(path); string(text) != "new" {
					t.Errorf("the file has %q, %v", text, err)
				}
				if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
					t.Errorf("left in the directory: %v, %v", files, err)
				}
			})
		}
	}
}

// A process that was killed in the middle left half a text behind, with whatever
// mode.
func TestWriteOverwritesWhatAKillLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(Temporary(path), []byte(strings.Repeat("half", 100)), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); string(text) != "new" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// odd are things in the place of a file that must not be read, waited for, or
// replaced.
func odd(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.Mkdir(at("directory"), 0o700),
		syscall.Mkfifo(at("pipe"), 0o600),
		os.Symlink("/dev/zero", at("device")),
		os.Symlink(at("pipe"), at("link to a pipe")),
		os.Symlink(at("missing"), at("link to nothing")),
		os.Symlink(at("circle"), at("circle")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{
		"directory": at("directory"), "pipe": at("pipe"), "device": at("device"), "link to a pipe": at("link to a pipe"),
		"link to nothing": at("link to nothing"), "circle": at("circle"),
	}
}

// within fails the test if f does not return.
func within(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
		return nil
	}
}

func TestReadTakesRegularFilesOnly(t *testing.T) {
	for name, path := range odd(t) {
		err := within(t, func() error { _, err := Read(path, 100); return err })
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want an error that is not that of a missing file", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	if _, err := Read(path, 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := Read(path, 10); string(text) != "0123456789" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := Read(path, 9); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file that is too large: got %v", err)
	}
	// Opening succeeds, reading does not: page 0 of a process is not mapped.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/mem", path); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, 100); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want an input/output error", err)
	}
}

func TestWriteReplacesRegularFilesOnly(t *testing.T) {
	all := odd(t)
	for _, name := range []string{"directory", "pipe"} {
		path := all[name]
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		err = within(t, func() error { return Write(path, []byte("new")) })
		if _, ok := errors.AsType[*KindError](err); !ok {
			t.Errorf("%s: got %v", name, err)
		}
		if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s became %v, %v", name, after, err)
		}
	}
	// Nor does it wait for a pipe in the place of the temporary file.
	path := filepath.Join(t.TempDir(), "file")
	if err := syscall.Mkfifo(Temporary(path), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := within(t, func() error { return Write(path, []byte("new")) }); err == nil {
		t.Error("a pipe took the new text")
	}
}

func TestReasonIsShort(t *testing.T) {
	err := Write(filepath.Join(t.TempDir(), "missing", "file"), nil)
	if got := Reason(err); got != syscall.ENOENT {
		t.Errorf("got %q of %q", got, err)
	}
	err = &os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EXDEV}
	if got := Reason(err); got != syscall.EXDEV {
		t.Errorf("got %q of %q", got, err)
	}
}
