package journal

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

func entry(i int) Entry {
	return Entry{At: time.Unix(int64(i)+1, 0).UTC(), Line: fmt.Sprint("l", i), On: i%2 == 0, Cause: lines.Cause{Kind: lines.ByDesired, Name: "main", Version: int64(i)}}
}

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j := New(dir)
	if err := j.Save(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func add(t *testing.T, j *Journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := addSaved(j, i); err != nil {
			t.Fatal(err)
		}
	}
}

func addSaved(j *Journal, i int) error {
	j.Add(entry(i))
	return j.Save()
}

func holds(t *testing.T, got []Entry, from, to int) {
	t.Helper()
	if len(got) != to-from {
		t.Fatalf("%d entries, want %d", len(got), to-from)
	}
	for i, e := range got {
		if e != entry(from+i) {
			t.Fatalf("entry %d is %+v, want %+v", i, e, entry(from+i))
		}
	}
}

func TestJournalGoesOnAfterAKill(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir) // never closed before the next one opens
	add(t, j, 0, 10)
	again := open(t, dir)
	holds(t, again.Last(100), 0, 10)
	add(t, again, 10, 12)
	holds(t, again.Last(3), 9, 12)
	_, last := again.After(math.MaxInt64)
	entries, _ := again.After(last - 2)
	holds(t, entries, 10, 12)
	if entries, _ := again.After(last); len(entries) != 0 {
		t.Errorf("after the last one, %d, there is %v", last, entries)
	}
	entries, _ = again.After(0)
	holds(t, entries, 0, 12)
	holds(t, open(t, dir).Last(Kept), 0, 12)
	if got := again.Last(0); len(got) != 0 {
		t.Errorf("the last 0 are %v", got)
	}
}

func TestJournalIsBounded(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	const n = 8000
	add(t, j, 0, n)
	holds(t, j.Last(Kept), n-Kept, n)
	var size int64
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if len(files) != 2 || size > 2*fileSize+2*longest {
		t.Errorf("%d files of %d bytes, want 2 of %d", len(files), size, 2*fileSize)
	}
	holds(t, open(t, dir).Last(500), n-500, n)
}

func TestDamagedLinesArePassedOver(t *testing.T) {
	for name, damage := range map[string]string{
		"cut short":  `{"at":"2026-`,
		"zeros":      "\x00\x00\x00\x00",
		"other JSON": "[1]\n{}\n\"x\"\n",
		"very long":  strings.Repeat("x", 3*longest),
		"long entry": `{"line":"` + strings.Repeat("y", 2*longest) + `"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			add(t, open(t, dir), 0, 5)
			file, err := os.OpenFile(filepath.Join(dir, "journal.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			file.WriteString(damage)
			file.Close()
			j := open(t, dir)
			add(t, j, 5, 7)
			holds(t, j.Last(Kept), 0, 7)
			holds(t, open(t, dir).Last(Kept), 0, 7)
		})
	}
}

// A journal that cannot be written is in memory; when there is room again, all that
// is missing is written.
func TestJournalThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	synctest.Test(t, func(t *testing.T) {
		j := New(dir)
		defer j.Close()
		if err := j.Save(); err == nil {
			t.Error("a directory that is missing is no error")
		}
		if err := addSaved(j, 0); err == nil {
			t.Error("an entry that is not on disk is no error")
		}
		holds(t, j.Last(10), 0, 1)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := addSaved(j, 1); err == nil {
			t.Error("it was tried again at once")
		}
		time.Sleep(retryPause)
		if err := j.Save(); err != nil {
			t.Fatal(err)
		}
		add(t, j, 2, 3)
	})
	holds(t, open(t, dir).Last(10), 0, 3)
}

// Files that cannot be read are left alone, also when the journal is full. When they
// can be read, what was added meanwhile follows them.
func TestJournalThatCannotBeReadIsLeftAlone(t *testing.T) {
	for _, name := range []string{"journal.jsonl", "journal.1.jsonl"} {
		for what, block := range map[string]func(path string) error{
			"input/output error": func(path string) error { return os.Symlink("/proc/self/mem", path) },
			"directory":          func(path string) error { return os.Mkdir(path, 0o700) },
			"pipe":               func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"endless device":     func(path string) error { return os.Symlink("/dev/zero", path) },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				dir := t.TempDir()
				const n = 2 * Kept
				add(t, open(t, dir), 0, n)
				path := filepath.Join(dir, name)
				if err := os.Rename(path, path+".hidden"); err != nil {
					t.Fatal(err)
				}
				if err := block(path); err != nil {
					t.Fatal(err)
				}
				before, err := os.Lstat(path)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Test(t, func(t *testing.T) {
					j := New(dir)
					defer j.Close()
					if err := j.Save(); err == nil {
						t.Error("it is no error")
					}
					_, seen := j.After(math.MaxInt64)
					const more = Kept / 2
					for i := n; i < n+more; i++ {
						if err := addSaved(j, i); err == nil {
							t.Fatal("an entry that is not on disk is no error")
						}
					}
					time.Sleep(retryPause)
					if err := j.Save(); err == nil {
						t.Error("it is no error any more")
					}
					if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
						t.Errorf("the file was touched: %v, %v", after, err)
					}
					holds(t, j.Last(more), n, n+more)

					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
					if err := os.Rename(path+".hidden", path); err != nil {
						t.Fatal(err)
					}
					time.Sleep(retryPause)
					if err := j.Save(); err != nil {
						t.Fatal(err)
					}
					holds(t, j.Last(Kept), n+more-Kept, n+more)
					entries, _ := j.After(seen)
					holds(t, entries, n, n+more) // who watches sees each once
				})
				holds(t, open(t, dir).Last(Kept), n+500-Kept, n+500)
			})
		}
	}
}

// While the disk does not answer, entries are added and read, and the oldest that no
// file can get any more are counted.
func TestJournalThatHangsIsInMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := New(dir)
	defer j.Close()
	if err := j.Save(); err != nil {
		t.Fatal(err)
	}
	hangs := &j.disk // as a Save that does not return
	hangs.Lock()
	const n = 2*Kept + 5
	for i := range n {
		j.Add(entry(i))
	}
	holds(t, j.Last(Kept), n-Kept, n)
	if entries, _ := j.After(0); len(entries) != Kept {
		t.Errorf("%d entries are shown, want %d", len(entries), Kept)
	}
	if got := j.Dropped(); got != n-Kept {
		t.Errorf("%d are dropped, want %d", got, n-Kept)
	}
	hangs.Unlock()
	if err := j.Save(); err != nil {
		t.Fatal(err)
	}
	holds(t, open(t, dir).Last(2*Kept), n-Kept, n)
}

// An entry that was given up while it was written is not counted.
func TestEntryWrittenLateIsNotDropped(t *testing.T) {
	t.Parallel()
	j := New(t.TempDir())
	defer j.Close()
	j.Add(entry(0))
	_, number, _ := j.next() // the write of it begins
	for i := range Kept {
		j.Add(entry(i + 1))
	}
	if got := j.Dropped(); got != 1 {
		t.Errorf("%d are dropped, want 1", got)
	}
	j.written(number)
	if got := j.Dropped(); got != 0 {
		t.Errorf("%d are dropped, want 0", got)
	}
	if e, _, ok := j.next(); !ok || e != entry(1) {
		t.Errorf("the next is %+v, want %+v", e, entry(1))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"at":"2026-01-02T03:04:05Z","line":"lamp","on":true,"cause":{"kind":"desired","name":"main","version":7}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if e, ok := parse(line); ok && (e.Line == "" || e.At.IsZero()) {
			t.Errorf("%q is taken for %+v", line, e)
		}
	})
}
