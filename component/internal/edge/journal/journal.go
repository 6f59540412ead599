// Package journal keeps the last changes of outputs, and what caused them, over
// restarts: for the person who asks why the lamp was on last night.
//
// It is two files of JSON lines in the work directory, of which the older one is
// replaced when the newer one is full. Nothing is synced, to spare the flash: what
// was written outlives the process however that ends, and a power cut loses what
// the kernel had not written yet, some 30 s. A line that is damaged is passed over.
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
)

// Journal is safe for concurrent use.
type Journal struct {
	dir string

	mu      sync.Mutex
	entries []Entry // the last ones, the oldest first
	count   int64   // of all entries so far: the number of the last one
	file    *os.File
	size    int64
}

// Open reads the journal of a directory, which must exist, and goes on with it. A
// journal that cannot be read or written is kept in memory alone: the error says
// why, and the Journal is usable nevertheless. Close it.
func Open(dir string) (*Journal, error) {
	j := &Journal{dir: dir}
	return j, errors.Join(j.read(j.path(".1")), j.read(j.path("")), j.open())
}

func (j *Journal) path(suffix string) string {
	return filepath.Join(j.dir, "journal"+suffix+".jsonl")
}

// Add appends an entry. An error says that it is in memory alone.
func (j *Journal) Add(e Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.keep(e)
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
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
		return fmt.Errorf("journal: %w", err)
	}
	return nil
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
// the oldest first, and the number of the last one. Numbers begin at 1 with what
// [Open] found; each Journal has its own.
func (j *Journal) After(number int64) (entries []Entry, last int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if number >= j.count {
		return nil, j.count
	}
	return j.last(int(min(j.count-number, Kept))), j.count
}

// Close closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

func (j *Journal) keep(e Entry) {
	if len(j.entries) >= 2*Kept {
		j.entries = append(j.entries[:0], j.entries[len(j.entries)-Kept+1:]...)
	}
	j.entries = append(j.entries, e)
	j.count++
}

// turn begins a new file when the present one is full.
func (j *Journal) turn() error {
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
	if j.size >= fileSize {
		if err := os.Rename(j.path(""), j.path(".1")); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return j.open()
}

// open opens the newer file, and ends a line that was cut short.
func (j *Journal) open() error {
	file, err := os.OpenFile(j.path(""), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
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
		return fmt.Errorf("journal: %w", err)
	}
	j.file, j.size = file, info.Size()
	return nil
}

func (j *Journal) read(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer file.Close()
	r := bufio.NewReaderSize(io.LimitReader(file, 2*fileSize), longest)
	for {
		line, err := r.ReadSlice('\n')
		switch e, ok := parse(line); {
		case err == nil && ok:
			j.keep(e)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("journal: %w", err)
		}
	}
}

// parse takes a line for an entry, if it is one.
func parse(line []byte) (e Entry, ok bool) {
	err := json.Unmarshal(bytes.TrimSpace(line), &e)
	return e, err == nil && e.Line != "" && !e.At.IsZero()
}
