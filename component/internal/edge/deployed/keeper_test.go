package deployed

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// kept runs a keeper of a file in simulated time. What it logs is in the text.
func kept(t *testing.T, file string, test func(t *testing.T, k *keeper, logged *strings.Builder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		k := newKeeper(file, slog.New(slog.NewTextHandler(&logged, nil)))
		go k.run(t.Context())
		synctest.Wait()
		test(t, k, &logged)
	})
}

// fault is what the keeper told last.
func fault(t *testing.T, k *keeper) error {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-k.faults:
		return err
	default:
		t.Fatal("the keeper has told nothing")
		return nil
	}
}

func wants(t *testing.T, file, want string) {
	t.Helper()
	if text, err := os.ReadFile(file); string(text) != want {
		t.Errorf("the file has %q, %v; want %q", text, err, want)
	}
}

func TestKeeperReadsAndWrites(t *testing.T) {
	file := filepath.Join(t.TempDir(), "configuration.json")
	kept(t, file, func(t *testing.T, k *keeper, logged *strings.Builder) {
		if text := <-k.found; text != nil {
			t.Errorf("found %q where there is none", text)
		}
		for _, text := range []string{"one", "two"} {
			k.keep(t.Context(), []byte(text))
			wants(t, file, text)
		}
	})
	kept(t, file, func(t *testing.T, k *keeper, logged *strings.Builder) {
		if text := <-k.found; string(text) != "two" {
			t.Errorf("found %q", text)
		}
		if len(k.faults) != 0 || logged.Len() != 0 {
			t.Errorf("logged %s", logged)
		}
	})
}

// A file that cannot be read is told, left alone, and read later.
func TestKeeperReadsLater(t *testing.T) {
	file := filepath.Join(t.TempDir(), "configuration.json")
	if err := os.Symlink("/proc/self/mem", file); err != nil { // an input/output error
		t.Fatal(err)
	}
	kept(t, file, func(t *testing.T, k *keeper, logged *strings.Builder) {
		if err := fault(t, k); !errors.Is(err, syscall.EIO) {
			t.Errorf("got %v", err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := strings.Count(logged.String(), "last good configuration not read"); n != 1 {
			t.Errorf("%d times in the log:\n%s", n, logged)
		}
		if target, err := os.Readlink(file); target != "/proc/self/mem" {
			t.Errorf("the file was touched: %q, %v", target, err)
		}
		os.Remove(file)
		if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(longPause)
		if text := <-k.found; string(text) != "kept" {
			t.Errorf("found %q", text)
		}
		if err := fault(t, k); err != nil {
			t.Errorf("still told: %v", err)
		}
	})
}

// A new configuration replaces a file that could not be read, which is out of date
// by then.
func TestKeeperReplacesWhatItCouldNotRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "configuration.json")
	if err := os.Symlink("/proc/self/mem", file); err != nil {
		t.Fatal(err)
	}
	kept(t, file, func(t *testing.T, k *keeper, logged *strings.Builder) {
		fault(t, k)
		k.keep(t.Context(), []byte("new"))
		wants(t, file, "new")
		if err := fault(t, k); err != nil {
			t.Errorf("still told: %v", err)
		}
		if len(k.found) != 0 {
			t.Error("the old text was found as well")
		}
	})
}

// What cannot be written is written later, the newest text of all.
func TestKeeperWritesLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	file := filepath.Join(dir, "configuration.json")
	kept(t, file, func(t *testing.T, k *keeper, logged *strings.Builder) {
		<-k.found
		k.keep(t.Context(), []byte("one"))
		if err := fault(t, k); !errors.Is(err, syscall.ENOENT) || !strings.HasPrefix(err.Error(), "not kept for the next start: ") {
			t.Errorf("got %v", err)
		}
		k.keep(t.Context(), []byte("two"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := strings.Count(logged.String(), "configuration not kept for the next start"); n != 1 {
			t.Errorf("%d times in the log:\n%s", n, logged)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(longPause)
		if err := fault(t, k); err != nil {
			t.Errorf("still told: %v", err)
		}
		wants(t, file, "two")
	})
}

// A disk that hangs holds a new configuration up for two seconds, and gets the
// newest one when it answers.
func TestDiskThatHangs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "configuration.json")
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(file, slog.New(slog.DiscardHandler))
		begun := time.Now()
		for _, text := range []string{"one", "two"} { // run does not look yet, as behind a read that hangs
			k.keep(t.Context(), []byte(text))
		}
		if took := time.Since(begun); took != 2*diskWait {
			t.Errorf("it took %v", took)
		}
		go k.run(t.Context())
		synctest.Wait()
		wants(t, file, "two")
	})
}
