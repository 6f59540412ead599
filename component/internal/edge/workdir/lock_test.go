package workdir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// dirVariable makes the test binary a process that takes a directory, says so, and
// has it until its input ends.
const dirVariable = "SHADOWGPIO_WORKDIR_TEST"

func TestMain(m *testing.M) {
	if dir := os.Getenv(dirVariable); dir != "" {
		if _, err := Take(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("taken")
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// owner starts a process that has the directory.
func owner(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), dirVariable+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "taken\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	return cmd
}

// files are the names in a directory, with their times.
func files(t *testing.T, dir string) (all string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintln(e.Name(), info.Size(), info.ModTime())
	}
	return all
}

func busy(t *testing.T, err error) *BusyError {
	t.Helper()
	busy, ok := errors.AsType[*BusyError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	return busy
}

func TestSecondProcessLearnsWhoHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	begun := time.Now().Truncate(time.Second)
	first := owner(t, dir)
	before := files(t, dir)
	_, err := Take(dir)
	got := busy(t, err).Owner
	if got.PID != first.Process.Pid || got.Since.Before(begun) || got.Since.After(time.Now()) || got.Program != first.Path {
		t.Errorf("got %+v, want process %d (%s) since %v", got, first.Process.Pid, first.Path, begun)
	}
	if after := files(t, dir); after != before {
		t.Errorf("the second process touched\n%s, before\n%s", after, before)
	}
	// However the first one ends, the kernel drops its lock.
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.Wait()
	lock, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if o, ok := ReadOwner(dir); !ok || o.PID != os.Getpid() {
		t.Errorf("the note has %+v, %v", o, ok)
	}
}

// What a run starts, such as the holder, outlives it without the lock.
func TestChildrenDoNotInheritTheLock(t *testing.T) {
	dir := t.TempDir()
	lock, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	lock.Release()
	lock, err = Take(dir)
	if err != nil {
		t.Fatalf("while a child lives: %v", err)
	}
	lock.Release()
}

// Somebody who tidies up does not let a second run in.
func TestFilesOfTheDirectoryAreRemoved(t *testing.T) {
	dir := t.TempDir()
	lock, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if err := os.Remove(filepath.Join(dir, NoteName)); err != nil {
		t.Fatal(err)
	}
	_, err = Take(dir)
	if owner := busy(t, err).Owner; owner != (Owner{}) {
		t.Errorf("got %+v", owner)
	}
}

// A note of a process that is gone, or none that can be read, names nobody.
func TestNotesThatNameNobody(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	for _, note := range []string{"", "{", "null", `{"pid":0}`, `{"pid":-1}`, "\x00\x00", fmt.Sprintf(`{"pid":%d}`, gone.Process.Pid)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, NoteName), []byte(note), 0o600); err != nil {
			t.Fatal(err)
		}
		if o, ok := ReadOwner(dir); ok || o != (Owner{}) {
			t.Errorf("%q: got %+v", note, o)
		}
	}
	if got := (&BusyError{Dir: "/work"}).Error(); got != "another process works in /work (lsof /work may tell which)" {
		t.Error(got)
	}
}

// A note of any length is replaced as a whole.
func TestNoteIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, NoteName), make([]byte, 3000), 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if o, ok := ReadOwner(dir); !ok || o.PID != os.Getpid() {
		t.Errorf("got %+v, %v", o, ok)
	}
}

func TestMissingDirectory(t *testing.T) {
	if _, err := Take(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestWait has a run wait for another one: it says so at once and each 30 s, the owner
// knows, and it goes on when the other is gone.
func TestWait(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		first, err := Take(dir)
		if err != nil {
			t.Fatal(err)
		}
		if first.Wanted() {
			t.Error("it is wanted before anybody waits")
		}
		var said []time.Duration
		begun := time.Now()
		done := make(chan *Lock)
		go func() {
			lock, err := Wait(t.Context(), dir, func(e *BusyError) {
				said = append(said, time.Since(begun))
				if e.Owner.PID != os.Getpid() {
					t.Errorf("told of %+v", e.Owner)
				}
			})
			if err != nil {
				t.Error(err)
			}
			done <- lock
		}()
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if fmt.Sprint(said) != "[0s 30s 1m0s]" {
			t.Errorf("said after %v", said)
		}
		if !first.Wanted() {
			t.Error("it is not wanted while another waits")
		}
		first.Release()
		second := <-done
		if second.Wanted() {
			t.Error("it is wanted when nobody waits any more")
		}
		second.Release()
	})
}

func TestWaitEnds(t *testing.T) {
	dir := t.TempDir()
	lock, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	stopped := errors.New("stopped")
	ctx, stop := context.WithCancelCause(t.Context())
	_, err = Wait(ctx, dir, func(*BusyError) { stop(stopped) })
	if !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
	if lock.Wanted() {
		t.Error("it is wanted though nobody waits any more")
	}
}

func TestNoLock(t *testing.T) {
	var none *Lock
	if none.Wanted() {
		t.Error("it is wanted")
	}
	none.Release()
}
