package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Bounds of a state file.
const (
	maxSize    = 1 << 20  // bytes of the file
	maxEntry   = 64 << 10 // bytes of one entry; a shadow accepts fewer
	maxKey     = 1 << 10  // bytes
	maxEntries = 10_000   // per section
	maxNamed   = 20       // damages listed by name
)

// Damage is an entry left out of the state.
type Damage struct {
	Path   string // section and key
	Reason string // expected and actual value
}

// Damages lists all entries left out of the state.
type Damages struct {
	Count int
	First []Damage // at most 20
}

// NewerError reports a state written by a newer version of the component.
type NewerError struct{ Format int64 }

func (e *NewerError) Error() string {
	return fmt.Sprintf("a newer version of the component wrote it (format %d, this version reads %d); deploy that version again, or remove the file to start without a state", e.Format, Format)
}

// Decode reads the text of a state file. It leaves out damaged entries and lists them.
// An error means the text as a whole is unusable: either the error is a [NewerError],
// or the state has the entries before the damage.
func Decode(text []byte) (State, Damages, error) {
	d := decoder{text: text, json: json.NewDecoder(bytes.NewReader(text)), state: State{Outputs: map[string]bool{}}}
	d.json.UseNumber() // values of a shadow keep their digits
	err := d.file()
	switch {
	case d.format > Format:
		return State{}, Damages{}, &NewerError{d.format}
	case d.format == 1 && err == nil:
		return decodeLabeled(text)
	case d.format < Format && err == nil:
		err = fmt.Errorf("want format %d, got %d", Format, d.format)
	}
	if d.format != Format {
		return State{}, Damages{}, err
	}
	d.state.Format = Format
	return d.state, d.damages, err
}

// Encode returns the text of a state file.
func Encode(s State) ([]byte, error) {
	s.Format = Format
	text, err := json.Marshal(s)
	if err == nil && len(text) >= maxSize {
		err = fmt.Errorf("want a state of less than %d bytes, got %d", maxSize, len(text))
	}
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

var errTooMany = fmt.Errorf("want at most %d entries", maxEntries)

type decoder struct {
	text    []byte
	json    *json.Decoder
	format  int64 // 0 while unknown
	state   State
	damages Damages
}

// file reads the whole text. It returns an error at the first invalid JSON, since
// nothing after it can be read.
func (d *decoder) file() error {
	switch start, err := d.json.Token(); {
	case err != nil:
		return cutShort(err)
	case start != json.Delim('{'):
		return fmt.Errorf("want a JSON object, got %v", start)
	}
	if err := d.members(d.member); err != nil {
		return cutShort(err)
	}
	if _, err := d.json.Token(); err != io.EOF {
		return errors.New("want one JSON object, got more after it")
	}
	return nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the text is cut short")
	}
	return err
}

// members reads an object after its brace; each reads one value.
func (d *decoder) members(each func(key string) error) error {
	for d.json.More() {
		key, err := d.json.Token()
		if err != nil {
			return err
		}
		if err := each(key.(string)); err != nil { // in JSON, a key is always a string
			return err
		}
	}
	_, err := d.json.Token() // the closing brace
	return err
}

// member reads one member of the file. A later version may have members unknown to this
// version.
func (d *decoder) member(key string) error {
	for _, section := range sections {
		if section.name == key {
			return d.section(section)
		}
	}
	text, err := d.value()
	if err == nil && key == "format" && json.Unmarshal(text, &d.format) != nil {
		d.format = 0
	}
	return err
}

// value reads one value. A number at the end of the text may have lost digits.
func (d *decoder) value() (text json.RawMessage, err error) {
	if err := d.json.Decode(&text); err != nil {
		return nil, err
	}
	rest := bytes.TrimLeft(d.text[d.json.InputOffset():], " \t\r\n")
	if len(rest) == 0 || !strings.ContainsRune(",}]", rune(rest[0])) {
		return nil, io.ErrUnexpectedEOF
	}
	return text, nil
}

func (d *decoder) section(s section) error {
	if !s.keyed {
		return d.entry(s, "")
	}
	start, err := d.json.Token()
	if err != nil {
		return err
	}
	switch start {
	case json.Delim('{'):
		n := 0
		return d.members(func(key string) error {
			if n++; n <= maxEntries {
				return d.entry(s, key)
			}
			d.damaged(s, key, errTooMany)
			_, err := d.value()
			return err
		})
	case json.Delim('['):
		d.damaged(s, "", errors.New("want an object, got a list"))
		return d.skipList()
	case nil: // the same as no section
		return nil
	}
	d.damaged(s, "", fmt.Errorf("want an object, got %v", start))
	return nil
}

// skipList reads the rest of a list.
func (d *decoder) skipList() error {
	for d.json.More() {
		if _, err := d.value(); err != nil {
			return err
		}
	}
	_, err := d.json.Token()
	return err
}

// entry reads one entry. A damaged entry does not affect others.
func (d *decoder) entry(s section, key string) error {
	text, err := d.value()
	if err != nil {
		return err
	}
	if err = checkSizes(key, text); err == nil {
		err = s.read(&d.state, key, text)
	}
	if err != nil {
		d.damaged(s, key, err)
	}
	return nil
}

func checkSizes(key string, text json.RawMessage) error {
	switch {
	case len(key) > maxKey:
		return fmt.Errorf("want a key of at most %d bytes, got %d", maxKey, len(key))
	case len(text) > maxEntry:
		return fmt.Errorf("want at most %d bytes, got %d", maxEntry, len(text))
	}
	return nil
}

func (d *decoder) damaged(s section, key string, err error) {
	if d.damages.Count++; len(d.damages.First) == maxNamed {
		return
	}
	path := s.name
	if key != "" {
		path += fmt.Sprintf("[%.100q]", key)
	}
	d.damages.First = append(d.damages.First, Damage{path, err.Error()})
}

// readEntry decodes one entry.
func readEntry[V any](text json.RawMessage, check func(*V) error) (V, error) {
	var value V
	if string(text) == "null" && reflect.TypeFor[V]().Kind() != reflect.Slice {
		return value, errors.New("want a value, got null")
	}
	entry := json.NewDecoder(bytes.NewReader(text))
	entry.UseNumber()
	err := entry.Decode(&value)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = fmt.Errorf("want %s, got %s", wrong.Type, wrong.Value)
		if wrong.Field != "" {
			err = fmt.Errorf("%s: %w", wrong.Field, err)
		}
	}
	if err == nil && check != nil {
		err = check(&value)
	}
	return value, err
}
