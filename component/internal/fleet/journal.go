package fleet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/application"
	"github.com/shadowgpio/shadowgpio/component/internal/shadow"
)

// formatVersion is that of the journal.
const formatVersion = 1

// Header is the first line of a journal.
type Header struct {
	Format  int       `json:"format"`
	At      time.Time `json:"at"`
	Where   string    `json:"where"`            // the endpoint, so that it is not taken up elsewhere
	Shadow  string    `json:"shadow,omitempty"` // of each thing; "" is the classic one
	Undoes  string    `json:"undoes,omitempty"` // the journal that is undone
	Targets []Target  `json:"targets"`
}

// Target is what is desired of one thing.
type Target struct {
	Thing   string         `json:"thing"`
	Desired map[string]any `json:"desired"`
	// Expect is what must still be desired for the change to be made, as when a change is
	// undone that somebody else has changed since; nil is anything.
	Expect map[string]any `json:"expect,omitempty"`
}

// record is every further line: what was found of a thing before it is changed, and
// later what became of it.
type record struct {
	Thing   string           `json:"thing"`
	Before  *shadow.Document `json:"before,omitempty"` // of the keys in question
	Result  *Result          `json:"result,omitempty"`
	Resumed bool             `json:"resumed,omitempty"` // a further run begins here
}

// Result is what became of one thing.
type Result struct {
	Outcome application.Outcome           `json:"outcome"`
	Answers map[string]application.Answer `json:"answers,omitempty"`
	Reason  string                        `json:"reason,omitempty"`
}

// The outcomes that a thing may have besides those of a value.
const (
	Failed  application.Outcome = "failed"  // the service could not be asked; nothing is known
	Skipped application.Outcome = "skipped" // deliberately not changed
)

// Journal is the plan of a change and its course. Its methods may be called from any
// goroutine.
type Journal struct {
	Header Header
	path   string

	mu      sync.Mutex
	file    *os.File
	before  map[string]shadow.Document
	results map[string]Result
}

// ErrInUse is the error about a journal whose change goes on in another process.
var ErrInUse = errors.New("another process carries out this change")

// Create begins a journal in a file that must not be there. It must be closed.
func Create(path string, h Header) (*Journal, error) {
	h.Format = formatVersion
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{Header: h, path: path, file: f, before: map[string]shadow.Document{}, results: map[string]Result{}}
	if err := errors.Join(j.lock(), j.append(h)); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return j, nil
}

// Open takes up a journal. It must be closed.
func Open(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	j := &Journal{path: path, file: f, before: map[string]shadow.Document{}, results: map[string]Result{}}
	if err := errors.Join(j.lock(), j.read()); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return j, nil
}

// lock keeps other processes from the same change.
func (j *Journal) lock() error {
	err := syscall.Flock(int(j.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	return err
}

// read reads all lines. A last one that was cut off by a kill is dropped: what it
// tells of was not relied on.
func (j *Journal) read() error {
	reader := bufio.NewReader(j.file)
	var good int64
	for n := 1; ; n++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if err := j.take(n, line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		good += int64(len(line))
	}
	if good == 0 {
		return errors.New("want the journal of a fleet change, got no whole line")
	}
	if err := j.file.Truncate(good); err != nil {
		return err
	}
	_, err := j.file.Seek(good, io.SeekStart)
	return err
}

func (j *Journal) take(n int, line []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if n == 1 {
		if err := decoder.Decode(&j.Header); err != nil {
			return err
		}
		if j.Header.Format != formatVersion {
			return fmt.Errorf("want the journal of a fleet change in format %d, got format %d", formatVersion, j.Header.Format)
		}
		return nil
	}
	var r record
	if err := decoder.Decode(&r); err != nil {
		return err
	}
	if r.Before != nil {
		j.before[r.Thing] = *r.Before
	}
	if r.Result != nil {
		j.results[r.Thing] = *r.Result
	}
	return nil
}

// append writes a line, and returns when it is on disk.
func (j *Journal) append(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(append(text, '\n')); err != nil {
		return err
	}
	return j.file.Sync()
}

// begin notes what was found of a thing, before it is changed.
func (j *Journal) begin(thing string, before shadow.Document) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.before[thing] = before
	return j.append(record{Thing: thing, Before: &before})
}

// end notes what became of a thing.
func (j *Journal) end(thing string, r Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.results[thing] = r
	return j.append(record{Thing: thing, Result: &r})
}

// begun tells what was found of a thing before it was changed.
func (j *Journal) begun(thing string) (before shadow.Document, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	before, ok = j.before[thing]
	return before, ok
}

// Result is what became of a thing, as far as that is known.
func (j *Journal) Result(thing string) (r Result, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r, ok = j.results[thing]
	return r, ok
}

// Path is the file of the journal.
func (j *Journal) Path() string { return j.path }

// Close ends the use of the journal.
func (j *Journal) Close() error { return j.file.Close() }

// Undo are the targets that take back what the change has done: for each thing that
// was changed, or may have been, what was desired of it before, provided that nobody
// else has desired something else since. Where nothing was desired, it is what was
// reported: a device keeps a setting that is desired no longer.
func (j *Journal) Undo() (targets []Target) {
	for _, t := range j.Header.Targets {
		before, begun := j.begun(t.Thing)
		if r, _ := j.Result(t.Thing); !begun || r.Outcome == Skipped || r.Outcome == application.Overruled {
			continue
		}
		back := Target{Thing: t.Thing, Desired: map[string]any{}, Expect: t.Desired}
		for key := range t.Desired {
			back.Desired[key] = before.Desired[key]
			if back.Desired[key] == nil {
				back.Desired[key] = before.Reported[key] // nil withdraws what is desired
			}
		}
		targets = append(targets, back)
	}
	return targets
}

// part is a document reduced to some keys.
func part(doc shadow.Document, keys map[string]any) shadow.Document {
	out := shadow.Document{
		Version: doc.Version, Desired: map[string]any{}, Reported: map[string]any{},
		DesiredAt: map[string]int64{}, AckAt: map[string]int64{},
	}
	acks := map[string]any{}
	all, _ := doc.Reported[shadow.AckKey].(map[string]any)
	for key := range keys {
		pick(out.Desired, doc.Desired, key)
		pick(out.Reported, doc.Reported, key)
		pick(acks, all, key)
		pick(out.DesiredAt, doc.DesiredAt, key)
		pick(out.AckAt, doc.AckAt, key)
	}
	if len(acks) > 0 {
		out.Reported[shadow.AckKey] = acks
	}
	return out
}

func pick[V any](to, from map[string]V, key string) {
	if v, ok := from[key]; ok {
		to[key] = v
	}
}
