package eventstream

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// field is one header of a frame. Its slices belong to the frame.
type field struct {
	name  []byte
	typ   byte
	value []byte
}

// readHeaders makes a message of the headers of a frame, but for the payload. It
// fails with a *FrameError when they are no headers, and with a *HeaderError when
// they are not those of a message.
func readHeaders(b []byte) (*Message, error) {
	m := new(Message)
	var seen mandatory
	var fault error // of a header; those of the frame come first
	for count := 1; len(b) > 0; count++ {
		if count > maxHeaderCount {
			return nil, &FrameError{Reason: fmt.Sprintf("over %d headers", maxHeaderCount)}
		}
		f, rest, ok := cutField(b)
		switch {
		case !ok:
			return nil, &FrameError{Reason: fmt.Sprintf("header %d is longer than all headers", count)}
		case f.typ >= headerTypes:
			return nil, &FrameError{Reason: fmt.Sprintf("header %d has type %d, which is none", count, f.typ)}
		}
		if err := m.take(f, &seen); err != nil && fault == nil {
			fault = err
		}
		b = rest
	}
	if fault == nil {
		fault = seen.check()
	}
	if fault != nil {
		return nil, fault
	}
	return m, nil
}

// cutField takes the first header off b, which is not empty.
func cutField(b []byte) (f field, rest []byte, ok bool) {
	n := 1 + int(b[0])
	if n >= len(b) {
		return f, nil, false
	}
	f.name, f.typ, b = b[1:n], b[n], b[n+1:]
	switch f.typ {
	case typeInt8:
		n = 1
	case typeInt16:
		n = 2
	case typeInt32:
		n = 4
	case typeInt64, typeTimestamp:
		n = 8
	case typeUUID:
		n = 16
	case typeBytes, typeString:
		if len(b) < 2 {
			return f, nil, false
		}
		n, b = int(binary.BigEndian.Uint16(b)), b[2:]
	default: // true and false have no value; another type has none that is known
		n = 0
	}
	if n > len(b) {
		return f, nil, false
	}
	f.value = b[:n]
	return f, b[n:], true
}

// mandatory are the headers that every message has.
type mandatory struct{ typ, flags, stream bool }

func (m mandatory) check() error {
	switch {
	case !m.typ:
		return &HeaderError{headerType, "missing"}
	case !m.flags:
		return &HeaderError{headerFlags, "missing"}
	case !m.stream:
		return &HeaderError{headerStream, "missing"}
	}
	return nil
}

// take takes one header over; those of other protocols pass. The last one of
// several of the same name counts.
func (m *Message) take(f field, seen *mandatory) error {
	switch name := canonical(f.name); name {
	case headerType:
		return number(f, name, (*int32)(&m.Type), &seen.typ)
	case headerFlags:
		return number(f, name, (*int32)(&m.Flags), &seen.flags)
	case headerStream:
		return number(f, name, &m.StreamID, &seen.stream)
	case headerVersion:
		return text(f, name, &m.Version)
	case headerContent:
		return text(f, name, &m.ContentType)
	case headerModel:
		return text(f, name, &m.ModelType)
	case headerOperation:
		return text(f, name, &m.Operation)
	}
	return nil
}

// canonical is the name of a header as this package writes it, or "" when it is none
// of ours.
func canonical(name []byte) string {
	for _, known := range [...]string{
		headerType, headerFlags, headerStream, headerVersion, headerContent, headerModel, headerOperation,
	} {
		if len(name) == len(known) && strings.EqualFold(string(name), known) {
			return known
		}
	}
	return ""
}

func number(f field, name string, dst *int32, seen *bool) error {
	if f.typ != typeInt32 {
		return &HeaderError{name, "want an int32, got " + headerTypeNames[f.typ]}
	}
	*dst, *seen = int32(binary.BigEndian.Uint32(f.value)), true
	return nil
}

func text(f field, name string, dst *string) error {
	switch {
	case f.typ != typeString:
		return &HeaderError{name, "want a string, got " + headerTypeNames[f.typ]}
	case len(f.value) > maxHeaderValue:
		return &HeaderError{name, fmt.Sprintf("value of %d bytes is above the limit of %d", len(f.value), maxHeaderValue)}
	case string(f.value) == ContentJSON:
		*dst = ContentJSON // which nearly every message has
	default:
		*dst = string(f.value)
	}
	return nil
}
