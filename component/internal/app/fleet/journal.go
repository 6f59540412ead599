package fleet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// formatVersion is that of the journal.
const formatVersion = 1

// Header is the first line of a journal.
type Header struct {
	Format int       `json:"format"`
	At     time.Time `json:"at"`
	Where  string    `json:"where"`            // the endpoint, so that it is not taken up elsewhere
	Shadow string    `json:"shadow,omitempty"` // of each thing; "" is the classic one
	Undoes string    `json:"undoes,omitempty"` // the journal that is undone
	// Canaries is how many of the targets are changed first. The others follow if all of
	// these are done.
	Canaries int      `json:"canaries,omitempty"`
	Targets  []Target `json:"targets"`
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
	Thing  string           `json:"thing,omitempty"`
	Before *shadow.Document `json:"before,omitempty"` // of the keys in question
	Result *Result          `json:"result,omitempty"`
	Judged bool             `json:"judged,omitempty"` // the canaries were
}

// Result is what became of one thing.
type Result struct {
	Outcome client.Outcome           `json:"outcome"`
	Answers map[string]client.Answer `json:"answers,omitempty"`
	Reason  string                   `json:"reason,omitempty"`
}

// The outcomes that a thing may have besides those of a value.
const (
	Failed  client.Outcome = "failed"  // the service could not be asked; nothing is known
	Skipped client.Outcome = "skipped" // deliberately not changed
)

// Journal is the plan of a change and its course. Its methods may be called from any
// goroutine.
type Journal struct {
	Header Header
	path   string

	mu      sync.Mutex
	file    *os.File
	broken  error // of a line that was not written as a whole, and has to stay the last one
	canary  bool  // the canaries were judged
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
	j := newJournal(path, f)
	j.Header = h
	if err := errors.Join(j.lock(), j.append(h), durable.SyncDir(filepath.Dir(path))); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return j, nil
}

func newJournal(path string, f *os.File) *Journal {
	return &Journal{path: path, file: f, before: map[string]shadow.Document{}, results: map[string]Result{}}
}

// Open takes up a journal. It must be closed.
func Open(path string) (*Journal, error) {
	return open(path, os.O_RDWR, func(j *Journal) error {
		if err := j.lock(); err != nil {
			return err
		}
		good, err := j.read()
		if err != nil {
			return err
		}
		if err := j.file.Truncate(good); err != nil {
			return err
		}
		_, err = j.file.Seek(good, io.SeekStart)
		return err
	})
}

// Look reads a journal, also of a change that goes on. It must be closed.
func Look(path string) (*Journal, error) {
	return open(path, os.O_RDONLY, func(j *Journal) error {
		_, err := j.read()
		return err
	})
}

func open(path string, how int, use func(*Journal) error) (*Journal, error) {
	f, err := os.OpenFile(path, how, 0)
	if err != nil {
		return nil, err
	}
	j := newJournal(path, f)
	if err := use(j); err != nil {
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

// read reads all lines, and returns where they end. A last one that was cut off, by a
// kill or a full disk, is left out: what it tells of was not relied on.
func (j *Journal) read() (good int64, err error) {
	reader := bufio.NewReader(j.file)
	for n := 1; ; n++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, err
		}
		if err := j.take(n, line); err != nil {
			return 0, fmt.Errorf("line %d: %w", n, err)
		}
		good += int64(len(line))
	}
	if good == 0 {
		return 0, errors.New("want the journal of a fleet change, got no whole line")
	}
	return good, nil
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
	j.canary = j.canary || r.Judged
	return nil
}

// append writes a line, and returns when it is on disk.
func (j *Journal) append(line any) error {
	if j.broken != nil {
		return j.broken
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, j.broken = j.file.Write(append(text, '\n')); j.broken == nil {
		j.broken = j.file.Sync()
	}
	return j.broken
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

// judge notes that the canaries were judged.
func (j *Journal) judge() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.canary = true
	return j.append(record{Judged: true})
}

func (j *Journal) judged() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.canary
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
		if r, _ := j.Result(t.Thing); !begun || r.Outcome == Skipped || r.Outcome == client.Overruled {
			continue
		}
		back := Target{Thing: t.Thing, Desired: map[string]any{}, Expect: t.Desired}
		for key := range t.Desired {
			back.Desired[key] = revert(t.Desired[key], before.Desired[key], before.Reported[key])
		}
		targets = append(targets, back)
	}
	return targets
}

// revert is what takes back a value that was written over another. Of an object only the
// members that were written; nil withdraws what is desired.
func revert(written, desired, reported any) any {
	if desired == nil {
		desired = reported
	}
	members, ok := written.(map[string]any)
	before, ok2 := desired.(map[string]any)
	if !ok || !ok2 {
		return desired
	}
	was, _ := reported.(map[string]any)
	back := map[string]any{}
	for name, member := range members {
		back[name] = revert(member, before[name], was[name])
	}
	return back
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
