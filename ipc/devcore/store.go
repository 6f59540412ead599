package devcore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// row is what is stored of a shadow: its document, or the tombstone of a deleted
// one, which keeps only the version.
type row struct {
	version  int64
	document *shadowdoc.Document // nil for a tombstone
}

// key names a shadow.
type key struct{ thing, shadow string }

// store keeps rows in files that are laid out like the shadow topics:
//
//	shadows/<thing>/shadow.json
//	shadows/<thing>/name/<shadow>.json
//
// A store without a directory forgets.
type store struct {
	dir string // that of shadows; "" stores nothing
	log *slog.Logger
}

const extension = ".json"

func (s *store) path(k key) string {
	thing := filepath.Join(s.dir, url.PathEscape(k.thing))
	if k.shadow == "" {
		return filepath.Join(thing, "shadow"+extension)
	}
	return filepath.Join(thing, "name", url.PathEscape(k.shadow)+extension)
}

// save writes a row so that a crash leaves the old file or the new one, and the
// new one once save has returned.
func (s *store) save(k key, r *row) error {
	if s.dir == "" {
		return nil
	}
	path := s.path(k)
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return err
	}
	if err := renameio.WriteFile(path, encodeRow(r, time.Now()), 0o644, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	return syncDir(dir)
}

// makeDir is os.MkdirAll that syncs the parent of each directory it makes.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrNotExist}
	}
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// lockDir takes a directory for this core, and makes it if it is not there.
func lockDir(dir string) (*os.File, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%s: want a directory of its own for each core, but another one uses it: %w", dir, err)
	}
	return lock, nil
}

// syncDir makes the names in a directory last. Tests replace it.
var syncDir = func(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func encodeRow(r *row, now time.Time) []byte {
	o := shadowdoc.NewObject()
	o.Set("version", shadowdoc.Number(strconv.FormatInt(r.version, 10)))
	o.Set("updated", now.UTC().Format(time.RFC3339Nano))
	if r.document == nil {
		o.Set("deleted", true)
	} else {
		o.Set("state", r.document.State())
		o.Set("metadata", r.document.Metadata())
	}
	var text bytes.Buffer
	if err := json.Indent(&text, shadowdoc.Append(nil, o), "", "  "); err != nil {
		panic(err) // what we compose is JSON
	}
	text.WriteByte('\n')
	return text.Bytes()
}

func decodeRow(text []byte) (*row, error) {
	v, err := shadowdoc.Parse(text)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*shadowdoc.Object)
	if !ok {
		return nil, errors.New("not an object")
	}
	n, _ := o.Get("version")
	number, _ := n.(shadowdoc.Number)
	version, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || version < 1 {
		return nil, fmt.Errorf("version: want an integer above 0, got %v", n)
	}
	if deleted, _ := o.Get("deleted"); deleted == true {
		return &row{version: version}, nil
	}
	state, _ := o.Get("state")
	metadata, _ := o.Get("metadata")
	d, err := shadowdoc.NewDocument(version, state, metadata)
	return &row{version, d}, err
}

// load reads all rows. A file that is no row is set aside and logged: what the
// others hold is worth more than a clean start.
func (s *store) load() (map[key]*row, error) {
	rows := map[key]*row{}
	if s.dir == "" {
		return rows, nil
	}
	if err := makeDir(s.dir); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			s.log.Error("shadow files cannot be read", "path", path, "err", err)
			if path == s.dir {
				return err
			}
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case strings.HasPrefix(entry.Name(), "."):
			if s.temporary(path) {
				os.Remove(path) // of a write that a crash cut short
			}
			return nil
		}
		k, ok := s.keyOf(path)
		if !ok {
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			var r *row
			if r, err = decodeRow(text); err == nil {
				rows[k] = r
				return nil
			}
		}
		setAside(s.log, path, "the shadow is missing", err)
		return nil
	})
	return rows, err
}

// temporary says whether the name is one that save writes to before it renames:
// that of a shadow's file between a dot and a number.
func (s *store) temporary(path string) bool {
	dir, name := filepath.Split(path)
	file := strings.TrimRight(strings.TrimPrefix(name, "."), "0123456789")
	_, ok := s.keyOf(filepath.Join(dir, file))
	return ok && len(file)+1 < len(name)
}

// keyOf is the shadow whose file has this path, if it is one.
func (s *store) keyOf(path string) (key, bool) {
	relative, err := filepath.Rel(s.dir, path)
	if err != nil || filepath.Ext(relative) != extension {
		return key{}, false
	}
	parts := strings.Split(strings.TrimSuffix(relative, extension), string(filepath.Separator))
	for i := range parts {
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return key{}, false
		}
	}
	switch {
	case len(parts) == 2 && parts[1] == "shadow":
		return key{parts[0], ""}, true
	case len(parts) == 3 && parts[1] == "name":
		return key{parts[0], parts[2]}, true
	}
	return key{}, false
}

// setAside renames a file that is broken, and logs what that means.
func setAside(log *slog.Logger, path, meaning string, cause error) {
	aside := fmt.Sprintf("%s.broken-%s", path, time.Now().UTC().Format("20060102T150405.000000000"))
	if err := os.Rename(path, aside); err != nil {
		log.Error("file is broken and cannot be set aside; "+meaning, "path", path, "cause", cause, "err", err)
		return
	}
	log.Error("file is broken and was set aside; "+meaning, "path", path, "aside", aside, "cause", cause)
}
