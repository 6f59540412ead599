package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

func entry(i int) Entry {
	return Entry{At: time.Unix(int64(i)+1, 0).UTC(), Line: fmt.Sprint("l", i), On: i%2 == 0, Cause: lines.Cause{Kind: lines.ByDesired, Name: "main", Version: int64(i)}}
}

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func add(t *testing.T, j *Journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := j.Add(entry(i)); err != nil {
			t.Fatal(err)
		}
	}
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
	entries, last := again.After(10)
	holds(t, entries, 10, 12)
	if entries, _ := again.After(last); last != 12 || len(entries) != 0 {
		t.Errorf("after the last one, %d, there is %v", last, entries)
	}
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

func TestJournalThatCannotBeWrittenStaysInMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	j, err := Open(dir)
	if err == nil {
		t.Fatal("a directory that is missing is no error")
	}
	if err := j.Add(entry(0)); err == nil {
		t.Error("an entry that is not on disk is no error")
	}
	holds(t, j.Last(10), 0, 1)
	// When there is room again, it goes on.
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	add(t, j, 1, 2)
	holds(t, open(t, dir).Last(10), 1, 2)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"at":"2026-01-02T03:04:05Z","line":"lamp","on":true,"cause":{"kind":"desired","name":"main","version":7}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if e, ok := parse(line); ok && (e.Line == "" || e.At.IsZero()) {
			t.Errorf("%q is taken for %+v", line, e)
		}
	})
}
