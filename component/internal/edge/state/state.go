// Package state keeps what must survive a restart of the component and is not in
// a shadow: what the outputs last were, counts, commands, local changes, settings,
// alarms and schedules.
//
// It is one small JSON file in the work directory, replaced atomically and
// synced to disk (package durable). The engine bounds how often it is written.
package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
)

// Format is the version of the file. A reader refuses newer ones.
const Format = 2

// File is the state file of a work directory. Load and Save must not run at the
// same time.
type File struct{ path string }

// In returns the state file of a directory, which must exist.
func In(dir string) File { return File{filepath.Join(dir, "state.json")} }

func (f File) String() string { return f.path }

// Load reads the state; where there is none it is empty. A file that cannot be
// understood is renamed out of the way, so that it neither stops the component
// nor is lost: the error says where it is, and the state is empty.
func (f File) Load() (State, error) {
	empty := State{Format: Format, Outputs: map[string]bool{}}
	f.sweep()
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return empty, fmt.Errorf("state not read: %w", err)
	}
	s, err := Decode(text)
	if err != nil {
		return empty, f.setAside(err)
	}
	return s, nil
}

// sweep deletes what saves left behind that were killed in the middle. A file that
// stays does no harm.
func (f File) sweep() {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(f.path), "."+filepath.Base(f.path)+"*"))
	for _, path := range left {
		os.Remove(path)
	}
}

// Decode understands the text of a state file, and changes none.
func Decode(text []byte) (State, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return State{}, err
	}
	s := State{Format: head.Format, Outputs: map[string]bool{}}
	switch head.Format {
	case 1:
		s.Labeled = &Labeled{}
		return s, decode(text, s.Labeled)
	case Format:
		return s, decode(text, &s)
	}
	return State{}, fmt.Errorf("want format %d, got %d", Format, head.Format)
}

func decode(text []byte, dst any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // values of a shadow stay as they were written
	return decoder.Decode(dst)
}

func (f File) setAside(cause error) error {
	aside := fmt.Sprintf("%s.%s", f.path, time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(f.path, aside); err != nil {
		return fmt.Errorf("state not understood: %w; nor could it be set aside: %w", cause, err)
	}
	return fmt.Errorf("state not understood: %w; set aside as %s", cause, aside)
}

// Save replaces the state, and returns when no power cut can bring the old one
// back. Its Format is set here.
func (f File) Save(s State) error {
	s.Format = Format
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := durable.Write(f.path, append(text, '\n')); err != nil {
		return fmt.Errorf("state not saved: %w", err)
	}
	return nil
}
