// Package state keeps what must survive a restart of the component and is not in
// a shadow: what the outputs last were.
//
// It is one small JSON file in the work directory, replaced atomically and
// synced to disk (google/renameio). The engine bounds how often it is written.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// format is the version of the file. A reader refuses newer ones.
const format = 1

// State is what is stored.
type State struct {
	Format  int             `json:"format"`
	Outputs map[string]bool `json:"outputs"` // by line label; true is on (active)
}

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
	empty := State{Format: format, Outputs: map[string]bool{}}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return empty, fmt.Errorf("state not read: %w", err)
	}
	s := empty
	if err := json.Unmarshal(text, &s); err != nil {
		return empty, f.setAside(err)
	}
	if s.Format != format {
		return empty, f.setAside(fmt.Errorf("want format %d, got %d", format, s.Format))
	}
	if s.Outputs == nil {
		s.Outputs = empty.Outputs
	}
	return s, nil
}

func (f File) setAside(cause error) error {
	aside := fmt.Sprintf("%s.%s", f.path, time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(f.path, aside); err != nil {
		return fmt.Errorf("state not understood: %w; nor could it be set aside: %w", cause, err)
	}
	return fmt.Errorf("state not understood: %w; set aside as %s", cause, aside)
}

// Save replaces the state.
func (f File) Save(outputs map[string]bool) error {
	text, err := json.Marshal(State{Format: format, Outputs: outputs})
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(f.path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("state not saved: %w", err)
	}
	return nil
}
