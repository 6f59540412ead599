package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/durable"
)

// FileName is the name of the state file in the work directory.
const FileName = "state.json"

// keptAside limits the files set aside; the newest are kept.
const keptAside = 5

// File is the state file of a work directory. Load and Save must not run at the same
// time.
type File struct{ path string }

// In returns the state file of a directory, which must exist.
func In(dir string) File { return File{filepath.Join(dir, FileName)} }

func (f File) String() string { return f.path }

// Report has the findings of Load besides the state.
type Report struct {
	Missing bool    // there is no file
	Damages Damages // entries left out
	Broken  error   // why the file as a whole was invalid; nil if valid
	Aside   string  // the new path of the broken file
}

// Load reads the state. A missing file gives an empty state.
//
// Load sets a broken file aside, so the file is neither lost nor in the way, and saves
// the readable entries in its place.
//
// An error means the state is unknown: the file cannot be read, a newer version wrote
// it, or it is broken and cannot be set aside. The file is unchanged. Do not call Save
// until Load succeeds.
func (f File) Load() (State, Report, error) {
	empty := State{Format: Format, Outputs: map[string]bool{}}
	text, err := durable.Read(f.path, maxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return empty, Report{Missing: true}, nil
	case errors.Is(err, durable.ErrTooLarge): // the text was not read
	case err != nil:
		return empty, Report{}, err
	}
	var s State
	var report Report
	if err == nil {
		s, report.Damages, err = Decode(text)
	}
	if err == nil {
		return s, report, nil
	}
	if newer, ok := errors.AsType[*NewerError](err); ok {
		return empty, Report{}, newer
	}
	report.Broken = err
	if report.Aside, err = f.setAside(); err != nil {
		return empty, Report{}, fmt.Errorf("%w; it cannot be set aside: %w", report.Broken, err)
	}
	if s.Entries() == 0 {
		return empty, report, nil
	}
	if err := f.Save(s); err != nil {
		report.Broken = fmt.Errorf("%w; what could be read of it is not saved yet: %w", report.Broken, err)
	}
	return s, report, nil
}

// setAside renames the file, and removes the oldest files set aside before.
func (f File) setAside() (string, error) {
	aside := fmt.Sprintf("%s.%s", f.path, time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(f.path, aside); err != nil {
		return "", err
	}
	files, _ := os.ReadDir(filepath.Dir(f.path)) // if the directory cannot be read, keep all
	var old []string
	for _, file := range files {
		if IsAside(file.Name()) && file.Type().IsRegular() && file.Name() != filepath.Base(aside) {
			old = append(old, file.Name())
		}
	}
	slices.Sort(old)
	for _, name := range old[:max(0, len(old)-keptAside+1)] {
		os.Remove(filepath.Join(filepath.Dir(f.path), name)) // a leftover does no harm
	}
	return aside, nil
}

// asideName matches a file set aside: FileName and a time.
var asideName = regexp.MustCompile(`^` + regexp.QuoteMeta(FileName) + `\.\d{8}T\d{6}\.\d{3}$`)

// IsAside reports whether a file of the work directory was set aside.
func IsAside(name string) bool { return asideName.MatchString(name) }

// Save replaces the state. After it returns nil, no power cut can bring the old state
// back. After an error the file has the old state.
func (f File) Save(s State) error {
	text, err := Encode(s)
	if err == nil {
		err = durable.Write(f.path, text)
	}
	return err
}
