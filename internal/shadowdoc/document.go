package shadowdoc

import (
	"errors"
	"fmt"
	"strconv"
)

// Quirks says whether the failures of the shadow manager are reproduced.
type Quirks int

const (
	// Faithful fails where the shadow manager fails: an update that leaves only
	// nulls and empty objects in desired is stored and then answered with an
	// internal error (its issue 212), and so is, unstored, one that replaces a
	// plain value or an object by an array.
	Faithful Quirks = iota
	// Fixed does what was meant.
	Fixed
)

func (q Quirks) String() string {
	if q == Fixed {
		return "fixed"
	}
	return "faithful"
}

// Document is a shadow as it is stored. Absent sections are nil.
type Document struct {
	Version          int64
	Desired          *Object
	Reported         *Object
	DesiredMetadata  *Object
	ReportedMetadata *Object
}

// Delta is what desired has and reported does not, nil if there is nothing.
func (d *Document) Delta() *Object { return delta(d.Desired, d.Reported) }

// Size is what the size limit of a shadow counts.
func (d *Document) Size() int {
	size := 0
	for _, section := range []*Object{d.Desired, d.Reported} {
		if section != nil {
			size += len(Append(nil, section))
		}
	}
	return size
}

// State is the "state" member of the document.
func (d *Document) State() *Object { return sections(d.Desired, d.Reported) }

// Metadata is the "metadata" member of the document.
func (d *Document) Metadata() *Object { return sections(d.DesiredMetadata, d.ReportedMetadata) }

func sections(desired, reported *Object) *Object {
	o := NewObject()
	if desired != nil {
		o.Set("desired", desired)
	}
	if reported != nil {
		o.Set("reported", reported)
	}
	return o
}

// NewDocument makes a document of its stored members. It fails if they have not
// the form of a document.
func NewDocument(version int64, state, metadata Value) (*Document, error) {
	d := &Document{Version: version}
	var err error
	if d.Desired, d.Reported, err = split("state", state); err != nil {
		return nil, err
	}
	if d.DesiredMetadata, d.ReportedMetadata, err = split("metadata", metadata); err != nil {
		return nil, err
	}
	return d, nil
}

func split(name string, v Value) (desired, reported *Object, err error) {
	o, ok := v.(*Object)
	if !ok && v != nil {
		return nil, nil, fmt.Errorf("%s: want an object, got %s", name, typeName(v))
	}
	section := func(key string) *Object {
		v, _ := o.Get(key)
		if nothing(v) {
			return nil
		}
		s, ok := v.(*Object)
		if !ok {
			err = fmt.Errorf("%s.%s: want an object, got %s", name, key, typeName(v))
		}
		return s
	}
	return section("desired"), section("reported"), err
}

// Change is an accepted update.
type Change struct {
	Before *Document // nil for a new shadow
	After  *Document
	Token  *string

	state    Value // as sent
	metadata Value // of what was sent
	delta    *Object
	deltaMD  Value
}

// Apply makes the change that an update is to a document, nil for a shadow that
// does not exist. The document stays as it is. Times are seconds since the epoch.
//
// It returns a *[Refusal] for an update that may not be made, and an error that
// [Internal] recognizes where the shadow manager fails. With the latter comes a
// change if that one is stored nevertheless.
func Apply(d *Document, u *Update, now int64, sizeLimit int, q Quirks) (*Change, error) {
	if err := u.checkDepth(); err != nil {
		return nil, err
	}
	if err := u.checkVersion(d); err != nil {
		return nil, err
	}
	c := &Change{Before: d, After: &Document{}, Token: u.Token, state: u.state, metadata: metadataOf(u.state, now)}
	if d != nil {
		*c.After = Document{d.Version, d.Desired.Clone(), d.Reported.Clone(), d.DesiredMetadata.Clone(), d.ReportedMetadata.Clone()}
	}
	c.After.Version++
	if err := c.After.merge(u.state, c.metadata, q); err != nil {
		return nil, err
	}
	if c.After.Size() > sizeLimit {
		return nil, errSize
	}
	c.delta = c.After.Delta()
	if c.delta == nil {
		return c, nil
	}
	var stored Value
	if c.After.DesiredMetadata != nil {
		stored = c.After.DesiredMetadata
	}
	var err error
	c.deltaMD, err = deltaMetadata(c.delta, stored, q)
	return c, err
}

// Internal reports whether err stands for an internal error of the shadow manager.
func Internal(err error) bool { return errors.Is(err, errInternal) }

func (d *Document) merge(update, metadata Value, q Quirks) error {
	d.mergeState(update)
	if d.Desired == nil && d.Reported == nil {
		d.DesiredMetadata, d.ReportedMetadata = nil, nil
		return nil
	}
	patch, _ := metadata.(*Object)
	var err error
	desired, _ := patch.Get("desired")
	if d.DesiredMetadata, err = mergeSectionMetadata(d.Desired, d.DesiredMetadata, desired, q); err != nil {
		return err
	}
	reported, _ := patch.Get("reported")
	d.ReportedMetadata, err = mergeSectionMetadata(d.Reported, d.ReportedMetadata, reported, q)
	return err
}

func (d *Document) mergeState(update Value) {
	state, ok := update.(*Object)
	inner, hasInner := state.Get("state")
	if !ok || hasInner && inner == nil {
		d.Desired, d.Reported = nil, nil
		return
	}
	if emptyState(state) {
		return
	}
	if v, ok := state.Get("desired"); ok {
		d.Desired = merge(d.Desired, v)
	}
	if v, ok := state.Get("reported"); ok {
		d.Reported = merge(d.Reported, v)
	}
}

// message composes the members of a message. Times and versions are whole numbers.
type message struct{ *Object }

func newMessage() message { return message{NewObject()} }

func (m message) set(key string, v Value) message {
	m.Set(key, v)
	return m
}

func (m message) number(key string, n int64) message {
	return m.set(key, Number(strconv.FormatInt(n, 10)))
}

func (m message) token(t *string) message {
	if t != nil {
		m.Set("clientToken", *t)
	}
	return m
}

func (m message) bytes() []byte { return Append(nil, m.Object) }

// Accepted is the reply to the update and its accepted message.
func (c *Change) Accepted(now int64) []byte {
	return newMessage().number("version", c.After.Version).token(c.Token).number("timestamp", now).
		set("state", c.state).set("metadata", c.metadata).bytes()
}

// Delta is the delta message, nil if desired and reported agree after the change.
func (c *Change) Delta(now int64) []byte {
	if c.delta == nil {
		return nil
	}
	return newMessage().number("version", c.After.Version).number("timestamp", now).
		set("state", c.delta).set("metadata", c.deltaMD).token(c.Token).bytes()
}

// Documents is the documents message.
func (c *Change) Documents(now int64) []byte {
	m := newMessage().set("previous", nil)
	if c.Before != nil {
		m.set("previous", c.Before.plain())
	}
	return m.set("current", c.After.plain()).token(c.Token).number("timestamp", now).bytes()
}

func (d *Document) plain() *Object {
	return newMessage().set("state", d.State()).set("metadata", d.Metadata()).number("version", d.Version).Object
}

// Got is the reply to a get and its accepted message.
func (d *Document) Got(now int64) []byte {
	state := d.State()
	if delta := d.Delta(); delta != nil {
		state.Set("delta", delta)
	}
	return newMessage().set("state", state).set("metadata", d.Metadata()).
		number("version", d.Version).number("timestamp", now).bytes()
}

// Deleted is the accepted message of a deletion.
func (d *Document) Deleted(now int64) []byte {
	return newMessage().number("version", d.Version).number("timestamp", now).bytes()
}

// Rejected is the message about a refused request. The token may be nil.
func Rejected(code int, text string, token *string, now int64) []byte {
	return newMessage().number("timestamp", now).token(token).number("code", int64(code)).set("message", text).bytes()
}

// JSON is the document with its state, metadata and version.
func (d *Document) JSON() []byte { return Append(nil, d.plain()) }
