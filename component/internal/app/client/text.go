package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// ParseValue takes a text as JSON where it is, as text otherwise.
func ParseValue(text string) any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if !json.Valid([]byte(text)) || decoder.Decode(&value) != nil {
		return text
	}
	return value
}

// ParseDesired reads arguments of the form PROPERTY=VALUE; see [ParseValue].
func ParseDesired(args []string) (map[string]any, error) {
	desired := map[string]any{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("want PROPERTY=VALUE, got %q", arg)
		}
		desired[key] = ParseValue(value)
	}
	return desired, nil
}

// Text is a value as [ParseValue] reads it: words as they are typed, everything else
// as JSON.
func Text(value any) string {
	if s, ok := value.(string); ok && ParseValue(s) == any(s) && s == string(printable.Text(s)) {
		return s
	}
	var text strings.Builder
	if err := printable.JSON(&text, value, ""); err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// Properties are the keys of a document, but for the answers, and for the key of the
// synchronization, which means nothing to people.
func Properties(doc shadow.Document) []string {
	keys := map[string]bool{}
	for key := range doc.Desired {
		keys[key] = true
	}
	for key := range doc.Reported {
		keys[key] = true
	}
	delete(keys, shadow.AckKey)
	delete(keys, shadow.SyncKey)
	return slices.Sorted(maps.Keys(keys))
}

// Change is what is different of one key between two documents.
type Change struct {
	Section string `json:"section"` // desired, reported, or ack
	Key     string `json:"key"`
	Old     any    `json:"old,omitempty"`
	New     any    `json:"new,omitempty"` // absent where the key is gone
}

func (c Change) String() string {
	show := func(value any) string {
		if value == nil {
			return "-"
		}
		if c.Section == shadow.AckKey {
			if ack, ok := shadow.ParseAck(value); ok {
				return strings.TrimSpace(fmt.Sprintf("%d %s", ack.Code, ack.Reason))
			}
		}
		return Text(value)
	}
	text := fmt.Sprintf("%s %s: ", c.Section, c.Key)
	if c.Section != shadow.AckKey {
		text += show(c.Old) + " → "
	}
	return string(printable.Text(text + show(c.New)))
}

// Changes are the differences between two documents: of what is desired, of what is
// reported, then of the answers.
func Changes(previous, current shadow.Document) []Change {
	acks := func(d shadow.Document) map[string]any { m, _ := d.Reported[shadow.AckKey].(map[string]any); return m }
	all := changes("desired", previous.Desired, current.Desired, "")
	all = append(all, changes("reported", previous.Reported, current.Reported, shadow.AckKey)...)
	return append(all, changes(shadow.AckKey, acks(previous), acks(current), "")...)
}

func changes(section string, old, now map[string]any, but string) (all []Change) {
	keys := slices.Concat(slices.Collect(maps.Keys(old)), slices.Collect(maps.Keys(now)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if key != but && key != shadow.SyncKey && !shadow.Equal(old[key], now[key]) {
			all = append(all, Change{section, key, old[key], now[key]})
		}
	}
	return all
}

// Sections shows an update document, a text for each section.
func Sections(update json.RawMessage) []string {
	var doc struct {
		State map[string]any `json:"state"`
	}
	if err := json.Unmarshal(update, &doc); err != nil {
		return []string{string(update)}
	}
	var texts []string
	for _, section := range slices.Sorted(maps.Keys(doc.State)) {
		members, ok := doc.State[section].(map[string]any)
		if !ok {
			texts = append(texts, section+" cleared")
			continue
		}
		texts = append(texts, section+" "+Assignments(members))
	}
	return texts
}

// Assignments shows the members of a section as they are typed in shadowctl set,
// and answers in short.
func Assignments(members map[string]any) string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		acks, ok := members[key].(map[string]any)
		if key != shadow.AckKey || !ok {
			texts = append(texts, key+"="+Text(members[key]))
			continue
		}
		for _, property := range slices.Sorted(maps.Keys(acks)) {
			texts = append(texts, shownAck(property, acks[property]))
		}
	}
	return strings.Join(texts, " ")
}

func shownAck(property string, value any) string {
	ack, ok := shadow.ParseAck(value)
	if !ok {
		return fmt.Sprintf("ack.%s=%s", property, Text(value))
	}
	text := fmt.Sprintf("ack.%s=%d@%d", property, ack.Code, ack.Version)
	if ack.Reason != "" {
		text += fmt.Sprintf(" (%s)", ack.Reason)
	}
	return text
}

// Cell shows one member of a section in a table: "-" where it is absent.
func Cell(section map[string]any, key string) string {
	value, ok := section[key]
	if !ok {
		return "-"
	}
	return Text(value)
}
