package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/google/renameio/v2"
)

// Groups are thing groups, kept in a file. Their methods may be called from any goroutine.
type Groups struct {
	path string

	mu     sync.Mutex
	groups map[string][]string // names of things, in order, by group
}

// The bounds of the groups.
const (
	MaxGroups  = 1000
	MaxMembers = 10_000 // things in a group
)

// ErrFull is what a request gets that goes beyond a bound.
var ErrFull = fmt.Errorf("the development cloud keeps %d thing groups with %d things each", MaxGroups, MaxMembers)

// ErrNoGroup is what requests about a group get that was never created.
var ErrNoGroup = errors.New("no such thing group")

// OpenGroups reads the groups of a file, which need not be there.
func OpenGroups(path string) (*Groups, error) {
	g := &Groups{path: path, groups: map[string][]string{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	} else if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &g.groups); err != nil {
		return nil, fmt.Errorf("thing groups in %s: %w", path, err)
	}
	return g, nil
}

// change makes a change of a copy, which counts once it is stored.
func (g *Groups) change(f func(groups map[string][]string) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	changed := map[string][]string{}
	for name, things := range g.groups {
		changed[name] = slices.Clone(things)
	}
	if err := f(changed); err != nil {
		return err
	}
	text, err := json.MarshalIndent(changed, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(g.path, text, 0o644); err != nil {
		return err
	}
	g.groups = changed
	return nil
}

// Create makes a group; one that exists stays as it is. It fails with [ErrFull] if there
// are too many.
func (g *Groups) Create(group string) error {
	return g.change(func(groups map[string][]string) error {
		if _, again := groups[group]; !again && len(groups) >= MaxGroups {
			return ErrFull
		}
		groups[group] = append([]string{}, groups[group]...)
		return nil
	})
}

// Add puts a thing into a group. It fails with [ErrNoGroup], or with [ErrFull] if too
// many are in it.
func (g *Groups) Add(group, thing string) error {
	return g.change(func(groups map[string][]string) error {
		things, ok := groups[group]
		if !ok {
			return ErrNoGroup
		}
		if !slices.Contains(things, thing) && len(things) >= MaxMembers {
			return ErrFull
		}
		things = append(things, thing)
		slices.Sort(things)
		groups[group] = slices.Compact(things)
		return nil
	})
}

// Remove takes a thing out of a group.
func (g *Groups) Remove(group, thing string) error {
	return g.change(func(groups map[string][]string) error {
		things, ok := groups[group]
		if !ok {
			return ErrNoGroup
		}
		groups[group] = slices.DeleteFunc(things, func(t string) bool { return t == thing })
		return nil
	})
}

// Members are the things in a group.
func (g *Groups) Members(group string) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	things, ok := g.groups[group]
	if !ok {
		return nil, ErrNoGroup
	}
	return slices.Clone(things), nil
}

// Of are the groups that a thing is in.
func (g *Groups) Of(thing string) (groups []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(g.groups)) {
		if slices.Contains(g.groups[name], thing) {
			groups = append(groups, name)
		}
	}
	return groups
}

// Things are those that are in any group.
func (g *Groups) Things() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Concat(slices.Collect(maps.Values(g.groups))...)
}
