package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// Bounds of a schedule.
const (
	MaxEntries   = 64
	MaxGrace     = 24 * time.Hour
	DefaultGrace = time.Hour
)

// Parse reads a schedule as it is desired:
//
//	{"zone": "Europe/Berlin", "missed": "last", "grace": "2h", "entries": [
//	  {"at": "06:30", "days": ["mon-fri"], "set": "on"},
//	  {"cron": "0 8 1 * *", "set": "on"},
//	  {"once": "2026-11-24T06:30:00", "set": "off"}]}
//
// The error says where the first fault is, what was wanted and what was found, fit
// to be shown in an answer.
func Parse(value any) (*Schedule, error) {
	members, err := object("", value, "zone", "missed", "grace", "entries")
	if err != nil {
		return nil, err
	}
	s := &Schedule{zone: time.UTC, late: Late}
	if name, given := members["zone"]; given {
		if s.zone, err = parseZone(name); err != nil {
			return nil, err
		}
	}
	if s.late, err = parseMissed(members); err != nil {
		return nil, err
	}
	list, ok := members["entries"].([]any)
	wanted := fmt.Sprintf("a list of at most %d", MaxEntries)
	if !ok {
		return nil, wrong("entries", wanted, members["entries"])
	}
	if len(list) > MaxEntries {
		return nil, wrong("entries", wanted, shadow.Found(fmt.Sprintf("%d entries", len(list))))
	}
	for i, value := range list {
		e, err := parseEntry(fmt.Sprintf("entries[%d]", i), value, s.zone)
		if err != nil {
			return nil, err
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

func parseZone(value any) (*time.Location, error) {
	name, ok := value.(string)
	if zone, err := time.LoadLocation(name); ok && err == nil && name != "" && name != "Local" {
		return zone, nil
	}
	return nil, wrong("zone", `a time zone such as "Europe/Berlin"`, value)
}

// parseMissed returns how late a run may be.
func parseMissed(members map[string]any) (time.Duration, error) {
	switch missed, given := members["missed"]; {
	case missed == "last":
	case !given || missed == "skip":
		if grace, given := members["grace"]; given {
			return 0, wrong("grace", `it only beside "missed": "last"`, grace)
		}
		return Late, nil
	default:
		return 0, wrong("missed", `"skip" or "last"`, missed)
	}
	value, given := members["grace"]
	if !given {
		return DefaultGrace, nil
	}
	text, _ := value.(string)
	grace, err := time.ParseDuration(text)
	if err != nil || grace < Late || grace > MaxGrace {
		return 0, wrong("grace", fmt.Sprintf("a duration from %v to %v", Late, MaxGrace), value)
	}
	return grace, nil
}

func parseEntry(path string, value any, zone *time.Location) (entry, error) {
	members, err := object(path, value, "at", "days", "once", "cron", "set")
	if err != nil {
		return entry{}, err
	}
	var e entry
	if e.on, err = parseSet(path+".set", members["set"]); err != nil {
		return entry{}, err
	}
	kinds := slices.DeleteFunc([]string{"at", "once", "cron"}, func(key string) bool { return members[key] == nil })
	if len(kinds) != 1 {
		return entry{}, wrong(path, "one of at, once, cron", value)
	}
	if days, given := members["days"]; given && kinds[0] != "at" {
		return entry{}, wrong(path+".days", "days only beside at", days)
	}
	path += "." + kinds[0]
	text, ok := members[kinds[0]].(string)
	if !ok {
		return entry{}, wrong(path, "a text", members[kinds[0]])
	}
	switch kinds[0] {
	case "at":
		err = e.parseAt(path, text, members["days"])
	case "once":
		err = e.parseOnce(path, text, zone)
	default:
		err = e.parseCron(path, text)
	}
	return e, err
}

func parseSet(path string, value any) (on bool, err error) {
	switch value {
	case true, "on":
		return true, nil
	case false, "off":
		return false, nil
	}
	return false, wrong(path, `"on" or "off"`, value)
}

func (e *entry) parseAt(path, text string, days any) error {
	clock, err := parseClock(text)
	if err != nil {
		return wrong(path, err.Error(), text)
	}
	d := daily{clock, everyDay}
	if days != nil {
		if d.days, err = parseDays(strings.TrimSuffix(path, "at")+"days", days); err != nil {
			return err
		}
	}
	e.rule = d
	return nil
}

func parseDays(path string, value any) (days weekdays, err error) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return 0, wrong(path, `a list such as ["mon-fri", "sun"]`, value)
	}
	for i, value := range list {
		text, _ := value.(string)
		some, ok := parseDay(text)
		if !ok {
			err := wrong(fmt.Sprintf("%s[%d]", path, i), "one of "+strings.Join(dayNames, ", "), value)
			return 0, hinted(err, config.Nearest(text, dayNames))
		}
		days |= some
	}
	return days, nil
}

func (e *entry) parseOnce(path, text string, zone *time.Location) error {
	e.once = text
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		e.at = at
		return nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if local, err := time.Parse(layout, text); err == nil {
			e.at = instant(local, zone)
			return nil
		}
	}
	return wrong(path, `a moment such as "2026-11-24T06:30:00"`, text)
}

func (e *entry) parseCron(path, text string) error {
	c, err := parseCron(text)
	if err != nil {
		return wrong(path, err.Error(), text)
	}
	e.rule, e.elapsed = c, !c.fixed
	return nil
}

// object returns the members of an object, all of which must be known; a null is
// none.
func object(path string, value any, known ...string) (map[string]any, error) {
	members, ok := value.(map[string]any)
	if !ok {
		return nil, wrong(path, "an object of "+strings.Join(known, ", "), value)
	}
	members = maps.Clone(members)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(known, name) {
			return nil, hinted(wrong(path, "one of "+strings.Join(known, ", "), name), config.Nearest(name, known))
		}
	}
	return members, nil
}

func hinted(err error, hint string) error {
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, hint)
}

// wrong is one fault, fit to be shown in an answer.
func wrong(path, want string, got any) error {
	if got == nil {
		got = shadow.Found("nothing")
	}
	return shadow.Refusal(path, want, got)
}
