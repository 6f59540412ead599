package shadow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Document is a shadow as a get returns it.
type Document struct {
	Version  int64
	Desired  map[string]any // nil when the section is absent; numbers are json.Number
	Reported map[string]any

	// DesiredAt is when each desired key was last sent, in seconds since the
	// epoch; of an object the latest of its members. AckAt likewise of the acks.
	DesiredAt map[string]int64
	AckAt     map[string]int64
	// ReportedSince is when the oldest part of the reported section was written; 0 if
	// there is none.
	ReportedSince int64
}

// Accepted is the message of update/accepted: what somebody wrote, as it was sent.
//
// It is what the component follows, rather than update/delta: it comes with every
// version, so that a gap shows, and it tells of desired values that are met already, of
// deleted ones, and of other writers of what we report, none of which leaves a
// delta. Nor does it repeat itself.
type Accepted struct {
	Version     int64
	ClientToken string

	// Desired and Reported are what was written to the sections; nil values
	// deleted their keys. A cleared section has no members left.
	Desired, Reported               map[string]any
	DesiredCleared, ReportedCleared bool

	DesiredAt map[string]int64 // see Document

	Size int // of the message in bytes
}

// Bounds of what is taken for a document or a message. A shadow has at most 30 kB of
// desired and reported values (internal/shadowdoc, MaxSizeLimit), 60 kB with the delta,
// each character perhaps as an escape; metadata has 25 bytes for two of a list.
const (
	maxPayload = 512 << 10
	maxState   = 192 << 10
	// maxNesting is far above the 6 levels that the shadow service stores.
	maxNesting = 32
	// MaxVersion is the highest version that is taken for one. Every client of a shadow
	// can represent it, and no shadow reaches it by being written.
	MaxVersion = 1<<53 - 1
)

// NoVersion stands for a version that is none: no whole number, negative, or above
// [MaxVersion].
const NoVersion int64 = -1

// wire is the common form of documents, messages and replies.
type wire struct {
	version         int64
	clientToken     string
	state, metadata json.RawMessage
}

// ParseDocument reads the payload of a get. It fails for one that is larger or deeper
// than any document of a shadow service. A version that is none becomes [NoVersion].
func ParseDocument(payload []byte) (Document, error) {
	doc, err := parseDocument(payload)
	if err != nil {
		return Document{}, fmt.Errorf("shadow document: %w", err)
	}
	return doc, nil
}

func parseDocument(payload []byte) (doc Document, err error) {
	w, err := parse(payload)
	if err != nil {
		return doc, err
	}
	state, err := members(w.state)
	if err != nil {
		return doc, fmt.Errorf("state: %w", err)
	}
	if err := errors.Join(decode(state["desired"], &doc.Desired), decode(state["reported"], &doc.Reported)); err != nil {
		return doc, fmt.Errorf("state: %w", err)
	}
	metadata, err := members(w.metadata)
	if err != nil {
		return doc, fmt.Errorf("metadata: %w", err)
	}
	reported, err := members(metadata["reported"])
	if err != nil {
		return doc, fmt.Errorf("metadata: %w", err)
	}
	doc.Version = w.version
	var err2 error
	doc.DesiredAt, err = times(metadata["desired"])
	doc.AckAt, err2 = times(reported[AckKey])
	doc.ReportedSince = oldest(metadata["reported"])
	if err := errors.Join(err, err2); err != nil {
		return doc, fmt.Errorf("metadata: %w", err)
	}
	return doc, nil
}

// ParseAccepted reads the payload of an update/accepted message. It fails for one that
// is larger or deeper than any message of a shadow service. A version that is none
// becomes [NoVersion].
func ParseAccepted(payload []byte) (Accepted, error) {
	a, err := parseAccepted(payload)
	if err != nil {
		return Accepted{}, fmt.Errorf("shadow update: %w", err)
	}
	return a, nil
}

func parseAccepted(payload []byte) (a Accepted, err error) {
	w, err := parse(payload)
	if err != nil {
		return a, err
	}
	state, err := members(w.state)
	if err != nil {
		return a, fmt.Errorf("state: %w", err)
	}
	metadata, err := members(w.metadata)
	if err == nil {
		a.DesiredAt, err = times(metadata["desired"])
	}
	if err != nil {
		return a, fmt.Errorf("metadata: %w", err)
	}
	a.Version, a.ClientToken, a.Size = w.version, w.clientToken, len(payload)
	// A document emptied as a whole comes with a state that is null.
	emptied := state == nil
	var err2 error
	a.Desired, a.DesiredCleared, err = section(state, "desired", emptied)
	a.Reported, a.ReportedCleared, err2 = section(state, "reported", emptied)
	return a, errors.Join(err, err2)
}

// section reads one section of an update. Both null and an empty object clear it
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
func section(state map[string]json.RawMessage, name string, emptied bool) (members map[string]any, cleared bool, err error) {
	text, present := state[name]
	if !present {
		return nil, emptied, nil
	}
	if err := decode(text, &members); err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	return members, len(members) == 0, nil
}

// ParseVersion reads the version of an update reply or a delete/accepted message. A
// version that is none becomes [NoVersion].
func ParseVersion(payload []byte) (int64, error) {
	w, err := parse(payload)
	if err != nil {
		return 0, fmt.Errorf("shadow reply: %w", err)
	}
	return w.version, nil
}

// parse reads the members that all payloads share, by their exact names.
func parse(payload []byte) (w wire, err error) {
	if len(payload) > maxPayload {
		return w, fmt.Errorf("want at most %d bytes, got %d", maxPayload, len(payload))
	}
	if tooDeep(payload) {
		return w, fmt.Errorf("want at most %d levels of objects and lists, got more", maxNesting)
	}
	all, err := members(payload)
	if err != nil {
		return w, err
	}
	w.state, w.metadata, w.version = all["state"], all["metadata"], parseVersion(all["version"])
	if len(w.state) > maxState {
		return w, fmt.Errorf("state: want at most %d bytes, got %d", maxState, len(w.state))
	}
	if text := all["clientToken"]; len(text) > 0 && json.Unmarshal(text, &w.clientToken) != nil {
		w.clientToken = "" // another type is no token of ours
	}
	return w, nil
}

// parseVersion reads a version. Nuclei write whole numbers as floating-point numbers and
// texts, too.
func parseVersion(text json.RawMessage) int64 {
	if len(text) == 0 {
		return 0
	}
	var value any
	if err := decode(text, &value); err != nil {
		return NoVersion
	}
	digits := ""
	switch value := value.(type) {
	case json.Number:
		digits = value.String()
	case string:
		digits = value
	}
	version, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		float, err := strconv.ParseFloat(digits, 64)
		if err != nil || float != math.Trunc(float) || math.Abs(float) > MaxVersion {
			return NoVersion
		}
		version = int64(float)
	}
	if version < 0 || version > MaxVersion {
		return NoVersion
	}
	return version
}

// tooDeep reports whether a JSON text nests objects and lists deeper than maxNesting,
// before anything recurses over it.
func tooDeep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			if depth++; depth > maxNesting {
				return true
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return false
}

// members reads an object, nil for null or nothing at all.
func members(text []byte) (all map[string]json.RawMessage, err error) {
	err = decode(text, &all)
	return all, err
}

// decode reads one JSON value and keeps numbers as they are written. Nothing at
// all leaves dst as it is.
func decode(text []byte, dst any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(dst); err != nil && err != io.EOF {
		return err
	}
	return nil
}

// times reduces a metadata tree to the latest time under each key, without making a
// tree of it: metadata is the largest part of a document.
func times(metadata json.RawMessage) (map[string]int64, error) {
	all, err := members(metadata)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int64, len(all))
	for key, entry := range all {
		out[key] = latest(entry)
	}
	return out, nil
}

// latest returns the latest time in a metadata tree, 0 for none.
func latest(metadata json.RawMessage) (at int64) {
	eachTime(metadata, func(t int64) { at = max(at, t) })
	return at
}

// oldest returns the oldest time in a metadata tree, 0 for none.
func oldest(metadata json.RawMessage) (at int64) {
	eachTime(metadata, func(t int64) {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	})
	return at
}

// eachTime passes the whole numbers of a metadata tree, which were read as JSON before.
func eachTime(metadata json.RawMessage, note func(int64)) {
	decoder := json.NewDecoder(bytes.NewReader(metadata))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return // the end
		}
		if n, ok := token.(json.Number); ok {
			if seconds, err := n.Int64(); err == nil {
				note(seconds)
			}
		}
	}
}

// ParseAck reads one value under reported.ack; anything else is no ack.
func ParseAck(value any) (Ack, bool) {
	text, err := json.Marshal(value)
	if err != nil {
		return Ack{}, false
	}
	var ack Ack
	if json.Unmarshal(text, &ack) != nil || ack.Code == 0 {
		return Ack{}, false
	}
	ack.Value = Scalar(ack.Value)
	return ack, true
}

// Equal compares two values of a shadow as the shadow manager does: numbers by
// value, everything else as trees, and numbers inside of arrays as they are
// written (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonUtil.java).
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, Equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, identical)
	}
	x, xok := number(a)
	y, yok := number(b)
	if xok || yok {
		return xok && yok && x == y
	}
	return a == b
}

func identical(a, b any) bool {
	x, xerr := json.Marshal(a)
	y, yerr := json.Marshal(b)
	return xerr == nil && yerr == nil && bytes.Equal(x, y)
}

// comparable is what makes two numbers equal: whole part and double.
type comparableNumber struct {
	whole  int64
	double float64
}

func number(v any) (comparableNumber, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case float64:
		return comparableNumber{int64(v), v}, true
	case int:
		return comparableNumber{int64(v), float64(v)}, true
	case int64:
		return comparableNumber{v, float64(v)}, true
	default:
		return comparableNumber{}, false
	}
	double, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(double, 0) {
		return comparableNumber{}, false
	}
	whole, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		whole = int64(double)
	}
	return comparableNumber{whole, double}, true
}
