package devcore

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
)

// file is where the leaves that a component set are stored.
func (c *configurations) file(component string) string {
	return filepath.Join(c.dir, url.PathEscape(component)+extension)
}

// save stores what was set over IPC. The caller holds mu.
func (c *configurations) save(component string) error {
	if c.dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(c.set[component], "", "  ")
	if err != nil {
		return err
	}
	if err := makeDir(c.dir); err != nil {
		return err
	}
	if err := renameio.WriteFile(c.file(component), append(text, '\n'), 0o644, renameio.WithTempDir(c.dir)); err != nil {
		return err
	}
	return syncDir(c.dir)
}

// setBase replaces a configuration. The first time in the life of a core, what
// was set over IPC before stays in force; later it is gone.
func (c *configurations) setBase(component string, tree map[string]any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base == nil {
		c.base, c.defaults = map[string]time.Time{}, map[string]map[string]any{}
	}
	if c.set == nil {
		c.set = map[string][]leaf{}
	}
	_, again := c.base[component]
	kept, err := c.stored(component, again)
	if err != nil {
		return err
	}
	c.base[component], c.set[component], c.defaults[component] = wireTime(time.Now()), kept, tree
	for _, l := range kept {
		if l.Removed {
			tree = without(tree, l.Path)
		} else {
			tree = put(tree, l.Path, l.Value)
		}
	}
	c.replace(component, tree)
	return nil
}

// stored are the leaves of the run before, or none if they are to be forgotten. A
// file that is broken is set aside and logged.
func (c *configurations) stored(component string, forget bool) ([]leaf, error) {
	if c.dir == "" {
		return nil, nil
	}
	if forget {
		if err := os.Remove(c.file(component)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, nil
	}
	text, err := os.ReadFile(c.file(component))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kept []leaf
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&kept); err != nil {
		setAside(c.log, c.file(component), "what was changed of the configuration is missing", err)
		return nil, nil
	}
	kept = slices.DeleteFunc(kept, func(l leaf) bool { return len(l.Path) == 0 })
	return kept, nil
}
