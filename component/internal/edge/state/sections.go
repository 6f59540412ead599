package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"
)

// sections lists the members of a state file, except its format. To add a section to
// [State], add a line here with the name of its JSON member and a check of one entry.
var sections = []section{
	entries("outputs", func(s *State) *map[string]bool { return &s.Outputs }, nil),
	entries("waves", func(s *State) *map[string]Wave { return &s.Waves }, (*Wave).check),
	entries("demands", func(s *State) *map[string]Demand { return &s.Demands }, (*Demand).check),
	entries("properties", func(s *State) *map[string]Property { return &s.Properties }, (*Property).check),
	entries("alarms", func(s *State) *map[string]bool { return &s.Alarms }, nil),
	single("clock", func(s *State) *Clock { return &s.Clock }, (*Clock).check, sameBoot),
	single("ended", func(s *State) *bool { return &s.Ended }, nil, func(a, b bool) bool { return a == b }),
	entries("shadows", func(s *State) *map[string][]string { return &s.Shadows }, nil),
	entries("aside", func(s *State) *map[string]time.Time { return &s.Aside }, checkAside),
}

// section reads and compares one member of a state file.
type section struct {
	name string
	// keyed sections are objects with an entry for each key. The others have one entry,
	// under the key "".
	keyed bool
	read  func(s *State, key string, text json.RawMessage) error
	equal func(a, b *State) bool
	count func(s *State) int
}

// entries makes a section with an entry for each key. check rejects entries the
// component cannot have written; nil accepts all of the right type.
func entries[V any](name string, field func(*State) *map[string]V, check func(*V) error) section {
	return section{
		name: name, keyed: true,
		read: func(s *State, key string, text json.RawMessage) error {
			value, err := readEntry(text, check)
			if err != nil {
				return err
			}
			if *field(s) == nil {
				*field(s) = map[string]V{}
			}
			(*field(s))[key] = value
			return nil
		},
		equal: func(a, b *State) bool {
			return maps.EqualFunc(*field(a), *field(b), func(a, b V) bool {
				if a, ok := any(a).(Property); ok && a.isPlain() {
					return a == any(b).(Property) // true for most properties, and reflection is slow
				}
				return reflect.DeepEqual(a, b)
			})
		},
		count: func(s *State) int { return len(*field(s)) },
	}
}

// single makes a section with one entry. equal reports whether a change needs no save.
func single[V any](name string, field func(*State) *V, check func(*V) error, equal func(a, b V) bool) section {
	return section{
		name: name,
		read: func(s *State, _ string, text json.RawMessage) error {
			value, err := readEntry(text, check)
			if err == nil {
				*field(s) = value
			}
			return err
		},
		equal: func(a, b *State) bool { return equal(*field(a), *field(b)) },
		count: func(*State) int { return 0 },
	}
}

// Equal reports whether both states hold the same. The time of the clock does not
// count: other changes save it.
func (s State) Equal(other State) bool {
	for _, section := range sections {
		if !section.equal(&s, &other) {
			return false
		}
	}
	return true
}

// Entries returns the number of entries in all sections.
func (s State) Entries() int {
	n := 0
	for _, section := range sections {
		n += section.count(&s)
	}
	return n
}

// Limits of values the component can have written.
const (
	maxCount = 1 << 53              // larger numbers lose digits in a shadow
	maxUnix  = 253_402_300_799      // the end of the year 9999
	maxWave  = 366 * 24 * time.Hour // longer than any configuration allows
	lastYear = 2200                 // for a correct wall clock
)

// isPlain reports whether no pointer and no setting is in the entry.
func (p Property) isPlain() bool {
	return p.Count == nil && p.Command == nil && p.Local == nil && p.Rejected == nil && p.Setting == nil && p.Schedule == nil
}

func (p *Property) check() error {
	errs := []error{checkUnix("retyped", p.Retyped), checkUnix("ahead", p.Ahead)}
	if n := p.Count; n != nil && (*n < 0 || *n > maxCount) {
		errs = append(errs, fmt.Errorf("count: want 0 to %d, got %d", int64(maxCount), *n))
	}
	if p.Command != nil {
		errs = append(errs, p.Command.check())
	}
	if p.Local != nil {
		errs = append(errs, p.Local.check())
	}
	if p.Rejected != nil {
		errs = append(errs, p.Rejected.check())
	}
	if p.Schedule != nil {
		errs = append(errs, p.Schedule.check())
	}
	return errors.Join(errs...)
}

func checkAside(since *time.Time) error { return checkTime("since", since) }

func (w *Wave) check() error {
	if w.On <= 0 || w.Off <= 0 || w.On > maxWave || w.Off > maxWave {
		return fmt.Errorf("want on and off from 1ns to %v, got %v and %v", maxWave, w.On, w.Off)
	}
	return nil
}

func (d *Demand) check() error {
	if len(d.Levels) == 0 || d.Kind == "" {
		return errors.New("want levels and a kind")
	}
	return checkVersion(d.Version)
}

func (c *Command) check() error {
	if c.Value == nil {
		return errors.New("want a value")
	}
	return errors.Join(checkUnix("at", c.At), checkVersion(c.Version))
}

func (r *Rejected) check() error {
	if r.Value == nil || r.Reason == "" {
		return errors.New("rejected: want a value and a reason")
	}
	return checkUnix("rejected at", r.At)
}

func (l *Local) check() error {
	return errors.Join(checkUnix("made", l.Made), checkUnix("at", l.At))
}

// check converts times to UTC and an empty Over to nil, as they are written.
func (p *Schedule) check() error {
	if len(p.Over) == 0 {
		p.Over = nil
	}
	return errors.Join(checkTime("settled", &p.Settled), checkTime("lastAt", &p.LastAt))
}

func (c *Clock) check() error { return checkTime("latest", &c.Latest) }

func sameBoot(a, b Clock) bool { return a.Boot == b.Boot }

func checkVersion(version int64) error {
	if version < 0 {
		return fmt.Errorf("version: want 0 or more, got %d", version)
	}
	return nil
}

func checkUnix(name string, seconds int64) error {
	if seconds < 0 || seconds > maxUnix {
		return fmt.Errorf("%s: want 0 to %d, got %d", name, int64(maxUnix), seconds)
	}
	return nil
}

func checkTime(name string, at *time.Time) error {
	if at.IsZero() {
		*at = time.Time{}
		return nil
	}
	if *at = at.UTC(); at.Year() < 1970 || at.Year() > lastYear {
		return fmt.Errorf("%s: want a time from 1970 to %d, got %v", name, lastYear, *at)
	}
	return nil
}
