package shadows

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// files keeps each shadow in a file of a directory. Without one it forgets.
type files struct{ dir string }

// stored is the content of a file.
type stored struct {
	Thing    string          `json:"thing"`
	Shadow   string          `json:"shadow,omitempty"`
	Version  int64           `json:"version"`
	Changed  time.Time       `json:"changed"`
	State    json.RawMessage `json:"state,omitempty"` // without one the shadow is deleted
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

const extension = ".json"

// path is that of the file: names have no character that a path cannot have, and
// no thing is called like another with a shadow, for lack of a dot.
func (f files) path(id shadow.ID) string {
	return filepath.Join(f.dir, id.Thing+"."+id.Name+extension)
}

func (f files) save(r Record) error {
	if f.dir == "" {
		return nil
	}
	s := stored{Thing: r.ID.Thing, Shadow: r.ID.Name, Version: r.Version, Changed: r.Changed}
	if r.Document != nil {
		s.State, s.Metadata = shadowdoc.Append(nil, r.Document.State()), shadowdoc.Append(nil, r.Document.Metadata())
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(f.path(r.ID), text, 0o644, renameio.WithTempDir(f.dir))
}

// remove forgets a shadow.
func (f files) remove(id shadow.ID) error {
	if f.dir == "" {
		return nil
	}
	if err := os.Remove(f.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// load reads all files. One that is broken is an error: what was synchronized with
// core devices must not look as if it had been deleted.
func (f files) load() (map[shadow.ID]Record, error) {
	records := map[shadow.ID]Record{}
	if f.dir == "" {
		return records, nil
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || filepath.Ext(e.Name()) != extension {
			continue
		}
		path := filepath.Join(f.dir, e.Name())
		r, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("stored shadow %s: %w", path, err)
		}
		records[r.ID] = r
	}
	return records, nil
}

func read(path string) (r Record, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return r, err
	}
	r = Record{ID: shadow.ID{Thing: s.Thing, Name: s.Shadow}, Version: s.Version, Changed: s.Changed}
	if err := checkID(r.ID); err != nil || s.Version < 1 {
		return r, fmt.Errorf("want names and a version above 0, got %v, version %d", r.ID, s.Version)
	}
	if s.State == nil {
		return r, nil
	}
	state, err := shadowdoc.Parse(s.State)
	if err != nil {
		return r, err
	}
	metadata, err := shadowdoc.Parse(s.Metadata)
	if err != nil {
		return r, err
	}
	r.Document, err = shadowdoc.NewDocument(s.Version, state, metadata)
	return r, err
}
