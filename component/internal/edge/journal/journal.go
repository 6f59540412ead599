// Package journal keeps the last changes of outputs, and what caused them, over
// restarts: for the person who asks why the lamp was on last night.
//
// It is two files of JSON lines in the work directory, of which the older one is
// replaced when the newer one is full. Nothing is synced, to spare the flash: what
// was written outlives the process however that ends, and a power cut loses what
// the kernel had not written yet, some 30 s. A damaged line is skipped.
//
// Files that cannot be read are left alone: entries stay in memory until the files
// can be read, and are written then.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/lines"
)

// Entry is one change of an output.
type Entry = lines.Moved

// Bounds.
const (
	// Kept is how many entries [Journal.Last] can return at most.
	Kept = 1000
	// fileSize is the size in bytes at which a file is full; some 1000 entries.
	fileSize = 128 << 10
	// longest is the longest line in bytes that is taken for an entry.
	longest = 4 << 10
	// retryPause is the pause after the files could not be read or written.
	retryPause = 30 * time.Second
)

// Journal is safe for concurrent use. Only Save and Close wait for the disk.
type Journal struct {
	dir string

	mu      sync.Mutex // never held while the disk is used
	entries []Entry    // the last ones, the oldest first
	unsaved int        // how many of them, at the end, are not in a file
	count   int64      // of all entries so far: the number of the last one
	dropped int64      // entries that will be in no file

	disk   sync.Mutex // of one Save at a time, and of what follows
	unread bool       // the files have yet to be read
	failed error      // why the last attempt failed; nil if it did not
	tried  time.Time
	file   *os.File
	size   int64
}

// New makes the journal of a directory, which must exist. It reads and writes no file:
// Save does, and goes on with what an earlier run left there. Close it.
func New(dir string) *Journal {
	// Numbers are left free for what is in the files, which may be read late.
	return &Journal{dir: dir, unread: true, count: Kept}
}

func (j *Journal) path(suffix string) string {
	return filepath.Join(j.dir, "journal"+suffix+".jsonl")
}

// Add appends an entry in memory. It does not wait. If more than [Kept] entries wait for
// Save, the oldest of them is left out of the files; see Dropped.
func (j *Journal) Add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) >= 2*Kept {
		j.entries = append(j.entries[:0], j.entries[len(j.entries)-Kept+1:]...)
	}
	j.entries = append(j.entries, e)
	j.count++
	if j.unsaved++; j.unsaved > Kept {
		j.unsaved = Kept
		j.dropped++
	}
}

// Dropped returns how many entries were left out of the files so far, since the disk did
// not keep up.
func (j *Journal) Dropped() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}

// Save reads the files if they were not read, and writes the entries that are in memory
// alone. The error is that of the last attempt: after a failure there is one each 30 s at
// most.
func (j *Journal) Save() error {
	j.disk.Lock()
	defer j.disk.Unlock()
	if j.failed != nil && time.Since(j.tried) < retryPause {
		return j.failed
	}
	return j.attempt()
}

// attempt reads the files unless they were read, and writes what is in none.
func (j *Journal) attempt() error {
	j.tried = time.Now()
	err := j.load()
	for err == nil {
		e, number, ok := j.next()
		if !ok {
			break
		}
		if err = j.write(e); err == nil {
			j.written(number)
		}
	}
	if err == nil && j.file == nil {
		err = j.turn()
	}
	if err != nil {
		err = fmt.Errorf("journal: %w", err)
	}
	j.failed = err
	return err
}

// next is the oldest entry that is in no file, and its number.
func (j *Journal) next() (e Entry, number int64, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unsaved == 0 {
		return Entry{}, 0, false
	}
	return j.entries[len(j.entries)-j.unsaved], j.count - int64(j.unsaved) + 1, true
}

// written notes that the entry of that number is in a file.
func (j *Journal) written(number int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if number > j.count-int64(j.unsaved) {
		j.unsaved--
	} else {
		j.dropped-- // Add gave it up meanwhile
	}
}

// load reads the files. Entries that were added before are newer.
func (j *Journal) load() error {
	if !j.unread {
		return nil
	}
	var found []Entry
	for _, suffix := range []string{".1", ""} {
		if err := read(j.path(suffix), func(e Entry) { found = append(found, e) }); err != nil {
			return err
		}
	}
	found = found[max(0, len(found)-Kept):]
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(found, j.entries...)
	j.unread = false
	return nil
}

func (j *Journal) write(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return nil // it stays in memory, and the others are written
	}
	if j.size >= fileSize || j.file == nil {
		if err := j.turn(); err != nil {
			return err
		}
	}
	n, err := j.file.Write(append(line, '\n'))
	j.size += int64(n)
	if err != nil {
		// The next entry begins on a line of its own, or in another file.
		j.file.Close()
		j.file = nil
	}
	return err
}

// Last returns up to n entries, the oldest first.
func (j *Journal) Last(n int) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last(n)
}

func (j *Journal) last(n int) []Entry {
	return slices.Clone(j.entries[max(0, len(j.entries)-min(max(n, 0), Kept)):])
}

// After returns the entries after the one of that number, as far as they are kept,
// the oldest first, and the number of the last one. Numbers grow by one, from 1 or
// more; each Journal has its own.
func (j *Journal) After(number int64) (entries []Entry, last int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if number >= j.count {
		return nil, j.count
	}
	return j.last(int(min(j.count-number, Kept))), j.count
}

// Close writes what is in memory alone, if it can, and closes the file. It waits for the
// disk. Entries that are added later are in memory alone.
func (j *Journal) Close() error {
	j.disk.Lock()
	defer j.disk.Unlock()
	if _, _, some := j.next(); some {
		j.attempt()
	}
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// turn begins a new file when the present one is full.
func (j *Journal) turn() error {
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
	if j.size >= fileSize {
		if err := os.Rename(j.path(""), j.path(".1")); err != nil {
			return err
		}
	}
	return j.open()
}

// open opens the newer file, and ends a line that was cut short.
func (j *Journal) open() error {
	file, err := durable.Open(j.path(""), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err = file.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			_, err = file.Write([]byte{'\n'})
		}
	}
	if err != nil {
		file.Close()
		return err
	}
	j.file, j.size = file, info.Size()
	return nil
}

func read(path string, take func(Entry)) error {
	file, err := durable.Open(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(io.LimitReader(file, 2*fileSize), longest)
	for {
		line, err := r.ReadSlice('\n')
		switch e, ok := parse(line); {
		case err == nil && ok:
			take(e)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// parse takes a line for an entry, if it is one.
func parse(line []byte) (e Entry, ok bool) {
	err := json.Unmarshal(bytes.TrimSpace(line), &e)
	return e, err == nil && e.Line != "" && !e.At.IsZero()
}
